"""What a data set is once loaded: images, labels, names, and a split."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

PARTS = ("train", "validation", "query", "gallery")


@dataclass(frozen=True, eq=False)
class Split:
    """Which images train, validate, ask and answer, as positions into a Dataset.

    Each part: (n,) int64 positions in 0..N-1, without repeats. For retrieval within one set,
    ``query`` and ``gallery`` hold the same positions. ``train`` does not contain ``validation``:
    who wants the whole training half of the literature joins the two.
    Protocols: "class-disjoint" (train, validation and test share no class; "zero-shot" in the
    literature) or "official" (the data set's own lists, classes may be shared).
    """

    protocol: str
    train: np.ndarray
    validation: np.ndarray
    query: np.ndarray
    gallery: np.ndarray

    def parts(self) -> dict[str, np.ndarray]:
        """The four parts by name, each (n,) int64."""
        return {part: getattr(self, part) for part in PARTS}


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set in memory, which has checked itself.

    images (N, H, W) or (N, H, W, 3) uint8; labels (N,) int64, 0..C-1 over the whole data set;
    class_names C readable names, label -> name; items N unique relative names, POSIX style.
    Raises ValueError, naming classes and items, where any of this does not hold, where training
    and test share an image, where the gallery lacks a query's class, or where a class-disjoint
    split is not.
    """

    name: str
    images: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]
    items: tuple[str, ...]
    split: Split

    def __post_init__(self) -> None:
        _check_arrays(self)
        _check_names(self)
        _check_positions(self)
        _check_classes(self)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of which item is in which part under which class name.

        Independent of pixels, and of the order of items within a part.
        """
        lists = [
            [part, sorted([self.items[i], self.class_names[self.labels[i]]] for i in positions)]
            for part, positions in self.split.parts().items()
        ]
        return hashlib.sha256(json.dumps(lists).encode()).hexdigest()

    @cached_property
    def checksum(self) -> str:
        """SHA-256 (hex) of every item's name, shape and pixels, sorted by name.

        Independent of the split and of the class names.
        """
        digest = hashlib.sha256()
        for i in sorted(range(len(self.items)), key=self.items.__getitem__):
            digest.update(json.dumps([self.items[i], self.images[i].shape]).encode())
            digest.update(self.images[i].tobytes())
        return digest.hexdigest()


def class_disjoint(labels: np.ndarray, validation: np.ndarray, test: np.ndarray) -> Split:
    """Split whole classes into train, validation and test, with retrieval within the test images.

    labels (N,) int64; validation and test: class labels, int64. Every other class trains.
    Testing on unseen classes follows Movshovitz-Attias et al. (https://arxiv.org/abs/1703.07464)
    and the literature before them, which hold out no validation classes.
    """
    in_validation, in_test = np.isin(labels, validation), np.isin(labels, test)
    positions = np.flatnonzero(in_test)
    return Split(
        protocol="class-disjoint",
        train=np.flatnonzero(~in_validation & ~in_test),
        validation=np.flatnonzero(in_validation),
        query=positions,
        gallery=positions,
    )


def some(names: Iterable[str]) -> str:
    """The first five of the sorted names and how many more there are, for messages."""
    ordered = sorted(names)
    more = f" and {len(ordered) - 5} more" if len(ordered) > 5 else ""
    return ", ".join(ordered[:5]) + more


def _check_arrays(dataset: Dataset) -> None:
    images, labels = dataset.images, dataset.labels
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


def _check_names(dataset: Dataset) -> None:
    for what, names in (("item", dataset.items), ("class name", dataset.class_names)):
        if len(set(names)) < len(names):
            repeated = {name for name, n in zip(*_counts(names), strict=True) if n > 1}
            raise ValueError(f"{dataset.name}: {what} occurs more than once: {some(repeated)}")
    used, known = set(dataset.labels.tolist()), set(range(len(dataset.class_names)))
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
    names = np.array(dataset.class_names, dtype=object)
    classes = {
        part: set(names[dataset.labels[positions]])
        for part, positions in dataset.split.parts().items()
    }
    if lost := classes["query"] - classes["gallery"]:
        raise ValueError(f"{dataset.name}: query classes missing from the gallery: {some(lost)}")
    if dataset.split.protocol != "class-disjoint":
        return
    for one, other in (("train", "validation"), *_unlike_pairs()):
        if shared := classes[one] & classes[other]:
            raise ValueError(
                f"{dataset.name}: {one} and {other} share the classes {some(shared)}, "
                "which the class-disjoint protocol forbids"
            )


def _unlike_pairs() -> list[tuple[str, str]]:
    return [(seen, test) for seen in ("train", "validation") for test in ("query", "gallery")]
