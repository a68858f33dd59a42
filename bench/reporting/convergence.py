"""How fast a method learns: the cost to reach a score on the validation images.

Definitions, which the report repeats. *Final score* of a run: mean of its last three validations.
*Cost to reach a score*: steps, images or seconds at the first crossing, interpolated linearly
between validations; there is none if the score is never reached. *95 % of the own plateau*:
untrained score + 0.95 x (final score - untrained score), so that a network that starts well gets no
credit for what it had before training. A run that ended early, because validation had stopped
improving, has no points after its end: its final score is that of its last three validations, and a
score that it has not reached by then counts as not reached.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bench.reporting.stats import Interval, mean_interval
from bench.results import LAST, curves, final_score
from bench.spec import NO_LOSS
from bench.store.runs import Run

if TYPE_CHECKING:
    import pandas as pd

AXES = ("step", "images", "seconds")
SCORES = ("recall@1", "map@r")
SHARE = 0.95  # of the way from the untrained to the final score
ROUNDING = 1e-12  # the mean of three equal scores may exceed them in the last bit
GRID = 60  # points of a curve averaged over seeds that were validated at different costs


@dataclass(frozen=True)
class Cost:
    """Cost to reach a score over seeds.

    `mean` is None unless every seed reached it: a mean over those that did would flatter a method
    that often fails.
    """

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


def read_curves(
    runs: Sequence[Run], methods: Mapping[str, str]
) -> tuple["pd.DataFrame", list[str]]:
    """`bench.results.curves` of the runs with a loss, and what was wrong with those left out.

    methods: run name -> unique name of its method. The frame is in order of method and seed.
    """
    import pandas as pd

    found, problems = [pd.DataFrame(columns=["dataset", "split", "method", "seed"])], []
    for run in runs:
        if run.spec["loss"] == NO_LOSS:
            continue
        try:
            found.append(read_curve(run).assign(method=methods[run.name]))
        except ValueError as error:
            problems.append(f"{run.name} is left out of the convergence numbers: {error}")
    table = pd.concat(found[1:] or found, ignore_index=True)
    return table.sort_values(["method", "seed"], kind="stable", ignore_index=True), problems


def read_curve(run: Run) -> "pd.DataFrame":
    """The validations of one run.

    Raises: ValueError naming the file if it is missing, was changed or has fewer than four
    validations, that of the untrained network included.
    """
    curve = curves([run]).astype(dict.fromkeys((*AXES, *SCORES), np.float64))
    if len(curve) <= LAST:
        early = curve["step"].iloc[-1] < run.spec["steps"]
        raise ValueError(
            f"{run.files.curve} has {len(curve)} validations, convergence needs at least "
            f"{LAST + 1}; {'raise `patience`' if early else 'lower `evaluate_every`'}"
        )
    return curve


def own_target(scores: np.ndarray) -> float | None:
    """Score at 95 % of the way from the first validation to the plateau; None without a rise."""
    start, end = float(scores[0]), final_score(scores)
    return start + SHARE * (end - start) if end > start else None


def first_crossing(costs: np.ndarray, scores: np.ndarray, target: float) -> float | None:
    """Cost at which the curve first reaches the target, linear between validations."""
    reached = np.flatnonzero(scores >= target - ROUNDING)
    if not reached.size:
        return None
    ends = slice(max(reached[0] - 1, 0), reached[0] + 1)
    return float(np.interp(target, scores[ends], costs[ends]))


def speeds(curves: "pd.DataFrame", metric: str) -> list[Speed]:
    """Convergence of every method of one data set and split, in order of name."""
    if curves.empty:
        return []
    baseline = choose_baseline(curves)
    target = float(mean_finals(curves, metric)[baseline])
    found = []
    for method, members in curves.groupby("method"):
        runs = [run for _, run in members.groupby("run", sort=False)]
        scores = [run[metric].to_numpy() for run in runs]
        plateaus = [own_target(values) for values in scores]
        found.append(
            Speed(
                str(method),
                metric,
                mean_interval([final_score(values) for values in scores]),
                {axis: reach(runs, axis, metric, plateaus) for axis in AXES},
                baseline,
                target,
                {axis: reach(runs, axis, metric, [target] * len(runs)) for axis in AXES},
            )
        )
    return found


def choose_baseline(curves: "pd.DataFrame") -> str:
    """The triplet loss, against which the paper claims its speed, in its variant with the highest
    final R@1; without one the method with the lowest, which others can be expected to reach."""
    final = mean_finals(curves, SCORES[0])
    triplets = curves.loc[curves["loss"] == "triplet", "method"].unique()
    if len(triplets):
        return str(min(triplets, key=lambda method: (-final[method], method)))
    return str(min(final.index, key=lambda method: (final[method], method)))


def mean_finals(curves: "pd.DataFrame", metric: str) -> "pd.Series[float]":
    """Method -> mean final score over its runs."""
    return curves.groupby(["method", "run"])[metric].agg(final_score).groupby("method").mean()


def reach(
    runs: Sequence["pd.DataFrame"], axis: str, metric: str, targets: Sequence[float | None]
) -> Cost:
    """Cost over seeds to reach each run's target; a run without target does not reach it."""
    costs = [
        first_crossing(run[axis].to_numpy(), run[metric].to_numpy(), target)
        for run, target in zip(runs, targets, strict=True)
        if target is not None
    ]
    reached = [cost for cost in costs if cost is not None]
    mean = mean_interval(reached) if len(reached) == len(runs) else None
    return Cost(mean, len(reached), len(runs))


def on_common_costs(curves: "pd.DataFrame", axis: str) -> "pd.DataFrame":
    """Curves with one set of costs per method, so that its runs can be averaged point by point.

    They end where the method's first run ends, so that every point is a mean over all of its runs.
    Where the costs differ before that (seconds), each run is interpolated linearly to a grid.
    Returns: columns `method`, `run`, `axis` and the validation scores.
    """
    import pandas as pd

    parts = []
    for _, members in curves.groupby("method"):
        runs = [run for _, run in members.groupby("run", sort=False)]
        costs = [run[axis].to_numpy() for run in runs]
        shortest = min(costs, key=len)
        if all(np.array_equal(cost[: len(shortest)], shortest) for cost in costs):
            parts += [run[["method", "run", axis, *SCORES]].head(len(shortest)) for run in runs]
            continue
        grid = np.linspace(0, min(float(cost[-1]) for cost in costs), GRID)
        for run, cost in zip(runs, costs, strict=True):
            fields = {score: np.interp(grid, cost, run[score]) for score in SCORES}
            first = {"method": run["method"].iloc[0], "run": run["run"].iloc[0], axis: grid}
            parts.append(pd.DataFrame(first | fields))
    return pd.concat(parts, ignore_index=True)
