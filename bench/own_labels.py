"""Labels that someone brings as text: one a line, or a column of a table."""

import csv
import re
from collections.abc import Sequence
from pathlib import Path

NUMBER = re.compile(r"[-+]?\d+(\.0*)?")


def text_labels(path: Path) -> list[str]:
    """The labels of a .csv or .txt file; ValueError or FileNotFoundError where none can be read."""
    check_file(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(
            f"{path} cannot be read as text in UTF-8 ({error}): save it as that"
        ) from error
    while rows and not rows[-1]:
        rows.pop()
    if not rows:
        raise ValueError(f"{path} is empty: expected one label a line")
    check_width(path, rows)
    return label_column(path, rows)


def check_file(path: Path) -> None:
    """Raise FileNotFoundError or ValueError for what is no file, or holds nothing."""
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    if path.is_dir() or path.stat().st_size == 0:
        raise ValueError(f"{path} is {'a folder' if path.is_dir() else 'empty'}: name a file")


def check_width(path: Path, rows: Sequence[Sequence[str]]) -> None:
    """Raise ValueError for a blank first row, and for rows of more columns than the first has."""
    if not "".join(rows[0]).strip():
        raise ValueError(f"{path}: row 1 has no label")
    for number, row in enumerate(rows, start=1):
        if len(row) > len(rows[0]):
            raise ValueError(
                f"{path}: row {number} has {len(row)} columns, the first has {len(rows[0])}: put "
                "words with commas in quotes"
            )


def label_column(path: Path, rows: Sequence[Sequence[str]]) -> list[str]:
    """The labels of rows of text: of the column `label`, or of the only column."""
    head = [cell.strip().lower() for cell in rows[0]]
    column = head.index("label") if "label" in head else 0
    if "label" in head:
        rows = rows[1:]
    elif "label" in re.split("[;\t]", ",".join(head)):
        raise ValueError(f"{path}: the columns of {rows[0]} are not apart: separate them by commas")
    elif len(head) == 1:
        check_first(path, rows)
    else:
        raise ValueError(
            f"{path} has {len(head)} columns and none is called 'label', but "
            f"{', '.join(rows[0])}: name the one with the labels"
        )
    if not rows:
        raise ValueError(f"{path} holds a heading only: expected one label a line")
    words = [row[column].strip() if len(row) > column else "" for row in rows]
    if "" in words:
        number = words.index("") + 1 + ("label" in head)
        raise ValueError(f"{path}: row {number} has no label")
    return words


def check_first(path: Path, rows: Sequence[Sequence[str]]) -> None:
    """Raise ValueError if the first of several lines is a word, and all others are numbers."""
    numbers = [NUMBER.fullmatch(row[0].strip()) is not None for row in rows if row]
    if len(rows) > 2 and not numbers[0] and all(numbers[1:]):
        raise ValueError(
            f"{path}: the first line is {rows[0][0]!r} and all others are numbers: call the "
            "heading 'label', or leave it out"
        )
