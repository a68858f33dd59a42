"""What it costs to reach a score on the validation images, over many scores.

Definitions, which the report repeats. A target counts as *reached* when the median of three
successive validations passes it, so that one lucky validation does not count; its cost is that of
the middle one, interpolated linearly between medians; of the untrained network the score itself
counts. A run that ends without it *misses* it: its cost is censored at the middle of its last three
validations, one before its end, never dropped. *Average cost*: all cost until the target or until
there, over the number of runs that reached it (the average runtime of COCO, Hansen et al. 2016,
arXiv:1605.03560). *Times as fast*: geometric mean of the reference's cost over the method's, paired
by seed, with its 95 % interval (`cost_ratio`); in seconds, of runs on one kind of machine alone.
*Logrank*: p of the hypothesis that the method and the reference reach a target at equal costs; it
takes runs as independent, although seeds are paired. Validation itself is not charged.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bench.reporting.cost.convergence import AXES, SCORES, choose_baseline
from bench.reporting.cost.cost_ratio import Ratio, cost_ratios
from bench.reporting.cost.targets import Targets, find_targets
from bench.reporting.machines import count_kinds
from bench.results import LAST

if TYPE_CHECKING:
    import pandas as pd

SPEEDS = ("step", "seconds")  # axes of speed: epochs and images are steps with another unit
LEAST_RUNS = 5  # of each method, below which the p of the logrank test is too rough
ROUNDING = 1e-12  # the median of three equal scores may differ from a target in the last bit


@dataclass(frozen=True)
class Costs:
    """Costs of a method, (targets, seeds): at the target or, of a miss, at the last median."""

    seeds: tuple[int, ...]
    spent: np.ndarray
    missed: np.ndarray

    @property
    def reached(self) -> np.ndarray:
        """Number of runs that reached each target."""
        return np.asarray((~self.missed).sum(axis=1))

    @property
    def average(self) -> np.ndarray:
        """Average cost of each target, misses counted; infinite where no run reached it."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(self.spent.sum(axis=1) / self.reached)


@dataclass(frozen=True)
class Convergence:
    """Costs of all methods of one data set and split to the targets of one validation score.

    Attributes: costs, method -> axis -> costs; faster, method -> axis of `SPEEDS` -> for each
    target how many times as fast as the reference, None where too few runs reached it and, in
    seconds, of more than one of `machines`, which is the number of their kinds; drawn_validation,
    whether runs were validated on parts drawn for them.
    """

    metric: str
    targets: Targets
    reference: str
    costs: Mapping[str, Mapping[str, Costs]]
    faster: Mapping[str, Mapping[str, Sequence[Ratio | None]]]
    drawn_validation: bool = False
    machines: int = 1


def converged(curves: "pd.DataFrame") -> list[Convergence]:
    """Costs to the targets of each score, without those above whose start no method rises."""
    if curves.empty:
        return []
    reference = choose_baseline(curves)
    return [found for score in SCORES if (found := costs_to(curves, score, reference))]


def costs_to(curves: "pd.DataFrame", metric: str, reference: str) -> Convergence | None:
    """Costs of every method, in order of name; None where no method rises above the start.

    curves: of one data set and split, from `bench.reporting.cost.convergence.read_curves`.
    """
    targets = find_targets(curves, metric)
    if targets is None:
        return None
    costs = {
        str(method): {axis: costs_of(members, axis, metric, targets.scores) for axis in AXES}
        for method, members in curves.groupby("method")
    }
    drawn, machines = bool(curves["drawn_validation"].any()), count_kinds(curves["machine"])
    faster: dict[str, dict[str, Sequence[Ratio | None]]] = {
        method: {axis: times_as_fast(costs[reference][axis], own[axis]) for axis in SPEEDS}
        for method, own in costs.items()
        if method != reference
    }
    if machines > 1:
        faster = {m: own | {"seconds": [None] * len(targets.scores)} for m, own in faster.items()}
    return Convergence(metric, targets, reference, costs, faster, drawn, machines)


def costs_of(members: "pd.DataFrame", axis: str, metric: str, targets: Sequence[float]) -> Costs:
    """Costs of the runs of one method."""
    seeds, columns = [], []
    for seed, run in members.groupby("seed"):
        seeds.append(int(str(seed)))
        columns.append(cost_to(run[axis].to_numpy(), run[metric].to_numpy(), targets))
    spent, missed = np.moveaxis(np.array(columns), 0, -1)
    return Costs(tuple(seeds), spent, missed.astype(bool))


