"""Labels that someone brings as text: one a line, or a column of a table."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.datasets.files.csv_records import mistakes, records, uneven

NUMBER = re.compile(r"[-+]?\d+(\.0*)?")

Record = tuple[int, list[str]]  # a line, from 1, and its fields


def text_labels(path: Path) -> list[str]:
    """The labels of a .csv or .txt file; ValueError or FileNotFoundError where none can be read."""
    check_file(path)
    try:
        lines = list(records(path))
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror})") from error
    while lines and not lines[-1][1]:
        lines.pop()
    if not lines:
        raise ValueError(f"{path} is empty: expected one label a line")
    mistakes(path, broken(lines))
    column, lines = without_heading(path, lines)
    mistakes(path, (f"line {line}: there is no label" for line, some in lines if not some[column]))
    return [fields[column] for _, fields in lines]


def check_file(path: Path) -> None:
    """Raise FileNotFoundError or ValueError for what is no file, or holds nothing."""
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    if path.is_dir() or path.stat().st_size == 0:
        raise ValueError(f"{path} is {'a folder' if path.is_dir() else 'empty'}: name a file")


def broken(lines: Sequence[Record]) -> Iterator[str]:
    """The mistakes of lines that are blank, hold zero bytes as UTF-16 without a mark does, or have
    not as many fields as the first."""
    columns = lines[0][1]
    for line, fields in lines:
        if not any(fields):
            yield f"line {line}: there is no label"
        elif any("\0" in field for field in fields):
            yield f"line {line}: there is a zero byte; save the file as CSV UTF-8"
        elif columns and len(fields) != len(columns):
            yield uneven(line, fields, columns)


def without_heading(path: Path, lines: list[Record]) -> tuple[int, list[Record]]:
    """Which column holds the labels, the one called `label` or the only one, and the lines that
    do."""
    line, columns = lines[0]
    head = [name.lower() for name in columns]
    if head.count("label") > 1:
        raise ValueError(f"{path}, line {line}: the column 'label' is there more than once")
    if "label" in head:
        if len(lines) == 1:
            raise ValueError(f"{path} holds a heading only: expected one label a line")
        return head.index("label"), lines[1:]
    if "label" in re.split("[;\t]", ",".join(head)):
        raise ValueError(f"{path}: the columns of {columns} are not apart: separate them by commas")
    if len(head) > 1:
        raise ValueError(
            f"{path} has {len(head)} columns and none is called 'label', but "
            f"{', '.join(columns)}: name the one with the labels"
        )
    check_first(path, [fields[0] for _, fields in lines])
    return 0, lines


def check_first(path: Path, words: Sequence[str]) -> None:
    """Raise ValueError if the first of several lines is a word, and all others are numbers."""
    numbers = [NUMBER.fullmatch(word) is not None for word in words]
    if len(words) > 2 and not numbers[0] and all(numbers[1:]):
        raise ValueError(
            f"{path}: the first line is {words[0]!r} and all others are numbers: call the "
            "heading 'label', or leave it out"
        )
