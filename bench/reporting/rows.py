"""Score tables: one row per method with means over seeds, as data and as cells of text."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from bench.metrics import describe, families, ordered, printed
from bench.reporting.groups import comparable_frame
from bench.reporting.stats import Interval, mean_interval
from bench.store.runs import Run

if TYPE_CHECKING:
    import pandas as pd

UNTRAINED = "Untrained network"
REQUIRED = "Retrieval"  # family whose scores all seeds of a method must have
PLUS_MINUS = (
    "mean ± half-width of the t-based 95 % confidence interval over n seeds; "
    "no interval for one seed"
)
BOLD = "Bold: best mean of the trained methods, which need not be significant."
NOTE = f"Percent; {PLUS_MINUS}. {BOLD}"


@dataclass(frozen=True)
class Row:
    """Scores of one method over seeds: key -> Interval, for the scores that every seed has.

    `loss` is the loss's name, or None for the network before training.
    """

    dataset: str
    split: str
    method: str
    loss: str | None
    seeds: tuple[int, ...]
    scores: dict[str, Interval]


@dataclass(frozen=True)
class Line:
    """One line of a table for readers: (text, whether it is the best) per column.

    `trained` is False for the network before training; `link` is the address of one run.
    """

    name: str
    cells: tuple[tuple[str, bool], ...]
    trained: bool = True
    link: str = ""


@dataclass(frozen=True)
class ScoreTable:
    """One table for readers; console, Markdown, report and browser print this."""

    dataset: str
    split: str
    title: str
    note: str
    headings: tuple[str, ...]  # the first is that of the names
    lines: tuple[Line, ...]


def summarise(runs: Sequence[Run]) -> list[Row]:
    """Rows by data set and split: the methods in order of name, then the untrained network.

    Raises: ValueError naming two runs that must not be averaged or compared, or a run without a
    retrieval score that another seed of its method has.
    """
    keys = ordered(key for run in runs for key in run.scores)
    rows: list[Row] = []
    for _, members in comparable_frame(runs).groupby(["dataset", "split"]):
        for method, seeds in members.groupby("method"):
            check_complete(seeds, keys)
            rows.append(make_row(seeds, str(method), str(seeds["loss"].iloc[0]), keys))
        rows += untrained_rows(members, keys)
    return rows


def check_complete(runs: "pd.DataFrame", keys: Sequence[str]) -> None:
    """Refuse a run that lost a retrieval score."""
    required = [key for key in keys if describe(key).family == REQUIRED and runs[key].notna().any()]
    for _, run in runs.iterrows():
        if missing := [key for key in required if run.isna()[key]]:
            raise ValueError(
                f"{run['run']} has no {', '.join(missing)}, which other seeds of "
                f"{run['method']} have; delete its folder to run it again"
            )


def untrained_rows(members: "pd.DataFrame", keys: Sequence[str]) -> list[Row]:
    """One row per network of a data set and split (nearly always one).

    Runs of one seed start from the same weights, so they count once: they are averaged within the
    seed before the interval is taken over seeds.
    """
    before = {f"untrained.{key}": key for key in keys if f"untrained.{key}" in members}
    stored = members[members[list(before)].notna().any(axis=1)].drop(columns=list(keys))
    networks = stored.rename(columns=before).groupby(["backbone", "embedding_dim"])
    rows = []
    for (backbone, size), runs in networks:
        name = "" if len(networks) == 1 else f" ({backbone}, {size} dimensions)"
        complete = [key for key in before.values() if runs[key].notna().all()]
        means = runs.groupby(["seed", "dataset", "split"])[complete].mean().reset_index()
        rows.append(make_row(means, UNTRAINED + name, None, complete))
    return rows


def make_row(runs: "pd.DataFrame", method: str, loss: str | None, keys: Sequence[str]) -> Row:
    """The row of one method; `runs` has one line per seed."""
    return Row(
        str(runs["dataset"].iloc[0]),
        str(runs["split"].iloc[0]),
        method,
        loss,
        tuple(int(seed) for seed in runs["seed"]),
        {key: mean_interval(list(runs[key])) for key in keys if runs[key].notna().all()},
    )


def score_tables(rows: Sequence[Row]) -> list[ScoreTable]:
    """The tables of each data set and split, one per family of scores; rows as from `summarise`."""
    return [
        family_table(members, family, keys)
        for _, group in groupby(rows, key=lambda row: (row.dataset, row.split))
        for members in [list(group)]
        for family, keys in families(key for row in members for key in row.scores).items()
    ]


def family_table(rows: Sequence[Row], family: str, keys: Sequence[str]) -> ScoreTable:
    """One family of scores of the rows of one data set and split."""
    best = {key: best_mean(rows, key) for key in keys}
    return ScoreTable(
        rows[0].dataset,
        rows[0].split,
        family,
        NOTE,
        ("Method", *(describe(key).heading for key in keys), "n"),
        tuple(
            Line(
                row.method,
                (
                    *(mean_cell(row, key, best[key]) for key in keys),
                    (str(len(row.seeds)), False),
                ),
                trained=row.loss is not None,
            )
            for row in rows
        ),
    )


def best_mean(rows: Sequence[Row], key: str) -> str | None:
    """The best printed mean among several trained methods; None for counts."""
    trained = [row for row in rows if row.loss is not None]
    means = [printed(key, row.scores[key].mean) for row in trained if key in row.scores]
    if len(trained) < 2 or not means or not describe(key).percent:
        return None
    return (min if describe(key).lower_is_better else max)(means, key=float)


def mean_cell(row: Row, key: str, best: str | None) -> tuple[str, bool]:
    """The text of a score, and whether it is the best; a dash without a score."""
    if key not in row.scores:
        return "–", False
    interval = row.scores[key]
    return mean_text(interval, key), row.loss is not None and printed(key, interval.mean) == best


def mean_text(interval: Interval, key: str) -> str:
    """`74.1 ± 0.5`; no ± for one seed."""
    half = "" if interval.half is None else f" ± {printed(key, interval.half)}"
    return printed(key, interval.mean) + half
