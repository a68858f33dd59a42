"""One decoded image as a stored network takes it. Needs no torch."""

import numpy as np
from PIL import Image

from bench.datasets.files.decode import shrink_to
from bench.spec import RunSpec

CUT = "cub200_boxes"  # the data set whose photographs are cut


def prepare(name: str, image: Image.Image, spec: RunSpec, side: int, channels: int) -> np.ndarray:
    """An RGB image as the run saw its test images: (side, side) or (side, side, 3) uint8.

    Of photographs the centre of the run's size. Raises: ValueError naming an image that, where the
    run had small images, has another size or colours.
    """
    if spec.resize is not None:
        return centre(shrink_to(name, image, spec.resize, spec.interpolation), side)
    if image.size != (side, side):
        raise ValueError(
            f"{name} is {image.width}x{image.height} pixels; the network takes the images of "
            f"{spec.dataset}, {side}x{side}, which are not resized"
        )
    pixels = np.asarray(image)
    if channels == 3:
        return pixels
    if (pixels != pixels[..., :1]).any():
        raise ValueError(f"{name} has colours; the network takes grey images")
    return pixels[..., 0]


def centre(pixels: np.ndarray, side: int) -> np.ndarray:
    """The middle (side, side, ...) of pixels (H, W, ...)."""
    top, left = ((length - side) // 2 for length in pixels.shape[:2])
    return pixels[top : top + side, left : left + side]


def whole_note(dataset: str) -> str:
    """What a network of a data set saw and does not see in whole images; usually empty."""
    if dataset != CUT:
        return ""
    return f"the images are used whole; the run saw those of {CUT}, which are cut to their boxes"
