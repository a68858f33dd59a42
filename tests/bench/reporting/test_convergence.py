"""Costs to reach a score, plateaus, curves at common costs, and the sentences about them."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.reporting.convergence import (
    choose_baseline,
    first_crossing,
    on_common_costs,
    own_target,
    read_curve,
    read_curves,
    speeds,
)
from bench.reporting.findings import compare, sentences
from bench.reporting.provenance import early_sentence
from bench.reporting.stats import mean_interval
from bench.reporting.verdicts import Rule
from bench.results import final_score
from bench.store.runs import Run, digest_of
from tests.support.fabricated import make_record, make_spec, write_curve

COSTS = np.array([0.0, 10.0, 20.0, 30.0, 40.0])


def make_curves(
    runs: dict[str, list[list[float]]], *, triplet: str = "", pace: float = 0.5
) -> pd.DataFrame:
    """Curves of methods, each with one list of R@1 per seed, validated every ten steps."""
    parts = []
    for method, scores in runs.items():
        for seed, values in enumerate(scores):
            step = 10.0 * np.arange(len(values))
            fields = {"step": step, "images": 32 * step, "seconds": pace * (seed + 1) * step}
            first = {"method": method, "run": f"{method}-{seed}", "seed": seed}
            first["loss"] = "triplet" if method == triplet else "center"
            recalls = np.array(values)
            parts.append(pd.DataFrame(fields | first | {"recall@1": recalls, "map@r": recalls / 2}))
    return pd.concat(parts, ignore_index=True)


def make_members(
    recalls: dict[str, dict[int, float]], before: dict[str, float] | None = None
) -> pd.DataFrame:
    """Rows of one data set: method -> seed -> R@1; `before` is that of the untrained network."""
    return pd.DataFrame(
        [
            {"method": method, "seed": seed, "recall@1": recall, "map@r": recall / 2}
            | ({} if before is None else {"untrained.recall@1": before[method]})
            for method, seeds in recalls.items()
            for seed, recall in seeds.items()
        ]
    )


@pytest.mark.parametrize(
    ("scores", "target", "cost"),
    [
        ([0.1, 0.2, 0.6, 0.5, 0.7], 0.3, 12.5),  # on the line between two validations
        ([0.1, 0.2, 0.6, 0.5, 0.7], 0.6, 20.0),
        ([0.1, 0.2, 0.6, 0.5, 0.7], 0.65, 37.5),
        ([0.1, 0.5, 0.2, 0.5, 0.9], 0.4, 7.5),  # the first crossing, though the curve falls again
        ([0.3, 0.5, 0.6, 0.6, 0.6], 0.2, 0.0),  # reached before training
        ([0.3, 0.5, 0.6, 0.6, 0.6], 0.61, None),
    ],
)
def test_first_crossing(scores: list[float], target: float, cost: float | None) -> None:
    found = first_crossing(COSTS, np.array(scores), target)
    assert found == (None if cost is None else pytest.approx(cost))


def test_a_flat_plateau_is_reached_in_spite_of_rounding() -> None:
    for score in np.random.default_rng(0).random(50):
        scores = np.array([0.0, score, score, score])
        assert first_crossing(COSTS[:4], scores, final_score(scores)) == pytest.approx(10.0)


def test_the_plateau_is_the_mean_of_the_last_three_and_counts_from_the_start() -> None:
    scores = np.array([0.2, 0.3, 0.5, 0.6, 0.7])
    assert final_score(scores) == pytest.approx(0.6)
    assert own_target(scores) == pytest.approx(0.2 + 0.95 * 0.4)
    assert own_target(np.array([0.5, 0.6, 0.5, 0.4, 0.4])) is None


def test_a_mean_cost_needs_every_seed() -> None:
    some = [[0.1, 0.5, 0.9, 0.9, 0.9], [0.25] * 5]
    curves = make_curves({"Some": some, "Slow": [[0.1, 0.2, 0.3, 0.3, 0.3]]}, triplet="Slow")
    _, speed = speeds(curves, "recall@1")
    for cost in (speed.own, speed.shared):
        assert (cost["step"].mean, cost["step"].reached, cost["step"].n) == (None, 1, 2)


def test_the_common_target_is_the_mean_final_score_of_the_triplet_loss() -> None:
    fast = [[0.1, 0.5, 0.9, 0.9, 0.9], [0.1, 0.7, 0.7, 0.7, 0.7]]
    curves = make_curves({"Fast": fast, "Slow": [[0.1, 0.2, 0.3, 0.3, 0.3]]}, triplet="Slow")
    first, second = speeds(curves, "recall@1")
    assert (first.method, first.baseline) == ("Fast", "Slow")
    assert first.target == pytest.approx(0.3)
    steps = [5.0, 10 * 0.2 / 0.6]
    for axis, factors in {"step": (1, 1), "images": (32, 32), "seconds": (0.5, 1)}.items():
        expected = mean_interval([step * f for step, f in zip(steps, factors, strict=True)])
        found = first.shared[axis].mean
        assert found is not None
        assert (found.mean, found.half) == pytest.approx((expected.mean, expected.half))
    assert second.own["step"].mean is not None
    assert second.own["step"].mean.mean == pytest.approx(19.0)  # 0.29 comes before 0.3 at 20


def test_without_a_triplet_loss_the_lowest_final_score_is_the_target() -> None:
    assert choose_baseline(make_curves({"A": [[0.1, 0.9, 0.9]], "B": [[0.1, 0.4, 0.4]]})) == "B"


def test_seeds_with_equal_steps_keep_their_points() -> None:
    curves = make_curves({"A": [[0.1, 0.2, 0.4, 0.5], [0.1, 0.4, 0.4, 0.8]]})
    means = on_common_costs(curves, "step").groupby("step")["recall@1"].mean()
    assert means.index.tolist() == [0, 10, 20, 30]
    assert means.tolist() == pytest.approx([0.1, 0.3, 0.4, 0.65])


def test_seeds_with_other_times_are_interpolated_up_to_where_the_first_ends() -> None:
    curves = make_curves({"A": [[0.1, 0.4, 0.7, 1.0]] * 2})  # the second takes twice as long
    means = on_common_costs(curves, "seconds").groupby("seconds")["recall@1"].mean()
    assert means.index[-1] == 15.0
    assert means.iloc[-1] == pytest.approx((1.0 + 0.55) / 2)


def make_stored(folder: Path, lines: int) -> Run:
    spec = make_spec("digits", "Proxy-NCA", 0)
    write_curve(folder / "curve.jsonl", spec, {"recall@1": 0.7, "map@r": 0.4}, 0.1)
    text = (folder / "curve.jsonl").read_text().splitlines(keepends=True)
    (folder / "curve.jsonl").write_text("".join(text[:lines]))
    files = {"curve.jsonl": digest_of(folder / "curve.jsonl")}
    return Run(folder, {**make_record(spec, {}, 48), "files": files})


def test_short_and_changed_curves_are_refused_by_name(tmp_path: Path) -> None:
    run = make_stored(tmp_path, 9)
    assert read_curve(run)["step"].tolist() == [0, 20, 40, 60, 80, 100]
    short = make_record(
        make_spec("digits", "Proxy-NCA", 0).model_copy(update={"steps": 40}), {}, 48
    )
    with pytest.raises(ValueError, match=r"curve.jsonl has 3 validations, .*; lower `evaluate"):
        read_curve(Run(tmp_path, {**short, "files": make_stored(tmp_path, 3).record["files"]}))
    (tmp_path / "curve.jsonl").write_text(json.dumps({"step": 1}) + "\n")
    with pytest.raises(ValueError, match=r"curve.jsonl was changed after the run"):
        read_curve(Run(tmp_path, run.record))
    found, problems = read_curves([Run(tmp_path, run.record)], {tmp_path.name: "A"})
    assert found.empty
    assert "is left out of the convergence numbers" in problems[0]


def test_pairs_begin_with_the_better_method_and_share_seeds() -> None:
    members = make_members({"A": {0: 0.2, 1: 0.3}, "B": {1: 0.5, 2: 0.6}, "C": {9: 0.1}})
    (pair,) = compare(members)
    assert (pair.first, pair.second) == ("B", "A")
    shared = pair.differences["recall@1"].interval
    assert shared.n == 1
    assert shared.mean == pytest.approx(0.2)
    assert pair.differences["map@r"].interval.mean == pytest.approx(0.1)
    assert "nmi" not in pair.differences


def test_sentences_claim_what_is_supported_and_no_more() -> None:
    members = make_members(
        {
            "Best": {0: 0.80, 1: 0.82, 2: 0.85},
            "Near": {0: 0.81, 1: 0.80, 2: 0.84},
            "Far": {0: 0.30, 1: 0.33, 2: 0.34},
        }
    )
    text = " ".join(sentences(members, []))
    assert text.startswith("Best has the highest R@1 on the test split, 82.3 % as a mean over 3")
    assert "seeds. It is better than Far (50.0 ± 2.5 points). Undecided is its lead over" in text
    assert "lead over Near (0.7 ± 3.8 points; about 58 seeds would decide)." in text
    assert "any wrong one among all 3 pairs is at most 5 %" in text
    assert "cannot fall below p = 0.25 with 3 seeds" in text


def test_sentences_say_what_is_the_same_within_the_margin() -> None:
    members = make_members({"A": {0: 0.800, 1: 0.801, 2: 0.802}, "B": {0: 0.8, 1: 0.801, 2: 0.801}})
    text = " ".join(sentences(members, [], Rule(margin=0.02)))
    assert "Within 2 points it is the same as B (0.0 ± 0.1 points)." in text
    assert "any wrong one among the pair is at most" in text


def test_sentences_about_one_method_one_seed_and_equal_methods() -> None:
    assert sentences(make_members({"A": {0: 0.5}}), []) == [
        "A reaches R@1 50.0 % on the test split in one run.",
        "One seed does not show how much is due to chance.",
    ]
    equal = sentences(make_members({"A": {0: 0.5}, "B": {0: 0.5}}), [])
    assert equal[0].startswith("A and B share the highest R@1")
    assert equal[1:] == ["One seed does not show how much is due to chance."]
    many = {seed: 0.5 + 0.01 * seed for seed in range(6)}
    assert len(sentences(make_members({"A": many}), [])) == 1


def test_sentences_name_the_first_to_reach_the_baseline() -> None:
    members = make_members({"Fast": {0: 0.9}, "Slow": {0: 0.5}})
    slow = [[0.1, 0.3, 0.3, 0.3]]
    curves = make_curves({"Fast": [[0.1, 0.5, 0.9, 0.9]], "Slow": slow}, triplet="Slow")
    text = " ".join(sentences(members, speeds(curves, "recall@1")))
    assert "Slow ends at R@1 30.0 %. That is reached by Slow after 10 steps and Fast, the " in text
    assert "first other method, after 5, on average." in text
    curves = make_curves({"Fast": [[0.1, 0.2, 0.2, 0.2]], "Slow": slow}, triplet="Slow")
    text = " ".join(sentences(members, speeds(curves, "recall@1")))
    assert "first to reach 95 % of its own final R@1" in text
    assert "plateaus differ in height" in text
    curves = make_curves({"Fast": [[0.9, 0.7, 0.7]], "Slow": [[0.9, 0.8, 0.8]]}, triplet="Slow")
    assert "first" not in " ".join(sentences(members, speeds(curves, "recall@1")))


@pytest.mark.parametrize(
    ("after", "words"),
    [
        ([0.8], ""),
        ([0.8, 0.6], "B did not end above the untrained network (R@1 70.0 %)"),
        ([0.6], "No method ends above the untrained network"),
        ([0.8, 0.6, 0.6, 0.6], "B and C and D did not end above the untrained network"),
        ([0.8, 0.6, 0.6, 0.6, 0.6], "4 of 5 methods did not end above"),
    ],
)
def test_sentences_report_when_training_did_not_help(after: list[float], words: str) -> None:
    names = "ABCDE"[: len(after)]
    recalls = {name: {0: score, 1: score} for name, score in zip(names, after, strict=True)}
    text = " ".join(sentences(make_members(recalls, dict.fromkeys(names, 0.7)), []))
    assert words in text
    assert ("untrained" in text) == bool(words)


def test_seeds_that_ended_early_are_cut_at_the_first_end_without_interpolation() -> None:
    scores = [[0.1, 0.4, 0.5, 0.7, 0.6], [0.1, 0.2, 0.3, 0.2], [0.1, 0.3, 0.7, 0.6, 0.5]]
    means = on_common_costs(make_curves({"A": scores}), "step").groupby("step")["recall@1"].mean()
    assert means.index.tolist() == [0, 10, 20, 30]
    assert means.tolist() == pytest.approx([0.1, 0.3, 0.5, 0.5])


def test_what_a_run_that_ended_early_had_not_reached_counts_as_not_reached() -> None:
    curves = make_curves(
        {"Early": [[0.1, 0.2, 0.2, 0.2], [0.1, 0.6, 0.9, 0.9, 0.9]], "Slow": [[0.1, *[0.5] * 5]]},
        triplet="Slow",
    )
    speed = speeds(curves, "recall@1")[0]
    assert speed.final.mean == pytest.approx((0.2 + 0.9) / 2)
    shared = speed.shared["step"]
    assert (shared.mean, shared.reached, shared.n) == (None, 1, 2)


def test_a_curve_that_ended_too_early_names_the_patience(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"has 3 validations, .* at least 4; raise `patience`"):
        read_curve(make_stored(tmp_path, 3))


def test_the_page_names_the_runs_that_ended_early() -> None:
    images = {"A": [3200, 1280, 1920], "B": [3200] * 3}
    members = pd.DataFrame(
        [
            {"method": method, "loss": "x", "steps": 100, "batch_size": 32, "cost.images": count}
            for method, counts in images.items()
            for count in counts
        ]
    )
    text = early_sentence(members)
    assert "had stopped improving: A (2 of 3 runs, after 40, 60 steps). Such" in text
    assert early_sentence(members[members["method"] == "B"]) == ""
