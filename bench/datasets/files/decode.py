"""One photograph, from the bytes of its file to RGB pixels of a given size."""

import io
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from bench.datasets.files.deep import check_colours, is_deep, is_unread, to_eight_bits

LARGEST = 2**26  # pixels; a larger image is refused before it is decoded
# The formats of Pillow that are read, whatever a file's name: others may start another program, as
# EPS starts Ghostscript.
FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF", "PPM")


def decode(
    name: str, data: bytes, box: np.ndarray | None = None, *, most: int = LARGEST
) -> Image.Image:
    """Decode an image file of at most so many pixels, or the part of it in a box, to RGB.

    The box (see `cut_out`) is cut before the EXIF rotation is applied, since published boxes are in
    pixels as they are stored. Grey, palette, CMYK and 16-bit images become RGB; transparent images
    are laid on white; of an animation the first picture is taken. Raises ValueError, naming the
    image, for a file that is not a complete image of one of the `FORMATS`, holds floating-point
    numbers or has more pixels, for a box outside of the image, and what `to_eight_bits`
    and `check_colours` raise for images of more than 8 bits.
    """
    with naming_image(name, data, most):
        image: Image.Image = Image.open(io.BytesIO(data), formats=FORMATS)
    check_pixels(name, *image.size, most)
    if image.mode == "F":
        raise ValueError(f"{name} holds floating-point numbers; save it with 8 bits per colour")
    with naming_image(name, data):
        deep, unread = is_deep(image), is_unread(image)
        image.load()
    if unread:
        raise ValueError(
            f"{name} holds its colours in separate planes, which are not read right; save it with "
            "8 bits per colour, the colours of a pixel together"
        )
    if deep and image.mode.startswith("I"):
        image = to_eight_bits(name, image)
    elif deep:
        check_colours(name, image, data)
    if box is not None:
        image = cut_out(name, image, box)
    with naming_image(name, data):
        with suppress(Exception):  # with damaged EXIF data the image is used as it is stored
            ImageOps.exif_transpose(image, in_place=True)
        return to_rgb(image)


@contextmanager
def naming_image(name: str, data: bytes, most: int = LARGEST) -> Iterator[None]:
    """Turn every error of Pillow's readers into a ValueError that names the image."""
    try:
        yield
    except UnidentifiedImageError as error:
        raise ValueError(
            f"{name} is not an image file ({len(data):,} bytes) of {', '.join(FORMATS)}"
        ) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ValueError(
            f"{name} has more than the {most:,} pixels that are decoded; make it smaller or "
            "leave it out"
        ) from error
    except Exception as error:
        reason = str(error) or type(error).__name__
        raise ValueError(f"{name} is damaged and cannot be decoded ({reason})") from error


def check_pixels(name: str, width: int, height: int, most: int = LARGEST) -> None:
    """Raise ValueError for more pixels than are decoded."""
    if width * height > most:
        raise ValueError(
            f"{name} is {width}x{height} pixels, more than the {most:,} that are decoded; "
            "make it smaller or leave it out"
        )


def to_rgb(image: Image.Image) -> Image.Image:
    """Any mode of 8 bits to RGB."""
    if not image.has_transparency_data:
        return image if image.mode == "RGB" else image.convert("RGB")
    layer = image.convert("RGBA")
    paper = Image.new("RGBA", layer.size, "white")
    return Image.alpha_composite(paper, layer).convert("RGB")


def cut_out(name: str, image: Image.Image, box: np.ndarray) -> Image.Image:
    """The part of an image in a box (left, top, width, height) in pixels, rounded outwards.

    Raises ValueError for a box that covers no pixel of the image.
    """
    left, top, width, height = box.tolist()
    edges = np.array([np.floor(left), np.floor(top), np.ceil(left + width), np.ceil(top + height)])
    edges = edges.clip(0, [*image.size, *image.size])
    if not (edges[:2] < edges[2:]).all():  # also false for NaN
        raise ValueError(f"{name}: its box {box.tolist()} lies outside its {image.size} pixels")
    return image.crop(tuple(edges.astype(int).tolist()))


def shrink_to(
    name: str, image: Image.Image, side: int, interpolation: str = "bilinear"
) -> np.ndarray:
    """Resize to a shorter side of `side` pixels, up or down: (H, W, 3) uint8.

    interpolation: "bilinear" or "bicubic", both antialiased, as torchvision's Resize of a Pillow
    image. The longer side is rounded down. The literature's "normalised to 256 x 256" (Song et al.,
    CVPR 2016) distorts the image instead; here the aspect ratio is kept.
    """
    width, height = image.size
    shorter = min(width, height)
    size = side * width // shorter, side * height // shorter
    check_pixels(f"{name} at a shorter side of {side}", *size)
    small: np.ndarray = np.asarray(image.resize(size, FILTERS[interpolation]))
    return small
