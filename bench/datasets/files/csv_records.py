"""CSV text of users, read so that every mistake is reported with its line."""

import csv
import io
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from bench.datasets.files.text import decode_text

QUOTE = "put double quotes around a value with a comma"
_SEPARATOR = re.compile(r'"?sep=([,;|\t])"?,* *(?:\r\n|\n|\r|$)', re.IGNORECASE)
_SHOWN = 5  # mistakes that a message lists


def mistakes(place: Path, found: Iterable[str]) -> None:
    """Raise ValueError with the first five mistakes and the number of the others, if any."""
    lines = list(found)
    if not lines:
        return
    shown = lines[:_SHOWN] + [f"and {len(lines) - _SHOWN:,} more"] * (len(lines) > _SHOWN)
    count = "a mistake" if len(lines) == 1 else f"{len(lines):,} mistakes"
    raise ValueError("\n  ".join([f"{place} has {count}:", *shown]))


def records(place: Path) -> Iterator[tuple[int, list[str]]]:
    """The line, from 1, and the stripped fields of each record of a CSV file; none if it is empty.

    A first line `sep=;`, as spreadsheets read and write it, names the separator.

    Raises: ValueError with the line if the file is not UTF-8 or not CSV.
    """
    try:
        text = decode_text(place.read_bytes())
    except ValueError as error:
        mistakes(place, [str(error)])
        return
    named = _SEPARATOR.match(text)
    content, separator = (text[named.end() :], named[1]) if named else (text, ",")
    first = 1 if named else 0
    reader = csv.reader(
        io.StringIO(content, newline=""), delimiter=separator, strict=True, skipinitialspace=True
    )
    try:
        for fields in reader:
            yield first + reader.line_num, [field.strip() for field in fields]
    except csv.Error as error:
        mistakes(place, [f"line {first + reader.line_num}: this is not CSV ({error})"])


def uneven(line: int, fields: list[str], columns: list[str]) -> str:
    """The mistake of a record with more or fewer fields than columns."""
    named = f"{len(columns)} columns" if len(columns) > 1 else "a single column"
    found = "1 field" if len(fields) == 1 else f"{len(fields)} fields"
    return f"line {line}: {found} under {named}; {QUOTE}"