def cost_to(
    costs: np.ndarray, scores: np.ndarray, targets: Sequence[float]
) -> tuple[list[float], list[bool]]:
    """Cost to reach each target, or of the last median, and whether the run missed it."""
    windows = np.lib.stride_tricks.sliding_window_view(scores, LAST)
    medians = np.concatenate([scores[:1], np.median(windows, axis=1)])
    middles = costs[: len(medians)]
    found, missed = [], []
    for target in targets:
        passed = np.flatnonzero(medians >= target - ROUNDING)
        missed.append(not passed.size)
        if not passed.size:
            found.append(float(middles[-1]))
            continue
        ends = slice(max(passed[0] - 1, 0), passed[0] + 1)
        found.append(float(np.interp(target, medians[ends], middles[ends])))
    return found, missed


def times_as_fast(reference: Costs, method: Costs) -> list[Ratio | None]:
    """The reference's cost over the method's on their common seeds, for each target."""
    spent, missed = aligned([reference, method])
    at_start = (spent == 0).any(axis=(1, 2))  # reached before training: not a speed
    ratios = cost_ratios(np.where(at_start[:, None, None], 1.0, spent), missed)
    return [None if start else ratio for start, ratio in zip(at_start, ratios, strict=True)]


def aligned(methods: Sequence[Costs]) -> tuple[np.ndarray, np.ndarray]:
    """Costs, and whether they are of misses, on the common seeds: (targets, seeds, methods)."""
    common = set.intersection(*(set(own.seeds) for own in methods))
    columns = [[own.seeds.index(seed) for seed in sorted(common)] for own in methods]
    pairs = list(zip(methods, columns, strict=True))
    spent = np.stack([own.spent[:, chosen] for own, chosen in pairs], axis=-1)
    return spent, np.stack([own.missed[:, chosen] for own, chosen in pairs], axis=-1)


def logrank_p(found: Convergence, method: str, axis: str, target: int) -> float | None:
    """p of the two-sided logrank test of a method against the reference, from all their seeds.

    The normal approximation of scipy: without a difference p is at most 0.05 in 7 of 100 cases with
    five runs each and 6 with ten, if runs are independent; in 3 and 2 if half of their variance is
    that of the seed (simulated). None with fewer than `LEAST_RUNS`, where no run reached it, of
    seconds of several machines, and where nothing is compared: all reached it at one cost, or when
    one method alone had runs left.
    """
    from scipy.stats import CensoredData, logrank

    both = found.costs[found.reference][axis], found.costs[method][axis]
    fewest = min(len(own.seeds) for own in both)
    if method == found.reference or fewest < LEAST_RUNS or not any(c.reached[target] for c in both):
        return None
    if axis == "seconds" and found.machines > 1:
        return None
    reference, other = (
        CensoredData(uncensored=own.spent[target][~missed], right=own.spent[target][missed])
        for own in both
        for missed in [own.missed[target]]
    )
    with np.errstate(invalid="ignore"):
        p = float(logrank(reference, other).pvalue)
    return p if np.isfinite(p) else None


def cost_cell(found: Convergence, method: str, axis: str, target: int) -> str:
    """`49`; where runs missed the target also how many reached it, or `missed`."""
    costs = found.costs[method][axis]
    reached, runs = int(costs.reached[target]), len(costs.seeds)
    count = f" ({reached} of {runs})" if 0 < reached < runs else ""
    return f"{cost_text(costs.average[target])}{count}"


def cost_text(cost: float) -> str:
    """About three digits; `missed` if it is infinite."""
    if np.isinf(cost):
        return "missed"
    digits = 0 if cost >= 100 else 1 if cost >= 10 else 2
    return f"{cost:,.{digits}f}"


def share_reached(costs: Costs) -> tuple[np.ndarray, np.ndarray]:
    """Kaplan-Meier estimate of the share of targets that are reached within a cost, over all
    targets and seeds: costs and shares, to be drawn as steps."""
    from scipy.stats import CensoredData, ecdf

    spent, missed = costs.spent.ravel(), costs.missed.ravel()
    curve = ecdf(CensoredData(uncensored=spent[~missed], right=spent[missed])).cdf
    return np.append(0.0, curve.quantiles), np.append(0.0, curve.probabilities)
