"""Images to network input: whole batches at a time, each draw a function of (seed, step, row).

Small images are moved by one affine map per image, photographs are cropped. A batch is handed on
channels-last, the layout in which convolutions run fastest on a CPU.
"""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from bench.datasets.types import Images
from bench.training.sampling import derive

# Ranges of the affine jitter, drawn uniformly per image; shifts are shares of the image's side.
ROTATION_DEGREES = 10.0
SHEAR = 0.1
SCALE = (0.9, 1.1)
SHIFT = 0.08
# The resized crop: share of the photograph's pixels, and width over height, as in Musgrave et al.,
# A Metric Learning Reality Check, ECCV 2020; torchvision's own default begins at a share of 0.08.
SHARE = (0.16, 1.0)
RATIO = (3 / 4, 4 / 3)
_TRIES = 10
# Images that are embedded at a time; feature maps of photographs are a hundred times larger, which
# matters to the cache of a CPU.
SMALL_BATCH, LARGE_BATCH = 256, 32
SMALL_SIDE = 32  # pixels
CPU = torch.device("cpu")


def training_batch(
    images: Images,
    positions: np.ndarray,
    augmentation: str,
    *,
    seed: int,
    step: int,
    interpolation: str = "bilinear",
) -> Tensor:
    """Augmented images (B, 1 or 3, H, W); draws follow from seed, step and row of the batch.

    augmentation: "none"; "affine"; for photographs also "crop", a square of their pixels, and
    "resized-crop", a part of any size, resized by an interpolation, "bilinear" or "bicubic".
    """
    draws = {"seed": seed, "step": step}
    return to_input(
        draw_batch(images, positions, augmentation, **draws, interpolation=interpolation)
    )


def evaluation_batch(images: Images, positions: np.ndarray, device: torch.device = CPU) -> Tensor:
    """Images (B, 1 or 3, H, W) without augmentation; of photographs the centre."""
    return to_input(channels_first(images.batch(positions)), device)


def draw_batch(
    images: Images,
    positions: np.ndarray,
    augmentation: str,
    *,
    seed: int,
    step: int,
    interpolation: str = "bilinear",
) -> Tensor:
    """What `training_batch` gives, as bytes where the augmentation leaves them."""
    if augmentation == "none":
        return channels_first(images.batch(positions))
    generator = derive(seed, "augment", step)
    if augmentation == "affine":
        return move(evaluation_batch(images, positions), generator)
    side = images.shape[0]
    boxes, mirrored = draw_crops(images.sizes(positions), augmentation, side, generator)
    return channels_first(cut_crops(images, positions, boxes, mirrored, side, interpolation))


def channels_first(images: np.ndarray) -> Tensor:
    """Bytes (B, H, W) or (B, H, W, 3) as (B, 1 or 3, H, W), without a copy; features (B, F) as they
    are."""
    batch = torch.from_numpy(np.ascontiguousarray(images))
    if batch.ndim == 2:
        return batch
    return batch.unsqueeze(1) if batch.ndim == 3 else batch.permute(0, 3, 1, 2)


def to_input(batch: Tensor, device: torch.device = CPU) -> Tensor:
    """Bytes (B, 1 or 3, H, W) to float32 in 0..1 on a device, channels-last; floating point as it
    is."""
    batch = batch.to(device, non_blocking=True)
    if batch.is_floating_point():
        return batch
    return batch.float().div_(255).contiguous(memory_format=torch.channels_last)


def move(batch: Tensor, generator: np.random.Generator) -> Tensor:
    """Move each image of a batch (B, C, H, W) by an affine map of its own, with zeros outside."""
    maps = torch.from_numpy(affine_maps(len(batch), generator))
    grid = sampling_grid(maps, *batch.shape[2:])
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


def sampling_grid(maps: Tensor, height: int, width: int) -> Tensor:
    """Coordinates (B, H, W, 2), x then y in -1..1, at which each output pixel is looked up.

    Equal to torch's affine_grid, without the matrix product that takes most of its time.
    """
    x = (2 * torch.arange(width) + 1) / width - 1
    y = (2 * torch.arange(height) + 1) / height - 1
    along = x[:, None] * maps[:, None, :, 0]  # (B, W, 2)
    down = y[:, None] * maps[:, None, :, 1] + maps[:, None, :, 2]  # (B, H, 2)
    return down[:, :, None] + along[:, None]


