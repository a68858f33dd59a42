"""Which images a user's folder holds: from its list images.csv, or from a folder per class."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path, PurePosixPath
from unicodedata import normalize

from bench.datasets.files.csv_records import mistakes, records, uneven
from bench.datasets.files.litter import is_litter
from bench.datasets.files.verify import is_image, within
from bench.datasets.folder.near_misses import FolderNames
from bench.datasets.look_alikes import is_minus_one
from bench.suggest import unknown

NAME = "images.csv"
COLUMNS = ("path", "label", "split", "camera")
SPLITS = ("train", "val", "test", "query", "gallery")
JUNK_LABEL = "-1"
# If all folders have such names, they are parts of a data set and hold the folders of its classes.
PARTS = {*SPLITS, "training", "trainval", "valid", "validation", "dev", "eval", "testing"}
_CAMERA = re.compile(r"[0-9]{1,9}(\.0*)?")  # pandas writes a column with gaps as 1.0
_SIMILAR = 0.75  # of difflib, from which a name is a misspelled one: spilt, not name for camera
NO_CAMERA = -1


@dataclass(frozen=True)
class Row:
    """One image of a user: its path from the folder and what is known about it.

    ``label`` is normalised (NFC), so one word is one class however it was typed, and in a list "-1"
    if it is that number. ``line`` is that of images.csv, or 0 without a list.
    """

    path: str
    label: str
    split: str = ""
    camera: int = NO_CAMERA
    line: int = 0

    @property
    def junk(self) -> bool:
        """Whether the image is in the gallery as neither positive nor negative."""
        return self.label == JUNK_LABEL and self.split == "gallery"

    @property
    def where(self) -> str:
        """The image as messages name it."""
        return f"line {self.line}: {self.path}" if self.line else self.path


def read_images(folder: Path) -> Sequence[Row]:
    """The images of a folder: the rows of images.csv if it exists, else those of its folders."""
    place = folder / NAME
    return read_list(place) if place.is_file() else read_classes(folder)


def read_list(place: Path) -> list[Row]:
    """The rows of an images.csv, with paths relative to its folder.

    Capitals in the names of columns and splits do not matter, and other columns are not used.
    Raises: ValueError with the line of every mistake: text that is not UTF-8, misspelled or missing
    columns, empty or repeated paths, paths outside the folder or without a file, empty labels,
    unknown splits, cameras that are not whole numbers.
    """
    filled = ((line, fields) for line, fields in records(place) if any(fields))
    columns = [name.lower() for name in next(filled, (1, []))[1]]
    mistakes(place, _header_mistakes(columns))
    there = FolderNames(place.parent)
    rows: dict[str, Row] = {}
    found: list[str] = []
    for line, fields in filled:
        if len(fields) != len(columns):
            found.append(uneven(line, fields, columns))
            continue
        values = dict(zip(columns, fields, strict=True))
        row = _row(line, values)
        wrong = list(_row_mistakes(values, row, there, rows.get(row.path)))
        found += [f"line {line}: {text}" for text in wrong]
        rows.setdefault(row.path, row)
    mistakes(place, found or ([] if rows else ["it lists no image; add a line for each"]))
    return list(rows.values())


def other_columns(place: Path) -> list[str]:
    """The names of the columns of an images.csv that are not used."""
    _, columns = next(((line, fields) for line, fields in records(place) if any(fields)), (1, []))
    return [name for name in columns if name.lower() not in COLUMNS]


def _header_mistakes(columns: list[str]) -> Iterator[str]:
    """Mistakes of names in small letters. An unknown one may be a column of the user's, unless it
    is spelled like one that is missing."""
    if len(columns) == 1 and columns[0] not in COLUMNS:
        yield f"line 1: found one column, {columns[0]!r}; separate path and label by a comma"
        return
    missing = [name for name in COLUMNS if name not in columns]
    for name in dict.fromkeys(columns):
        misspelled = get_close_matches(name, missing, 1, _SIMILAR) or {*COLUMNS[:2]} & {*missing}
        if name and name not in COLUMNS and misspelled:
            yield f"line 1: {unknown('column', name, COLUMNS)}"
        elif name in COLUMNS and columns.count(name) > 1:
            yield f"line 1: the column {name!r} occurs more than once"
    for name in COLUMNS[:2]:
        if name not in columns:
            yield f"line 1: the column {name!r} is missing; the first line names the columns"


def _row(line: int, values: Mapping[str, str]) -> Row:
    camera, label = values.get("camera", ""), normalize("NFC", values["label"])
    return Row(
        path=PurePosixPath(values["path"]).as_posix(),
        label=JUNK_LABEL if is_minus_one(label) else label,
        split=values.get("split", "").lower(),
        camera=int(camera.split(".")[0]) if _CAMERA.fullmatch(camera) else NO_CAMERA,
        line=line,
    )


def _row_mistakes(
    values: Mapping[str, str], row: Row, there: FolderNames, before: Row | None
) -> Iterator[str]:
    if not values["path"]:
        yield "the path is empty; name the image's file"
    elif problem := _path_problem(row.path, there):
        yield f"{values['path']} {problem}"
    elif before:
        yield f"{row.path} is in line {before.line} already; remove one of them"
    if not row.label:
        yield "the label is empty; name the image's class"
    if row.split and row.split not in SPLITS:
        yield unknown("split", row.split, SPLITS)
    if row.label == JUNK_LABEL and not row.junk:
        yield f"the label {JUNK_LABEL} means junk, which only split gallery may hold"
    if values.get("camera") and row.camera == NO_CAMERA:
        yield f"the camera {values['camera']!r} is not a whole number; number the cameras"


def _path_problem(path: str, there: FolderNames) -> str:
    folder = there.folder
    if path.startswith("/") or path[1:3] in (":\\", ":/"):
        return "is an absolute path; begin at the folder of the list"
    if ".." in path.split("/"):
        return f"is outside {folder}; begin at the folder of the list, without '..'"
    if os.path.isfile(os.path.join(folder, path)):
        return ""
    if "\\" in path:
        return "has backslashes; write /"
    advice = there.near_miss(path) or "correct the path or remove the line"
    return f"is not a file in {folder}; {advice}"


def read_classes(folder: Path) -> list[Row]:
    """The images in the folders of a folder; each folder is a class with everything below it.

    Raises: ValueError without any image, for folders that are parts and not classes, and for an
    image name that is not a file: reading a pipe would never end.
    """
    images = [path for path in files(folder) if "/" in path and is_image(path)]
    odd = (path for path in images if not os.path.isfile(os.path.join(folder, path)))
    mistakes(folder, (f"{path} is a broken link, pipe or device; remove it" for path in odd))
    if not images:
        raise ValueError(
            f"{folder} holds no images: make a folder in it for each class and put its images "
            f"there, {folder}/CLASS/IMAGE.jpg, or list them in {folder / NAME}"
        )
    rows = [Row(path, normalize("NFC", path.split("/")[0])) for path in images]
    if parts := as_parts(row.label for row in rows):
        raise ValueError(
            f"{folder} holds the folders {parts}, which are parts of a data set and not classes: "
            f"list the images in {folder / NAME} with path, label and split, or give a folder that "
            "holds a folder for each class"
        )
    return rows


def as_parts(labels: Iterable[str]) -> str:
    """`test, train` if all of several labels are names of parts of a data set; else empty."""
    names = sorted(set(labels))
    known = len(names) > 1 and all(name.lower() in PARTS for name in names)
    return ", ".join(names) if known else ""


def files(folder: Path) -> list[str]:
    """Paths of every file in a folder and below, sorted, without hidden ones and litter.

    Links are followed. Raises: ValueError for a folder that is reached twice, by links or in a
    circle, and for names that are not text; OSError for a folder that cannot be read.
    """
    found: list[str] = []
    seen: dict[str, str] = {}
    for path, folders, names in os.walk(folder, followlinks=True, onerror=_raise):
        other = seen.setdefault(os.path.realpath(path), path)
        if other != path:
            raise ValueError(f"{path} and {other} are the same folder; remove the link")
        first = path == str(folder)
        folders[:] = [name for name in folders if not is_litter(name, first=first)]
        found += [os.path.join(path, name) for name in names if not is_litter(name)]
    paths = [within(folder, path) for path in found]
    odd = (path for path in paths if any("\ud800" <= sign <= "\udfff" for sign in path))
    # Names in bytes that are not UTF-8, which Python keeps as halves of surrogate pairs.
    mistakes(folder, (f"{path!r}: this name is not text; rename it" for path in odd))
    return sorted(paths)


def _raise(error: OSError) -> None:
    raise error
