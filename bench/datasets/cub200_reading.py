"""CUB-200-2011's lists: read, checked against what was published, re-packed copies named."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.datasets.files.listed import read_rows, require

IMAGES = 11_788
CLASSES = 200

# SHA-256 (hex) of the lists.
LISTS = {
    "images.txt": "e1cfc5ed1f4bd1b838040784b6f75c44f7a25d9b31707a3adab49ec694618c1f",
    "image_class_labels.txt": "e9df8c96d897994a245746fe2c98914b9b31f5342bddc6e8b06bdfbf45e49b02",
    "train_test_split.txt": "8bbbfcc09b4d3c9c6e3e40c9874bd863eb6658f4f456e472df1b33d3403d2600",
    "classes.txt": "66a884364a73edde6c71eeb7fd5d8bb791e80979b64759bd6a5d5d209bdc02ba",
    "bounding_boxes.txt": "c19d9f096c15564793408e5ba054b8d715a6805819d98f037c977f369ef4abd3",
}

_FIRST = "001.Black_footed_Albatross"
_FLICKR = re.compile(r"_\d{7,}\.jpg$")  # numbers in names of 2010; those of 2011 have six digits


@dataclass(frozen=True, eq=False)
class Lists:
    """What the lists say, in order of image id.

    paths: N, from images/; labels (N,) int64; training (N,) bool; boxes (N, 4) float64, left, top,
    width, height in pixels; class_names: C.
    """

    paths: tuple[str, ...]
    labels: np.ndarray
    training: np.ndarray
    boxes: np.ndarray
    class_names: tuple[str, ...]


def read_lists(name: str, folder: Path) -> Lists:
    """Read the five lists; FileNotFoundError and ValueError name what is missing or wrong."""
    if found := repacked(folder):
        raise ValueError(found)
    require(name, folder, LISTS)
    return Lists(
        paths=tuple(path for (path,) in _values(folder / "images.txt", IMAGES, 1)),
        labels=_labels(folder / "image_class_labels.txt"),
        training=_numbers(folder / "train_test_split.txt", 1)[:, 0] == 1,
        boxes=_numbers(folder / "bounding_boxes.txt", 4),
        class_names=tuple(name for (name,) in _values(folder / "classes.txt", CLASSES, 1)),
    )


def mislabelled(folder: Path, lists: Lists) -> list[str]:
    """In words, the lines whose class is not that of the folder in which their image lies."""
    file = folder / "image_class_labels.txt"
    return [
        f"{file}, line {i + 1}: {path} is labelled {lists.labels[i] + 1}"
        for i, path in enumerate(lists.paths)
        if path.split("/")[0] != lists.class_names[lists.labels[i]]
    ]


def repacked(folder: Path) -> str:
    """What a copy that is not the official one is, in words; nothing for what may be official."""
    ask = "get the official archive: `proxy-bench data download cub200` says where"
    images = folder / "images"
    first = images / _FIRST
    flickr = first.is_dir() and any(_FLICKR.search(path.name) for path in first.iterdir())
    if flickr or ((folder / "lists").is_dir() and not (folder / "images.txt").exists()):
        return (
            f"{folder} holds CUB-200-2010 (6,033 photographs with the numbers of Flickr in their "
            f"names, lists in lists/), not CUB-200-2011, which has other photographs; {ask}"
        )
    for place in (images, folder):
        if (place / "train").is_dir() and not first.is_dir():
            return (
                f"{place} is a re-packed copy: photographs sorted into train/ and other folders, "
                f"where the official one has {images}/{_FIRST} and so on; {ask}"
            )
    if (folder / _FIRST).is_dir() and not (folder / "images.txt").exists():
        return f"{folder} is a re-packed copy: folders of classes without the lists; {ask}"
    return ""


def _values(path: Path, count: int, columns: int) -> list[list[str]]:
    """The rows of a list without their numbers, which must be 1, 2, 3 and so on."""
    rows = read_rows(path, columns + 1)
    for line, (number, *_) in enumerate(rows, start=1):
        if number != str(line):
            raise ValueError(f"{path}, line {line}: is numbered {number}; a line was lost or moved")
    if len(rows) != count:
        raise ValueError(
            f"{path} has {len(rows):,} lines, published are {count:,}: a trimmed or extended copy; "
            "get the official archive: `proxy-bench data download cub200` says where"
        )
    return [values for _, *values in rows]


def _numbers(path: Path, columns: int) -> np.ndarray:
    rows = _values(path, IMAGES, columns)
    try:
        return np.array(rows, dtype=np.float64)
    except ValueError as error:
        raise ValueError(f"{path} cannot be used: {error}") from error


def _labels(path: Path) -> np.ndarray:
    numbers = _numbers(path, 1)[:, 0]
    outside = np.flatnonzero((numbers < 1) | (numbers > CLASSES))
    if len(outside):
        raise ValueError(f"{path}, line {outside[0] + 1}: classes are numbered 1 to {CLASSES}")
    return numbers.astype(np.int64) - 1
