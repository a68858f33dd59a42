"""The share of targets that a method reaches within a factor of the cheapest method's cost.

A performance profile (Dolan and Moré 2002, https://arxiv.org/abs/cs/0102001) over pairs of a data
set and a target of `cost_to_target`. Runs of one seed are compared: a pair counts
if the method's run costs at most that factor times the cheapest run, and never if it missed the
target. Shares are means over targets and seeds, then over the splits of a data set, then over data
sets, which are the units. The band is a percentile bootstrap over seeds, stratified as by Agarwal
et al. 2021, https://arxiv.org/abs/2108.13264: within each data set and split the seeds are drawn
again, the same ones for all methods and targets.

    from bench.reporting.cost.cost_to_target import converged
    from bench.reporting.cost.profile import frame, profiles
    from bench.reporting.groups import comparable_frame
    from bench.reporting.statistics.across import units_of

    tests = {key: converged(own) for key, own in curves.groupby(["dataset", "split"])}
    frame(profiles(tests, units_of(comparable_frame(runs))))
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.metrics import describe
from bench.reporting.cost.convergence import SCORES
from bench.reporting.cost.cost_to_target import SPEEDS, Convergence, Costs, aligned
from bench.reporting.figures import COSTS, Stroke, add_legend, label, make_figure, note
from bench.reporting.statistics.across import ENOUGH
from bench.reporting.statistics.stats import LEVEL, ROUNDING
from bench.reporting.tables import as_text
from bench.suggest import printable

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

FACTORS = np.linspace(1, 4, 61)
SHOWN = (0, 10, 20, 40, 60)  # positions in `FACTORS`: 1, 1.5, 2, 3, 4
RESAMPLES = 2000
COLUMNS = (
    *("score", "axis", "method", "factor", "share", "low", "high", "n_data_sets", "n_tests"),
    "n_seeds",
)
Test = tuple[str, str]  # data set and split


@dataclass(frozen=True)
class Profile:
    """Shares (methods, factors) of one validation score and one axis of speed.

    Attributes: low and high, the ends of the band, NaN where a data set has one seed alone; tests,
    the data sets and splits with targets; seeds, the fewest that all methods of a test have.
    """

    metric: str
    axis: str
    methods: tuple[str, ...]
    shares: np.ndarray
    low: np.ndarray
    high: np.ndarray
    tests: tuple[Test, ...]
    seeds: int
    data_sets: int


def profiles(
    found: Mapping[Test, Sequence[Convergence]], units: Mapping[str, str]
) -> list[Profile]:
    """A profile of each score in steps and in seconds, of the methods that every test has; none
    where there are fewer than two, and none in seconds alone. units: as `units_of` gives them."""
    made = [[profile(found, units, metric, axis) for axis in SPEEDS] for metric in SCORES]
    return [item for steps, seconds in made for item in (steps, seconds) if steps and item]


def profile(
    found: Mapping[Test, Sequence[Convergence]], units: Mapping[str, str], metric: str, axis: str
) -> Profile | None:
    """The profile of one score and axis; None with fewer than two common methods. In seconds
    without the data sets whose runs are of several kinds of machine."""
    tests = {
        key: item.costs
        for key, items in found.items()
        for item in items
        if item.metric == metric and (axis != "seconds" or item.machines == 1)
    }
    methods = sorted(set.intersection(*map(set, tests.values()))) if tests else []
    if len(methods) < 2:
        return None
    within = {
        key: shares_within([costs[method][axis] for method in methods])
        for key, costs in tests.items()
    }
    within = {key: shares for key, shares in within.items() if shares.size}
    if not within:
        return None
    seeds = min(shares.shape[1] for shares in within.values())
    shares = over_data_sets({key: shares.mean(axis=1) for key, shares in within.items()}, units)
    low, high = band(within, units) if seeds > 1 else np.full((2, *shares.shape), np.nan)
    count = len({units[dataset] for dataset, _ in within})
    return Profile(metric, axis, tuple(methods), shares, low, high, tuple(within), seeds, count)


def shares_within(costs: Sequence[Costs]) -> np.ndarray:
    """Share of the targets that each run reaches within each factor, (methods, seeds, factors).

    Empty without a common seed. Targets that a run reaches before training are left out.
    """
    spent, missed = aligned(costs)  # (targets, seeds, methods)
    spent = np.where(missed, np.inf, spent)[(spent > 0).all(axis=(1, 2))]
    if not spent.size:
        return np.empty((len(costs), 0, len(FACTORS)))
    most = FACTORS * (1 + ROUNDING) * spent.min(axis=2)[..., None]
    within = np.isfinite(spent)[..., None] & (spent[..., None] <= most[:, :, None])
    return np.asarray(within.mean(axis=0).swapaxes(0, 1))


def over_data_sets(shares: Mapping[Test, np.ndarray], units: Mapping[str, str]) -> np.ndarray:
    """Mean over data sets of the means over their splits."""
    members: dict[str, list[np.ndarray]] = {}
    for (dataset, _), share in shares.items():
        members.setdefault(units[dataset], []).append(share)
    return np.asarray(np.mean([np.mean(own, axis=0) for own in members.values()], axis=0))


def band(within: Mapping[Test, np.ndarray], units: Mapping[str, str]) -> np.ndarray:
    """Ends of the 95 % percentile bootstrap over seeds, (2, methods, factors)."""
    generator = np.random.default_rng(0)
    drawn = {}
    for key, shares in within.items():
        seeds = shares.shape[1]
        weights = generator.multinomial(seeds, np.full(seeds, 1 / seeds), RESAMPLES) / seeds
        drawn[key] = np.einsum("bs,msf->bmf", weights, shares)
    tails = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    return np.asarray(np.quantile(over_data_sets(drawn, units), tails, axis=0))


def frame(made: Sequence[Profile]) -> "pd.DataFrame":
    """One row per score, axis, method and factor, with columns `COLUMNS`; shares are in 0..1."""
    import pandas as pd

    rows = [
        (
            item.metric,
            item.axis,
            method,
            factor,
            *values,
            item.data_sets,
            len(item.tests),
            item.seeds,
        )
        for item in made
        for method, *bands in zip(item.methods, item.shares, item.low, item.high, strict=True)
        for factor, *values in zip(FACTORS, *bands, strict=True)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def csv(table: "pd.DataFrame") -> str:
    """`frame` with six significant digits; an empty cell is no value."""
    safe = table.assign(method=table["method"].map(as_text))
    return safe.to_csv(index=False, float_format="%.6g", lineterminator="\n")


def profile_figure(made: Sequence[Profile], strokes: Mapping[str, Stroke]) -> "Figure | None":
    """Share of targets over the factor, in steps, with bands; None without a profile."""
    shown = [item for item in made if item.axis == SPEEDS[0]]
    if not shown:
        return None
    figure = make_figure(3.6, len(shown[0].methods))
    panels = figure.subplots(1, len(shown), sharey=True, squeeze=False)[0]
    for panel, item in zip(panels, shown, strict=True):
        for number, method in enumerate(item.methods):
            stroke = strokes[method]
            line: dict[str, Any] = {"color": stroke.colour, "dashes": stroke.dashes or ()}
            panel.step(FACTORS, 100 * item.shares[number], where="post", **line)
            ends = 100 * item.low[number], 100 * item.high[number]
            panel.fill_between(
                FACTORS, *ends, step="post", color=stroke.colour, alpha=0.12, linewidth=0
            )
        panel.set_xscale("log")
        panel.set_xlim(1, 4)
        panel.set_xticks([1, 1.5, 2, 3, 4], ["1", "1.5", "2", "3", "4"])
        panel.minorticks_off()
        panel.set_ylim(0, 102)
        heading = describe(item.metric).heading
        label(panel, "Factor of the cheapest method's steps", f"Targets of {heading} (percent)")
    add_legend(figure, shown[0].methods)
    note(
        figure,
        "Validation. Share of targets reached within a factor; band: 95 %, bootstrap over seeds.",
    )
    return figure


def table(made: Sequence[Profile]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Headings and lines: shares in percent at some factors, with their bands."""
    factors = [f"within {FACTORS[position]:g}" for position in SHOWN[1:]]
    headings = ("Method", "Score", "Cost", "cheapest", *factors)
    lines = [
        (method, describe(item.metric).heading, COSTS[item.axis], *cells(item, number))
        for item in made
        for number, method in enumerate(item.methods)
    ]
    return headings, lines


