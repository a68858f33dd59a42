"""Cost to reach targets: against a slow loop, with misses, and what is said of it."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from bench.reporting.cost.claim import verdicts
from bench.reporting.cost.cost_ratio import Ratio
from bench.reporting.cost.cost_to_target import (
    Convergence,
    Costs,
    converged,
    cost_to,
    costs_of,
    logrank_p,
    share_reached,
    times_as_fast,
)
from bench.reporting.cost.targets import Targets
from tests.support.made_curves import make_curves, stretched

STEPS = np.array([0.0, 10.0, 20.0, 30.0, 40.0])
RISES = [0.1, 0.3, 0.6, 0.9, 0.9, 0.9]


def slow_cost(steps: np.ndarray, scores: np.ndarray, target: float) -> float | None:
    """The definition in words, one validation after the other."""
    smooth = [float(scores[0])]
    smooth += [sorted(scores[k - 1 : k + 2])[1] for k in range(1, len(scores) - 1)]
    for k, score in enumerate(smooth):
        if score >= target:
            if k == 0:
                return 0.0
            share = (target - smooth[k - 1]) / (score - smooth[k - 1])
            return float(steps[k - 1] + share * (steps[k] - steps[k - 1]))
    return None


@pytest.mark.parametrize("seed", range(20))
def test_cost_agrees_with_a_slow_loop(seed: int) -> None:
    generator = np.random.default_rng(seed)
    steps = np.cumsum(generator.integers(1, 20, 12)).astype(float)
    scores = np.sort(generator.random(12)) + generator.normal(0, 0.1, 12)
    wanted = np.linspace(scores[0], 1.2, 9)[1:].tolist()
    found, missed = cost_to(steps, scores, wanted)
    for target, cost, miss in zip(wanted, found, missed, strict=True):
        slow = slow_cost(steps, scores, target)
        assert miss == (slow is None)
        assert cost == pytest.approx(steps[-2] if slow is None else slow)


def test_one_lucky_validation_is_not_enough() -> None:
    assert cost_to(STEPS, np.array([0.1, 0.2, 0.9, 0.2, 0.3]), [0.5]) == ([30.0], [True])
    assert cost_to(STEPS, np.array([0.1, 0.2, 0.6, 0.6, 0.1]), [0.6]) == ([20.0], [False])


def test_the_average_counts_what_missing_runs_spent() -> None:
    curves = make_curves({"A": [[0.1, 0.5, 0.5, 0.5], [0.1, 0.2, 0.2, 0.2]]})
    costs = costs_of(curves, "step", "recall@1", [0.3, 0.9])
    assert costs.reached.tolist() == [1, 0]
    assert costs.average.tolist() == [pytest.approx(5.0 + 20.0), np.inf]
    assert costs.seeds == (0, 1)


def test_only_common_seeds_are_paired() -> None:
    slow = make_curves({"A": [RISES, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6], RISES]})
    costs = costs_of(slow, "step", "recall@1", [0.4])
    fewer = costs_of(slow[slow["seed"] != 1], "step", "recall@1", [0.4])
    [ratio] = times_as_fast(costs, fewer)
    assert ratio
    assert ratio.estimate == pytest.approx(1.0, abs=0.01)
    zero, one = (costs_of(slow[slow["seed"] == s], "step", "recall@1", [0.4]) for s in (0, 1))
    assert times_as_fast(zero, one) == [None]


def test_a_target_that_is_reached_before_training_gives_no_speed() -> None:
    costs = costs_of(make_curves({"A": [RISES] * 3}), "step", "recall@1", [0.05, 0.5])
    assert [bool(ratio) for ratio in times_as_fast(costs, costs)] == [False, True]


def test_a_method_that_takes_a_quarter_of_the_steps_is_four_times_as_fast() -> None:
    curves = make_curves({"Fast": stretched(2), "Slow": stretched(8)}, triplet="Slow")
    recall, _ = converged(curves)
    assert (recall.reference, list(recall.costs), list(recall.faster)) == (
        "Slow",
        ["Fast", "Slow"],
        ["Fast"],
    )
    for ratios in recall.faster["Fast"].values():
        for ratio in ratios:
            assert ratio
            assert ratio.low <= ratio.estimate <= ratio.high
            assert ratio.estimate == pytest.approx(4, rel=0.1)


def test_a_ratio_without_a_useful_interval_is_unknown() -> None:
    assert Ratio(1.0, 0.01, 90.0).text == "unknown"


def test_equal_costs_of_all_seeds_have_no_interval() -> None:
    equal = Ratio(1.0, 1.0, 1.0 + 1e-15)
    assert equal.text == "1.00 (each seed)"
    found = verdicts({"A": equal})
    assert found == "fails for A (factor 1.00 with each seed, which leaves no interval)"


def test_logrank_is_that_of_the_definition_with_misses_censored() -> None:
    generator = np.random.default_rng(0)
    spent = generator.integers(1, 9, (2, 1, 6)).astype(float)  # with ties
    missed = generator.random(spent.shape) < 0.3
    costs = {
        name: {"step": Costs(tuple(range(6)), *both)}
        for name, *both in zip(("Slow", "Fast"), spent, missed, strict=True)
    }
    found = Convergence("map@r", Targets((0.5,), "of a test"), "Slow", costs, {})
    times, fast = spent.ravel(), np.arange(12) >= 6
    reached = ~missed.ravel()
    excess = variance = 0.0
    for time in np.unique(times[reached]):
        left, events = times >= time, (times == time) & reached
        n, n_fast, d = left.sum(), (left & fast).sum(), events.sum()
        excess += (events & fast).sum() - d * n_fast / n
        if n > 1:
            variance += d * n_fast * (n - n_fast) * (n - d) / n**2 / (n - 1)
    expected = 2 * norm.sf(abs(excess) / variance**0.5)
    assert 0 < reached.sum() < 12
    assert logrank_p(found, "Fast", "step", 0) == pytest.approx(expected)
    assert logrank_p(found, "Slow", "step", 0) is None  # the reference
    costs["Fast"]["step"] = Costs(tuple(range(4)), spent[1][:, :4], missed[1][:, :4])
    assert logrank_p(found, "Fast", "step", 0) is None  # fewer than five runs
    for name in costs:
        costs[name]["step"] = Costs(tuple(range(6)), spent[0], np.ones((1, 6), bool))
    assert logrank_p(found, "Fast", "step", 0) is None  # no run reached it


@pytest.mark.parametrize(("slow", "fast"), [((0, False), (0, False)), ((2, True), (5, False))])
def test_logrank_is_unknown_where_nothing_is_compared(
    slow: tuple[float, bool], fast: tuple[float, bool]
) -> None:
    """All were there before training; or one method ended early, before the other reached it."""
    costs = {
        name: {"step": Costs(tuple(range(5)), np.full((1, 5), cost), np.full((1, 5), missed))}
        for name, (cost, missed) in {"Slow": slow, "Fast": fast}.items()
    }
    found = Convergence("map@r", Targets((0.5,), "of a test"), "Slow", costs, {})
    assert logrank_p(found, "Fast", "step", 0) is None


def test_the_share_of_reached_targets_counts_misses_as_censored() -> None:
    curves = make_curves({"A": [RISES, [0.1, 0.3, 0.3, 0.3, 0.3, 0.3]]})
    costs, shares = share_reached(costs_of(curves, "step", "recall@1", [0.3, 0.6]))
    assert shares[0] == 0
    assert shares[-1] == pytest.approx(3 / 4)
    assert costs.tolist() == sorted(costs)


def test_no_targets_where_nothing_rises() -> None:
    assert converged(make_curves({"A": [[0.5, 0.4, 0.4, 0.4]]})) == []
    assert converged(pd.DataFrame()) == []