def draw_crops(
    sizes: np.ndarray, kind: str, side: int, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw a crop of each photograph of height and width (B, 2).

    kind "crop": `side` pixels each way, anywhere (Song et al., CVPR 2016, and the proxy paper: 227
    of 256); "resized-crop": of any size and position, as torchvision's RandomResizedCrop. It
    differs where no try fits a long photograph: torchvision takes the middle, this a random part.
    Returns boxes (B, 4), as top, left, height and width, and whether each is mirrored (B,).
    """
    wanted = np.full_like(sizes, side) if kind == "crop" else draw_sizes(sizes, generator)
    corners = np.floor(generator.random(sizes.shape) * (sizes - wanted + 1)).astype(np.int64)
    mirrored = generator.random(len(sizes)) < 0.5
    return np.concatenate([corners, wanted], axis=1), mirrored


def draw_sizes(sizes: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Heights and widths (B, 2) of crops of photographs of height and width (B, 2).

    The share of pixels is uniform, the ratio uniform on a log scale. The first of ten tries that
    fits is taken, or else the largest crop of an allowed ratio.
    """
    shape = (len(sizes), _TRIES)
    pixels = sizes.prod(axis=1)[:, None] * generator.uniform(*SHARE, shape)
    ratio = np.exp(generator.uniform(math.log(RATIO[0]), math.log(RATIO[1]), shape))
    tried = np.rint(np.stack([np.sqrt(pixels / ratio), np.sqrt(pixels * ratio)], axis=2))
    tried = tried.astype(np.int64).clip(min=1)
    fits = (tried <= sizes[:, None]).all(axis=2)
    chosen = tried[np.arange(len(sizes)), fits.argmax(axis=1)]
    return np.where(fits.any(axis=1)[:, None], chosen, largest_sizes(sizes))


def largest_sizes(sizes: np.ndarray) -> np.ndarray:
    """Heights and widths (B, 2) of the largest crops of an allowed ratio."""
    height, width = sizes[:, 0], sizes[:, 1]
    tallest = np.rint(width / RATIO[0]).astype(np.int64)
    widest = np.rint(height * RATIO[1]).astype(np.int64)
    largest = np.stack([np.minimum(height, tallest), np.minimum(width, widest)], axis=1)
    return largest.clip(min=1)


def cut_crops(
    images: Images,
    positions: np.ndarray,
    boxes: np.ndarray,
    mirrored: np.ndarray,
    side: int,
    interpolation: str = "bilinear",
) -> np.ndarray:
    """The crops (B, side, side, 3) uint8, resized where they have another size."""
    batch = np.empty((len(positions), side, side, 3), dtype=np.uint8)
    for row, position in enumerate(positions.tolist()):
        top, left, height, width = boxes[row].tolist()
        part = images[position][top : top + height, left : left + width]
        part = resize(part, side, interpolation)
        batch[row] = part[:, ::-1] if mirrored[row] else part
    return batch


def resize(part: np.ndarray, side: int, interpolation: str) -> np.ndarray:
    """A part (h, w, 3) uint8 as (side, side, 3), by antialiased interpolation, "bilinear" or
    "bicubic".

    Differs from Pillow by at most one step of 255, and takes less than half of its time.
    """
    if part.shape[:2] == (side, side):
        return part
    image = torch.from_numpy(part.copy()).permute(2, 0, 1).unsqueeze(0)
    resized = functional.interpolate(image, (side, side), mode=interpolation, antialias=True)
    return resized[0].permute(1, 2, 0).numpy()


@torch.inference_mode()
def embed(
    model: nn.Module,
    images: Images,
    positions: np.ndarray,
    forward: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """Embeddings (N, D) float32 on the CPU of the images at `positions`, in evaluation mode.

    forward: what to compute instead of the model's output, such as its features.
    """
    model.eval()
    forward = forward or model
    device = next(model.parameters()).device
    small = images.shape[0] <= SMALL_SIDE or device.type != "cpu"
    batch = SMALL_BATCH if small else LARGE_BATCH
    parts = [
        forward(evaluation_batch(images, part, device)).float().cpu()
        for part in np.array_split(positions, max(1, -(-len(positions) // batch)))
    ]
    return torch.cat(parts)
