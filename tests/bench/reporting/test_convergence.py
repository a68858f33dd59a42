"""Costs to reach a score, plateaus, mean curves, and the words that say what was seen."""

import json
from pathlib import Path

import numpy as np
import pytest

from bench.reporting.convergence import (
    Curve,
    average,
    choose_baseline,
    cost_over_seeds,
    final_score,
    first_crossing,
    own_target,
    read_columns,
    speeds,
)
from bench.reporting.findings import compare, sentences
from bench.reporting.groups import Group
from bench.reporting.stats import mean_interval
from bench.store.runs import Run
from tests.support.fabricated import make_record, make_spec, write_curve

COSTS = np.array([0.0, 10.0, 20.0, 30.0, 40.0])


def make_curve(scores: list[float], *, pace: float = 0.5) -> Curve:
    values = np.array(scores)
    steps = 10.0 * np.arange(len(scores))
    columns = {"step": steps, "images": 32 * steps, "seconds": pace * steps}
    return columns | {"recall@1": values, "map@r": values / 2}


def make_group(method: str, recalls: dict[int, float], *, loss: str = "center") -> Group:
    runs = []
    for seed, recall in recalls.items():
        spec = make_spec("digits", "Proxy-NCA", seed)
        scores = {"recall@1": recall, "map@r": recall / 2}
        runs.append(Run(Path(f"{method}-{seed}"), make_record(spec, scores, 48)))
    return Group("digits", "class-disjoint", method, loss, tuple(runs))


def test_crossing_lies_on_the_straight_line_between_two_validations() -> None:
    scores = np.array([0.1, 0.2, 0.6, 0.5, 0.7])
    assert first_crossing(COSTS, scores, 0.3) == pytest.approx(12.5)
    assert first_crossing(COSTS, scores, 0.6) == 20.0
    assert first_crossing(COSTS, scores, 0.65) == pytest.approx(37.5)


def test_crossing_is_the_first_though_the_curve_falls_again() -> None:
    scores = np.array([0.1, 0.5, 0.2, 0.5, 0.9])
    assert first_crossing(COSTS, scores, 0.4) == pytest.approx(7.5)


def test_crossing_of_what_is_there_before_training_or_never() -> None:
    scores = np.array([0.3, 0.5, 0.6, 0.6, 0.6])
    assert first_crossing(COSTS, scores, 0.2) == 0.0
    assert first_crossing(COSTS, scores, 0.61) is None


def test_a_flat_plateau_is_reached_in_spite_of_rounding() -> None:
    for score in np.random.default_rng(0).random(50):
        scores = np.array([0.0, score, score, score])
        assert first_crossing(COSTS[:4], scores, final_score(scores)) == pytest.approx(10.0)


def test_plateau_is_the_mean_of_the_last_three_and_the_start_is_taken_off() -> None:
    scores = np.array([0.2, 0.3, 0.5, 0.6, 0.7])
    assert final_score(scores) == pytest.approx(0.6)
    assert own_target(scores) == pytest.approx(0.2 + 0.95 * 0.4)
    assert own_target(np.array([0.5, 0.6, 0.5, 0.4, 0.4])) is None


def test_a_mean_cost_needs_every_seed() -> None:
    assert cost_over_seeds([10.0, 14.0, 15.0]).mean == mean_interval([10.0, 14.0, 15.0])
    some = cost_over_seeds([10.0, None, 12.0])
    assert (some.mean, some.reached, some.n) == (None, 2, 3)


def test_common_target_is_the_mean_final_score_of_the_triplet_loss() -> None:
    fast, slow = make_group("Fast", {0: 0.9, 1: 0.9}), make_group("Slow", {0: 0.5}, loss="triplet")
    curves = {
        fast: [make_curve([0.1, 0.5, 0.9, 0.9, 0.9]), make_curve([0.1, 0.7, 0.7, 0.7, 0.7])],
        slow: [make_curve([0.1, 0.2, 0.3, 0.3, 0.3])],
    }
    first, second = speeds(curves, "recall@1")
    assert first.baseline == "Slow"
    assert first.target == pytest.approx(0.3)
    expected = mean_interval([5.0, 10 * 0.2 / 0.6])
    assert first.shared["step"].mean is not None
    assert first.shared["step"].mean.mean == pytest.approx(expected.mean)
    assert first.shared["step"].mean.half == pytest.approx(expected.half)
    assert first.shared["images"].mean is not None
    assert first.shared["images"].mean.mean == pytest.approx(32 * expected.mean)
    assert first.shared["seconds"].mean is not None
    assert first.shared["seconds"].mean.mean == pytest.approx(expected.mean / 2)
    assert second.own["step"].mean is not None
    assert second.own["step"].mean.mean == pytest.approx(19.0)  # 0.29 lies before 0.3 at 20


def test_without_a_triplet_loss_the_lowest_final_score_is_the_target() -> None:
    high, low = make_group("A", {0: 0.9}), make_group("B", {0: 0.5})
    curves = {high: [make_curve([0.1, 0.9, 0.9, 0.9])], low: [make_curve([0.1, 0.4, 0.4, 0.4])]}
    assert choose_baseline(curves) is low


def test_seeds_with_equal_steps_are_averaged_point_by_point() -> None:
    curves = [make_curve([0.1, 0.2, 0.4, 0.5]), make_curve([0.1, 0.4, 0.4, 0.8])]
    band = average(curves, "step", "recall@1")
    assert band.costs.tolist() == [0, 10, 20, 30]
    assert band.mean == pytest.approx([0.1, 0.3, 0.4, 0.65])
    assert band.half == pytest.approx(
        [mean_interval(pair).half for pair in ([0.1, 0.1], [0.2, 0.4], [0.4, 0.4], [0.5, 0.8])]
    )


