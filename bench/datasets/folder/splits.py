"""How a user's own images are split: by a fixed rule over classes, or by images.csv."""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from unicodedata import normalize

import numpy as np

from bench.datasets.files.csv_records import mistakes
from bench.datasets.files.photographs import Photographs
from bench.datasets.folder.rows import NAME, NO_CAMERA, Row
from bench.datasets.splits import Split
from bench.datasets.types import Dataset
from bench.suggest import first_names
from proxy_core.metrics import JUNK

LEAST = 2  # classes of a part: with one, every neighbor is a hit and nothing can be learned
LEAST_CLASSES = 3 * LEAST
LEAST_OF_CLASS = 3 * LEAST  # images of a class that trains, validates and tests
QUERIES, GALLERY = ("test", "query"), ("test", "gallery")  # splits of their images
SEARCHES = ((("val",), ("val",)), (QUERIES, GALLERY))


def by_classes(name: str, folder: Path, rows: Sequence[Row]) -> Dataset:
    """class-disjoint: the first half of the classes trains, every fifth of them validates.

    Classes are in order of their names, by Unicode code points. The half is rounded up and has at
    least four classes; if it has fewer than ten, its last two validate. The other half tests. A
    column split is ignored and junk is left out.

    Raises: ValueError for fewer than six classes, and for validation or test images that are the
    only ones of their class.
    """
    rows = [row for row in rows if not row.junk]
    classes = sorted({row.label for row in rows})
    if len(classes) < LEAST_CLASSES:
        raise ValueError(
            f"{folder} has {len(classes)} classes ({first_names(classes)}); the split "
            f"class-disjoint needs {LEAST_CLASSES} or more: two to train, two to validate, "
            f"two to test{_not_classes(folder, rows)}; the split within-classes takes fewer"
        )
    seen = classes[: max(2 * LEAST, (len(classes) + 1) // 2)]
    validating = seen[4::5] if len(seen[4::5]) >= LEAST else seen[-LEAST:]
    parts = dict.fromkeys(classes, "test") | dict.fromkeys(seen, "train")
    parts |= dict.fromkeys(validating, "val")
    rows = [replace(row, split=parts[row.label]) for row in rows]
    mistakes(folder / NAME if rows[0].line else folder, _without_positive(rows))
    return _dataset(name, folder, rows, "class-disjoint")


def within_classes(name: str, folder: Path, rows: Sequence[Row]) -> Dataset:
    """within-classes: the images of each class train, validate and test, for few classes.

    In order of their names, the last third of a class tests, the fifth before it validates, each
    rounded down and two images or more, and the others train: pictures taken one after the other
    often look alike, so most of them stay in one part. A column split is ignored and junk is left
    out.

    Raises: ValueError for one class, and for classes with fewer than six images.
    """
    rows = sorted((row for row in rows if not row.junk), key=lambda row: row.path)
    counts = Counter(row.label for row in rows)
    if len(counts) < LEAST:
        raise ValueError(
            f"{folder} has one class ({first_names(counts)}), and with one class there is nothing "
            f"to tell apart: give it two or more{_not_classes(folder, rows)}"
        )
    few = [f"{label} ({n})" for label, n in counts.items() if n < LEAST_OF_CLASS]
    if few:
        raise ValueError(
            f"{folder}: the split within-classes needs {LEAST_OF_CLASS} images or more of each "
            f"class, to train, validate and test; fewer have {first_names(few)}"
        )
    seen = Counter[str]()
    parted = []
    for row in rows:
        left = counts[row.label] - seen[row.label]
        seen[row.label] += 1
        parted.append(replace(row, split=_part(counts[row.label], left)))
    return _dataset(name, folder, parted, "within-classes")


def _part(count: int, left: int) -> str:
    """The part of an image of a class of `count` images; `left` are this one and later ones."""
    test = max(LEAST, count // 3)
    validation = max(LEAST, count // 5)
    return "test" if left <= test else "val" if left <= test + validation else "train"


def by_list(protocol: str, name: str, folder: Path, rows: Sequence[Row]) -> Dataset:
    """official and re-identification: by the column split.

    official: with train and val, and test, whose images are both query and gallery, or query and
    gallery; both may be combined, as where other images join the gallery. A column camera is
    ignored. re-identification: the same with the camera of each query and gallery image. Identities
    that train, validate and test must differ.

    Raises: ValueError without a list, for a missing part, an image without a split, and queries
    without a positive; under re-identification also for a missing camera, and for queries whose
    only positives are of their own camera, which do not count.
    """
    place = folder / NAME
    if not place.is_file():
        raise ValueError(
            f"the split {protocol} needs a list {place} with the columns path, label and split "
            "(train, val, and test or query and gallery); without one, use class-disjoint"
        )
    if protocol == "official":
        mistakes(place, list(_part_mistakes(rows)) or _without_positive(rows))
        return _dataset(name, folder, rows, protocol)
    wrong = [*_part_mistakes(rows), *_camera_mistakes(rows)]
    mistakes(place, wrong or [*_without_positive(rows), *_of_one_camera(rows)])
    return _dataset(name, folder, rows, protocol)


def _not_classes(folder: Path, rows: Sequence[Row]) -> str:
    """The folders beside the classes, for a message; empty if a list names the images."""
    used = {row.path.split("/")[0] for row in rows}
    lost = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir())
    lost = [name for name in lost if name not in used]
    if rows[0].line or not lost:
        return ""
    return f"; left out are the folders {first_names(lost)}"


RULES: dict[str, Callable[[str, Path, Sequence[Row]], Dataset]] = {
    "class-disjoint": by_classes,
    "official": partial(by_list, "official"),
    "re-identification": partial(by_list, "re-identification"),
    "within-classes": within_classes,
}


def fitting(rows: Sequence[Row]) -> str:
    """The protocol that fits the rows best, of those that they are meant for."""
    return intended(rows)[-1]


def intended(rows: Sequence[Row]) -> list[str]:
    """The protocols that the rows are meant for: the fixed rule, by the number of their classes, if
    they name no split."""
    if not any(row.split for row in rows):
        few = len({row.label for row in rows if not row.junk}) < LEAST_CLASSES
        return ["within-classes" if few else "class-disjoint"]
    cameras = any(row.split == "query" and row.camera != NO_CAMERA for row in rows)
    return ["official", "re-identification"] if cameras else ["official"]


def _part_mistakes(rows: Sequence[Row]) -> Iterator[str]:
    used = {row.split for row in rows}
    if used == {""}:
        yield "there is no split: add a column split (train, val, and test or query and gallery)"
        return
    yield from (f"{row.where} has no split" for row in rows if not row.split)
    if "train" not in used:
        yield "no image has the split train"
    if "val" not in used:
        yield "no image has the split val: give it to some that train now, two or more of a class"
    if "test" not in used and not {"query", "gallery"} <= used:
        lost = {"query", "gallery"} - used
        part = "test (or query and gallery)" if len(lost) == 2 else lost.pop()
        yield f"no image has the split {part}"
    for parts in (("train",), ("val",), QUERIES):
        classes = {row.label for row in rows if row.split in parts}
        if classes and len(classes) < LEAST:
            named = " and ".join(part for part in parts if part in used)
            yield (
                f"all images of the split {named} are of the class {classes.pop()!r}; give it two "
                "classes or more"
            )


def _camera_mistakes(rows: Sequence[Row]) -> Iterator[str]:
    searched = {*QUERIES, *GALLERY}
    lost = [row for row in rows if row.split in searched and row.camera == NO_CAMERA]
    yield from (f"{row.where} has no camera; give its number in the column camera" for row in lost)
    validated = [row for row in rows if row.split == "val"]
    some = [row for row in validated if row.camera == NO_CAMERA]
    if len(some) < len(validated):  # without any, validation has no rule of cameras
        yield from (
            f"{row.where} has no camera, but other images of the split val have; give it its number"
            for row in some
        )


def _without_positive(rows: Sequence[Row]) -> list[str]:
    """Queries without another image of their class in the gallery."""
    found = []
    for queries, gallery in SEARCHES:
        images = Counter(row.label for row in rows if row.split in gallery)
        named = " and ".join(part for part in gallery if any(row.split == part for row in rows))
        found += [
            f"{row.where} finds no other image of {row.label!r} in {named}; add images of this "
            "class or remove it"
            for row in rows
            if row.split in queries and images[row.label] <= (row.split in gallery)
        ]
    return found


def _of_one_camera(rows: Sequence[Row]) -> Iterator[str]:
    """Queries whose only positives are of their own camera, which do not count."""
    cameras: dict[str, set[int]] = {}
    for row in rows:
        if row.split in GALLERY:
            cameras.setdefault(row.label, set()).add(row.camera)
    for row in rows:
        if row.split in QUERIES and cameras.get(row.label) == {row.camera}:
            yield (
                f"{row.where} finds {row.label!r} by its own camera {row.camera} only; "
                "add images of this class by another camera or remove it"
            )


def _dataset(name: str, folder: Path, rows: Sequence[Row], protocol: str) -> Dataset:
    """The data set of the rows, in order of their paths: that of a list's lines has no meaning, and
    neither fingerprint nor checksum shows it."""
    rows = sorted(rows, key=lambda row: row.path)
    classes = sorted({row.label for row in rows if not row.junk})
    numbers = {label: number for number, label in enumerate(classes)}
    labels = [JUNK if row.junk else numbers[row.label] for row in rows]
    parts = (("train",), ("val",), QUERIES, GALLERY)
    positions = (np.flatnonzero([row.split in part for row in rows]) for part in parts)
    return Dataset(
        name=name,
        images=Photographs(folder, tuple(row.path for row in rows)),
        labels=np.array(labels, dtype=np.int64),
        class_names=tuple(classes),
        items=tuple(normalize("NFC", row.path) for row in rows),
        split=Split(protocol, *positions),
        cameras=np.array([row.camera for row in rows], dtype=np.int64)
        if protocol == "re-identification"
        else None,
    )
