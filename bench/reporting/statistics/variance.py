"""Where the spread over seeds comes from: runs in which one source of chance varies, beside runs in
which all do.

Bouthillier et al., Accounting for Variance in Machine Learning Benchmarks, MLSys 2021,
https://arxiv.org/abs/2103.03098. Differences: the sources that do not vary have one seed,
`FIXED_SEED`, so that an interaction with it is not seen; the test images never vary, whose
uncertainty `uncertainty.py` has; tuning is resampled from stored trials, not repeated.

    from bench.reporting.statistics.variance import frame
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import chdtri, fdtr, fdtrc, fdtri

from bench.metrics import describe
from bench.reporting.groups import check_comparable, with_last_names
from bench.reporting.statistics.stats import LEVEL, has_spread
from bench.reporting.statistics.verdicts import ALPHA, MOST_SEEDS, POWER
from bench.reporting.tables import as_text
from bench.spec import Source
from bench.store.runs import Run
from bench.suggest import printable
from bench.tuning.best_of import spread_of_best
from bench.tuning.outcomes import Outcome

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

SCORES = ("recall@1", "map@r")
ALL, TUNING = "all", "tuning"
NAMES = {
    ALL: "All that vary",
    "weights": "Initial weights",
    "batches": "Batch order",
    "augmentation": "Augmentation",
    "split": "Split: which training classes validate",
    TUNING: "Tuning",
}
SHORT = {key: name.split(":")[0].lower() for key, name in NAMES.items()}
COLUMNS = (
    *("dataset", "split", "method", "score", "source", "n", "sd", "sd_low", "sd_high"),
    *("share", "share_low", "share_high"),
)
HEADINGS = ("Method", "Source", "n", "Standard deviation", "Share of the whole variance")
CAPTION = (
    "{score} on the test images, in percentage points. Standard deviation over n runs in which the "
    "seed decides this source alone; the others have the seed 0, and the split is the data set's "
    "own. In brackets its 95 % interval (chi-squared), which equal scores do not have. Share: this "
    "variance over that of the runs in which all vary, with its 95 % interval (F). Both rest on "
    "normal scores. Shares need not add up to 100: sources act together, and few seeds leave wide "
    "intervals. The test images are the same in all runs."
)
TUNING_CAPTION = (
    " Tuning: the test score of the trial that validation chooses, over searches of as many trials "
    "drawn with replacement from the n stored ones, exactly. Each trial was trained once, so the "
    "chance of its training is in it; it is not part of the runs in which all vary, and other "
    "searches would be needed for an interval."
)
CONSOLE_CAPTION = (
    "Standard deviation over n runs in which the seed decides this source alone; share of the "
    "variance of the runs in which all vary."
)


@dataclass(frozen=True)
class Study:
    """A study of variance: sources, those that vary; alone, the runs in which one of them does."""

    sources: tuple[Source, ...]
    alone: tuple[Run, ...]


def separate(runs: Sequence[Run], sources: Sequence[Source]) -> tuple[list[Run], Study | None]:
    """The runs of a suite in which all sources vary, and the study of the others; no study of a
    suite without sources."""
    if not sources:
        return list(runs), None
    alone = [run for run in runs if run.spec.get("varies") in sources]
    return [run for run in runs if run not in alone], Study(tuple(sources), tuple(alone))


def frame(whole: Sequence[Run], study: Study, outcomes: Sequence[Outcome] = ()) -> "pd.DataFrame":
    """One row for each data set, split, method, score of `SCORES` and source.

    Arguments: whole, runs in which all sources vary; outcomes, of the search behind the suite,
    whose trials all have test scores.
    Columns: `source` ("all" first, "tuning" last), `n` (runs, of tuning trials), `sd` and the ends
    of its 95 % interval (NaN for one run), `share` of the variance of "all" and its ends. Scores
    are 0..1. Raises: ValueError naming two runs if they were not scored on the same test.
    """
    import pandas as pd

    found: dict[tuple[str, str, str], dict[str, list[Run]]] = {}
    named = with_last_names([*whole, *study.alone])
    for source, run in zip([ALL] * len(whole) + [""] * len(study.alone), named, strict=True):
        if run.spec["steps"]:  # else it scores pretrained features
            key = run.spec["dataset"], run.spec["split"], printable(run.spec["method"])
            own = found.setdefault(key, {name: [] for name in (ALL, *study.sources)})
            own[source or run.spec["varies"]].append(run)
    for _, same in groupby(sorted(found), key=lambda key: key[:2]):
        check_comparable([run for key in same for runs in found[key].values() for run in runs])
    rows = [
        {**dict(zip(("dataset", "split", "method"), key, strict=True)), "score": score, **row}
        for key in sorted(found)
        for score in SCORES
        for row in source_rows(found[key], score, tuning_of(outcomes, key))
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def source_rows(
    runs: Mapping[str, Sequence[Run]], score: str, outcome: Outcome | None
) -> Iterator[dict[str, Any]]:
    """The rows of one method and score."""
    scores = {
        source: np.array([run.scores[score] for run in own])
        for source, own in runs.items()
        if all(score in run.scores for run in own)
    }
    whole = scores.get(ALL, np.array([]))
    for source, values in scores.items():
        row: dict[str, Any] = {"source": source, "n": len(values)}
        yield row | spread(values) | (share(values, whole) if source != ALL else {})
    trials = outcome.trials if outcome else ()
    tested = [found for trial in trials if (found := trial.on_test(score)) is not None]
    if trials and len(tested) == len(trials):
        sd = spread_of_best([trial.score for trial in trials], tested)
        row = {"source": TUNING, "n": len(tested), "sd": sd}
        yield row | ({"share": sd**2 / whole.var(ddof=1)} if varies(whole) else {})


def tuning_of(outcomes: Sequence[Outcome], key: tuple[str, str, str]) -> Outcome | None:
    """The search of one data set, split and method, if it is here with its test scores."""
    found = [each for each in outcomes if (each.searched.dataset, each.searched.split) == key[:2]]
    return next((each for each in found if printable(each.searched.method) == key[2]), None)


def varies(values: np.ndarray) -> bool:
    """Whether values (n,) are two or more that differ by more than rounding."""
    return len(values) > 1 and bool(has_spread(values))


def spread(values: np.ndarray) -> dict[str, float]:
    """Standard deviation of values (n,) with its 95 % interval; nothing of fewer than two, and no
    interval of equal ones, which do not show what is chance."""
    degrees = len(values) - 1
    if degrees < 1:
        return {}
    if not varies(values):
        return {"sd": 0.0}
    squares = degrees * values.var(ddof=1)
    tail = (1 - LEVEL) / 2
    ends = [squares / chdtri(degrees, upper) for upper in (tail, 1 - tail)]
    low, high = map(float, np.sqrt(ends))
    return {"sd": float(np.sqrt(squares / degrees)), "sd_low": low, "sd_high": high}


def share(part: np.ndarray, whole: np.ndarray) -> dict[str, float]:
    """Variance of part (n,) over that of whole (m,), with its 95 % interval; nothing if either has
    fewer than two values or whole does not vary, and no interval if part does not vary."""
    if len(part) < 2 or not varies(whole):
        return {}
    if not varies(part):
        return {"share": 0.0}
    ratio = part.var(ddof=1) / whole.var(ddof=1)
    degrees = len(part) - 1, len(whole) - 1
    ends = [float(ratio / fdtri(*degrees, level)) for level in ((1 + LEVEL) / 2, (1 - LEVEL) / 2)]
    return {"share": float(ratio), "share_low": ends[0], "share_high": ends[1]}


def sentences(table: "pd.DataFrame", score: str = SCORES[0]) -> list[str]:
    """For each method of one data set and split which source dominates, or that the runs cannot
    tell. table: rows of `frame`."""
    found = []
    for method, rows in table[table["score"] == score].groupby("method", sort=False):
        sources = list(map(str, rows["source"]))
        sds = dict(zip(sources, rows["sd"].to_numpy(dtype=float).tolist(), strict=True))
        counts = dict(zip(sources, rows["n"].to_numpy(dtype=int).tolist(), strict=True))
        found.append(f"{method}: {sentence(sds, counts, describe(score).heading)}")
    return found


def sentence(sds: Mapping[str, float], counts: Mapping[str, int], heading: str) -> str:
    """What the standard deviations of one method's score and the numbers of runs say, by source."""
    alone = {source: sd for source, sd in sds.items() if source not in (ALL, TUNING)}
    if any(sd != sd for sd in (sds[ALL], *alone.values())):
        return f"too few runs are stored to say where the spread of {heading} comes from."
    whole = (
        f"{heading} spreads by {points(sds[ALL])} points (standard deviation) where all sources "
        "vary. "
    )
    if not any(alone.values()):
        return f"{whole}No source by itself changes {heading}."
    first, *rivals = sorted(alone, key=lambda source: -alone[source])
    own = f"{SHORT[first]}, {points(alone[first])} points"
    undecided = [other for other in rivals if not exceeds(alone, counts, first, other)]
    if not undecided:
        test = f"F tests at {100 * ALPHA:g} % / {len(alone)}"
        return (
            f"{whole}The dominant source is {own}: its variance is shown to exceed that of every "
            f"other one ({test})."
        )
    runs = {counts[source] for source in alone}
    others = ", ".join(f"{SHORT[other]} {points(alone[other])}" for other in undecided)
    return (
        f"{whole}{' to '.join(map(str, sorted({min(runs), max(runs)})))} runs of each source "
        f"cannot tell which one dominates: the largest is {own}, not shown to exceed {others}. "
        f"{outlook(alone, first, undecided)}"
    )