def test_seeds_with_other_times_are_interpolated_up_to_where_the_first_ends() -> None:
    curves = [make_curve([0.1, 0.4, 0.7, 1.0]), make_curve([0.1, 0.4, 0.7, 1.0], pace=1.0)]
    band = average(curves, "seconds", "recall@1")
    assert band.costs[-1] == 15.0
    assert band.mean[-1] == pytest.approx((1.0 + 0.55) / 2)
    assert average(curves[:1], "seconds", "recall@1").half is None


def make_stored(folder: Path, lines: int) -> Run:
    spec = make_spec("digits", "Proxy-NCA", 0)
    write_curve(folder / "curve.jsonl", spec, {"recall@1": 0.7, "map@r": 0.4}, 0.1)
    text = (folder / "curve.jsonl").read_text().splitlines(keepends=True)
    (folder / "curve.jsonl").write_text("".join(text[:lines]))
    return Run(folder, make_record(spec, {}, 48))


def test_curves_are_read_as_columns(tmp_path: Path) -> None:
    columns = read_columns(make_stored(tmp_path, 9))
    assert columns["step"].tolist() == [0, 20, 40, 60, 80, 100]
    assert columns["recall@1"][0] == pytest.approx(0.1)


def test_short_damaged_and_foreign_curves_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"curve.jsonl has 3 validations, .* at least 4"):
        read_columns(make_stored(tmp_path, 3))
    for text in ("{broken\n", json.dumps({"step": 1}) + "\n"):
        (tmp_path / "curve.jsonl").write_text(text)
        with pytest.raises(ValueError, match=r"curve.jsonl cannot be read"):
            read_columns(Run(tmp_path, {}))


def test_pairs_stand_with_the_better_method_first() -> None:
    groups = [make_group("A", {0: 0.2, 1: 0.3}), make_group("B", {1: 0.5, 2: 0.6})]
    pair = compare([*groups, make_group("C", {9: 0.1})])[0]
    assert (pair.first, pair.second) == ("B", "A")
    assert pair.differences["recall@1"].seeds == (1,)
    assert pair.differences["map@r"].interval.mean == pytest.approx(0.1)
    assert "nmi" not in pair.differences
    assert len(compare([*groups, make_group("C", {9: 0.1})])) == 1


def test_sentences_say_what_is_supported_and_no_more() -> None:
    best = make_group("Best", {0: 0.80, 1: 0.82, 2: 0.85})
    near = make_group("Near", {0: 0.81, 1: 0.80, 2: 0.84})
    far = make_group("Far", {0: 0.30, 1: 0.33, 2: 0.34})
    text = " ".join(sentences([best, near, far], []))
    assert text.startswith("Best has the highest R@1 on the test split, 82.3 % as a mean over 3")
    assert "lead over Far (50.0 ± 2.5 points) excludes 0" in text
    assert "lead over Near (0.7 ± 3.8 points) the 95 % interval includes 0" in text
    assert "With 3 seeds this is an indication, not a proof" in text


def test_sentences_about_one_method_one_seed_and_equal_methods() -> None:
    alone = " ".join(sentences([make_group("A", {0: 0.5})], []))
    assert alone == "A reaches R@1 50.0 % on the test split in one run. " + (
        "One seed says nothing about chance."
    )
    equal = sentences([make_group("A", {0: 0.5}), make_group("B", {0: 0.5})], [])
    assert equal[0].startswith("A and B share the highest R@1")
    many = {seed: 0.5 + 0.01 * seed for seed in range(6)}
    assert "indication" not in " ".join(sentences([make_group("A", many)], []))


def test_sentences_name_who_reaches_the_baseline_first() -> None:
    fast, slow = make_group("Fast", {0: 0.9}), make_group("Slow", {0: 0.5}, loss="triplet")
    curves = {fast: [make_curve([0.1, 0.5, 0.9, 0.9])], slow: [make_curve([0.1, 0.3, 0.3, 0.3])]}
    text = " ".join(sentences([fast, slow], speeds(curves, "recall@1")))
    assert "Fast is the first other method to reach the mean final R@1 of Slow (30.0 %)" in text
    assert "after 5 steps on average; Slow itself takes 10." in text
    curves[fast] = [make_curve([0.1, 0.2, 0.2, 0.2])]
    text = " ".join(sentences([fast, slow], speeds(curves, "recall@1")))
    assert "first to come to 95 % of its own final R@1" in text
    assert "plateaus differ in height" in text


def test_sentences_say_when_training_did_not_help() -> None:
    def trained(method: str, recall: float, before: float) -> Group:
        group = make_group(method, {0: recall, 1: recall})
        for run in group.runs:
            run.record["untrained"]["recall@1"] = before
        return group

    better, worse = trained("A", 0.8, 0.7), trained("B", 0.6, 0.7)
    assert "untrained" not in " ".join(sentences([better], []))
    mixed = " ".join(sentences([better, worse], []))
    assert "B did not end above the untrained network (R@1 70.0 %)" in mixed
    assert "No method ends above the untrained network" in " ".join(sentences([worse], []))
    many = [trained(name, 0.6, 0.7) for name in "BCDE"]
    three = " ".join(sentences([better, *many[:3]], []))
    assert "B and C and D did not end above the untrained network" in three
    assert "4 of 5 methods did not end above" in " ".join(sentences([better, *many], []))


def test_a_target_that_was_there_before_training_is_no_speed() -> None:
    low, high = make_group("A", {0: 0.9}, loss="triplet"), make_group("B", {0: 0.8})
    curves = {low: [make_curve([0.9, 0.8, 0.8, 0.8])], high: [make_curve([0.9, 0.7, 0.7, 0.7])]}
    assert "first to reach" not in " ".join(sentences([low, high], speeds(curves, "recall@1")))
