"""One photograph, from the bytes of its file to RGB pixels of the wanted size."""

import io
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

LARGEST = 2**26  # pixels; a file that claims more is refused before it is decoded


def decode(name: str, data: bytes, box: np.ndarray | None = None) -> Image.Image:
    """Decode an image file, or its part in a box, to RGB as a person would see it.

    EXIF rotation is applied, after the box (see ``cut_out``) was cut: published boxes are in pixels
    as they are stored. Grey, palette, CMYK and 16-bit images become RGB; what is transparent
    lies on white. Of an animation the first picture counts. Raises ValueError, naming the image,
    for what is not a whole image, holds floating-point numbers or has more than 2^26 pixels, and
    for a box outside of it.
    """
    with _naming(name, data):
        image: Image.Image = Image.open(io.BytesIO(data))
    check_pixels(name, *image.size)
    if image.mode == "F":
        raise ValueError(f"{name} holds floating-point numbers; save it with 8 bits per colour")
    with _naming(name, data):
        image.load()
    if box is not None:
        image = cut_out(name, image, box)
    with _naming(name, data):
        with suppress(Exception):  # damaged notes of a camera spoil no picture: it is not turned
            ImageOps.exif_transpose(image, in_place=True)
        return to_rgb(image)


@contextmanager
def _naming(name: str, data: bytes) -> Iterator[None]:
    """Name the image in whatever Pillow's readers stumble over."""
    try:
        yield
    except UnidentifiedImageError as error:
        raise ValueError(f"{name} is not an image file ({len(data):,} bytes)") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ValueError(
            f"{name} has more than the {LARGEST:,} pixels that are decoded; make it smaller or "
            "leave it out"
        ) from error
    except Exception as error:
        reason = str(error) or type(error).__name__
        raise ValueError(f"{name} is damaged and cannot be decoded ({reason})") from error


def check_pixels(name: str, width: int, height: int) -> None:
    """Raise ValueError for more pixels than are decoded."""
    if width * height > LARGEST:
        raise ValueError(
            f"{name} is {width}x{height} pixels, more than the {LARGEST:,} that are decoded; "
            "make it smaller or leave it out"
        )


def to_rgb(image: Image.Image) -> Image.Image:
    """Any mode to RGB: of 16 bits the upper 8 count, as in Pillow's reading of 16-bit colours."""
    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.int64).clip(0, 65535) >> 8
        return Image.fromarray(values.astype(np.uint8)).convert("RGB")
    if not image.has_transparency_data:
        return image if image.mode == "RGB" else image.convert("RGB")
    layer = image.convert("RGBA")
    paper = Image.new("RGBA", layer.size, "white")
    return Image.alpha_composite(paper, layer).convert("RGB")


def cut_out(name: str, image: Image.Image, box: np.ndarray) -> Image.Image:
    """The part of an image inside a box (left, top, width, height) in pixels, rounded outwards.

    Raises ValueError for a box without a pixel of the image.
    """
    left, top, width, height = box.tolist()
    edges = np.array([np.floor(left), np.floor(top), np.ceil(left + width), np.ceil(top + height)])
    edges = edges.clip(0, [*image.size, *image.size])
    if not (edges[:2] < edges[2:]).all():  # of what is no number nothing is true
        raise ValueError(f"{name}: its box {box.tolist()} lies outside its {image.size} pixels")
    return image.crop(tuple(edges.astype(int).tolist()))


def shrink_to(name: str, image: Image.Image, side: int) -> np.ndarray:
    """Resize to a shorter side of ``side`` pixels, up or down: (H, W, 3) uint8.

    Antialiased bilinear, as torchvision's Resize does with an image of Pillow; the longer side is
    cut to a whole number. The literature's "normalised to 256 x 256" (Song et al., CVPR 2016)
    distorts instead; here proportions stay.
    """
    width, height = image.size
    shorter = min(width, height)
    size = side * width // shorter, side * height // shorter
    check_pixels(f"{name} at a shorter side of {side}", *size)
    small: np.ndarray = np.asarray(image.resize(size, Image.Resampling.BILINEAR))
    return small
