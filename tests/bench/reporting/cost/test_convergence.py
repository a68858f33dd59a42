"""Curves of stored runs at common costs, and the sentences on one data set."""

import json
from pathlib import Path

import pandas as pd
import pytest

from bench.reporting.cost.convergence import (
    choose_baseline,
    mean_finals,
    on_common_costs,
    read_curve,
    read_curves,
)
from bench.reporting.findings import (
    compare,
    sentences,
    untrained_sentences,
    verdict_sentences,
)
from bench.reporting.provenance import early_sentence, perfect_runs
from bench.reporting.statistics.verdicts import Rule
from bench.store.runs import Run, digest_of
from tests.support.fabricated import make_record, make_spec, write_curve
from tests.support.made_curves import make_curves


def make_members(
    recalls: dict[str, dict[int, float]], before: dict[str, float] | None = None
) -> pd.DataFrame:
    """Rows of one data set: method -> seed -> R@1; `before` is that of the untrained network."""
    return pd.DataFrame(
        [
            {"method": method, "loss": "x", "split": "class-disjoint", "seed": seed}
            | {"recall@1": recall, "map@r": recall / 2}
            | ({} if before is None else {"untrained.recall@1": before[method]})
            for method, seeds in recalls.items()
            for seed, recall in seeds.items()
        ]
    )


def test_the_final_score_is_the_mean_of_the_last_three_validations() -> None:
    curves = make_curves({"A": [[0.2, 0.3, 0.5, 0.6, 0.7], [0.2, 0.3, 0.3, 0.3, 0.3]]})
    assert mean_finals(curves, "recall@1")["A"] == pytest.approx((0.6 + 0.3) / 2)


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
    assert "lead over Near (0.7 ± 3.8 points; about 58 seeds would decide R@1)." in text
    assert "any wrong one among all 3 pairs is at most 5 %" in text
    assert "cannot fall below p = 0.25 with 3 seeds" in text


def test_sentences_say_where_other_seeds_make_or_forbid_a_verdict() -> None:
    few = {0: 0.55, 1: 0.56, 2: 0.571}
    text = " ".join(
        sentences(make_members({"A": {0: 0.5, 1: 0.51, 2: 0.52, 3: 0.9}, "B": few}), [])
    )
    assert "Over the seeds that both have it is worse than B (−5.0 ± 0.1 points)." in text
    lone = {
        "A": {0: 0.5, 1: 0.6},
        "B": {1: 0.3, 2: 0.4},
        "C": {2: 0.2, 3: 0.3},
        "D": {0: 0.1, 1: 0.3},
    }
    text = " ".join(sentences(make_members(lone), []))
    assert "A has fewer than two seeds in common with B and C: no verdict." in text


def test_after_a_tie_for_the_best_there_are_verdicts_on_the_others() -> None:
    members = make_members(
        {
            "A": {0: 0.80, 1: 0.82, 2: 0.84},
            "B": {0: 0.82, 1: 0.80, 2: 0.84},
            "C": {0: 0.30, 1: 0.33, 2: 0.34},
            "D": {0: 0.10},
        }
    )
    found = verdict_sentences(members)
    assert found[0].startswith("A and B share the highest R@1 on the test split, 82.0 %")
    assert found[1] == "A is better than C (49.7 ± 1.4 points)."
    undecided = "Undecided is the difference between A and B (0.0 ± 5.0 points; more than"
    assert found[2].startswith(undecided)
    assert found[3].startswith("B is better than C (")
    whole = members[members["method"] != "D"]
    assert len(verdict_sentences(whole)) == 4
    many = {name: {0: 0.5, 1: 0.6} for name in "ABCDE"}
    assert verdict_sentences(make_members(many)) == [
        "5 methods share the highest R@1 on the test split, 55.0 % as a mean over 2 seeds.",
        "The verdict on each pair is among the differences below.",
    ]


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
    assert equal[1:] == [
        "One seed does not show how much is due to chance.",
        "A and B share the highest MAP@R, 25.0 %.",
    ]
    many = {seed: 0.5 + 0.01 * seed for seed in range(6)}
    assert len(sentences(make_members({"A": many}), [])) == 1


