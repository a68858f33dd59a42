"""images.csv: the list of a user's own images, read with all its mistakes at once."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from unicodedata import normalize

from bench.datasets.files.csv_records import mistakes, records, uneven
from bench.suggest import unknown

NAME = "images.csv"
COLUMNS = ("path", "label", "split", "camera")
REQUIRED = COLUMNS[:2]
SPLITS = ("train", "val", "test", "query", "gallery")
JUNK_LABEL = "-1"
NO_CAMERA = -1


@dataclass(frozen=True)
class Row:
    """One image of a user: its path from the folder, and what is said of it.

    ``label`` is normalised (NFC), so that one word is one class however it was typed. ``line`` is
    that of images.csv, 0 where there is none.
    """

    path: str
    label: str
    split: str = ""
    camera: int = NO_CAMERA
    line: int = 0

    @property
    def junk(self) -> bool:
        """Whether the image is in the gallery as neither right nor wrong."""
        return self.label == JUNK_LABEL and self.split == "gallery"

    @property
    def where(self) -> str:
        """The image as messages name it."""
        return f"line {self.line}: {self.path}" if self.line else self.path


def read_list(place: Path) -> list[Row]:
    """The rows of an images.csv, whose paths begin at its folder.

    Raises ValueError with the line of every mistake: text that is not UTF-8, unknown or missing
    columns, empty or repeated paths, paths out of the folder or to no file, empty labels, unknown
    splits, cameras that are no whole numbers.
    """
    filled = ((line, fields) for line, fields in records(place) if any(fields))
    _, columns = next(filled, (1, []))
    mistakes(place, _header_mistakes(columns))
    rows: dict[str, Row] = {}
    found: list[str] = []
    for line, fields in filled:
        if len(fields) != len(columns):
            found.append(uneven(line, fields, columns))
            continue
        values = dict(zip(columns, fields, strict=True))
        row = _row(line, values)
        wrong = list(_row_mistakes(values, row, place.parent, rows.get(row.path)))
        found += [f"line {line}: {text}" for text in wrong]
        rows.setdefault(row.path, row)
    mistakes(place, found or ([] if rows else ["there is no image in it; add a line for each"]))
    return list(rows.values())


def _header_mistakes(columns: list[str]) -> Iterator[str]:
    if len(columns) == 1 and columns[0] not in COLUMNS:
        yield f"line 1: found one column, {columns[0]!r}; separate path and label by a comma"
        return
    for name in dict.fromkeys(columns):
        if name not in COLUMNS:
            yield f"line 1: {unknown('column', name, COLUMNS)}"
        elif columns.count(name) > 1:
            yield f"line 1: the column {name!r} is there more than once"
    for name in REQUIRED:
        if name not in columns:
            yield f"line 1: the column {name!r} is missing; the first line names the columns"


def _row(line: int, values: Mapping[str, str]) -> Row:
    camera = values.get("camera", "")
    return Row(
        path=PurePosixPath(values["path"]).as_posix(),
        label=normalize("NFC", values["label"]),
        split=values.get("split", ""),
        camera=int(camera) if _whole(camera) else NO_CAMERA,
        line=line,
    )


def _whole(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10


def _row_mistakes(
    values: Mapping[str, str], row: Row, folder: Path, before: Row | None
) -> Iterator[str]:
    if not values["path"]:
        yield "the path is empty; name the image's file"
    elif problem := _path_problem(row.path, folder):
        yield f"{values['path']} {problem}"
    elif before:
        yield f"{row.path} is in line {before.line} already; take one of them out"
    if not row.label:
        yield "the label is empty; name the image's class"
    if row.split and row.split not in SPLITS:
        yield unknown("split", row.split, SPLITS)
    if row.label == JUNK_LABEL and not row.junk:
        yield f"the label {JUNK_LABEL} means junk, which only split gallery may hold"
    if values.get("camera") and row.camera == NO_CAMERA:
        yield f"the camera {values['camera']!r} is not a whole number; number the cameras"


def _path_problem(path: str, folder: Path) -> str:
    if path.startswith("/") or path[1:3] in (":\\", ":/"):
        return "is an absolute path; begin at the folder of the list"
    if ".." in path.split("/"):
        return f"leads out of {folder}; begin at the folder of the list, without '..'"
    if os.path.isfile(os.path.join(folder, path)):
        return ""
    if "\\" in path:
        return "has backslashes; write /"
    return f"is no file in {folder}; correct the path or take the line out"
