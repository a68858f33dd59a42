"""What a data set is once loaded: images, labels, names and a split, checked to fit together."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from bench.datasets.splits import JUNK, OneShot, Split


class InFiles(Protocol):
    """N photographs that are not in memory: in their files, or decoded and mapped."""

    @property
    def checksum(self) -> str: ...
    def __len__(self) -> int: ...


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set, which has checked itself.

    images (N, H, W) or (N, H, W, 3) uint8, or N photographs in files; labels (N,) int64, 0..C-1
    over the whole data set, or -1 for junk in the gallery; class_names C readable names, label ->
    name; items N unique relative names, POSIX style. Where the data set has them: cameras (N,)
    int64, -1 where unknown; coarse, the super-class of each class, C names; one_shot.
    Raises ValueError, naming classes and items, where any of this does not hold, where training
    and test share an image, where the gallery lacks a query's class, or where a split other than
    the official one shares classes between training, validation and test.
    """

    name: str
    images: np.ndarray | InFiles
    labels: np.ndarray
    class_names: tuple[str, ...]
    items: tuple[str, ...]
    split: Split
    cameras: np.ndarray | None = None
    coarse: tuple[str, ...] | None = None
    one_shot: OneShot | None = None

    def __post_init__(self) -> None:
        _check_arrays(self)
        _check_names(self)
        _check_positions(self)
        _check_classes(self)

    @property
    def pixels(self) -> np.ndarray:
        """The images in memory; TypeError for photographs, which are not."""
        if not isinstance(self.images, np.ndarray):
            raise TypeError(f"{self.name}: photographs are not in memory")
        return self.images

    @property
    def has_own_gallery(self) -> bool:
        """Whether queries are searched in a gallery apart, and not among each other."""
        return not np.array_equal(self.split.query, self.split.gallery)

    def class_of(self, position: int) -> str:
        """The class name of one image; "junk" for junk."""
        label = int(self.labels[position])
        return "junk" if label == JUNK else self.class_names[label]

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of which item is in which part under which class name.

        Independent of pixels, and of the order of items within a part.
        """
        lists = [
            [part, sorted([self.items[i], self.class_of(i)] for i in positions)]
            for part, positions in self.split.parts().items()
        ]
        return hashlib.sha256(json.dumps(lists).encode()).hexdigest()

    @cached_property
    def checksum(self) -> str:
        """SHA-256 (hex) of every item's name, shape and pixels, sorted by name.

        Independent of the split and of the class names. Of photographs it is the SHA-256 over names
        and SHA-256 of the files.
        """
        if not isinstance(self.images, np.ndarray):
            return self.images.checksum
        digest = hashlib.sha256()
        for i in sorted(range(len(self.items)), key=self.items.__getitem__):
            digest.update(json.dumps([self.items[i], self.pixels[i].shape]).encode())
            digest.update(self.pixels[i].tobytes())
        return digest.hexdigest()


def some(names: Iterable[str]) -> str:
    """The first five of the sorted names and how many more there are, for messages."""
    ordered = sorted(names)
    more = f" and {len(ordered) - 5} more" if len(ordered) > 5 else ""
    return ", ".join(ordered[:5]) + more


def _check_arrays(dataset: Dataset) -> None:
    images, labels = dataset.images, dataset.labels
    if isinstance(images, np.ndarray):
        grey_or_colour = images.ndim == 3 or (images.ndim == 4 and images.shape[3] == 3)
        if images.dtype != np.uint8 or not grey_or_colour:
            raise ValueError(
                f"{dataset.name}: images must be (N, H, W) or (N, H, W, 3) uint8, "
                f"found {images.shape} {images.dtype}"
            )
    if labels.dtype != np.int64 or labels.ndim != 1:
        raise ValueError(
            f"{dataset.name}: labels must be (N,) int64, found {labels.shape} {labels.dtype}"
        )
    if not len(images) == len(labels) == len(dataset.items):
        raise ValueError(
            f"{dataset.name}: {len(images)} images, {len(labels)} labels and {len(dataset.items)} "
            "items; there must be one of each per image"
        )
    if dataset.cameras is not None and len(dataset.cameras) != len(labels):
        raise ValueError(
            f"{dataset.name}: {len(dataset.cameras)} cameras for {len(labels)} images; there must "
            "be one per image"
        )


def _check_names(dataset: Dataset) -> None:
    for what, names in (("item", dataset.items), ("class name", dataset.class_names)):
        if len(set(names)) < len(names):
            repeated = {name for name, n in zip(*_counts(names), strict=True) if n > 1}
            raise ValueError(f"{dataset.name}: {what} occurs more than once: {some(repeated)}")
    used, known = set(dataset.labels.tolist()) - {JUNK}, set(range(len(dataset.class_names)))
    if used - known:
        raise ValueError(
            f"{dataset.name}: label {some(map(str, used - known))} has no class name; "
            f"there are {len(known)} class names"
        )
    if known - used:
        unused = some(dataset.class_names[label] for label in known - used)
        raise ValueError(f"{dataset.name}: class without an image: {unused}")


def _counts(names: tuple[str, ...]) -> tuple[list[str], list[int]]:
    values, counts = np.unique(np.array(names), return_counts=True)
    return values.tolist(), counts.tolist()


def _check_positions(dataset: Dataset) -> None:
    for part, positions in dataset.split.parts().items():
        if positions.dtype != np.int64 or positions.ndim != 1 or len(positions) == 0:
            raise ValueError(
                f"{dataset.name}: {part} must be (n,) int64 with n > 0, "
                f"found {positions.shape} {positions.dtype}"
            )
        if positions.min() < 0 or positions.max() >= len(dataset.items):
            raise ValueError(f"{dataset.name}: {part} points outside 0..{len(dataset.items) - 1}")
        if len(np.unique(positions)) < len(positions):
            raise ValueError(f"{dataset.name}: {part} lists an image more than once")
    for one, other in (("train", "validation"), *_unlike_pairs()):
        shared = np.intersect1d(dataset.split.parts()[one], dataset.split.parts()[other])
        if len(shared):
            found = some(dataset.items[i] for i in shared)
            raise ValueError(f"{dataset.name}: {one} and {other} share the images {found}")


def _check_classes(dataset: Dataset) -> None:
    classes = {
        part: {dataset.class_of(i) for i in positions}
        for part, positions in dataset.split.parts().items()
    }
    for part in ("train", "validation", "query"):
        if JUNK in dataset.labels[dataset.split.parts()[part]]:
            raise ValueError(f"{dataset.name}: {part} holds junk, which only a gallery may")
    if lost := classes["query"] - classes["gallery"]:
        raise ValueError(f"{dataset.name}: query classes missing from the gallery: {some(lost)}")
    if alone := _alone(dataset):
        raise ValueError(
            f"{dataset.name}: the only test image of its class, so nothing can be found for it: "
            f"{some(alone)}; add images of these classes or take them out of the test"
        )
    if dataset.split.protocol == "official":
        return
    for one, other in (("train", "validation"), *_unlike_pairs()):
        if shared := classes[one] & classes[other]:
            raise ValueError(
                f"{dataset.name}: {one} and {other} share the classes {some(shared)}, "
                f"which the {dataset.split.protocol} protocol forbids"
            )


def _alone(dataset: Dataset) -> list[str]:
    """Queries that are the only image of their class in the gallery."""
    query, gallery = dataset.split.query, dataset.split.gallery
    found = np.bincount(dataset.labels[gallery] + 1, minlength=len(dataset.class_names) + 1)
    others = found[dataset.labels[query] + 1] - np.isin(query, gallery)
    return [dataset.items[i] for i in query[others == 0]]


def _unlike_pairs() -> list[tuple[str, str]]:
    return [(seen, test) for seen in ("train", "validation") for test in ("query", "gallery")]
