"""Images in memory to network input: whole batches at a time, each draw a function of (seed, step).

Small images stay in memory as bytes; a batch is gathered, moved by one affine map per image and
handed on in the channels-last layout, in which convolutions run fastest on a CPU.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from bench.training.sampling import derive

# Ranges of the affine jitter, drawn uniformly per image; shifts are shares of the image's side.
ROTATION_DEGREES = 10.0
SHEAR = 0.1
SCALE = (0.9, 1.1)
SHIFT = 0.08


def to_input(images: np.ndarray) -> Tensor:
    """Bytes (B, H, W) or (B, H, W, 3) to float32 (B, 1 or 3, H, W) in 0..1, channels-last."""
    batch = torch.from_numpy(np.ascontiguousarray(images))
    batch = batch.unsqueeze(1) if batch.ndim == 3 else batch.permute(0, 3, 1, 2)
    return (batch.float() / 255).contiguous(memory_format=torch.channels_last)


def augment(batch: Tensor, kind: str, *, seed: int, step: int) -> Tensor:
    """Move each image of a batch (B, C, H, W) by its own jitter; `kind` is "none" or "affine"."""
    if kind == "none":
        return batch
    maps = torch.from_numpy(affine_maps(len(batch), derive(seed, "augment", step)))
    grid = functional.affine_grid(maps, list(batch.shape), align_corners=False)
    moved = functional.grid_sample(batch, grid, padding_mode="zeros", align_corners=False)
    return moved.contiguous(memory_format=torch.channels_last)


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