def exceeds(sds: Mapping[str, float], counts: Mapping[str, int], first: str, other: str) -> bool:
    """Whether the variance of one source is shown to be above that of another.

    A one-sided F test at `ALPHA` / sources: whichever has the largest variance in truth, the chance
    that another one is said to exceed it is then at most `ALPHA`. Equal scores, which a score in
    steps of one image may give by chance, show nothing.
    """
    if sds[other] == 0:
        return False
    ratio = (sds[first] / sds[other]) ** 2
    return bool(fdtrc(counts[first] - 1, counts[other] - 1, ratio) <= ALPHA / len(sds))


def outlook(sds: Mapping[str, float], first: str, undecided: Sequence[str]) -> str:
    """How many runs of each source would tell, if the standard deviations stay as they are."""
    spreads = [sds[other] for other in undecided if sds[other]]
    if not spreads:
        return "Equal scores do not show what is chance."
    ratio = (sds[first] / max(spreads)) ** 2
    degrees = np.arange(1, MOST_SEEDS)
    limit = fdtri(degrees, degrees, 1 - ALPHA / len(sds))
    enough = 1 - fdtr(degrees, degrees, limit / ratio) >= POWER
    if not enough.any():
        return f"More than {MOST_SEEDS} would be needed."
    return f"About {degrees[enough.argmax()] + 1} would tell."


