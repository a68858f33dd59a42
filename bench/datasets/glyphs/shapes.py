"""Which letters have the same shape but for size and stroke, measured on clean drawings.

`python -m bench.datasets.glyphs.shapes` measures all letters again and writes `left_out.csv`.

A letter is drawn large, cut to its ink and scaled to a square. Two letters of one face have the
same shape if the middle of every stroke of one lies in the ink of the other, or at most so far
outside it, and so does all of its ink (Hausdorff distances, both ways). The bounds on ink are
larger, because the strokes of capitals are thinner, relative to their height, than those of small
letters. Those for the capital and small form of one letter are larger still, because marks such as
a diaeresis do not grow with the letter below them; they must hold in half of the faces, while
`STRICT` in one face is enough.
"""

import csv
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import distance_transform_edt, maximum_filter

from bench.datasets.glyphs.dataset import FACES, LEFT_OUT, TEST_SCRIPTS, font_path, letters

SIDE, MARGIN = 48, 8  # pixels of the square and around it; a finished letter is 16 pixels high
EM = 128  # font size of a drawing
BAR = 1 / 3  # narrower and flatter letters keep their proportions: scaled, all bars are squares
STRETCH = 1.4  # letters whose proportions differ by a larger factor have another shape


class Bounds(NamedTuple):
    """How far the middle of strokes and any ink may be outside another letter, in pixels."""

    middle: float
    ink: float


STRICT = Bounds(1, 3)  # a pixel is a third of one of a finished picture
CASE = Bounds(4, 6)


class Shape(NamedTuple):
    """A clean drawing: width / height, the distance of every pixel to the ink (flat),
    and which pixels are ink, and the middle of a stroke (flat indices)."""

    proportion: float
    gaps: np.ndarray
    ink: np.ndarray
    middle: np.ndarray


def shape_of(font: ImageFont.FreeTypeFont, character: str) -> Shape:
    """The clean drawing of a letter."""
    ink = drawing(font, character)
    proportion = ink.width / ink.height
    bar = min(proportion, 1 / proportion) < BAR
    width = round(SIDE * min(1, proportion)) if bar else SIDE
    height = round(SIDE * min(1, 1 / proportion)) if bar else SIDE
    square = Image.new("L", (SIDE + 2 * MARGIN,) * 2)
    scaled = ink.resize((max(width, 1), max(height, 1)), Image.Resampling.BOX)
    square.paste(scaled, ((square.width - width) // 2, (square.height - height) // 2))
    filled = np.asarray(square) > 127
    depth = distance_transform_edt(filled)
    middle = np.flatnonzero(filled & (depth >= maximum_filter(depth, 3)))
    gaps = distance_transform_edt(~filled).ravel()
    return Shape(proportion, gaps, np.flatnonzero(filled), middle)


def drawing(font: ImageFont.FreeTypeFont, character: str) -> Image.Image:
    """A letter, cut to its ink."""
    sheet = Image.new("L", (5 * EM, 5 * EM))
    ImageDraw.Draw(sheet).text((EM, EM), character, fill=255, font=font)
    return sheet.crop(sheet.getbbox())


def shapes_of(face: Path, code_points: Sequence[int]) -> list[Shape]:
    """The clean drawings of letters in the face of a TrueType file."""
    font = ImageFont.truetype(face, EM, layout_engine=ImageFont.Layout.BASIC)
    return [shape_of(font, chr(code_point)) for code_point in code_points]


def alike(one: Shape, other: Shape, bounds: Bounds) -> bool:
    """Whether two letters of one face have the same shape."""
    middle = max(one.gaps[other.middle].max(), other.gaps[one.middle].max())
    ink = max(one.gaps[other.ink].max(), other.gaps[one.ink].max())
    stretch = abs(np.log(one.proportion / other.proportion))
    return bool(middle <= bounds.middle and ink <= bounds.ink and stretch < np.log(STRETCH))


def alike_pairs(shapes: Sequence[Shape]) -> np.ndarray:
    """(C, C) bool: `alike` with the bounds `STRICT` for every two letters of one face."""
    gaps = np.stack([shape.gaps for shape in shapes]).astype(np.float32)
    outside = np.stack([gaps[:, shape.middle].max(axis=1) for shape in shapes])
    same: np.ndarray = np.maximum(outside, outside.T) <= STRICT.middle
    for i, j in np.argwhere(np.triu(same, 1)):
        same[i, j] = same[j, i] = alike(shapes[i], shapes[j], STRICT)
    return same


def case_pairs(code_points: Sequence[int]) -> list[tuple[int, int]]:
    """Positions of the capital and small forms of letters."""
    position = {chr(code_point): i for i, code_point in enumerate(code_points)}
    small = {i: position.get(capital.lower(), i) for capital, i in position.items()}
    return [(i, j) for i, j in small.items() if i != j]


def same_shape(faces: Sequence[Path], code_points: Sequence[int]) -> np.ndarray:
    """(C, C) int64: in how many faces two letters have the same shape."""
    same = np.zeros((len(code_points),) * 2, dtype=np.int64)
    pairs = case_pairs(code_points)
    both_cases = np.zeros(len(pairs), dtype=np.int64)
    for face in faces:
        shapes = shapes_of(face, code_points)
        same += alike_pairs(shapes)
        both_cases += [alike(shapes[i], shapes[j], CASE) for i, j in pairs]
    for (i, j), count in zip(pairs, both_cases, strict=True):
        if 2 * count >= len(faces):
            same[i, j] = same[j, i] = count
    return same


def choose(same: np.ndarray, order: Sequence[int]) -> dict[int, int]:
    """Position of each letter that is left out -> that of the kept letter whose shape it has.

    order: positions; a letter is kept unless it has the shape of one that is kept before it.
    """
    kept: list[int] = []
    left_out: dict[int, int] = {}
    for i in order:
        if twins := [j for j in kept if same[i, j]]:
            left_out[i] = max(twins, key=lambda j: int(same[i, j]))
        else:
            kept.append(i)
    return left_out


def main() -> None:
    """Write `left_out.csv`."""
    found = letters(every=True)
    names = [unicodedata.name(chr(code_point)) for code_point in found]
    same = same_shape([font_path(face) for face in FACES], found)
    # Those of the test scripts first: these have fewer letters.
    order = sorted(range(len(found)), key=lambda i: (not names[i].startswith(TEST_SCRIPTS), i))
    with LEFT_OUT.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["left_out", "kept", "faces", "names"])
        for i, j in sorted(choose(same, order).items()):
            pair = f"{names[i]} / {names[j]}"
            table.writerow([f"{found[i]:04X}", f"{found[j]:04X}", same[i, j], pair])


if __name__ == "__main__":
    main()
