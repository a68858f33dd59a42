"""Omniglot's files against what was published: which are there, which should be, which differ."""

import hashlib
import posixpath
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from bench.datasets.files.archives import read_entries
from bench.datasets.files.places import find_place
from bench.datasets.files.progress import Progress
from bench.datasets.omniglot.contents import (
    ALPHABETS,
    CHARACTERS,
    CONTENT,
    DIGESTS,
    DRAWINGS,
    FIRST_EVALUATION,
)
from bench.datasets.omniglot.drawings import SIDE, SMALL, decode, shrink

PARTS = ("images_background", "images_evaluation")
_DIGITS = 4  # of each character's digest in DIGESTS
LARGEST = 65_536  # bytes; a genuine drawing has a few hundred


def characters() -> list[str]:
    """The 1,623 characters in order of number, as part/alphabet/characterNN."""
    order = sorted(ALPHABETS, key=ALPHABETS.__getitem__)
    ends = [*(ALPHABETS[alphabet] for alphabet in order[1:]), CHARACTERS + 1]
    return [
        f"{PARTS[number >= FIRST_EVALUATION]}/{alphabet}/character{number - first + 1:02d}"
        for alphabet, end in zip(order, ends, strict=True)
        for first in (ALPHABETS[alphabet],)
        for number in range(first, end)
    ]


def items() -> list[list[str]]:
    """The 20 drawings' names of each character, as part/alphabet/characterNN/NNNN_NN.png."""
    return [
        [f"{character}/{number:04d}_{i:02d}.png" for i in range(1, DRAWINGS + 1)]
        for number, character in enumerate(characters(), start=1)
    ]


def examine(root: Path, report: Progress) -> tuple[np.ndarray, list[str]]:
    """Read every drawing under ``root`` and compare it with what was published.

    Returns images (32460, 28, 28) uint8, white on black, in order of ``items``, blank where a
    drawing cannot be had, and the problems in words. Raises FileNotFoundError where an archive or
    folder is missing.
    """
    places = {
        part: find_place("omniglot", root, (f"omniglot/{part}.zip", f"omniglot/{part}"))
        for part in PARTS
    }
    contents, problems = _read(places)
    images = np.zeros((CHARACTERS, DRAWINGS, SMALL, SMALL), dtype=np.uint8)
    content = hashlib.sha256()
    for label, names in enumerate(items()):
        drawings, wrong = decode_drawings(names, contents)
        digest = hashlib.sha256(np.packbits(drawings, axis=1).tobytes())
        content.update(digest.digest())
        published = DIGESTS[_DIGITS * label : _DIGITS * (label + 1)]
        if not wrong and digest.hexdigest()[:_DIGITS] != published and set(names) <= set(contents):
            wrong = [f"a drawing of {names[0].rsplit('/', 1)[0]} is not the published one"]
        problems += [f"{places[names[0].split('/')[0]]}: {text}" for text in wrong]
        images[label] = shrink(drawings.reshape(DRAWINGS, SIDE, SIDE))
        report(DRAWINGS * (label + 1), DRAWINGS * CHARACTERS)
    if not problems and content.hexdigest() != CONTENT:
        problems.append(f"omniglot: content checksum {content.hexdigest()}, expected {CONTENT}")
    return images.reshape(-1, SMALL, SMALL), problems


def _read(places: Mapping[str, Path]) -> tuple[dict[str, bytes], list[str]]:
    contents: dict[str, bytes] = {}
    problems: list[str] = []
    for part, place in places.items():
        entries, broken = read_entries(place, LARGEST)
        problems += broken.values()
        if "" not in broken:
            expected = [names for names in items() if names[0].startswith(f"{part}/")]
            problems += differences(place, expected, entries.keys() | broken.keys())
        contents |= entries
    return contents, problems


def differences(place: Path, expected: Iterable[list[str]], found: set[str]) -> list[str]:
    """What is missing from, and what is surplus in, a place, in words.

    ``expected`` are groups of names, each in a folder of its own; a wholly missing group is one
    problem.
    """
    problems = []
    known: set[str] = set()
    for names in expected:
        missing = [name for name in names if name not in found]
        gone = [posixpath.commonpath(names)] if len(missing) == len(names) else missing
        problems += [f"{place}: {name} is missing" for name in gone]
        known.update(names)
    return problems + [f"{place}: {name} does not belong here" for name in sorted(found - known)]


def decode_drawings(
    names: list[str], contents: Mapping[str, bytes]
) -> tuple[np.ndarray, list[str]]:
    """Decode (n, 105 * 105) bool, True where white, with white paper for what cannot be had.

    Returns also what is not a drawing, in words.
    """
    drawings = np.ones((len(names), SIDE * SIDE), dtype=bool)
    problems = []
    for i, name in enumerate(names):
        if name not in contents:
            continue  # listed already as missing or unreadable
        try:
            drawings[i] = decode(name, contents[name]).ravel()
        except ValueError as error:
            problems.append(str(error))
    return drawings, problems
