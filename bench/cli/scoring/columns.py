"""Labels, ids and cameras in a user's .csv and .txt files."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from bench.datasets.files.csv_records import mistakes, records, uneven

TEXT = (".csv", ".txt")
HEADINGS = {"labels": "label", "ids": "id", "cameras": "camera"}  # of columns; arrays have plurals
# How a heading of labels may be called, in small letters.
TITLES = ("class", "classes", "target", "targets", "y", "category", "identity", "species", "name")
NUMBER = re.compile(r"[-+]?[0-9]{1,100}(\.0*)?")

Record = tuple[int, list[str]]  # line number from 1, and the fields


def read_columns(path: Path) -> dict[str, np.ndarray]:
    """The words of the columns `label`, `id` and `camera`, by the names of arrays; as `names` those
    of a column that names the images, such as their paths.

    Without a heading there is one column, the labels.
    Raises: ValueError with the file and the lines.
    """
    lines = list(records(path))
    while lines and not lines[-1][1]:  # empty lines at the end
        lines.pop()
    if not lines:
        raise ValueError(f"{path} is empty: expected one label per line")
    heading = lines[0][1]
    columns = find_columns(path, heading)
    body = lines[1:] if columns else lines
    if not body:
        raise ValueError(f"{path} holds a heading only: expected one label per line")
    found = columns or {"labels": 0}
    mistakes(path, text_mistakes(body, heading, found))
    words = {name: [fields[column] for _, fields in body] for name, column in found.items()}
    if not columns:
        check_no_heading(path, words["labels"])
    elif named := naming_words(body, heading, columns):
        words["names"] = named
    return {name: np.array(column) for name, column in words.items()}


def find_columns(path: Path, heading: Sequence[str]) -> dict[str, int]:
    """Names of arrays -> their columns; empty if the line is a label instead of a heading."""
    names = [name.lower() for name in heading]
    columns = {}
    for array, own in HEADINGS.items():
        found = [index for index, name in enumerate(names) if name in (own, array)]
        if len(found) > 1 or (array == "labels" and not found and len(names) > 1):
            raise ValueError(
                f"{path} has the columns {', '.join(heading)}: call one of them, and no other, "
                f"{own!r}"
            )
        if found:
            columns[array] = found[0]
    return columns if "labels" in columns else {}


def naming_words(
    lines: Sequence[Record], heading: Sequence[str], columns: Mapping[str, int]
) -> list[str]:
    """The first other column with a word of its own on each line; as such count numbers only if
    they number the lines, in any order, or have no heading, where pandas writes its index. Empty if
    there is none."""
    for column, name in enumerate(heading):
        words = [fields[column] for _, fields in lines]
        own = column not in columns.values() and len(set(words)) == len(words)
        if own and (not name or not any(map(is_number, words)) or number_lines(words)):
            return words
    return []


def number_lines(words: Sequence[str]) -> bool:
    """Whether different words are the whole numbers from 0 or 1 on, in any order."""
    if not all(re.fullmatch("[0-9]{1,12}", word) for word in words):
        return False
    numbers = sorted(map(int, words))
    return numbers[0] in (0, 1) and numbers[-1] - numbers[0] == len(numbers) - 1


def is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def text_mistakes(
    lines: Sequence[Record], heading: Sequence[str], columns: Mapping[str, int]
) -> Iterator[str]:
    """Mistakes of lines without a label, with zero bytes (UTF-16), or with a wrong field count."""
    for line, fields in lines:
        if any("\0" in field for field in fields):
            yield f"line {line}: there is a zero byte; save the file as CSV UTF-8"
        elif any(fields) and len(fields) != len(heading):
            yield uneven(line, fields, list(heading))
        else:
            missing = [
                HEADINGS[name]
                for name, column in columns.items()
                if not any(fields) or not fields[column]
            ]
            yield from (f"line {line}: there is no {name}" for name in missing[:1])


def check_no_heading(path: Path, labels: Sequence[str]) -> None:
    """Raise ValueError if the only column seems to be a table, or to begin with a heading."""
    for separator, name in ((";", "semicolon"), ("\t", "tab")):
        if all(separator in label for label in labels):
            raise ValueError(
                f"{path}: every line has a {name}; separate columns by commas and call one 'label'"
            )
    numbers = [NUMBER.fullmatch(label) is not None for label in labels]
    first = labels[0]
    heading = first.lower() in TITLES or first.startswith("#")
    if len(labels) > 2 and not numbers[0] and (all(numbers[1:]) or heading):
        if first in labels[1:]:
            return
        others = "numbers" if all(numbers[1:]) else "other words"
        raise ValueError(
            f"{path}: the first line is {first!r} and all others are {others}: call the "
            "heading 'label', or remove it"
        )