def cells(made: Profile, method: int) -> list[str]:
    """`60 (40 to 80)` for each factor that is shown."""
    found = []
    for position in SHOWN:
        share, low, high = (
            100 * part[method, position] for part in (made.shares, made.low, made.high)
        )
        ends = "" if np.isnan(low) else f" ({low:.0f} to {high:.0f})"
        found.append(f"{share:.0f}{ends}")
    return found


def caption(made: Sequence[Profile]) -> str:
    """What is counted, on which data sets and how far it reaches."""
    fewest, most = (pick(item.data_sets for item in made) for pick in (min, max))
    number = f"{most}" if fewest == most else f"{fewest} to {most}"
    units = f"{number} data sets, the units" if most > 1 else "one data set"
    return (
        "Share of the targets that a run reaches at no more than a factor of the cost of the "
        "cheapest method's run with the same seed; a run that misses a target never reaches "
        "it, and targets that a run had before training are left out. "
        f"In percent, mean over targets and seeds of {units}, for the methods that all with "
        f"targets have ({tests_text(made)}). {band_text({item.seeds for item in made})} "
        f"{reach(fewest)}"
    )


def band_text(seeds: Set[int]) -> str:
    """What the band is; seeds, for each profile the fewest of a data set and split."""
    one = "a data set and split has one seed in common to all methods"
    banded = seeds - {1}
    if not banded:
        return f"There is no band, as {one}."
    return (
        f"Band: 95 % bootstrap over seeds (at least {min(banded)} each, drawn within each data set "
        "and split, the same for all methods), too narrow with few: it covers about 76 % with 3 "
        f"seeds, 90 % with ten.{f' Scores without a band: {one}.' * (1 in seeds)}"
    )


def tests_text(made: Sequence[Profile]) -> str:
    """The data sets and splits; for each score where they differ."""
    texts = {describe(item.metric).heading: "; ".join(map(", ".join, item.tests)) for item in made}
    if len({*texts.values()}) == 1:
        return printable(texts.popitem()[1])
    return printable(". ".join(f"{heading}: {text}" for heading, text in texts.items()))


def reach(data_sets: int) -> str:
    """What the profile says of other data sets."""
    if data_sets > 1:
        return "It says nothing of other data sets, as is said above."
    return (
        "One data set proves nothing of others: a sign test of two methods needs 6 for p < 0.05, "
        f"and {ENOUGH} if one of them disagrees."
    )