START = "the untrained network (R@1 70.0 %)"


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ([[0.80, 0.81]], []),
        ([[0.75, 0.75]], []),
        ([[0.71]], []),
        (
            [[0.80, 0.81], [0.60, 0.61, 0.62]],
            [
                f"B ended below {START}, −9.0 ± 2.5 points: on these classes training did not help "
                "retrieval of unseen ones."
            ],
        ),
        (
            [[0.80, 0.60]],
            [f"These seeds cannot tell whether A ended above {START}: 0.0 ± 127.1 points."],
        ),
        (
            [[0.85, 0.65]],
            [f"These seeds cannot tell whether A ended above {START}: 5.0 ± 127.1 points."],
        ),
        (
            [[0.65, 0.65], [0.7, 0.7]],
            [
                f"These seeds cannot tell whether A and B ended above {START}: −5.0 points with "
                "each seed and 0.0 points with each seed."
            ],
        ),
        ([[0.7], [0.8]], [f"A did not end above {START} in one run."]),
        (
            [[0.8, 0.8]] + [[0.60, 0.61, 0.62]] * 4,
            [
                f"4 of 5 methods ended below {START}: on these classes training did not help "
                "retrieval of unseen ones."
            ],
        ),
    ],
)
def test_sentences_report_when_training_did_not_help(
    after: list[list[float]], expected: list[str]
) -> None:
    names = "ABCDE"[: len(after)]
    recalls = {name: dict(enumerate(scores)) for name, scores in zip(names, after, strict=True)}
    assert untrained_sentences(make_members(recalls, dict.fromkeys(names, 0.7))) == expected


@pytest.mark.parametrize(
    ("split", "words"),
    [
        (
            "within-classes",
            "training did not help to retrieve other images of the trained classes.",
        ),
        ("official", "training did not help to retrieve the test images."),
        ("re-identification", "on these classes training did not help retrieval of unseen ones."),
    ],
)
def test_test_classes_are_called_unseen_only_where_they_are(split: str, words: str) -> None:
    members = make_members({"A": {0: 0.60, 1: 0.61}}, {"A": 0.9}).assign(
        split=split, weights_sha256="5"
    )
    (sentence,) = untrained_sentences(members)
    assert sentence == (
        f"A ended below the pretrained network before training (R@1 90.0 %), −29.5 ± 6.4 points: "
        f"{words}"
    )


def test_starts_of_other_scores_are_named_from_the_lowest_to_the_highest() -> None:
    runs = {"A": {0: 0.50, 1: 0.51}, "B": {0: 0.50, 1: 0.52}}
    (sentence,) = untrained_sentences(make_members(runs, {"A": 0.7, "B": 0.8}))
    assert "(R@1 70.0 to 80.0 %)" in sentence


def test_seeds_that_ended_early_are_cut_at_the_first_end_without_interpolation() -> None:
    scores = [[0.1, 0.4, 0.5, 0.7, 0.6], [0.1, 0.2, 0.3, 0.2], [0.1, 0.3, 0.7, 0.6, 0.5]]
    means = on_common_costs(make_curves({"A": scores}), "step").groupby("step")["recall@1"].mean()
    assert means.index.tolist() == [0, 10, 20, 30]
    assert means.tolist() == pytest.approx([0.1, 0.3, 0.5, 0.5])


def test_a_curve_that_ended_too_early_names_the_patience(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"has 3 validations, .* at least 4; raise `patience`"):
        read_curve(make_stored(tmp_path, 3))


def test_the_page_names_the_runs_that_ended_early() -> None:
    images = {"A": [3200, 1280, 1920], "B": [3200] * 3}
    members = pd.DataFrame(
        [
            {"method": method, "loss": "x", "steps": 100, "batch_size": 32, "cost.images": count}
            | {"run": f"{method}{number}"}
            for method, counts in images.items()
            for number, count in enumerate(counts)
        ]
    )
    text = early_sentence(members, {"A0", "B0"})
    assert "had stopped improving: A (2 of 3 runs, after 40, 60 steps). Such" in text
    assert early_sentence(members[members["method"] == "B"], set()) == ""
    mixed = early_sentence(members, {"A1"})
    assert "had stopped improving, once at 100 %, above which nothing can improve: A (" in mixed
    perfect = early_sentence(members, {"A1", "A2"})
    assert "Ended early, because validation was at 100 % and could not improve: A (2 of" in perfect


def test_runs_are_perfect_once_validation_reached_100_percent() -> None:
    curves = pd.DataFrame({"run": ["a", "a", "b"], "map@r": [1.0, 0.9, 0.99]})
    assert perfect_runs(curves) == {"a"}
    assert perfect_runs(curves[["run"]].head(0)) == set()
