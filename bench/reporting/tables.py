"""Tables of results as Markdown, CSV and for the console."""

import csv as csv_format
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench.reporting.prose import escaped
from bench.reporting.rows import HEADINGS, LOWER, Row, families, split_tables, summarise
from bench.reporting.stats import Interval

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["Row", "best_cells", "console", "csv", "markdown", "percent", "summarise"]

PLUS_MINUS = (
    "mean ± half-width of the t-based 95 % confidence interval over n seeds; "
    "no interval for one seed"
)
BOLD = "Bold: best mean of the trained methods, which need not be significant."


def best_cells(rows: Sequence[Row]) -> set[tuple[str, str]]:
    """(method, metric) of the best printed means among trained methods, if there are several."""
    trained = [row for row in rows if row.loss is not None]
    cells = {
        (row.method, key): percent_mean(score)
        for row in trained
        for key, score in row.scores.items()
    }
    best = {
        key: (min if key in LOWER else max)(
            (float(mean) for (_, other), mean in cells.items() if other == key), default=0
        )
        for key in HEADINGS
    }
    if len(trained) < 2:
        return set()
    return {(method, key) for (method, key), mean in cells.items() if float(mean) == best[key]}


def percent_mean(interval: Interval) -> str:
    """Mean in percent with one decimal."""
    return f"{100 * interval.mean:.1f}"


def percent(interval: Interval | None) -> str:
    """`74.1 ± 0.5` in percent; no ± for one seed, a dash where there is no score."""
    if interval is None:
        return "–"
    half = "" if interval.half is None else f" ± {100 * interval.half:.1f}"
    return percent_mean(interval) + half


def markdown(rows: Sequence[Row], *, every: bool = True) -> str:
    """Tables of each data set, best means in bold, in GitHub's Markdown; only the first of each
    data set unless `every`."""
    parts = []
    for (dataset, split), members in split_tables(rows).items():
        tables = list(families(members).items())
        for title, keys in tables if every else tables[:1]:
            heading = f"### {plain(dataset)}, {plain(split)} split, test"
            more = "" if title == tables[0][0] else f": {title.lower()}"
            parts.append(f"{heading}{more}\n\n{markdown_table(members, keys)}")
    return "\n\n".join([*parts, f"Percent; {PLUS_MINUS}. {BOLD}"]) + "\n"


def markdown_table(rows: Sequence[Row], keys: Sequence[str]) -> str:
    """One table of the scores `keys`."""
    best = best_cells(rows)
    lines = ["| Method | " + " | ".join(HEADINGS[key] for key in keys) + " | n |"]
    lines.append("|---|" + "---:|" * (len(keys) + 1))
    for row in rows:
        cells = [
            f"**{percent(row.scores[key])}**"
            if (row.method, key) in best
            else percent(row.scores.get(key))
            for key in keys
        ]
        lines.append(f"| {plain(row.method)} | {' | '.join(cells)} | {len(row.seeds)} |")
    return "\n".join(lines)


def plain(text: str) -> str:
    """Text that Markdown prints as it is, on one line."""
    return escaped(" ".join(text.split()))


def csv(rows: Sequence[Row]) -> str:
    """All scores as fractions 0..1 with six significant digits; an empty cell is no value."""
    text = io.StringIO()
    writer = csv_format.writer(text, lineterminator="\n")
    columns = [f"{key}_{part}" for key in HEADINGS for part in ("mean", "half_width")]
    writer.writerow(["dataset", "split", "method", "loss", "n", "seeds", *columns])
    for row in rows:
        values = [value for key in HEADINGS for value in csv_cells(row.scores.get(key))]
        seeds = " ".join(map(str, row.seeds))
        head = [row.dataset, row.split, row.method, row.loss or "", len(row.seeds), seeds]
        writer.writerow([*head, *values])
    return text.getvalue()


def csv_cells(interval: Interval | None) -> tuple[str, str]:
    if interval is None:
        return "", ""
    return f"{interval.mean:.6g}", "" if interval.half is None else f"{interval.half:.6g}"


def console(rows: Sequence[Row]) -> list["Table"]:
    """The rich tables of each data set, fit for 80 columns; under the last what they mean."""
    from rich.text import Text

    tables = [
        console_table(members, title, keys)
        for members in split_tables(rows).values()
        for title, keys in families(members).items()
    ]
    for table in tables[-1:]:
        table.caption = Text(f"{PLUS_MINUS}. {BOLD}")
    return tables


def console_table(rows: Sequence[Row], title: str, keys: Sequence[str]) -> "Table":
    """Rows of one data set; names are `Text`, so that a bracket in a name is no markup."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=Text(f"{rows[0].dataset}, {rows[0].split} split, test: {title.lower()} (percent)"),
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
        title_justify="left",
        caption_justify="left",
    )
    table.add_column("Method", overflow="fold")
    for key in keys:
        table.add_column(HEADINGS[key], justify="right", no_wrap=" " not in HEADINGS[key])
    table.add_column("n", justify="right", no_wrap=True)
    best = best_cells(rows)
    for row in rows:
        styles = ["bold" if (row.method, key) in best else "" for key in keys]
        cells = [percent(row.scores.get(key)).replace(" ", "") for key in keys]  # 80 columns
        texts = [Text(cell, style=style) for cell, style in zip(cells, styles, strict=True)]
        table.add_row(Text(row.method), *texts, str(len(row.seeds)))
    return table
