"""Which images train, validate, and are query and gallery."""

from dataclasses import dataclass, replace

import numpy as np

PARTS = ("train", "validation", "query", "gallery")
SHARING = ("official", "within-classes")  # protocols whose parts may share classes

# Protocols whose validation part is whole training classes, so that others may validate instead.
BY_CLASS = ("class-disjoint", "re-identification")


@dataclass(frozen=True, eq=False)
class Split:
    """Which images train, validate, and are query and gallery, as positions in a Dataset.

    Each part: (n,) int64 positions in 0..N-1, without repeats. For retrieval within one set,
    ``query`` and ``gallery`` hold the same positions. ``train`` does not contain ``validation``:
    the training half of the literature is both together.
    Under the protocols of `SHARING`, such as "official" (the data set's own lists), parts may share
    classes. Under every other one, such as "class-disjoint" ("zero-shot" in the literature),
    training, validation and test share none.
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
class OneShot:
    """R runs of one-shot classification: S labelled images, T images that each show one of them.

    support (R, S) and query (R, T): positions in the Dataset; truth (R, T) in 0..S-1: the support
    image that each query belongs to. All int64.
    """

    support: np.ndarray
    query: np.ndarray
    truth: np.ndarray


def class_disjoint(
    labels: np.ndarray,
    validation: np.ndarray,
    test: np.ndarray,
    protocol: str = "class-disjoint",
) -> Split:
    """Split whole classes into train, validation and test, with retrieval within the test images.

    labels: (N,) int64. validation, test: class labels, int64; all other classes train.

    Source: testing on unseen classes follows Movshovitz-Attias et al.
    (https://arxiv.org/abs/1703.07464) and the literature before them, which hold out no validation
    classes.
    """
    return split_by_masks(protocol, np.isin(labels, validation), np.isin(labels, test))


def with_other_validation(
    split: Split, labels: np.ndarray, generator: np.random.Generator
) -> Split:
    """A split in which as many other classes validate, drawn from those that train or validate.

    labels: (N,) int64. Classes keep all their images together, and the test part is as it was.
    Raises: ValueError if the protocol is not one of `BY_CLASS`.
    """
    if split.protocol not in BY_CLASS:
        raise ValueError(
            f"the {split.protocol} protocol fixes which images validate; they are drawn only under "
            f"{' and '.join(BY_CLASS)}"
        )
    pool = np.sort(np.concatenate([split.train, split.validation]))
    count = len(np.unique(labels[split.validation]))
    drawn = generator.choice(np.unique(labels[pool]), count, replace=False)
    validates = np.isin(labels[pool], drawn)
    return replace(split, train=pool[~validates], validation=pool[validates])


def official(labels: np.ndarray, training: np.ndarray) -> Split:
    """The data set's own two lists: one trains and validates, the other is searched within itself.

    labels: (N,) int64. training: (N,) bool, True for the official training list. Every fifth image
    of each class on it validates, in the given order: the lists name no validation images.
    """
    validation = training.copy()
    validation[training] = number_in_class(labels[training]) % 5 == 4
    return split_by_masks("official", validation, ~training)


def number_in_class(labels: np.ndarray) -> np.ndarray:
    """How many images of the same class come before each image: labels and result (N,) int64."""
    numbers = np.empty_like(labels)
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        numbers[own] = np.arange(len(own))
    return numbers


def split_by_masks(protocol: str, validation: np.ndarray, test: np.ndarray) -> Split:
    """Split by two masks (N,) bool; all other images train, and test images are searched."""
    return Split(
        protocol=protocol,
        train=np.flatnonzero(~validation & ~test),
        validation=np.flatnonzero(validation),
        query=np.flatnonzero(test),
        gallery=np.flatnonzero(test),
    )
