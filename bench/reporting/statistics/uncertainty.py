"""Two uncertainties of each score, side by side and never mixed: over seeds and over test classes.

from bench.reporting.statistics.uncertainty import frame

table, problems = frame(runs)
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.reporting.groups import comparable_frame, of_one_source, trained
from bench.reporting.statistics.classes import SCORES, class_means, half_width, test_labels
from bench.reporting.statistics.seed_rule import added_elsewhere
from bench.reporting.statistics.stats import mean_interval
from bench.reporting.statistics.verdicts import RULE, Rule, Verdict, table_verdicts
from bench.reporting.tables import as_text
from bench.store.runs import Run, StoredRunError
from bench.store.seed_plan import read_plans

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    *("dataset", "split", "score", "method", "minus", "mean", "n_seeds", "half_width_seeds"),
    *("n_classes", "n_runs_classes", "half_width_classes", "verdict", "p_different", "p_same"),
    *("level", "seeds_needed"),
)


def frame(runs: Sequence[Run], rule: Rule | None = None) -> tuple["pd.DataFrame", list[str]]:
    """One row per trained method and score, and one per pair of methods and score; and problems.

    Columns: `dataset`, `split`, `score` (of `SCORES`), `method`, `minus` (the other method of a
    pair, else empty), `mean` (of a pair: of its differences, paired by seed), `n_seeds`,
    `half_width_seeds`, `n_classes`, `n_runs_classes` (how many runs of a method keep their queries;
    of a pair, the fewer), `half_width_classes` (NaN without such a run), and for pairs `verdict`
    and its `p_different`, `p_same`, `level` and `seeds_needed`. Scores are 0..1; half-widths are
    those of 95 % intervals.

    Runs of a study of variance in which one source of chance varies alone are left out.

    rule: of verdicts, such as `rule_of` gives of the plan of `run --until-decided`; if it is not
    given, runs are judged once, and seeds that such a plan added, or runs that are left out, are
    a problem.
    Raises: ValueError as `comparable_frame`, and as `read_plans` if no rule is given.
    """
    whole = [run for run in runs if not of_one_source(run)]
    table, problems = table_of(whole, rule or RULE)
    if rule:
        return table, problems
    problems += judged_as_fixed(whole)
    if len(whole) < len(runs):
        problems.append(
            f"runs of a study of variance, in which one source of chance varies alone, are left "
            f"out: {len(runs) - len(whole)}"
        )
    return table, problems


def judged_as_fixed(runs: Sequence[Run]) -> list[str]:
    """As `added_elsewhere`, by the plans of all folders of results that the runs are in."""
    by_results: dict[Path, list[Run]] = {}
    for run in runs:
        by_results.setdefault(run.directory.parent.parent, []).append(run)
    return [
        problem
        for results, own in by_results.items()
        for problem in added_elsewhere(own, None, read_plans(results))
    ]


def table_of(runs: Sequence[Run], rule: Rule) -> tuple["pd.DataFrame", list[str]]:
    """The table of `frame`, and why it has no interval over test classes."""
    import pandas as pd

    if not runs:
        return pd.DataFrame(columns=list(COLUMNS)), []
    table = trained(comparable_frame(runs))
    by_name = {run.name: run for run in runs}
    rows: list[dict[str, Any]] = []
    problems = []
    for (dataset, split), members in table.groupby(["dataset", "split"]):
        names = members.groupby("method")["run"]
        kept = {
            str(method): [by_name[name] for name in own if by_name[name].keeps_queries]
            for method, own in names
        }
        try:
            drawn, classes = draw({method: own for method, own in kept.items() if own})
        except StoredRunError as error:
            problems.append(f"{error}; there is no interval over test classes")
            drawn, classes = {}, 0
        for number, score in enumerate(SCORES):
            if score not in members or members[score].isna().any():
                continue
            one = {method: means[:, number] for method, means in drawn.items()}
            found = [*method_rows(members, score), *pair_rows(members, score, rule)]
            for row in found:
                pair = [row["method"], row["minus"]] if row["minus"] else [row["method"]]
                over = {
                    "n_classes": classes or None,
                    "n_runs_classes": min(len(kept[method]) for method in pair),
                    "half_width_classes": class_half_width(one, pair, classes),
                }
                rows.append({"dataset": dataset, "split": split, "score": score, **row, **over})
    return pd.DataFrame(rows, columns=list(COLUMNS)), problems


def draw(kept: Mapping[str, Sequence[Run]]) -> tuple[dict[str, np.ndarray], int]:
    """`class_means` of the methods with runs that keep their queries, if there is one."""
    if not kept:
        return {}, 0
    labels = test_labels(next(iter(kept.values()))[0])
    return class_means(kept, labels)


def method_rows(members: "pd.DataFrame", score: str) -> list[dict[str, Any]]:
    """Mean and interval over seeds of each method."""
    rows = []
    for method, values in members.groupby("method")[score]:
        interval = mean_interval(list(values))
        seeds = {"n_seeds": interval.n, "half_width_seeds": interval.half}
        rows.append({"method": method, "minus": "", "mean": interval.mean, **seeds})
    return rows


def pair_rows(members: "pd.DataFrame", score: str, rule: Rule) -> list[dict[str, Any]]:
    """Difference and verdict of each pair of methods."""
    scores = members.pivot(index="seed", columns="method", values=score)
    return [pair_row(verdict) for verdict in table_verdicts(scores, rule)]


def pair_row(verdict: Verdict) -> dict[str, Any]:
    interval = verdict.difference
    return {
        "method": verdict.first,
        "minus": verdict.second,
        "mean": interval.mean,
        "n_seeds": interval.n,
        "half_width_seeds": interval.half,
        "verdict": verdict.word,
        "p_different": verdict.judged.p_different,
        "p_same": verdict.judged.p_same,
        "level": verdict.judged.level,
        "seeds_needed": verdict.needed,
    }


def class_half_width(
    drawn: Mapping[str, np.ndarray], methods: Sequence[str], classes: int
) -> float | None:
    """Over test classes: of one method, or of the difference of two over the same draws."""
    if any(method not in drawn for method in methods):
        return None
    first, *others = (drawn[method] for method in methods)
    means = first - others[0] if others else first
    return float(half_width(means[:, None], classes)[0])


def csv(table: "pd.DataFrame") -> str:
    """`frame` with six significant digits; an empty cell is no value."""
    names = ["dataset", "split", "method", "minus"]
    safe = table.assign(**{name: table[name].map(as_text) for name in names})
    return safe.to_csv(index=False, float_format="%.6g", lineterminator="\n")


def lines(table: "pd.DataFrame", pairs: Sequence[tuple[str, str]]) -> list[tuple[str, ...]]:
    """Cells of one data set and split for readers, in percent and points: a name, and of each score
    its mean and both half-widths, if they are not 0, which does not show what is chance. pairs:
    those that get a line, after the methods.
    """
    fields = ["score", "method", "minus", "mean", "half_width_seeds", "half_width_classes"]
    found = {tuple(row[:3]): row[3:] for row in table[fields].to_numpy().tolist()}
    for (score, method, minus), (mean, *halves) in list(found.items()):
        if minus:  # the frame has the better one first, by each score
            found[score, minus, method] = [-mean, *halves]
    methods = dict.fromkeys(method for _, method, minus in found if not minus)
    return [
        (
            f"{method} minus {minus}" if minus else method,
            *(
                in_points(value)
                for score in table["score"].unique()
                for value in shown(found.get((score, method, minus), [None] * 3))
            ),
        )
        for method, minus in [*((method, "") for method in methods), *pairs]
    ]


def shown(values: Sequence[float | None]) -> list[float | None]:
    """A mean, and its half-widths that are not 0."""
    mean, *halves = values
    return [mean, *(half or None for half in halves)]


def in_points(value: float | None) -> str:
    """A share as percentage points; a dash for none."""
    if value is None or value != value:
        return "–"
    return f"{100 * value:.1f}".replace("-", "−")
