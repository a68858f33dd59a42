"""Published numbers in a terminal, table by table as their sources print them."""

import re
from collections.abc import Iterator, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.metrics import describe, ordered
from bench.published import NOT_PRINTED, Published
from bench.terminal import print_line

# Fields that are a column where rows of a table differ in them; rows that differ in one of the
# others are in tables of their own.
COLUMNS = ("year", "backbone", "weights", "dimension")
SHARED = ("input", "selection", "training", "run_by")
WORDS = {"run_by": "run by"}
NOTE = "Never ranked with ours: conditions differ. --json has every field of every row."


def read_years(text: str) -> tuple[int, int]:
    """`2020` -> (2020, 2020), `2017-2020` -> (2017, 2020); ValueError for anything else."""
    found = re.fullmatch(r"(\d{4})(?:-(\d{4}))?", text)
    if not found or (found[2] and found[2] < found[1]):
        raise ValueError(
            f"--year is {text!r}: expected a year such as 2020, or the first and last of several "
            "such as 2017-2020"
        )
    return int(found[1]), int(found[2] or found[1])


def print_rows(console: Console, rows: Sequence[Published]) -> None:
    """The tables of each data set, each with what its rows share."""
    for (dataset, protocol), members in grouped(rows, ("dataset", "protocol")).items():
        print_line(console, f"\n{dataset}, {protocol} split, test (percent)", style="bold")
        for table in grouped(members, ("paper", "where")).values():
            for line in origin(table):
                print_line(console, line)
            for rows_alike in grouped(table, SHARED).values():
                print_line(console, f"  {conditions(rows_alike)}")
                console.print(score_table(rows_alike, notes_of_all(table)))
    print_line(console, f"{counted(len(rows))}. {NOTE}")


def counted(rows: int) -> str:
    """The number of rows in words."""
    return f"{rows} published {'row' if rows == 1 else 'rows'}"


def grouped(
    rows: Sequence[Published], fields: Sequence[str]
) -> dict[tuple[str, ...], list[Published]]:
    """Rows by the values of some fields, in the order of the first of each."""
    groups: dict[tuple[str, ...], list[Published]] = {}
    for row in rows:
        groups.setdefault(tuple(getattr(row, field) for field in fields), []).append(row)
    return groups


def origin(table: Sequence[Published]) -> Iterator[str]:
    """The source of a table and what is to know about it."""
    first = table[0]
    yield f"\n{first.source}"
    yield f"  {first.address}"
    if any(score.half is not None for row in table for score in row.scores.values()):
        yield f"  ±: {first.plus_minus}."
    yield from (f"  {note}" for note in notes_of_all(table))


def notes_of_all(table: Sequence[Published]) -> list[str]:
    """The notes that all rows share."""
    return [note for note in table[0].notes if all(note in row.notes for row in table)]


def conditions(rows: Sequence[Published]) -> str:
    """What all rows share, on one line."""
    fields = [field for field in (*COLUMNS, *SHARED) if not varies(rows, field)]
    return "; ".join(f"{WORDS.get(field, field)} {getattr(rows[0], field)}" for field in fields)


def varies(table: Sequence[Published], field: str) -> bool:
    """Whether rows differ in a field."""
    return len({getattr(row, field) for row in table}) > 1


def score_table(table: Sequence[Published], known: Sequence[str]) -> Table:
    """Methods, their losses here, what differs between them, and their scores; notes that are not
    `known` are below the method."""
    fields = [field for field in COLUMNS if varies(table, field)]
    keys = by_k({key for row in table for key in row.scores})
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in ("Method", "loss here", *fields):
        made.add_column(heading, overflow="fold")
    for key in keys:
        made.add_column(describe(key).heading, justify="right", no_wrap=True)
    for row in table:
        own = [str(getattr(row, field)) for field in fields]
        scores = [row.scores[key].printed if key in row.scores else NOT_PRINTED for key in keys]
        notes = "".join(f"\n({note})" for note in row.notes if note not in known)
        cells = [Text(text) for text in (f"{row.method}{notes}", row.loss, *own, *scores)]
        made.add_row(*cells)
    return made


def by_k(keys: set[str]) -> list[str]:
    """Recall@K by K, then the others in the order of METRICS."""
    recalls = sorted(
        (key for key in keys if key.startswith("recall@")), key=lambda key: int(key[7:])
    )
    return [*recalls, *(key for key in ordered(keys) if key not in recalls)]
