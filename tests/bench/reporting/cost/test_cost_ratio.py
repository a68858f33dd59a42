"""Ratios of costs with misses: against Student's interval, an integral, and by simulation."""

import numpy as np
import pytest
from scipy import integrate, stats

from bench.reporting.cost.cost_ratio import cost_ratios, draw_differences, draw_parameters

SEEDS = 10
TRUTH = 0.3  # logarithm of the ratio that is simulated
SPREADS = (0.25, 0.2, 0.3)  # of what a seed's runs share, of the method and of the reference
MUCH_SHARED, LITTLE_SHARED = (0.5, 0.15, 0.15), (0.05, 0.3, 0.3)


def simulated(
    tables: int,
    misses: tuple[float, float],
    generator: np.random.Generator,
    spreads: tuple[float, float, float] = SPREADS,
) -> tuple[np.ndarray, np.ndarray]:
    """Costs (tables, seeds, 2), and who missed, where runs end at that quantile of their cost."""
    shared, *own = spreads
    common = generator.normal(0, shared, (tables, SEEDS, 1))
    costs = common + generator.normal(0, own, (tables, SEEDS, 2)) + [TRUTH, 0]
    ends = [TRUTH, 0] + np.hypot(shared, own) * stats.norm.isf(misses)
    return np.exp(np.minimum(costs, ends)), costs > ends


def coverage(
    tables: int, misses: tuple[float, float], spreads: tuple[float, float, float] = SPREADS
) -> float:
    """Share of simulated tables whose interval holds the true ratio."""
    costs, missed = simulated(tables, misses, np.random.default_rng(1), spreads)
    ratios = [ratio for ratio in cost_ratios(costs, missed) if ratio]
    assert len(ratios) > 0.85 * tables
    return float(np.mean([ratio.low <= np.exp(TRUTH) <= ratio.high for ratio in ratios]))


MISSES = [(0, 0), (0.1, 0), (0.3, 0), (0.5, 0), (0, 0.5), (0.3, 0.3), (0.5, 0.3), (0.5, 0.5)]


@pytest.mark.parametrize("misses", MISSES)
def test_the_interval_covers_the_truth_in_95_of_100_tables(misses: tuple[float, float]) -> None:
    assert abs(coverage(300, misses) - 0.95) < 3 * 0.0126  # 3 standard errors of 300 tables


@pytest.mark.slow
@pytest.mark.parametrize("misses", MISSES)
def test_the_interval_covers_the_truth_in_94_to_96_of_100_tables(
    misses: tuple[float, float],
) -> None:
    assert 0.94 - 0.005 <= coverage(8000, misses) <= 0.96 + 0.005  # 2 standard errors of 8,000


@pytest.mark.slow
@pytest.mark.parametrize("spreads", [MUCH_SHARED, LITTLE_SHARED])
@pytest.mark.parametrize("misses", MISSES)
def test_it_covers_the_truth_whatever_the_runs_of_a_seed_share(
    misses: tuple[float, float], spreads: tuple[float, float, float]
) -> None:
    assert 0.94 - 0.007 <= coverage(4000, misses, spreads) <= 0.96 + 0.007  # 2 standard errors


def test_without_misses_the_interval_is_students_and_so_are_the_draws() -> None:
    costs, missed = simulated(1, (0, 0), np.random.default_rng(2))
    [ratio] = cost_ratios(costs, missed)
    assert ratio
    differences = np.diff(np.log(costs[0]), axis=1)[:, 0] * -1
    low, high = stats.t.interval(0.95, SEEDS - 1, differences.mean(), stats.sem(differences))
    expected = [low, differences.mean(), high]
    assert np.log([ratio.low, ratio.estimate, ratio.high]) == pytest.approx(expected)
    draws = draw_differences(np.log(costs), missed, np.random.default_rng(0))
    assert np.quantile(draws, [0.025, 0.5, 0.975]) == pytest.approx(expected, abs=0.03)


def test_a_miss_counts_as_a_cost_above_the_end_of_the_run() -> None:
    costs = np.exp(np.random.default_rng(3).normal(0, 0.1, (1, SEEDS, 2)))
    missed = np.zeros(costs.shape, bool)
    missed[0, :4, 0] = True
    costs[0, :4, 0] = 3.0  # where these four runs ended
    [with_misses] = cost_ratios(costs, missed)
    [as_if_reached] = cost_ratios(costs, np.zeros(costs.shape, bool))
    [dropped] = cost_ratios(costs[:, 4:], missed[:, 4:])
    assert with_misses
    assert as_if_reached
    assert dropped
    assert with_misses.estimate > as_if_reached.estimate > dropped.estimate


