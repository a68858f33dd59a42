"""How fast a method learns: costs to reach a score on the validation classes, and mean curves.

Definitions (they stand in the report too). *Final score* of a run: mean of its last three
validations. *Cost to reach a score*: steps, images or seconds at the first crossing, linearly
interpolated between validations; there is none if the score is never reached. *95 % of the own
plateau*: untrained score + 0.95 x (final score - untrained score), so that a network that starts
well is not credited with what it had before training.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench.reporting.groups import Group
from bench.reporting.stats import Interval, mean_interval
from bench.store.runs import Run

AXES = ("step", "images", "seconds")
METRICS = ("recall@1", "map@r")
LAST = 3  # validations whose mean is the final score
SHARE = 0.95  # of the way from the untrained to the final score
ROUNDING = 1e-12  # the mean of three equal scores may lie above them by a last bit
GRID = 60  # points of a curve averaged over seeds that were not validated at the same costs

Curve = Mapping[str, np.ndarray]  # column of `AXES` or `METRICS` -> one value per validation


@dataclass(frozen=True)
class Cost:
    """Cost to reach a score over seeds: `mean` only if every seed reached it, for a mean over
    those that did would flatter a method that often fails."""

    mean: Interval | None
    reached: int
    n: int


@dataclass(frozen=True)
class Speed:
    """Convergence of one method on one validation score.

    Attributes: final, final score over seeds; own, axis -> cost to 95 % of each run's plateau;
    shared, axis -> cost to `target`, the mean final score of the method named `baseline`.
    """

    method: str
    metric: str
    final: Interval
    own: Mapping[str, Cost]
    baseline: str
    target: float
    shared: Mapping[str, Cost]


@dataclass(frozen=True)
class Band:
    """Mean curve over seeds: costs, mean and half-width of its 95 % t interval (None, one seed)."""

    costs: np.ndarray
    mean: np.ndarray
    half: np.ndarray | None


def read_columns(run: Run) -> Curve:
    """Columns of a run's validation curve, each of one value per validation.

    Raises: ValueError or OSError naming the run if its curve is missing, damaged or has fewer
    than four validations, the untrained network's included.
    """
    try:
        columns = {
            key: np.array([point[key] for point in run.curve], dtype=np.float64)
            for key in (*AXES, *METRICS)
        }
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{run.directory / 'curve.jsonl'} cannot be read ({error!r})") from error
    if len(run.curve) <= LAST:
        raise ValueError(
            f"{run.directory / 'curve.jsonl'} has {len(run.curve)} validations, convergence needs "
            f"at least {LAST + 1}; lower `evaluate_every`"
        )
    return columns


def final_score(scores: np.ndarray) -> float:
    """Mean of the last three of a run's validations."""
    return float(scores[-LAST:].mean())


def own_target(scores: np.ndarray) -> float | None:
    """Score at 95 % of the way from the first validation to the plateau; None without a rise."""
    start, end = float(scores[0]), final_score(scores)
    return start + SHARE * (end - start) if end > start else None


def first_crossing(costs: np.ndarray, scores: np.ndarray, target: float) -> float | None:
    """Cost at which the curve first reaches the target, between validations by straight line."""
    reached = np.flatnonzero(scores >= target - ROUNDING)
    if not reached.size:
        return None
    after = int(reached[0])
    if after == 0:
        return float(costs[0])
    before = after - 1
    share = min((target - scores[before]) / (scores[after] - scores[before]), 1)
    return float(costs[before] + share * (costs[after] - costs[before]))


def cost_over_seeds(costs: Sequence[float | None]) -> Cost:
    """Mean cost with its interval if all seeds reached the score, else only how many did."""
    reached = [cost for cost in costs if cost is not None]
    mean = mean_interval(reached) if len(reached) == len(costs) else None
    return Cost(mean, len(reached), len(costs))


def choose_baseline(curves: Mapping[Group, Sequence[Curve]]) -> Group:
    """The triplet loss, against which the paper claims its speed, in its variant with the highest
    final R@1; without one the method with the lowest, which others may be expected to reach."""
    final = {group: mean_final(members, METRICS[0]) for group, members in curves.items()}
    triplets = [group for group in curves if group.loss == "triplet"]
    if triplets:
        return min(triplets, key=lambda group: (-final[group], group.method))
    return min(curves, key=lambda group: (final[group], group.method))


def mean_final(curves: Sequence[Curve], metric: str) -> float:
    """Mean final score over the curves of a method's seeds."""
    return float(np.mean([final_score(curve[metric]) for curve in curves]))


def speeds(curves: Mapping[Group, Sequence[Curve]], metric: str) -> list[Speed]:
    """Convergence of every method of one table, in the order given."""
    baseline = choose_baseline(curves)
    target = mean_final(curves[baseline], metric)
    return [
        Speed(
            method=group.method,
            metric=metric,
            final=mean_interval([final_score(curve[metric]) for curve in members]),
            own={
                axis: reach(members, axis, metric, [own_target(curve[metric]) for curve in members])
                for axis in AXES
            },
            baseline=baseline.method,
            target=target,
            shared={axis: reach(members, axis, metric, [target] * len(members)) for axis in AXES},
        )
        for group, members in curves.items()
    ]


def reach(curves: Sequence[Curve], axis: str, metric: str, targets: Sequence[float | None]) -> Cost:
    """Cost over seeds to reach each run's target; a run without target does not reach it."""
    return cost_over_seeds(
        [
            None if target is None else first_crossing(curve[axis], curve[metric], target)
            for curve, target in zip(curves, targets, strict=True)
        ]
    )


def average(curves: Sequence[Curve], axis: str, metric: str) -> Band:
    """Mean curve over seeds; where their costs differ (seconds), each is interpolated linearly to
    a common grid that ends where the first seed ends, so that every point is a mean over all."""
    costs = [curve[axis] for curve in curves]
    same = all(np.array_equal(other, costs[0]) for other in costs)
    end = min(float(cost[-1]) for cost in costs)
    grid = costs[0] if same else np.linspace(0, end, GRID)
    values = [np.interp(grid, curve[axis], curve[metric]) for curve in curves]
    intervals = [mean_interval(list(point)) for point in zip(*values, strict=True)]
    mean = np.array([interval.mean for interval in intervals])
    if len(curves) == 1:
        return Band(grid, mean, None)
    return Band(grid, mean, np.array([interval.half for interval in intervals], dtype=np.float64))
