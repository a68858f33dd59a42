"""Which images train, validate, ask and answer."""

from dataclasses import dataclass

import numpy as np

PARTS = ("train", "validation", "query", "gallery")
JUNK = -1  # label of gallery images that are neither right nor wrong


@dataclass(frozen=True, eq=False)
class Split:
    """Which images train, validate, ask and answer, as positions into a Dataset.

    Each part: (n,) int64 positions in 0..N-1, without repeats. For retrieval within one set,
    ``query`` and ``gallery`` hold the same positions. ``train`` does not contain ``validation``:
    who wants the whole training half of the literature joins the two.
    Under the protocol "official" (the data set's own lists) parts may share classes; under every
    other one, as "class-disjoint" ("zero-shot" in the literature), training, validation and test
    share none.
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

    support (R, S) and query (R, T): positions into the Dataset; truth (R, T) in 0..S-1: which image
    of the support each query belongs to. All int64.
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

    labels (N,) int64; validation and test: class labels, int64. Every other class trains.
    Testing on unseen classes follows Movshovitz-Attias et al. (https://arxiv.org/abs/1703.07464)
    and the literature before them, which hold out no validation classes.
    """
    in_validation, in_test = np.isin(labels, validation), np.isin(labels, test)
    positions = np.flatnonzero(in_test)
    return Split(
        protocol=protocol,
        train=np.flatnonzero(~in_validation & ~in_test),
        validation=np.flatnonzero(in_validation),
        query=positions,
        gallery=positions,
    )


def official(labels: np.ndarray, training: np.ndarray) -> Split:
    """The data set's own lists: one trains and validates, the other is searched within itself.

    labels (N,) int64; training (N,) bool, True for the official training list. Every fifth image
    of each class on it validates, in the order given: the lists name no validation images.
    """
    validation = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels[training]):
        validation[np.flatnonzero(training & (labels == label))[4::5]] = True
    test = np.flatnonzero(~training)
    return Split(
        protocol="official",
        train=np.flatnonzero(training & ~validation),
        validation=np.flatnonzero(validation),
        query=test,
        gallery=test,
    )