def lines(table: "pd.DataFrame", score: str) -> list[tuple[str, ...]]:
    """Cells of `HEADINGS` for readers, of one data set, split and score."""
    return [
        (
            str(row["method"]),
            NAMES[row["source"]],
            str(row["n"]),
            within(row["sd"], row["sd_low"], row["sd_high"], 2),
            "100"
            if row["source"] == ALL
            else within(row["share"], row["share_low"], row["share_high"], 0),
        )
        for row in table[table["score"] == score].to_dict("records")
    ]


def within(value: float, low: float, high: float, digits: int) -> str:
    """In percent: `0.55 (0.36 to 1.10)`; a dash for no value, no brackets for no interval."""
    if value != value:
        return "–"
    ends = f" ({100 * low:.{digits}f} to {100 * high:.{digits}f})" if low == low else ""
    return f"{100 * value:.{digits}f}{ends}"


def points(share_of: float) -> str:
    return f"{100 * share_of:.2f}"


def texts(table: "pd.DataFrame", dataset: str, split: str) -> dict[str, Any] | None:
    """Sentences and tables of one data set and split; None if it has no row."""
    own = table[(table["dataset"] == dataset) & (table["split"] == split)]
    if own.empty:
        return None
    tuned = TUNING in set(own["source"])
    tables = [
        (
            describe(score).heading,
            CAPTION.format(score=describe(score).heading) + (TUNING_CAPTION if tuned else ""),
            lines(own, score),
        )
        for score in SCORES
        if (own["score"] == score).any()
    ]
    return {"sentences": sentences(own), "headings": HEADINGS, "tables": tables}


def console(table: "pd.DataFrame") -> list["Table"]:
    """The rich tables of each data set and split, fit for 80 columns."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    found = []
    for (dataset, split), own in table.groupby(["dataset", "split"]):
        for score in SCORES:
            title = f"{dataset}, {split} split, variance of {describe(score).heading} (points)"
            made = Table(
                title=Text(printable(title)),
                caption=Text(CONSOLE_CAPTION),
                box=box.SIMPLE_HEAD,
                pad_edge=False,
                padding=(0, 1, 0, 0),
                title_justify="left",
                caption_justify="left",
            )
            for heading in ("Method", "Source", "n", "SD (95 % interval)", "Share, % of all"):
                made.add_column(heading, overflow="fold")
            for line in lines(own, score):
                made.add_row(*(Text(cell.split(":")[0]) for cell in line))
            found.append(made)
    return found


def csv(table: "pd.DataFrame") -> str:
    """`frame` with six significant digits; an empty cell is no value."""
    names = ["dataset", "split", "method"]
    safe = table.assign(**{name: table[name].map(as_text) for name in names})
    return safe.to_csv(index=False, float_format="%.6g", lineterminator="\n")
