"""Omniglot's protocols: splits by alphabets, the few-shot literature's rotated classes, and Lake's
twenty runs of one-shot classification.
"""

import zipfile
from pathlib import Path

import numpy as np

from bench.datasets.files.download import checksum
from bench.datasets.images import ArrayImages
from bench.datasets.omniglot.reading import DRAWINGS, PARTS, characters, decode, items, shrink
from bench.datasets.source import Download
from bench.datasets.splits import OneShot, Split, class_disjoint
from bench.datasets.types import Dataset

ADDRESS = "https://raw.githubusercontent.com/brendenlake/omniglot/master/python"

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


RUNS = Download(
    url=f"{ADDRESS}/one-shot-classification/all_runs.zip",
    path="omniglot/all_runs.zip",
    checksum="sha256:437c1eeab0af8484112e1b4cc0f3d541ec727f7c47b9b202da738af9dfd6c325",
    size=352787,
)
COUNT = 20  # runs
WAYS = 20  # drawings to classify in a run, and drawings to choose from, one of each character


def runs_problems(root: Path) -> list[str]:
    """The problem of an all_runs.zip that is not the published archive; it may be missing."""
    place = root / RUNS.path
    if not place.exists() or (found := checksum(place, RUNS.checksum)) == RUNS.checksum:
        return []
    return [
        f"{place} is not the published archive: found {found}, expected {RUNS.checksum}; delete it "
        "and download it again, or do without the one-shot runs"
    ]


def read_one_shot(root: Path, images: np.ndarray, test: np.ndarray) -> OneShot | None:
    """The runs as positions in the data set; None without all_runs.zip.

    images: (N, 28, 28) uint8. test: (n,) int64, positions of the 20 evaluation alphabets, which the
    runs are from. No two of these drawings are equal, even when small, so a drawing is found by its
    pixels. Raises: ValueError for anything but the published archive.
    """
    if not (root / RUNS.path).exists():
        return None
    for problem in runs_problems(root):
        raise ValueError(problem)
    known = {images[position].tobytes(): position for position in test.tolist()}
    truth: list[list[int]] = []
    found: list[list[int]] = []
    with zipfile.ZipFile(root / RUNS.path) as archive:
        for run in range(1, COUNT + 1):
            classes, items = run_names(run)
            lines = archive.read(f"run{run:02d}/class_labels.txt").decode().splitlines()
            class_of = dict(line.split() for line in lines)
            truth.append([classes.index(class_of[item]) for item in items])
            drawings = [decode(name, archive.read(name)) for name in classes + items]
            found.append([known[small.tobytes()] for small in shrink(np.stack(drawings))])
    support, query = np.split(np.array(found), 2, axis=1)
    return OneShot(support, query, np.array(truth))


def run_names(run: int) -> tuple[list[str], list[str]]:
    """The files of a run: the drawings to choose from, and those to classify."""
    numbers = range(1, WAYS + 1)
    classes = [f"run{run:02d}/training/class{number:02d}.png" for number in numbers]
    return classes, [f"run{run:02d}/test/item{number:02d}.png" for number in numbers]
