"""Data sets as units: ranks, win rates and profiles by hand, and what a sign test can reach."""

from dataclasses import replace

import pandas as pd
import pytest
from scipy import stats as scipy_stats

from bench.reporting.statistics.across import ENOUGH, WITHIN, across, across_sentence, units_of
from bench.reporting.statistics.stats import least_sign_flip_p

SCORES: dict[
    tuple[str, str], dict[str, list[float]]
] = {  # (data set, split) -> method -> R@1 of each seed
    ("a", "class-disjoint"): {"x": [0.90, 0.92], "y": [0.80, 0.80], "z": [0.5, 0.5]},
    ("b", "class-disjoint"): {"x": [0.60, 0.60], "y": [0.61, 0.61], "z": [0.7, 0.7], "only": [1]},
    ("b", "official"): {"x": [0.80, 0.80], "y": [0.81, 0.81], "z": [0.5, 0.5]},
    ("c", "class-disjoint"): {"x": [0.30, 0.30], "y": [0.30, 0.30], "z": [0.2, 0.2]},
}


def make_table(scores: dict[tuple[str, str], dict[str, list[float]]]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"dataset": dataset, "split": split, "method": method, "loss": "l", "recall@1": score}
            for (dataset, split), methods in scores.items()
            for method, values in methods.items()
            for score in values
        ]
    )


def test_ranks_win_rates_and_profiles_are_those_counted_by_hand() -> None:
    lines, count = across(make_table(SCORES))
    assert count == 3
    found = {line.method: line for line in lines}
    assert list(found) == ["x", "y", "z"]
    assert found["y"].mean_rank == pytest.approx((2 + 1 + 1.5) / 3)
    assert found["x"].mean_rank == pytest.approx((1 + 2 + 1.5) / 3)
    assert found["x"].win_rate == pytest.approx((2 + 1 + 1.5) / 6)
    assert found["z"].win_rate == 0
    assert WITHIN[:3] == (0, 0.005, 0.02)
    assert found["x"].profile[:3] == pytest.approx((2 / 3, 2 / 3, 1))
    assert found["y"].profile == pytest.approx((2 / 3, 2 / 3, 2 / 3, 2 / 3))


def test_one_data_set_or_one_common_method_has_no_table() -> None:
    one = {key: value for key, value in SCORES.items() if key[0] == "b"}
    assert across(make_table(one))[0] == []
    lone = {("a", "s"): {"x": [0.5]}, ("b", "s"): {"x": [0.5], "y": [0.4]}}
    assert across(make_table(lone))[0] == []
    assert across_sentence([], 1) == ""


def test_a_sign_test_needs_as_many_data_sets_as_is_said() -> None:
    def p(wins: int, count: int) -> float:
        return float(scipy_stats.binomtest(wins, count).pvalue)

    for count in range(2, 13):
        assert p(count, count) == pytest.approx(least_sign_flip_p(count))
    assert p(6, 6) < 0.05 < p(5, 5)
    assert p(ENOUGH - 1, ENOUGH) < 0.05 < p(ENOUGH - 2, ENOUGH - 1)


def test_the_sentence_says_how_little_is_proved() -> None:
    lines, count = across(make_table(SCORES))
    assert across_sentence(lines, count) == (
        "Across data sets, x and y share the lowest mean rank in R@1, 1.5 of the 3 methods that "
        "all 3 data sets have. That proves nothing of other data sets: a sign test of two methods "
        "cannot fall below p = 0.25 with 3 data sets, even if one wins on all of them; 6 are "
        "needed for p < 0.05, and 9 if it loses on one."
    )
    nine = across_sentence([replace(lines[0], mean_rank=1.0), *lines[1:]], 9)
    assert nine.startswith("Across data sets, x has the lowest mean rank in R@1, 1.0 of the 3")
    assert nine.endswith("even if one wins on all of them; there are 3 pairs to correct for.")


def test_equal_means_tie_whatever_the_order_of_their_seeds() -> None:
    """Sums of the same numbers in another order differ in the last bit."""
    seeds = {"x": [0.1, 0.2, 0.3], "y": [0.3, 0.2, 0.1]}
    assert sum(seeds["x"]) != sum(seeds["y"])
    lines, _ = across(make_table({("a", "s"): seeds, ("b", "s"): seeds}))
    assert [(line.mean_rank, line.win_rate, line.profile[0]) for line in lines] == [
        (1.5, 0.5, 1)
    ] * 2


def test_a_gap_at_the_edge_counts_as_within_it() -> None:
    edge = {"x": [0.82], "y": [0.815]}
    assert 0.82 - 0.815 > 0.005  # as floating point has it
    lines, _ = across(make_table({("a", "s"): edge, ("b", "s"): edge}))
    assert {line.method: line.profile[1] for line in lines} == {"x": 1, "y": 1}


def test_the_same_photographs_are_one_unit() -> None:
    birds = {"x": [0.8], "y": [0.7]}
    both = {("cub200", "official"): birds, ("cub200_boxes", "official"): birds}
    assert across(make_table(both)) == ([], 1)
    assert across(make_table({**both, ("sop", "official"): birds}))[1] == 2


def test_folders_of_equal_photographs_are_one_unit_whatever_they_are_called() -> None:
    scores = {"x": [0.8], "y": [0.7]}
    names = ("folder:ph", "folder:copy", "cub200_boxes", "sop", "old", "older")
    table = make_table({(name, "official"): scores for name in names})
    checksums = ["1", "1", "1", "2", None, None]  # earlier runs have none
    table["data_checksum"] = table["dataset"].map(dict(zip(names, checksums, strict=True)))
    assert units_of(table) == {
        **dict.fromkeys(names[:3], "cub200"),
        **{name: name for name in names[3:]},
    }
    assert across(table)[1] == 4
