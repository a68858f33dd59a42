"""Three prices of a method: of one training, with its tuning, and at the suite's own values.

*One training*: the average cost to reach a target, of `bench.reporting.cost.cost_to_target`. *With
tuning*: that and the whole cost of all trials of the search, from which the values were chosen; a
trial that diverged counts up to its last validation. *Own values*: the cost of trial 0, which has
the values that the suite had before its search. It is one run with the seed of the search, so its
price has no interval.

    from bench.reporting.cost.cost_to_target import converged
    from bench.reporting.cost.prices import frame

    frame({key: converged(own) for key, own in curves.groupby(["dataset", "split"])})
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.metrics import describe
from bench.reporting.cost.convergence import AXES
from bench.reporting.cost.cost_to_target import (
    SPEEDS,
    Convergence,
    cost_cell,
    cost_text,
    cost_to,
    logrank_p,
)
from bench.reporting.tables import as_text
from bench.results import LAST
from bench.suggest import printable
from bench.tuning.outcomes import Outcome, Trial

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    *("dataset", "split", "score", "targets", "target", "axis", "method", "n_runs", "n_reached"),
    *("average", "times_as_fast", "low", "high", "p_logrank"),
    *("trials", "with_tuning", "own_values"),
)
UNKNOWN = "No whole search is stored with these runs, so their prices with tuning are unknown."
CAPTION = (
    "Prices: cost to reach {heading} {target:.1f} %, the middle one of {count} targets. One "
    "training: average cost over the runs, misses counted. With tuning: one training and all "
    "trials of the search ({trials} and the suite's own values), each trained to its end; seconds "
    "are those of the machines that trained them. Own values: a training with the values that the "
    "suite had before its search (trial 0), a single run with the seed of the search."
)
OTHER_PART = (
    " Own values are unknown here: trials are validated on the data set's own part, runs on parts "
    "drawn for them."
)
HEADINGS = (
    *("Method", "Steps, one training", "Steps, with tuning", "Steps, own values"),
    *("Seconds, one training", "Seconds, with tuning", "Seconds, own values"),
)


@dataclass(frozen=True)
class Price:
    """What a method costs on one axis beside its training.

    Attributes: trials, the cost of all trials; own, to each target, that of the run with the
    suite's own values, infinite where it missed, and None where trials and runs are not validated
    on the same images.
    """

    trials: float
    own: np.ndarray | None


def prices(found: Convergence, outcomes: Sequence[Outcome]) -> dict[str, dict[str, Price]]:
    """method -> axis -> price, of the methods whose trials are stored."""
    by_method = {printable(outcome.searched.method): outcome for outcome in outcomes}
    return {
        method: {axis: price(found, by_method[method], axis) for axis in AXES}
        for method in found.costs
        if method in by_method
    }


def price(found: Convergence, outcome: Outcome, axis: str) -> Price:
    """The price of one method on one axis."""
    spent = [float(trial.run.curve[-1][axis]) for trial in outcome.all]
    own = None if found.drawn_validation else cost_of_trial(found, outcome.default, axis)
    return Price(sum(spent), own)


def cost_of_trial(found: Convergence, trial: Trial, axis: str) -> np.ndarray:
    """Cost of one trial to each target; infinite where it missed, diverged or ended before there
    was a median of validations."""
    scores = found.targets.scores
    if trial.diverged or len(trial.run.curve) < LAST:
        return np.full(len(scores), np.inf)
    points = trial.run.curve
    costs, curve = (np.array([point[key] for point in points]) for key in (axis, found.metric))
    spent, missed = cost_to(costs, curve, scores)
    return np.where(missed, np.inf, spent)


def price_table(
    found: Convergence, outcomes: Sequence[Outcome]
) -> tuple[str, tuple[str, ...], list[tuple[str, ...]]]:
    """Caption, headings and lines of the three prices to the middle target."""
    known = prices(found, outcomes)
    caption = CAPTION.format(
        heading=describe(found.metric).heading,
        target=100 * found.targets.scores[found.targets.middle],
        count=len(found.targets.scores),
        trials=" or ".join(sorted({str(len(outcome.trials)) for outcome in outcomes})),
    )
    lines = [
        (method, *(cell for axis in SPEEDS for cell in cells(found, method, axis, known)))
        for method in found.costs
    ]
    return f"{caption}{OTHER_PART * found.drawn_validation}", HEADINGS, lines


def cells(
    found: Convergence, method: str, axis: str, known: Mapping[str, Mapping[str, Price]]
) -> tuple[str, str, str]:
    """The three prices of one method on one axis."""
    middle = found.targets.middle
    training = cost_cell(found, method, axis, middle)
    if method not in known:
        return training, "unknown", "unknown"
    own = known[method][axis]
    average = found.costs[method][axis].average[middle]
    default = "unknown" if own.own is None else cost_text(own.own[middle])
    return training, cost_text(average + own.trials), default


def outcomes_of(outcomes: Iterable[Outcome], dataset: str, split: str) -> list[Outcome]:
    """Those of one data set and split."""
    test = dataset, split
    return [found for found in outcomes if (found.searched.dataset, found.searched.split) == test]


def frame(
    found: Mapping[tuple[str, str], Sequence[Convergence]], outcomes: Sequence[Outcome] = ()
) -> "pd.DataFrame":
    """One row per data set, split, score, target, axis and method, with columns `COLUMNS`.

    Costs are in steps, epochs, images or seconds. `average` is NaN where no run reached the target;
    `times_as_fast` and its 95 % interval, and `p_logrank`, where there are too few runs for it and
    for the reference, for seconds of several kinds of machine, and for epochs and images, which are
    steps in another unit; `trials`,
    `with_tuning` and `own_values`, where no search is stored, and the last one where its run
    missed or the split varies.
    """
    import pandas as pd

    rows = [
        {"dataset": dataset, "split": split, **row}
        for (dataset, split), items in found.items()
        for item in items
        for row in rows_of(item, outcomes_of(outcomes, dataset, split))
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def rows_of(found: Convergence, outcomes: Sequence[Outcome]) -> Iterator[dict[str, Any]]:
    """The rows of one data set, split and score."""
    known = prices(found, outcomes)
    for axis in AXES:
        for method in found.costs:
            paid = known.get(method, {}).get(axis)
            for number in range(len(found.targets.scores)):
                yield row(found, axis, method, number, paid)


def row(
    found: Convergence, axis: str, method: str, number: int, paid: Price | None
) -> dict[str, Any]:
    """What a method costs to one target; paid: what was paid beside its training."""
    costs = found.costs[method][axis]
    average = costs.average[number]
    speeds = found.faster.get(method, {}).get(axis)
    ratio = speeds[number] if speeds else None
    return {
        "score": found.metric,
        "targets": "frozen" if found.targets.frozen else "of these runs",
        "target": found.targets.scores[number],
        "axis": axis,
        "method": method,
        "n_runs": len(costs.seeds),
        "n_reached": int(costs.reached[number]),
        "average": finite(average),
        "times_as_fast": ratio and ratio.estimate,
        "low": ratio and ratio.low,
        "high": ratio and ratio.high,
        "p_logrank": logrank_p(found, method, axis, number) if axis in SPEEDS else None,
        "trials": paid and paid.trials,
        "with_tuning": paid and finite(average + paid.trials),
        "own_values": None if paid is None or paid.own is None else finite(paid.own[number]),
    }


def finite(cost: float) -> float | None:
    """A cost, or None for one that is infinite."""
    return float(cost) if np.isfinite(cost) else None


def csv(table: "pd.DataFrame") -> str:
    """`frame` with six significant digits; an empty cell is no value."""
    names = ["dataset", "split", "method"]
    safe = table.assign(**{name: table[name].map(as_text) for name in names})
    return safe.to_csv(index=False, float_format="%.6g", lineterminator="\n")
