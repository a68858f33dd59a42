"""CUB-200-2011: 11,788 photographs of 200 bird species, whole or cut to their bounding boxes."""

import dataclasses
import re
from functools import partial
from pathlib import Path

import numpy as np

from bench.datasets.files.photographs import Photographs
from bench.datasets.files.verify import changed, examine, find_place, read_rows, require
from bench.datasets.files.work import Progress
from bench.datasets.source import Archive, Source
from bench.datasets.splits import class_disjoint, official
from bench.datasets.types import Dataset

IMAGES = 11_788
CLASSES = 200
LISTS = {  # SHA-256 (hex)
    "images.txt": "e1cfc5ed1f4bd1b838040784b6f75c44f7a25d9b31707a3adab49ec694618c1f",
    "image_class_labels.txt": "e9df8c96d897994a245746fe2c98914b9b31f5342bddc6e8b06bdfbf45e49b02",
    "train_test_split.txt": "8bbbfcc09b4d3c9c6e3e40c9874bd863eb6658f4f456e472df1b33d3403d2600",
    "classes.txt": "66a884364a73edde6c71eeb7fd5d8bb791e80979b64759bd6a5d5d209bdc02ba",
    "bounding_boxes.txt": "c19d9f096c15564793408e5ba054b8d715a6805819d98f037c977f369ef4abd3",
}
PLACES = ("cub200_2011/CUB_200_2011", "cub200_2011")
_FIRST = "001.Black_footed_Albatross"
_FLICKR = re.compile(r"_\d{7,}\.jpg$")  # numbers in names of 2010; those of 2011 have six digits
_ADVICE = "get the official archive: `proxy-bench data download cub200` shows how"


def load_cub200(name: str, cut: bool, root: Path | None, protocol: str) -> Dataset:
    """Load CUB-200-2011 from its lists, without opening photographs.

    N = 11,788 in order of image id, items as in images.txt. Protocol "class-disjoint": classes 1 to
    100 train (5,864 images), of which 5, 10, ..., 100 validate; 101 to 200 test (5,924). Protocol
    "official": train_test_split.txt (5,994 / 5,794); every fifth training image of each class
    validates. ``cut`` cuts each photograph to its bounding box (bounding_boxes.txt).

    Raises: FileNotFoundError with the missing lists; ValueError for lists that are not as published
    and for re-packed copies.
    """
    folder = find_place(name, root, *PLACES)
    if found := _repacked(folder):
        raise ValueError(found)
    require(name, folder, LISTS)
    labels = _labels(folder / "image_class_labels.txt")
    training = _numbers(folder / "train_test_split.txt", 1)[:, 0] == 1
    boxes = _numbers(folder / "bounding_boxes.txt", 4)
    paths = tuple(path for (path,) in _values(folder / "images.txt", IMAGES, 1))
    return Dataset(
        name=name,
        images=Photographs(
            folder, tuple(f"images/{path}" for path in paths), boxes if cut else None
        ),
        labels=labels,
        class_names=tuple(name for (name,) in _values(folder / "classes.txt", CLASSES, 1)),
        items=paths,
        split=official(labels, training)
        if protocol == "official"
        else class_disjoint(labels, validation=np.arange(4, 100, 5), test=np.arange(100, 200)),
    )


def check_cub200(name: str, cut: bool, root: Path | None, report: Progress) -> list[str]:
    """Compare lists and names with the published ones; decode every photograph, or its box."""
    dataset = load_cub200(name, cut, root, "official")
    assert isinstance(dataset.images, Photographs)
    folder = dataset.images.place
    mislabelled = [
        f"{folder}/image_class_labels.txt, line {i + 1}: {path} is labelled {label + 1}"
        for i, (path, label) in enumerate(zip(dataset.items, dataset.labels, strict=True))
        if path.split("/")[0] != dataset.class_names[label]
    ]
    return changed(folder, LISTS) + mislabelled + examine(dataset.images, ["images"], report)


def _repacked(folder: Path) -> str:
    """What a copy is that is not the official one; empty if it may be official."""
    images = folder / "images"
    first = images / _FIRST
    flickr = first.is_dir() and any(_FLICKR.search(path.name) for path in first.iterdir())
    if flickr or ((folder / "lists").is_dir() and not (folder / "images.txt").exists()):
        return (
            f"{folder} holds CUB-200-2010 (6,033 photographs with the numbers of Flickr in their "
            f"names, lists in lists/), not CUB-200-2011, which has other photographs; {_ADVICE}"
        )
    for place in (images, folder):
        if (place / "train").is_dir() and not first.is_dir():
            return (
                f"{place} is a re-packed copy: photographs sorted into train/ and other folders, "
                f"where the official one has {images}/{_FIRST} and so on; {_ADVICE}"
            )
    if (folder / _FIRST).is_dir() and not (folder / "images.txt").exists():
        return f"{folder} is a re-packed copy: folders of classes without the lists; {_ADVICE}"
    return ""


def _values(path: Path, count: int, columns: int) -> list[list[str]]:
    """The rows of a list without their numbers, which must be 1, 2, 3 and so on."""
    rows = read_rows(path, columns + 1)
    for line, (number, *_) in enumerate(rows, start=1):
        if number != str(line):
            raise ValueError(f"{path}, line {line}: has number {number}; a line is lost or moved")
    if len(rows) != count:
        raise ValueError(
            f"{path} has {len(rows):,} lines, published are {count:,}: a trimmed or extended copy; "
            f"{_ADVICE}"
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
        raise ValueError(f"{path}, line {outside[0] + 1}: classes have numbers 1 to {CLASSES}")
    return numbers.astype(np.int64) - 1


CUB200 = Source(
    title="Caltech-UCSD Birds-200-2011",
    description="11,788 photographs of 200 bird species",
    licence="Photographs of Flickr, under their owners' copyright; for non-commercial research and "
    "education only",
    citation="C. Wah, S. Branson, P. Welinder, P. Perona, S. Belongie, The Caltech-UCSD "
    "Birds-200-2011 Dataset, technical report CNS-TR-2011-001, California Institute of "
    "Technology (2011)",
    homepage="https://www.vision.caltech.edu/datasets/cub_200_2011/",
    fingerprints={
        "class-disjoint": "022dc90dc12ebb9214828df50c94419eb750036fd65c997a97ac0983fd91ff34",
        "official": "e13114492d2cc1e5c18c443fc5d3dbaffd6d8f48f3dd88d2acba08f61d4b6457",
    },
    load=partial(load_cub200, "cub200", False),
    check=partial(check_cub200, "cub200", False),
    photographs=True,
    by_hand="Get CUB_200_2011.tgz (1.1 GB) from the authors at "
    "https://data.caltech.edu/records/65de6-vp158 and put it at cub200_2011/CUB_200_2011.tgz under "
    "the data root, or its unpacked folder at cub200_2011/CUB_200_2011.",
    archives=(
        Archive(
            path="cub200_2011/CUB_200_2011.tgz",
            checksum="md5:97eceeb196236b17998738112f37df78",
            into="cub200_2011/CUB_200_2011",
        ),
    ),
)

CUB200_BOXES = dataclasses.replace(
    CUB200,
    title=f"{CUB200.title}, cut to bounding boxes",
    description="the photographs of cub200, each cut to its bird",
    load=partial(load_cub200, "cub200_boxes", True),
    check=partial(check_cub200, "cub200_boxes", True),
)
