"""Omniglot's drawings: decoded from PNG, made small, and named by what is wrong with them."""

import io

import numpy as np
from PIL import Image

SIDE = 105  # pixels of a published drawing, each way
SMALL = 28


def decode(name: str, png: bytes) -> np.ndarray:
    """Decode one drawing: (105, 105) bool, True where the paper is white.

    Raises ValueError, naming the drawing, for what is not a 105x105 1-bit PNG.
    """
    try:
        with Image.open(io.BytesIO(png), formats=["PNG"]) as image:
            if (image.size, image.mode) != ((SIDE, SIDE), "1"):
                width, height = image.size
                raise ValueError(
                    f"{name} is {width}x{height} in mode {image.mode}, expected {SIDE}x{SIDE} 1-bit"
                )
            drawing: np.ndarray = np.asarray(image)
            return drawing
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:  # all of Pillow's ways
        raise ValueError(f"{name} is not a readable PNG file ({error})") from error


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
