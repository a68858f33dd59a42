"""Score tables as Markdown, CSV and for the console."""

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from bench.metrics import ACCURACIES, METRICS, describe, ordered
from bench.reporting.rows import GAIN, Row, ScoreTable, score_tables
from bench.suggest import printable

if TYPE_CHECKING:
    from jinja2 import Environment
    from rich.table import Table


@cache
def templates(package: str = "bench.reporting") -> "Environment":
    """The templates in a package's folder `templates`; HTML escapes every text."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader(package),
        autoescape=lambda name: str(name).endswith(".html"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["plain"] = plain
    return environment


def plain(text: str) -> str:
    """Text that Markdown prints as it is, on one line."""
    return escaped(printable(" ".join(text.split())))


def escaped(text: str) -> str:
    """Text in which GitHub's Markdown prints every sign as it is, except at the start of a line."""
    return re.sub(r"([\\|<>*_`\[\]#~$&])", r"\\\1", text)


def markdown(rows: Sequence[Row], *, every: bool = True) -> str:
    """Tables of each data set in GitHub's Markdown, the methods that may be best in bold; only the
    first of each data set and the accuracies, where there are some, unless `every`."""
    tables = score_tables(rows)
    first = first_tables(tables)
    shown = [
        table for table in tables if every or table in first.values() or table.title == ACCURACIES
    ]
    return templates().get_template("tables.md").render(tables=shown, first=first, note=note(shown))


def first_tables(tables: Sequence[ScoreTable]) -> dict[tuple[str, str], ScoreTable]:
    """The first table of each data set and split, that of retrieval."""
    found: dict[tuple[str, str], ScoreTable] = {}
    for table in tables:
        found.setdefault((table.dataset, table.split), table)
    return found


def csv(rows: Sequence[Row]) -> str:
    """All scores as stored (fractions 0..1) with six significant digits; an empty cell is no value.

    There are columns for every score of `METRICS`, also for those that no row has, and for the gain
    over the pretrained features where a row has one.
    """
    import pandas as pd

    keys = ordered([*METRICS, *(key for row in rows for key in row.scores)])
    gains = any(row.gain for row in rows)
    records = [
        {
            "dataset": as_text(row.dataset),
            "split": as_text(row.split),
            "method": as_text(row.method),
            "loss": row.loss and as_text(row.loss),
            "n": len(row.seeds),
            "seeds": " ".join(map(str, row.seeds)),
        }
        | {
            f"{key}_{name}": getattr(row.scores.get(key), field, None)
            for key in keys
            for name, field in (("mean", "mean"), ("half_width", "half"))
        }
        | (
            {
                "gain_map@r_mean": row.gain and row.gain.mean,
                "gain_map@r_half_width": row.gain and row.gain.half,
            }
            if gains
            else {}
        )
        for row in rows
    ]
    return pd.DataFrame(records).to_csv(index=False, float_format="%.6g", lineterminator="\n")


def as_text(name: str) -> str:
    """A name as a cell that no spreadsheet computes: a quote before `=`, `+`, `-` and `@`."""
    return f"'{printable(name)}" if name.startswith(("=", "+", "-", "@")) else printable(name)


def console(rows: Sequence[Row]) -> list["Table"]:
    """The rich tables of each data set, fit for 80 columns; the last one explains the numbers."""
    return explained([part for table in score_tables(rows) for part in narrow(table)])


def console_summary(rows: Sequence[Row]) -> list["Table"]:
    """One rich table of each data set: R@1, MAP@R, the gain where there is one, and n."""
    kept = ("Method", *(describe(key).heading for key in ("recall@1", "map@r")), GAIN, "n")
    firsts = first_tables(score_tables(rows)).values()
    return explained([pick(table, [h for h in kept if h in table.headings]) for table in firsts])


def explained(tables: Sequence[ScoreTable]) -> list["Table"]:
    """The rich tables, the last one with the note on all."""
    from rich.text import Text

    shown = [console_table(table) for table in tables]
    for last in shown[-1:]:
        last.caption = Text(note(tables))
    return shown


def narrow(table: ScoreTable) -> list[ScoreTable]:
    """The table without the gain, and a table of the gain, as both would not fit."""
    if GAIN not in table.headings:
        return [table]
    first, last = table.headings[0], table.headings[-1]
    others = [heading for heading in table.headings if heading != GAIN]
    gain = replace(table, title=GAIN)
    return [pick(table, others), pick(gain, [first, describe("map@r").heading, GAIN, last])]


def pick(table: ScoreTable, headings: Sequence[str]) -> ScoreTable:
    """The table with some of its columns; the first is that of the names."""
    columns = [table.headings.index(heading) - 1 for heading in headings[1:]]
    lines = (replace(line, cells=tuple(line.cells[n] for n in columns)) for line in table.lines)
    return replace(table, headings=tuple(headings), lines=tuple(lines))


def note(tables: Sequence[ScoreTable]) -> str:
    """The longest of their notes, which explains every one of them."""
    return max((table.note for table in tables), key=len, default="")


def console_table(table: ScoreTable) -> "Table":
    """One table; names are `Text`, so that a bracket in a name is not read as markup."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    title = f"{table.dataset}, {table.split} split, test: {table.title.lower()} (percent)"
    made = Table(
        title=Text(printable(title)),
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
        title_justify="left",
        caption_justify="left",
    )
    made.add_column(table.headings[0], overflow="fold")
    for heading in table.headings[1:]:
        made.add_column(heading, justify="right", no_wrap=" " not in heading)
    for line in table.lines:
        cells = [
            Text(text.replace(" ", ""), style="bold" if best else "") for text, best in line.cells
        ]
        made.add_row(Text(line.name), *cells)
    return made
