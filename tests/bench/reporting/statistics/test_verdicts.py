"""Verdicts against plain loops and scipy, over made-up scores, and how often they are wrong."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from scipy import stats as scipy_stats

from bench.reporting.statistics.sequential import Looks
from bench.reporting.statistics.verdicts import (
    ALPHA,
    MARGIN,
    RULE,
    Rule,
    Verdict,
    equivalence_p,
    leaders,
    open_pairs,
    seeds_needed,
    table_verdicts,
)


def make_scores(**methods: list[float]) -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series(values) for name, values in methods.items()})


def words(scores: pd.DataFrame, *, lower_is_better: bool = False) -> dict[tuple[str, str], str]:
    verdicts = table_verdicts(scores, lower_is_better=lower_is_better)
    return {(v.first, v.second): v.word for v in verdicts}


def test_each_of_the_four_verdicts() -> None:
    base = np.array([0.50, 0.52, 0.49, 0.51, 0.53])
    noise = np.array([1, -1, 2, 0, -2]) * 1e-4
    scores = make_scores(
        best=list(base + 0.100),
        twin=list(base + 0.0995 + noise),
        wild=list(base + 0.01 * np.array([9, -3, 20, 11, 1])),
        low=list(base - noise[::-1]),
    )
    found = words(scores)
    assert found["best", "twin"] == "same"
    assert found["best", "low"] == found["twin", "low"] == "better"
    assert found["best", "wild"] == "undecided"
    assert len(found) == 6


def test_a_method_may_be_worse_than_one_with_a_lower_mean_over_other_seeds() -> None:
    nan = float("nan")
    scores = make_scores(
        a=[0.50, 0.51, 0.52, 0.99], b=[0.60, 0.611, 0.62, nan], c=[0.1, 0.2, 0.1, 0.2]
    )
    assert words(scores)["a", "b"] == "worse"
    assert leaders(scores) == {"b"}


def test_lower_may_be_better() -> None:
    scores = make_scores(a=[0.50, 0.511, 0.52], b=[0.60, 0.61, 0.62])
    assert words(scores) == {("b", "a"): "better"}
    assert words(scores, lower_is_better=True) == {("a", "b"): "better"}
    assert leaders(scores) == {"b"}
    assert leaders(scores, lower_is_better=True) == {"a"}


@pytest.mark.parametrize(
    ("differences", "word", "needed"),
    [
        ([0.0, 0.0, 0.0], "undecided", 5),  # 2^-5 is the first below 5 %
        ([0.0] * 5, "same", None),
        ([0.1] * 5, "undecided", 6),  # two-sided
        ([0.1] * 6, "better", None),
        ([0.001] * 5, "same", None),
        ([0.1], "undecided", None),
    ],
)
def test_without_spread_the_sign_flip_test_decides(
    differences: list[float], word: str, needed: int | None
) -> None:
    (verdict,) = table_verdicts(make_scores(a=[0.5 + d for d in differences], b=[0.5] * 6))
    assert verdict.word == word
    assert verdict.needed == needed


def test_equivalence_is_schuirmanns_two_tests() -> None:
    values = np.random.default_rng(0).normal(0.001, 0.003, 8)
    low = scipy_stats.ttest_1samp(values, -MARGIN, alternative="greater").pvalue
    high = scipy_stats.ttest_1samp(values, MARGIN, alternative="less").pvalue
    assert equivalence_p(values, MARGIN) == pytest.approx(max(low, high), rel=1e-9)


def test_the_level_is_divided_by_the_pairs_that_have_a_true_hypothesis_left() -> None:
    third = ALPHA / 3
    assert open_pairs(np.array([third / 2, 0.9, 0.9]), np.array([0.9, 0.9, 0.9]), 3) == 3
    assert open_pairs(np.array([third / 2, 0.9, 0.9]), np.array([third, 0.9, 0.9]), 3) == 2
    step = np.array([third, ALPHA / 2, 0.04])
    assert open_pairs(step, step, 3) == 1  # each pair frees the next
    assert open_pairs(step[1:], step[1:], 3) == 3
    many = open_pairs(np.array([[0.9, 0.9], [0.001, 0.9]]), np.array([[0.9, 0.9], [0.001, 0.9]]), 2)
    assert many.tolist() == [2, 1]


def test_one_seed_decides_nothing_and_has_no_leaders() -> None:
    scores = make_scores(a=[0.9], b=[0.1])
    (verdict,) = table_verdicts(scores)
    assert (verdict.word, verdict.needed, verdict.difference.half) == ("undecided", None, None)
    assert leaders(scores) == set()
    assert table_verdicts(make_scores(a=[0.9])) == []


@pytest.mark.parametrize(("mean", "spread"), [(0.02, 0.02), (0.001, 0.006), (0.003, 0.004)])
def test_the_seeds_that_are_named_decide_in_80_of_100_cases(mean: float, spread: float) -> None:
    generator = np.random.default_rng(1)
    sample = scipy_stats.zscore(generator.normal(size=4), ddof=1) * spread + mean
    level = ALPHA / 3
    needed = seeds_needed(sample, RULE, level)
    assert needed is not None

    def power(n: int) -> float:
        draws = generator.normal(mean, spread, (20_000, n))
        different = scipy_stats.ttest_1samp(draws, 0, axis=1).pvalue <= level
        return float(np.mean(different | (equivalence_p(draws, MARGIN) <= level)))

    assert power(needed) > 0.78
    if mean != 0.003:  # where either test may decide, the better one counts
        assert power(needed - 1) < 0.84


def test_no_number_of_seeds_is_named_beyond_a_hundred_or_after_a_decision() -> None:
    assert seeds_needed(np.array([0.03, -0.02, 0.01]), RULE, ALPHA) is None
    (verdict,) = table_verdicts(make_scores(a=[0.9, 0.91, 0.93], b=[0.1, 0.12, 0.13]))
    assert verdict.needed is None


def test_the_group_holds_all_that_are_not_shown_to_be_worse() -> None:
    base = np.array([0.50, 0.52, 0.49, 0.51])
    scores = make_scores(
        best=list(base + 0.1),
        wild=list(base + np.array([0.2, 0.0, 0.1, 0.05])),
        low=list(base + np.array([0.001, 0, 0, 0])),
        none=[float("nan")] * 4,
    )
    assert leaders(scores) == {"best", "wild"}


def wrong(verdict: Verdict, truth: dict[str, float]) -> bool:
    difference = truth[verdict.first] - truth[verdict.second]
    return {
        "better": difference <= 0,
        "worse": difference >= 0,
        "same": abs(difference) > MARGIN,
        "undecided": False,
    }[verdict.word]


@pytest.mark.parametrize("shift", [0.0, 1.01 * MARGIN, 3 * MARGIN])
def test_at_most_5_percent_of_tables_have_a_wrong_verdict(shift: float) -> None:
    """Hardest just beyond the margin, where "same" is wrong most often."""
    generator = np.random.default_rng(2)
    truth = {"a": 0.0, "b": 0.0, "c": shift}
    tables = 400
    count = 0
    for _ in range(tables):
        seeds = generator.normal(0, 0.01, (5, 1))
        noise = generator.normal(0, 0.0012, (5, 3))
        scores = pd.DataFrame(seeds + noise + list(truth.values()), columns=list(truth))
        count += any(wrong(verdict, truth) for verdict in table_verdicts(scores))
    assert count / tables <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / tables)


def test_many_methods_are_paired_once_each() -> None:
    values = np.random.default_rng(3).normal(size=(4, 9))
    scores = pd.DataFrame(values, columns=list("abcdefghi"))
    scores.iloc[0, 0] = float("nan")
    verdicts = table_verdicts(scores)
    assert len(verdicts) == len(list(combinations("abcdefghi", 2)))
    for verdict in verdicts:
        expected = (scores[verdict.first] - scores[verdict.second]).dropna()
        assert verdict.differences == pytest.approx(list(expected))
        assert verdict.judged.p_different == pytest.approx(
            scipy_stats.ttest_1samp(expected, 0).pvalue
        )


def test_a_part_of_a_table_that_grew_is_judged_at_the_level_of_the_whole() -> None:
    """Else a pair would be decided where it is looked at alone, and undecided in its table."""
    generator = np.random.default_rng(0)
    looks = Looks(3, 10)
    for _ in range(200):
        rise = generator.normal(0.01, 0.01, 6)
        scores = pd.DataFrame(
            {"A": 0.5 + rise, "B": [0.5] * 6, "C": generator.normal(0.3, 0.05, 6)}
        )
        [of_table] = [v for v in table_verdicts(scores, Rule(looks=looks)) if v.second == "B"]
        [alone] = table_verdicts(scores[["A", "B"]], Rule(looks=looks, pairs=3))
        assert alone.judged == of_table.judged
        [freely] = table_verdicts(scores[["A", "B"]], Rule(looks=looks))
        if (freely.word, of_table.word) == ("better", "undecided"):
            return
    raise AssertionError("no table in which the level matters")
