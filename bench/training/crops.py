"""Photographs to squares: the classical random crop, the resized crop, and the centre for tests."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

# The resized crop: share of the photograph's area, and width over height, as in Musgrave et al.,
# A Metric Learning Reality Check, ECCV 2020; torchvision's own default begins at a share of 0.08.
AREA = (0.16, 1.0)
RATIO = (3 / 4, 4 / 3)
_TRIES = 10


@dataclass(frozen=True)
class Crops:
    """The parts (B, 4) of B photographs that are taken, as top, left, height, width in pixels, and
    which of them are mirrored (B,)."""

    boxes: np.ndarray
    mirrored: np.ndarray


def draw_crops(sizes: np.ndarray, kind: str, side: int, generator: np.random.Generator) -> Crops:
    """A crop of each photograph of height and width (B, 2); half of them are mirrored.

    "crop": `side` pixels each way, anywhere (Song et al., CVPR 2016, and the proxy paper: 227 of
    256). "resized-crop": of any size and place, as torchvision's RandomResizedCrop, but
    for photographs too long for any try, of which that takes the middle and this any place.
    """
    wanted = np.full_like(sizes, side) if kind == "crop" else draw_sizes(sizes, generator)
    corners = np.floor(generator.random(sizes.shape) * (sizes - wanted + 1)).astype(np.int64)
    mirrored = generator.random(len(sizes)) < 0.5
    return Crops(np.concatenate([corners, wanted], axis=1), mirrored)


def draw_sizes(sizes: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Heights and widths (B, 2) with an area drawn evenly and a proportion drawn evenly on a log
    scale; of ten tries the first that fits in, else the largest allowed."""
    shape = (len(sizes), _TRIES)
    area = sizes.prod(axis=1)[:, None] * generator.uniform(*AREA, shape)
    ratio = np.exp(generator.uniform(math.log(RATIO[0]), math.log(RATIO[1]), shape))
    tried = np.rint(np.stack([np.sqrt(area / ratio), np.sqrt(area * ratio)], axis=2))
    tried = tried.astype(np.int64).clip(min=1)
    fits = (tried <= sizes[:, None]).all(axis=2)
    chosen = tried[np.arange(len(sizes)), fits.argmax(axis=1)]
    return np.where(fits.any(axis=1)[:, None], chosen, largest(sizes))


def largest(sizes: np.ndarray) -> np.ndarray:
    """The largest heights and widths (B, 2) within photographs (B, 2) of an allowed proportion."""
    height, width = sizes[:, 0], sizes[:, 1]
    low, high = RATIO
    shapes = np.stack(
        [
            np.minimum(height, np.rint(width / low).astype(np.int64)),
            np.minimum(width, np.rint(height * high).astype(np.int64)),
        ],
        axis=1,
    )
    return shapes.clip(min=1)


def stack_crops(images: Iterable[np.ndarray], crops: Crops, side: int) -> np.ndarray:
    """The crops (B, side, side, 3) uint8, resized where they have another size."""
    batch = np.empty((len(crops.boxes), side, side, 3), dtype=np.uint8)
    for place, (image, box) in enumerate(zip(images, crops.boxes.tolist(), strict=True)):
        top, left, height, width = box
        part = resize(image[top : top + height, left : left + width], side)
        batch[place] = part[:, ::-1] if crops.mirrored[place] else part
    return batch


def resize(part: np.ndarray, side: int) -> np.ndarray:
    """A part (h, w, 3) as (side, side, 3), antialiased bilinear: within one step of 255 of what
    Pillow gives, in less than half of the time."""
    if part.shape[:2] == (side, side):
        return part
    image = torch.from_numpy(part.copy()).permute(2, 0, 1).unsqueeze(0)
    resized = functional.interpolate(image, (side, side), mode="bilinear", antialias=True)
    return resized[0].permute(1, 2, 0).numpy()


def centre(image: np.ndarray, side: int) -> np.ndarray:
    """The middle (side, side, 3) of a photograph (H, W, 3) that is at least as large: a copy, as a
    view would keep a file mapped."""
    top, left = ((size - side) // 2 for size in image.shape[:2])
    return np.array(image[top : top + side, left : left + side])