def test_one_seed_or_two_runs_that_reached_the_target_give_no_ratio() -> None:
    costs, missed = np.ones((3, 4, 2)), np.zeros((3, 4, 2), bool)
    missed[0, :2, 1] = True
    missed[1, :1, 1] = True
    assert [bool(ratio) for ratio in cost_ratios(costs, missed)] == [False, True, True]
    assert cost_ratios(costs[:, :1], missed[:, :1]) == [None] * 3


def test_costs_without_spread_have_their_ratio_and_no_warning() -> None:
    costs, missed = np.ones((1, SEEDS, 2)), np.zeros((1, SEEDS, 2), bool)
    costs[..., 0] = 2.0
    [ratio] = cost_ratios(costs, missed)
    assert ratio
    assert [ratio.low, ratio.high] == pytest.approx([2.0, 2.0], rel=1e-4)


def test_the_same_costs_give_the_same_ratio() -> None:
    costs, missed = simulated(2, (0.3, 0), np.random.default_rng(4))
    assert cost_ratios(costs, missed) == cost_ratios(costs, missed)


def test_draws_agree_with_the_exact_posterior_of_one_missed_run() -> None:
    """With one missed run the posterior is an integral over its cost."""
    logs = np.random.default_rng(5).normal(0, 0.3, (1, 6, 2))
    missed = np.zeros(logs.shape, bool)
    missed[0, 0, 0] = True
    drawn = draw_differences(logs, missed, np.random.default_rng(6)).mean()

    def weight(cost: float) -> tuple[float, float]:
        """Marginal likelihood of the completed costs (means and slope integrated out), and mean."""
        full = logs[0].copy()
        full[0, 0] = cost
        difference = full[:, 0] - full[:, 1]
        squares = len(full) * difference.var()
        [residuals] = np.linalg.lstsq(
            np.stack([np.ones(len(full)), difference], 1), full[:, 1], rcond=None
        )[1]
        likelihood = squares ** (-len(full) / 2) * residuals ** (-(len(full) - 2) / 2)
        return float(likelihood), float(difference.mean())

    end = float(logs[0, 0, 0])
    total = integrate.quad(lambda c: weight(c)[0], end, end + 30, points=[end + 1], limit=500)[0]
    mean = integrate.quad(lambda c: np.prod(weight(c)), end, end + 30, points=[end + 1], limit=500)[
        0
    ]
    assert drawn == pytest.approx(mean / total, abs=0.02)


def test_the_line_in_the_difference_is_drawn_as_regression_has_it() -> None:
    logs = np.random.default_rng(7).normal(0, [0.3, 0.2], (SEEDS, 2))
    means, factor = draw_parameters(np.tile(logs, (40_000, 1, 1)), np.random.default_rng(8))
    covariance = factor @ np.swapaxes(factor, 1, 2)
    with_difference = covariance[:, :, 0] - covariance[:, :, 1]  # of each cost with the difference
    squares = with_difference[:, 0] - with_difference[:, 1]
    slope = with_difference[:, 1] / squares
    precision = 1 / (covariance[:, 1, 1] - slope**2 * squares)

    difference = logs[:, 0] - logs[:, 1]
    line = stats.linregress(difference, logs[:, 1])
    residuals = logs[:, 1] - line.intercept - line.slope * difference
    expected = (SEEDS - 2) / (residuals**2).sum()  # of chi-squared with n - 2 degrees of freedom
    assert precision.mean() == pytest.approx(expected, rel=0.01)
    steps = (slope - line.slope) / line.stderr
    assert stats.kstest(steps, stats.t(SEEDS - 2).cdf).statistic < 0.01
    at_the_mean = means[:, 1] - slope * (means[:, 0] - means[:, 1] - difference.mean())
    spread = np.sqrt((residuals**2).sum() / (SEEDS - 2) / SEEDS)
    steps = (at_the_mean - logs[:, 1].mean()) / spread
    assert stats.kstest(steps, stats.t(SEEDS - 2).cdf).statistic < 0.01
    assert abs(np.corrcoef(means[:, 0] - means[:, 1], steps)[0, 1]) < 0.02  # drawn independently
