"""Letters as small pictures: one face, one seeded affine jitter, white ink on black."""

import hashlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

SIZE = 28  # pixels of a finished picture, each way
_FINE = 2 * SIZE  # drawn and jittered at twice the size, then averaged 2x2: antialiased once more
_EM = 44  # font size on the fine canvas: capitals about 16 of 28 pixels high
_WIDEST = _FINE - 4  # ink keeps a margin of one finished pixel
_SHIFT = 0.4  # part of the free margin that shifts use: letters stay near the middle
_SHEET, _ORIGIN = 192, 48  # the canvas a letter is first drawn on, large enough for the widest


class Jitter(NamedTuple):
    """One rendering's deviation: angle in radians, shear and scale as factors, shift in -1..1."""

    angle: float
    shear: float
    scale: float
    shift_x: float
    shift_y: float


def jitter(code_point: int, face: str, rendering: int) -> Jitter:
    """A rendering's jitter, a pure function of its arguments.

    Angle within 20 degrees, shear within 0.2, scale 0.8 to 1.15, all uniform; shift in -1..1 of the
    free margin. Computed from a hash, not by a NumPy generator, whose streams may change.
    """
    digest = hashlib.sha256(f"{code_point}/{face}/{rendering}".encode()).digest()
    draws = [int.from_bytes(digest[4 * i : 4 * i + 4], "big") / 2**32 for i in range(5)]
    return Jitter(
        angle=math.radians(20 * (2 * draws[0] - 1)),
        shear=0.2 * (2 * draws[1] - 1),
        scale=0.8 + 0.35 * draws[2],
        shift_x=2 * draws[3] - 1,
        shift_y=2 * draws[4] - 1,
    )


def render_face(
    path: Path, face: str, code_points: list[int], renderings: int
) -> Iterator[np.ndarray]:
    """Render every letter ``renderings`` times in one face; (28, 28) uint8 each, letter by letter.

    path: the face's TrueType file. face: the name that seeds the jitter.

    Raises: ValueError with the letter if a face draws nothing, or more than the sheet holds.
    """
    font = ImageFont.truetype(path, _EM, layout_engine=ImageFont.Layout.BASIC)
    for code_point in code_points:
        ink = _ink(font, chr(code_point))
        for rendering in range(renderings):
            yield _place(ink, jitter(code_point, face, rendering))


def _ink(font: ImageFont.FreeTypeFont, character: str) -> Image.Image:
    sheet = Image.new("L", (_SHEET, _SHEET))
    ImageDraw.Draw(sheet).text((_ORIGIN, _ORIGIN), character, fill=255, font=font)
    box = sheet.getbbox()
    if box is None or min(box) == 0 or max(box) == _SHEET:
        raise ValueError(f"U+{ord(character):04X} of {font.getname()} is empty or leaves its sheet")
    left, top, right, bottom = box
    return sheet.crop((left - 1, top - 1, right + 1, bottom + 1))  # an edge to interpolate with


def _place(ink: Image.Image, drawn: Jitter) -> np.ndarray:
    cos, sin = math.cos(drawn.angle), math.sin(drawn.angle)
    # Rotation times shear: x' = cos x + (cos shear - sin) y, y' = sin x + (sin shear + cos) y.
    matrix = np.array([[cos, cos * drawn.shear - sin], [sin, sin * drawn.shear + cos]])
    extent = np.abs(matrix) @ np.array(ink.size)
    scale = min(drawn.scale, float(_WIDEST / extent.max()))  # wide letters shrink to fit
    free = (_WIDEST - scale * extent) / 2
    centre = _FINE / 2 + free * (drawn.shift_x, drawn.shift_y) * _SHIFT
    inverse = np.linalg.inv(scale * matrix)
    offset = np.array(ink.size) / 2 - inverse @ centre
    rows = np.column_stack([inverse, offset]).ravel().tolist()
    fine = ink.transform(
        (_FINE, _FINE), Image.Transform.AFFINE, rows, resample=Image.Resampling.BILINEAR
    )
    return np.asarray(fine.reduce(2))
