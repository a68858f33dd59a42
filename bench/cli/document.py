"""What `--json` prints in place of tables: one JSON document on standard output, and nothing else
there. docs/json.md describes the document of each command."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.terminal import plain_console, print_line

if TYPE_CHECKING:
    import pandas as pd

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document, no tables.")]


def print_document(content: object) -> None:
    """Print numbers with all their digits. What is beyond ASCII is escaped, so that it is the same
    whatever the encoding of the console.

    Raises: ValueError if a number is not finite, which JSON cannot say.
    """
    print(json.dumps(content, indent=2, allow_nan=False))


def records(table: "pd.DataFrame") -> list[dict[str, Any]]:
    """The rows of a frame; None where it has no value."""
    rows = table.astype(object).where(table.notna(), None).to_dict("records")
    return [{str(column): value for column, value in row.items()} for row in rows]


def print_problems(problems: Sequence[str]) -> None:
    """Print problems on standard error, which leaves standard output to a document."""
    for problem in problems:
        print_line(plain_console(stderr=True), f"problem: {problem}")
