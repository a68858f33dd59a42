"""The curves of stored runs on the validation images, and the reference among their methods.

What a method costs to reach a score is in `cost_to_target`. *Final score* of a run:
mean of its last three validations; runs with fewer after the start are left out.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from bench.reporting.machines import machine_of
from bench.results import LAST, curves, final_score
from bench.spec import NO_LOSS
from bench.store.runs import Run

if TYPE_CHECKING:
    import pandas as pd

AXES = ("step", "epoch", "images", "seconds")
SCORES = ("recall@1", "map@r")
GRID = 60  # points of a curve averaged over seeds that were validated at different costs


def read_curves(
    runs: Sequence[Run], methods: Mapping[str, str]
) -> tuple["pd.DataFrame", list[str]]:
    """`bench.results.curves` of the runs with a loss, and what was wrong with those left out.

    methods: run name -> unique name of its method. The frame is in order of method and seed, and
    has `protocol` (version), `fingerprint` (of the split), `drawn_validation` (whether the run's
    validation part was drawn for it) and `machine` (its kind) too.
    """
    import pandas as pd

    columns = "dataset", "split", "method", "seed", "drawn_validation", "machine"
    found, problems = [pd.DataFrame(columns=columns)], []  # also without any curve
    for run in runs:
        if run.spec["loss"] == NO_LOSS:
            continue
        try:
            found.append(read_curve(run).assign(method=methods[run.name], **test_of(run)))
        except ValueError as error:
            problems.append(f"{run.name} is left out of the convergence numbers: {error}")
    table = pd.concat(found[1:] or found, ignore_index=True)
    return table.sort_values(["method", "seed"], kind="stable", ignore_index=True), problems


def test_of(run: Run) -> dict[str, str | int | bool]:
    """Protocol version and split of a run, and whether its validation part was drawn for it, on
    which targets depend; and the kind of machine, on which seconds depend."""
    split = run.record["split"]
    return {
        "protocol": run.spec["protocol"],
        "fingerprint": split["fingerprint"],
        "drawn_validation": "drawn" in split,
        "machine": machine_of(run.record["environment"]),
    }


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
