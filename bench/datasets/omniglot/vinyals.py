"""Omniglot as the few-shot literature splits it: characters by Vinyals et al., each turned thrice.

The lists are those of Prototypical Networks (Snell et al., NIPS 2017), which follow Matching
Networks (Vinyals et al., NIPS 2016, https://arxiv.org/abs/1606.04080):
https://github.com/jakesnell/prototypical-networks, data/omniglot/splits/vinyals. They hold whole
alphabets with one exception, so that they need not be read.
"""

import numpy as np

from bench.datasets.images import ArrayImages
from bench.datasets.omniglot.contents import DRAWINGS
from bench.datasets.omniglot.reading import characters, items
from bench.datasets.splits import class_disjoint
from bench.datasets.types import Dataset

ROTATIONS = ("rot000", "rot090", "rot180", "rot270")  # degrees, against the clock
VALIDATION = ("Armenian", "Bengali", "Early_Aramaic", "Hebrew", "Mkhedruli_(Georgian)")
TEST = (
    "Kannada",
    "Keble",
    "Malayalam",
    "Manipuri",
    "Mongolian",
    "Old_Church_Slavonic_(Cyrillic)",
    "Oriya",
    "Syriac_(Serto)",
    "Sylheti",
    "Tengwar",
    "Tibetan",
    "ULOG",
)
# The cut after 1,200 characters goes through an alphabet: 41 train, these test.
TEST_OF_GURMUKHI = tuple(f"Gurmukhi/character{number}" for number in (42, 43, 44, 45))


def turned(images: np.ndarray) -> Dataset:
    """The data set under the protocol "vinyals", from its images (32460, 28, 28) uint8.

    Images (129840, 28, 28) uint8, 100 MB; a character's turn by 0, 90, 180 or 270 degrees is a
    class of its own: 4,112 classes train, 688 validate, 1,692 test. A symmetric character's classes
    cannot be told apart, so no score reaches 1. The common code resizes with other filters, adds
    validation to training after a search, and scores episodes of five or twenty classes.
    """
    by_character = images.reshape(len(characters()), DRAWINGS, *images.shape[1:])
    turns = [np.rot90(by_character, turn, axes=(2, 3)) for turn in range(len(ROTATIONS))]
    names = class_names()
    labels = np.repeat(np.arange(len(names)), DRAWINGS)
    parts = np.array([part_of(name) for name in names])
    drawings = tuple(
        f"{folder}/{rotation}/{file}"
        for drawn in items()
        for rotation in ROTATIONS
        for folder, file in (item.rsplit("/", 1) for item in drawn)
    )
    return Dataset(
        name="omniglot",
        images=ArrayImages(np.stack(turns, axis=1).reshape(-1, *images.shape[1:]), drawings),
        labels=labels,
        class_names=names,
        items=drawings,
        split=class_disjoint(
            labels,
            validation=np.flatnonzero(parts == "validation"),
            test=np.flatnonzero(parts == "test"),
            protocol="vinyals",
        ),
    )


def class_names() -> tuple[str, ...]:
    """The 6,492 classes, alphabet/characterNN/rotNNN, as the lists write them."""
    return tuple(
        f"{character.split('/', 1)[1]}/{rotation}"
        for character in characters()
        for rotation in ROTATIONS
    )


def part_of(name: str) -> str:
    """Which list a class stands in: train, validation or test."""
    character = name.rsplit("/", 1)[0]
    alphabet = character.split("/")[0]
    if alphabet in TEST or character in TEST_OF_GURMUKHI:
        return "test"
    return "validation" if alphabet in VALIDATION else "train"
