"""Omniglot's drawings: read, made small, and compared with what was published.

Characters have numbers 1 to 1,623 through all alphabets. The file name of a drawing is the number
of its character and the number, 1 to 20, of the person who drew it.
"""

import csv
import hashlib
import io
import posixpath
from collections.abc import Collection
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import numpy as np
from PIL import Image

from bench.datasets.files.decode import naming_image
from bench.datasets.files.litter import litter_in
from bench.datasets.files.photographs import OpenPlace, Photographs
from bench.datasets.files.verify import differences, find_place
from bench.datasets.files.work import Progress

PARTS = ("images_background", "images_evaluation")
DRAWINGS = 20  # of each character
SIDE = 105  # pixels of a published drawing, each way
SMALL = 28


def published() -> dict[str, str]:
    """The SHA-256 (hex) of each character's 20 drawings, one after the other, packed to bits."""
    with Path(__file__).with_name("characters.csv").open(newline="") as file:
        _, *rows = csv.reader(file)
    return {name: digest for name, digest in rows}


def characters() -> list[str]:
    """The 1,623 characters in order of number, as part/alphabet/characterNN."""
    return list(published())


def items() -> list[list[str]]:
    """The 20 drawings' names of each character, as part/alphabet/characterNN/NNNN_NN.png."""
    return [
        [f"{character}/{number:04d}_{i:02d}.png" for i in range(1, DRAWINGS + 1)]
        for number, character in enumerate(characters(), start=1)
    ]


def examine(root: Path | None, report: Progress) -> tuple[np.ndarray, list[str]]:
    """Read every drawing under the data root and compare it with what was published.

    Returns: images (32460, 28, 28) uint8, white on black, in order of ``items``, blank where a
    drawing is missing or broken; the problems. Raises: FileNotFoundError if an archive or folder is
    missing; ValueError for a file that is not a zip archive.
    """
    digests = published()
    images = np.zeros((len(digests), DRAWINGS, SMALL, SMALL), dtype=np.uint8)
    problems = []
    with ExitStack() as stack:
        places = {part: stack.enter_context(_opened(part, root)) for part in PARTS}
        found = {part: _names(place, part) for part, place in places.items()}
        for part, place in places.items():
            known = [name for names in items() for name in names if name.startswith(f"{part}/")]
            problems += differences(f"{place.path}: ", known, found[part])
        existing = set().union(*found.values())
        for label, (names, expected) in enumerate(zip(items(), digests.values(), strict=True)):
            place = places[names[0].split("/")[0]]
            drawings, wrong = read_drawings(place, names, existing)
            digest = hashlib.sha256(np.packbits(drawings, axis=1).tobytes()).hexdigest()
            if not wrong and digest != expected and existing.issuperset(names):
                folder = posixpath.dirname(names[0])
                wrong = [f"{place.path}: a drawing of {folder} is not the published one"]
            problems += wrong
            images[label] = shrink(drawings.reshape(DRAWINGS, SIDE, SIDE))
            report(DRAWINGS * (label + 1), DRAWINGS * len(digests))
    return images.reshape(-1, SMALL, SMALL), problems


def _opened(part: str, root: Path | None) -> AbstractContextManager[OpenPlace]:
    """The archive of a part, or the folder that its folder is in: names begin with the part's."""
    place = find_place("omniglot", root, f"omniglot/{part}.zip", f"omniglot/{part}")
    return Photographs(place.parent if place.is_dir() else place, ()).opened()


def _names(place: OpenPlace, part: str) -> list[str]:
    """All names in an archive, or those of one part in a folder; without litter."""
    return [
        name
        for name in place.names()
        if not litter_in(name) and (place.archive or name.startswith(f"{part}/"))
    ]


def read_drawings(
    place: OpenPlace, names: list[str], existing: Collection[str]
) -> tuple[np.ndarray, list[str]]:
    """Read drawings: (n, 105 * 105) bool, True where the paper is white.

    A drawing that does not exist or is broken is white paper. Returns also the problems of broken
    ones.
    """
    drawings = np.ones((len(names), SIDE * SIDE), dtype=bool)
    problems = []
    for i, name in enumerate(names):
        if name in existing:
            try:
                drawings[i] = decode(name, place.read(name)).ravel()
            except ValueError as error:
                problems.append(f"{place.path}: {error}")
    return drawings, problems


def decode(name: str, png: bytes) -> np.ndarray:
    """Decode one drawing: (105, 105) bool, True where the paper is white.

    Raises: ValueError with the name for anything but a 105x105 1-bit PNG.
    """
    with naming_image(name, png):
        image = Image.open(io.BytesIO(png), formats=["PNG"])
    if (image.size, image.mode) != ((SIDE, SIDE), "1"):
        found = f"{image.width}x{image.height} in mode {image.mode}"
        raise ValueError(f"{name} is {found}, expected {SIDE}x{SIDE} 1-bit")
    with naming_image(name, png):
        drawing: np.ndarray = np.asarray(image)
    return drawing


def shrink(drawings: np.ndarray) -> np.ndarray:
    """Shrink (n, 105, 105) bool white paper to (n, 28, 28) uint8 white ink on black.

    Area averaging: a pixel is the exact mean, rounded, of its square of 3.75 x 3.75 drawing pixels.
    In quarters of a pixel all weights are whole numbers, so float32 is exact in any order of sums.
    """
    quarters = 4 * SIDE // SMALL  # 15 to a small pixel's side
    columns = np.repeat(np.eye(SMALL, dtype=np.float32), quarters, axis=1)
    weights = columns.reshape(SMALL, SIDE, 4).sum(axis=2)
    ink = (~drawings).astype(np.float32)
    sums = (weights @ ink @ weights.T).astype(np.int64)  # 0..225
    rounded: np.ndarray = (2 * 255 * sums + quarters**2) // (2 * quarters**2)
    return rounded.astype(np.uint8)
