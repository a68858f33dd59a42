"""Intervals and paired tests against values from tables, scipy's own tests and plain loops."""

from itertools import product

import numpy as np
import pytest
from scipy import stats as scipy_stats

from bench.reporting.statistics.stats import (
    SIGN_FLIP_PAIRS,
    least_sign_flip_p,
    mean_interval,
    p_above,
    paired_difference,
    paired_t_p,
    sign_flip_p,
)


@pytest.mark.parametrize("n", [2, 3, 17])
def test_interval_agrees_with_scipy(n: int) -> None:
    values = np.random.default_rng(n).normal(size=n)
    low, high = scipy_stats.t.interval(0.95, n - 1, values.mean(), scipy_stats.sem(values))
    interval = mean_interval(list(values))
    assert interval.half is not None
    assert interval.mean - interval.half == pytest.approx(low, rel=1e-9)
    assert interval.mean + interval.half == pytest.approx(high, rel=1e-9)


@pytest.mark.parametrize(("values", "half"), [([0.4], None), ([0.1, 0.1, 0.1], 0.0)])
def test_one_seed_or_equal_values_exclude_nothing(values: list[float], half: float | None) -> None:
    interval = mean_interval(values)
    assert (interval.mean, interval.half, interval.n) == (values[0], half, len(values))
    assert not interval.excludes_zero()
    assert paired_t_p(values) is None


@pytest.mark.parametrize("values", [[], [0.1, float("nan")], [float("inf")]])
def test_interval_refuses_nothing_and_what_is_not_finite(values: list[float]) -> None:
    with pytest.raises(ValueError, match="at least one value, all finite"):
        mean_interval(values)


def test_a_difference_changes_its_sign_alone_when_it_is_reversed() -> None:
    found, opposite = paired_difference([0.1, 0.2, 0.1]), paired_difference([-0.1, -0.2, -0.1])
    assert found.interval.mean == pytest.approx(0.4 / 3)
    assert opposite.interval.mean == -found.interval.mean
    assert (opposite.p_t, opposite.p_sign) == (found.p_t, found.p_sign)


def test_paired_t_agrees_with_scipy() -> None:
    generator = np.random.default_rng(3)
    first, second = generator.normal(0.4, 1, 8), generator.normal(size=8)
    expected = scipy_stats.ttest_rel(first, second).pvalue
    assert paired_t_p(list(first - second)) == pytest.approx(expected, rel=1e-9)


def test_interval_excludes_zero_exactly_when_the_paired_t_test_is_below_5_percent() -> None:
    generator = np.random.default_rng(4)
    verdicts = set()
    for _ in range(200):
        found = paired_difference(list(generator.normal(0.8, 1.4, 5)))
        assert found.p_t is not None
        assert found.interval.excludes_zero() == (found.p_t < 0.05)
        verdicts.add(found.interval.excludes_zero())
    assert verdicts == {True, False}


def test_sign_flip_agrees_with_an_enumeration() -> None:
    for n in (1, 3, 6, 9):
        differences = np.random.default_rng(n).normal(0.5, 1, n).round(2)
        observed = abs(sum(differences))
        count = sum(
            abs(sum(sign * value for sign, value in zip(signs, differences, strict=True)))
            >= observed - 1e-9
            for signs in product((1, -1), repeat=n)
        )
        assert sign_flip_p(list(differences)) == pytest.approx(count / 2**n)


@pytest.mark.parametrize(
    ("differences", "p"),
    [
        ([0.1, 0.2, 0.3], 0.25),  # ties count in spite of rounding
        ([0.1, 0.2, -0.3], 1.0),
        ([0.1] * SIGN_FLIP_PAIRS, 2 / 2**SIGN_FLIP_PAIRS),
        ([0.1] * (SIGN_FLIP_PAIRS + 1), None),  # would take too long
    ],
)
def test_sign_flip_of_ties_and_of_many_pairs(differences: list[float], p: float | None) -> None:
    assert sign_flip_p(differences) == (None if p is None else pytest.approx(p))


@pytest.mark.parametrize("n", [3, 5, 6])
def test_only_from_six_pairs_on_5_percent_can_be_reached(n: int) -> None:
    assert sign_flip_p([1.0 + 0.5 * i for i in range(n)]) == pytest.approx(least_sign_flip_p(n))
    assert (least_sign_flip_p(n) < 0.05) == (n >= 6)


def test_one_sided_p_agrees_with_scipy_along_the_last_axis() -> None:
    values = np.random.default_rng(5).normal(0.3, 1, (4, 7))
    expected = scipy_stats.ttest_1samp(values, 0.2, axis=1, alternative="greater").pvalue
    assert p_above(values, 0.2) == pytest.approx(expected, rel=1e-9)


def test_differences_that_are_equal_but_for_rounding_have_no_spread() -> None:
    third = 0.1 + 0.2 - 0.3  # 5.6e-17
    assert paired_t_p([0.1, 0.1 + third, 0.1]) is None
    assert mean_interval([0.1, 0.1 + third, 0.1]).half == 0
    assert p_above(np.array([0.1, 0.1 + third, 0.1]), 0) == 0.5**3
    assert p_above(np.array([0.1, 0.1, 0.1]), 0.1) == 1
