"""Embeddings with their labels, ids and cameras for `score`, read and checked before scoring."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from bench.cli.scoring.arrays import array_names, read_array
from bench.cli.scoring.columns import HEADINGS, TEXT, read_columns
from bench.cli.scoring.numbering import number, plain
from proxy_core.metrics import JUNK

UNKNOWN = -1  # camera

Files = tuple[Path, Path | None]  # of embeddings, and of labels if they are in another file
Columns = dict[str, np.ndarray]  # by a name of `HEADINGS`, (N,) integers or words; `names`


@dataclass(frozen=True, eq=False)
class Side:
    """Images that are searched with, or that are searched.

    Attributes: embeddings (N, D), floating point; labels (N,), integers or words; classes (N,)
    int64, equal where labels are, on both sides, -1 for the label -1; ids (N,) int64 likewise, or
    None; cameras (N,) int64 likewise, -1 if unknown, or None; junk, number of images of label -1
    that are left out, which happens where cameras are known; unused, number of labels left out
    because no embedding has their id; in_lines, whether labels with ids or names that do not ascend
    were taken in the order of their lines, as the embeddings have no ids; unused_arrays, the names
    of those that no score takes.
    """

    embeddings: np.ndarray
    labels: np.ndarray
    classes: np.ndarray
    ids: np.ndarray | None = None
    cameras: np.ndarray | None = None
    junk: int = 0
    unused: int = 0
    in_lines: bool = False
    unused_arrays: tuple[str, ...] = ()


def read_sides(queries: Files, gallery: Files | None) -> list[Side]:
    """Read the queries and, if there is one, the gallery.

    Embeddings are arrays: .npy, or .npz or .safetensors with an array `embeddings`. Labels are in
    the same file or another one of these, in an array `labels`, or in a .csv or .txt with one label
    per line or a column `label`. Arrays `ids` and `cameras`, or columns `id` and `camera`, may be
    in either file; cameras in both must agree. Where both files have ids, they match labels with
    embeddings. Labels of a file of their own are used instead of those beside the embeddings.
    Returns: each side; with cameras, without junk.
    Raises: ValueError or FileNotFoundError with the file, what was found and what to do.
    """
    files = [queries, gallery] if gallery else [queries]
    names = " and ".join(str(labels or path) for path, labels in files)
    embeddings = [read_embeddings(path) for path, _ in files]
    read = [
        side_columns(*side, count=len(found)) for side, found in zip(files, embeddings, strict=True)
    ]
    columns = [found for found, _, _ in read]
    numbers = number_columns(names, columns)
    sides = [
        Side(
            found,
            column["labels"],
            own["labels"],
            own.get("ids"),
            own.get("cameras"),
            0,
            rest,
            lines,
            unused_arrays(*side),
        )
        for side, found, (column, rest, lines), own in zip(
            files, embeddings, read, numbers, strict=True
        )
    ]
    check_ids(names, columns, sides)
    if sides[0].cameras is not None:
        sides = [without_junk(names, side) for side in sides]
    if gallery is None:
        check_classes(names, sides[0])
    return sides


def read_embeddings(path: Path) -> np.ndarray:
    """Embeddings (N, D) of a file, floating point of 16 to 64 bits without NaN or infinity."""
    embeddings = read_array(path, "embeddings")
    if embeddings.ndim != 2 or 0 in embeddings.shape:
        raise ValueError(
            f"{path}: embeddings have shape {embeddings.shape}; expected (images, dimensions), "
            "not empty"
        )
    if embeddings.dtype.kind != "f" or embeddings.dtype.itemsize > 8:
        raise ValueError(
            f"{path}: embeddings are {embeddings.dtype}; expected floating point of 16 to 64 bits, "
            "such as by astype(np.float32)"
        )
    broken = np.flatnonzero(~np.isfinite(embeddings).all(axis=1))
    if len(broken):
        half = embeddings.dtype.itemsize == 2
        limit = " (float16 holds nothing above 65,504: save as float32)" if half else ""
        raise ValueError(
            f"{path}: {len(broken):,} of {len(embeddings):,} embeddings hold NaN or infinity, the "
            f"first in row {broken[0]}{limit}; remove them together with their labels"
        )
    return embeddings


def side_columns(path: Path, labels: Path | None, *, count: int) -> tuple[Columns, int, bool]:
    """Labels, and ids and cameras if there are any, of `count` embeddings in `path`; `unused` and
    `in_lines` of the side.
    """
    if labels is None and path.suffix.lower() == ".npy":
        raise ValueError(
            f"{path} holds embeddings only: name the file of their labels too, that of a gallery "
            "with --gallery-labels"
        )
    own = file_columns(path, required=labels is None)
    check_lengths(path, own, count)
    if labels is None:
        return own, 0, False
    own.pop("labels", None)
    others = file_columns(labels, required=True)
    if "ids" in own and "ids" in others:
        rows = match(path, own["ids"], labels, others["ids"])
        matched = {name: column[rows] for name, column in others.items()}
        check_cameras(path, own, labels, matched)
        return own | matched, len(others["ids"]) - count, False
    check_lengths(labels, others, count)
    check_cameras(path, own, labels, others)
    order = others.get("ids", others.get("names"))
    return own | others, 0, order is not None and not ascending(order)


def ascending(ids: np.ndarray) -> bool:
    """Whether ids or names ascend as words, or with the numbers in them as numbers."""
    words: list[Any] = [str(name) for name in ids.tolist()]
    numbered: list[Any] = [
        [int(part) if part.isdecimal() else part for part in re.split("([0-9]+)", word)]
        for word in words
    ]
    return any(
        all(first <= second for first, second in pairwise(keys)) for keys in (words, numbered)
    )


def file_columns(path: Path, *, required: bool) -> Columns:
    """Labels, ids and cameras that a file holds; of an array file that need not hold labels, only
    ids and cameras.
    """
    if path.suffix.lower() in TEXT:
        found = read_columns(path)
    else:
        arrays = named_arrays(path)
        if not required:
            arrays.pop("labels", None)
        else:  # the only array of a .npy file, or the error that names it
            arrays.setdefault("labels", "labels")
        found = {name: read_array(path, array) for name, array in arrays.items()}
    return {
        name: plain(path, name, column) if name in HEADINGS else column
        for name, column in found.items()
    }


def named_arrays(path: Path) -> dict[str, str]:
    """A name of `HEADINGS` -> the array of a file, which may also be called by the heading."""
    names, found = array_names(path), {}
    for name, heading in HEADINGS.items():
        both = [array for array in (name, heading) if array in names]
        if len(both) > 1:
            raise ValueError(f"{path} has the arrays {' and '.join(both)}; leave one of them out")
        if both:
            found[name] = both[0]
    return found


def unused_arrays(path: Path, labels: Path | None) -> tuple[str, ...]:
    """Names of the arrays in these files that no score takes."""
    found: list[str] = []
    for file in (path, labels):
        if file and file.suffix.lower() not in TEXT:
            used = {"embeddings", *named_arrays(file).values()}
            found += [array for array in array_names(file) if array not in used]
    return tuple(found)


def check_lengths(path: Path, columns: Mapping[str, np.ndarray], count: int) -> None:
    """Raise ValueError unless there is one value for each embedding."""
    for name, values in columns.items():
        if values.shape != (count,):
            text = path.suffix.lower() in TEXT
            heading = f"; a heading must be called {HEADINGS[name]!r}" if text else ""
            raise ValueError(
                f"{path}: {name} have shape {values.shape}; expected one for each of {count:,} "
                f"embeddings{heading}"
            )


def check_cameras(path: Path, own: Columns, labels: Path, others: Columns) -> None:
    """Raise ValueError unless both files give an image the same camera."""
    if "cameras" not in own or "cameras" not in others:
        return
    cameras = own["cameras"], others["cameras"]
    left, right = number(f"{path} and {labels}", "cameras", cameras)
    differ = left != right
    if differ.any():
        row = int(differ.argmax())
        shown = [repr(str(values[row])) for values in cameras]
        raise ValueError(
            f"{path} and {labels} give {differ.sum():,} images different cameras, the first in row "
            f"{row}: {shown[0]} and {shown[1]}; correct them, or take the cameras out of one file"
        )


def match(path: Path, ids: np.ndarray, labels: Path, others: np.ndarray) -> np.ndarray:
    """Rows (N,) of the file of labels that have the ids (N,) of the embeddings."""
    rows = {str(name): row for row, name in enumerate(others)}
    if len(rows) < len(others):
        raise ValueError(f"{labels}: {len(others) - len(rows):,} ids are given more than once")
    missing = [str(name) for name in ids if str(name) not in rows]
    if missing:
        raise ValueError(
            f"{labels}: {len(missing):,} of {len(ids):,} ids of {path} are not there, the first is "
            f"{missing[0]!r} (there is {others[0]!s:.100}); give both files the same ids, or one "
            "none"
        )
    return np.array([rows[str(name)] for name in ids])


def number_columns(names: str, columns: list[Columns]) -> list[Columns]:
    """Integers of labels, cameras and ids that are equal where these are, on all sides.

    Raises: ValueError if a side has cameras and the other none.
    """
    numbers: list[Columns] = [{} for _ in columns]
    for name in HEADINGS:
        having = [side for side in columns if name in side]
        if name == "cameras" and len(having) not in (0, len(columns)):
            raise ValueError(
                f"{names}: one has cameras, the other has none; the camera rule of "
                "re-identification needs both"
            )
        found = iter(number(names, name, [side[name] for side in having]) if having else ())
        for side, own in zip(columns, numbers, strict=True):
            if name in side:
                own[name] = next(found)
    return numbers


def check_ids(names: str, columns: list[Columns], sides: list[Side]) -> None:
    """Raise ValueError for an id of two images, and for one image with two labels or cameras."""
    for column, side in zip(columns, sides, strict=True):
        if side.ids is None:
            continue
        _, first, counts = np.unique(side.ids, return_index=True, return_counts=True)
        if (counts > 1).any():
            word = column["ids"][first[counts.argmax()]]
            raise ValueError(
                f"{names}: the id {str(word)!r} is given to {counts.max():,} images; an id names "
                "one image (a column or array of another meaning needs another name)"
            )
    if len(sides) == 2:
        check_common(names, columns[0].get("ids"), *sides)


def check_common(names: str, words: np.ndarray | None, queries: Side, gallery: Side) -> None:
    """Raise ValueError if an image on both sides has two labels, or is not left out by cameras."""
    if words is None or queries.ids is None or gallery.ids is None:
        return
    _, left, right = np.intersect1d(queries.ids, gallery.ids, return_indices=True)
    differ = queries.classes[left] != gallery.classes[right]
    if differ.any():
        row = left[differ.argmax()]
        raise ValueError(
            f"{names}: {differ.sum():,} images have one label as query and another in the gallery, "
            f"the first is the one with the id {str(words[row])!r}"
        )
    if queries.cameras is None or gallery.cameras is None:
        return
    found = gallery.cameras[right]
    kept = (queries.cameras[left] != found) | (found == UNKNOWN)
    if kept.any():
        row = left[kept.argmax()]
        raise ValueError(
            f"{names}: {kept.sum():,} images are query and gallery, but the camera is unknown (-1) "
            "or not the same, so that the camera rule does not leave them out; the first has the "
            f"id {str(words[row])!r}"
        )


def without_junk(names: str, side: Side) -> Side:
    """The side without images of label -1, which the camera rule ignores."""
    kept = side.classes != JUNK
    if not kept.any():
        raise ValueError(f"{names}: all {len(kept):,} images have the label {JUNK}, which is junk")
    return replace(
        side,
        embeddings=side.embeddings[kept],
        labels=side.labels[kept],
        classes=side.classes[kept],
        ids=None if side.ids is None else side.ids[kept],
        cameras=None if side.cameras is None else side.cameras[kept],
        junk=int((~kept).sum()),
    )


def check_classes(names: str, side: Side) -> None:
    """Raise ValueError if images that are searched among themselves have all labels equal, or all
    different, or an unknown camera, with which an image would find itself.
    """
    images, count = len(side.classes), len(np.unique(side.classes))
    if count == 1:
        raise ValueError(f"{names}: all {images:,} labels are equal; scores need two classes")
    if count == images:
        raise ValueError(
            f"{names}: all {images:,} labels differ, so that no query has a positive; "
            "expected the class of each embedding, not its number"
        )
    if side.cameras is not None and (side.cameras == UNKNOWN).any():
        raise ValueError(
            f"{names}: {(side.cameras == UNKNOWN).sum():,} cameras are unknown (-1); without a "
            "gallery every camera must be known, since it leaves an image out of its own search"
        )
