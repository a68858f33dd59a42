"""Images to network input: whole batches at a time, each draw a function of (seed, step, place).

Small images stay in memory as bytes; a batch is gathered, moved by one affine map per image and
handed on in the channels-last layout, in which convolutions run fastest on a CPU. Photographs come
decoded from files mapped into memory; what is cropped is read, nothing else.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from bench.datasets.files.pixels import Decoded
from bench.datasets.types import Dataset
from bench.training.crops import centre, draw_crops, stack_crops
from bench.training.sampling import derive

# Ranges of the affine jitter, drawn uniformly per image; shifts are shares of the image's side.
ROTATION_DEGREES = 10.0
SHEAR = 0.1
SCALE = (0.9, 1.1)
SHIFT = 0.08


def training_input(
    dataset: Dataset,
    positions: np.ndarray,
    augmentation: str,
    *,
    side: int | None,
    seed: int,
    step: int,
) -> Tensor:
    """Augmented images (B, 1 or 3, H, W) of a batch: an image's draws follow from seed, step and
    its place in the batch.

    `augmentation`: "none", "affine" for small images, "crop" or "resized-crop" for photographs,
    which are cropped to `side` pixels each way.
    """
    if not isinstance(dataset.images, Decoded):
        return augment(to_input(dataset.pixels[positions]), augmentation, seed=seed, step=step)
    if augmentation == "none":
        return plain_input(dataset, positions, side)
    sizes = dataset.images.sizes(positions)
    crops = draw_crops(sizes, augmentation, check_side(side), derive(seed, "augment", step))
    images = (dataset.images[position] for position in positions.tolist())  # one map at a time
    return to_input(stack_crops(images, crops, check_side(side)))


def plain_input(dataset: Dataset, positions: np.ndarray, side: int | None) -> Tensor:
    """Images (B, 1 or 3, H, W) as they are; of photographs the centre, `side` pixels each way."""
    if not isinstance(dataset.images, Decoded):
        return to_input(dataset.pixels[positions])
    images = (dataset.images[position] for position in positions.tolist())
    return to_input(np.stack([centre(image, check_side(side)) for image in images]))


def check_side(side: int | None) -> int:
    """The side of a crop; ValueError without one."""
    if side is None:
        raise ValueError("photographs need a side to be cropped to: give the budget `crop`")
    return side


def to_input(images: np.ndarray) -> Tensor:
    """Bytes (B, H, W) or (B, H, W, 3) to float32 (B, 1 or 3, H, W) in 0..1, channels-last."""
    batch = torch.from_numpy(np.ascontiguousarray(images))
    batch = batch.unsqueeze(1) if batch.ndim == 3 else batch.permute(0, 3, 1, 2)
    return batch.float().div_(255).contiguous(memory_format=torch.channels_last)


def augment(batch: Tensor, kind: str, *, seed: int, step: int) -> Tensor:
    """Move each image of a batch (B, C, H, W) by its own jitter; `kind` is "none" or "affine"."""
    if kind == "none":
        return batch
    maps = torch.from_numpy(affine_maps(len(batch), derive(seed, "augment", step)))
    grid = sampling_grid(maps, *batch.shape[2:])
    moved = functional.grid_sample(batch, grid, padding_mode="zeros", align_corners=False)
    return moved.contiguous(memory_format=torch.channels_last)


def sampling_grid(maps: Tensor, height: int, width: int) -> Tensor:
    """Places (B, H, W, 2), x then y, where each pixel of the output is looked up, in -1..1.

    The same as torch's affine_grid without its matrix product, which takes longer than all else.
    """
    x = (2 * torch.arange(width) + 1) / width - 1
    y = (2 * torch.arange(height) + 1) / height - 1
    along = x[:, None] * maps[:, None, :, 0]  # (B, W, 2)
    down = y[:, None] * maps[:, None, :, 1] + maps[:, None, :, 2]  # (B, H, 2)
    return down[:, :, None] + along[:, None]


def affine_maps(count: int, generator: np.random.Generator) -> np.ndarray:
    """Maps (B, 2, 3) float32 from output to input coordinates, both in -1..1."""
    angle = np.deg2rad(generator.uniform(-ROTATION_DEGREES, ROTATION_DEGREES, count))
    shear = generator.uniform(-SHEAR, SHEAR, count)
    scale = generator.uniform(*SCALE, count)
    shift = generator.uniform(-2 * SHIFT, 2 * SHIFT, (count, 2))  # the side spans 2 units
    cos, sin = np.cos(angle), np.sin(angle)
    maps = np.empty((count, 2, 3), dtype=np.float32)
    maps[:, 0] = np.stack([cos, cos * shear - sin, shift[:, 0]], axis=1)
    maps[:, 1] = np.stack([sin, sin * shear + cos, shift[:, 1]], axis=1)
    maps[:, :, :2] /= scale[:, None, None]
    return maps
