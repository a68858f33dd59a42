"""Omniglot's protocols: splits by alphabets, the few-shot literature's rotated classes, and Lake's
twenty runs of one-shot classification.
"""

import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bench.datasets.files.photographs import Photographs
from bench.datasets.files.unpack import is_litter
from bench.datasets.files.verify import differences, require_published
from bench.datasets.images import ArrayImages
from bench.datasets.omniglot.reading import (
    DRAWINGS,
    LARGEST,
    PARTS,
    SIDE,
    SMALL,
    characters,
    items,
    published,
    read_drawings,
    shrink,
)
from bench.datasets.splits import OneShot, Split, class_disjoint
from bench.datasets.types import Dataset

# The alphabets in images_background_small1.zip and images_background_small2.zip. Packed like those,
# no other five alphabets of 136 and 156 characters give their 1,319,022 and 1,580,917 bytes.
MINIMAL = {
    "minimal-1": ("Balinese", "Early_Aramaic", "Greek", "Korean", "Latin"),
    "minimal-2": ("Greek", "Japanese_(katakana)", "Latin", "Sanskrit", "Tagalog"),
}


def alphabet_split(labels: np.ndarray, protocol: str) -> Split:
    """Split by alphabets: the 20 evaluation alphabets test, background alphabets train.

    labels: (N,) int64 positions in ``characters``. "class-disjoint" uses all 30 background
    alphabets. "minimal-1" and "minimal-2" use the five of Lake's two small background sets
    (https://github.com/brendenlake/omniglot, "minimal" splits); the others are in no part. Of the
    used alphabets, every fifth in order of name validates: of five the last.
    """
    names = [character.split("/")[:2] for character in characters()]
    background = sorted({alphabet for part, alphabet in names if part == PARTS[0]})
    used = sorted(MINIMAL.get(protocol, background))
    held_out = used[4::5]
    alphabets = np.array([alphabet for _, alphabet in names])[labels]
    test = np.flatnonzero(~np.isin(alphabets, background))
    return Split(
        protocol=protocol,
        train=np.flatnonzero(np.isin(alphabets, used) & ~np.isin(alphabets, held_out)),
        validation=np.flatnonzero(np.isin(alphabets, held_out)),
        query=test,
        gallery=test,
    )


# The few-shot lists are those of Prototypical Networks (Snell et al., NIPS 2017), which follow
# Matching Networks (Vinyals et al., NIPS 2016, https://arxiv.org/abs/1606.04080):
# https://github.com/jakesnell/prototypical-networks, data/omniglot/splits/vinyals. They hold whole
# alphabets with one exception, so the lists themselves are not needed.
ROTATIONS = ("rot000", "rot090", "rot180", "rot270")  # degrees, counterclockwise
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


def rotated(images: np.ndarray) -> Dataset:
    """The data set under the protocol "vinyals", from its images (32460, 28, 28) uint8.

    Images (129840, 28, 28) uint8, 100 MB. Each rotation of a character by 0, 90, 180 or 270 degrees
    is a class: 4,112 classes train, 688 validate, 1,692 test. The rotations of a symmetric
    character look the same, so no score reaches 1.

    Differences: the common code resizes with other filters, adds the validation classes to training
    after a search, and scores episodes of five or twenty classes.
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
    """The 6,492 classes of "vinyals" as the lists write them, alphabet/characterNN/rotNNN."""
    return tuple(
        f"{character.split('/', 1)[1]}/{rotation}"
        for character in characters()
        for rotation in ROTATIONS
    )


def part_of(name: str) -> str:
    """Whether a class of "vinyals" is in the part "train", "validation" or "test"."""
    character = name.rsplit("/", 1)[0]
    alphabet = character.split("/")[0]
    if alphabet in TEST or character in TEST_OF_GURMUKHI:
        return "test"
    return "validation" if alphabet in VALIDATION else "train"


RUNS = "omniglot/all_runs.zip"
WAYS = 20  # drawings to classify in a run, and drawings to choose from, one of each character


class Runs(NamedTuple):
    """R runs: images (R, 40, 28, 28) uint8, those to classify first; truth (R, 20) in 0..19.

    ``problems``: what is not as published; the images of such a run are blank.
    """

    images: np.ndarray
    truth: np.ndarray
    problems: list[str]


def read_one_shot(root: Path, images: np.ndarray, test: np.ndarray) -> OneShot | None:
    """The runs as positions in the data set; None without all_runs.zip.

    images: (N, 28, 28) uint8. test: (n,) int64, positions of the 20 evaluation alphabets, which the
    runs are from. No two of these drawings are equal, even when small, so a drawing is found by its
    pixels. Raises: ValueError for anything but the published runs.
    """
    place = root / RUNS
    if not place.exists():
        return None
    runs = examine_runs(place)
    advice = f"delete {place.name} and download it again, or do without the runs"
    require_published("omniglot's one-shot runs are", runs.problems, advice)
    known = {images[position].tobytes(): position for position in test.tolist()}
    found = np.array([[known[image.tobytes()] for image in run] for run in runs.images])
    return OneShot(support=found[:, WAYS:], query=found[:, :WAYS], truth=runs.truth)


def examine_runs(archive: Path) -> Runs:
    """Read every run from the zip archive and compare it with the published one.

    Raises: ValueError for a file that is not a zip archive.
    """
    digests = published("runs.csv")
    expected = [run_names(run) for run in digests]
    images = np.zeros((len(digests), 2 * WAYS, SMALL, SMALL), dtype=np.uint8)
    truth = np.zeros((len(digests), WAYS), dtype=np.int64)
    with Photographs(archive, ()).opened() as place:
        existing = [name for name in place.names() if not is_litter(name)]
        known = [name for names in expected for name in names]
        problems = differences(f"{archive}: ", known, existing)
        for i, (run, names) in enumerate(zip(digests, expected, strict=True)):
            drawings, wrong = read_drawings(place, names[:-1], existing)
            try:
                answers = place.read(names[-1], LARGEST).split() if names[-1] in existing else []
            except ValueError as error:
                answers, wrong = [], [*wrong, f"{archive}: {error}"]
            if run_digest(drawings, answers) == digests[run]:
                images[i] = shrink(drawings.reshape(-1, SIDE, SIDE))
                truth[i] = _truth(names, answers)
            elif not wrong and set(names).issubset(existing):
                wrong = [f"{archive}: {run} is not the published one"]
            problems += wrong
    return Runs(images, truth, problems)


def run_names(run: str) -> list[str]:
    """The files of a run: 20 drawings to classify, 20 to choose from, and the answers."""
    numbers = range(1, WAYS + 1)
    return [
        *(f"{run}/test/item{number:02d}.png" for number in numbers),
        *(f"{run}/training/class{number:02d}.png" for number in numbers),
        f"{run}/class_labels.txt",
    ]


def run_digest(drawings: np.ndarray, answers: list[bytes]) -> str:
    """SHA-256 (hex) of a run: drawings (40, 105 * 105) bool and the words of class_labels.txt."""
    packed = np.packbits(drawings, axis=1).tobytes()
    return hashlib.sha256(packed + b" ".join(answers)).hexdigest()


def _truth(names: list[str], answers: list[bytes]) -> list[int]:
    """The class that each drawing belongs to, from pairs of drawing and class."""
    words = [answer.decode() for answer in answers]
    class_of = dict(zip(words[::2], words[1::2], strict=True))
    classes = names[WAYS : 2 * WAYS]
    return [classes.index(class_of[name]) for name in names[:WAYS]]
