"""One photograph, from the bytes of its file to RGB pixels of the wanted size."""

import io

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

LARGEST = 2**26  # pixels; a file that claims more is refused before it is decoded
_OPAQUE = ("RGB", "L", "CMYK", "YCbCr", "LAB", "HSV")
_SIXTEEN_BITS = ("I", "I;16", "I;16B", "I;16L")


def decode(name: str, data: bytes) -> Image.Image:
    """Decode an image file to RGB as a person would see it.

    EXIF rotation is applied; grey, palette, CMYK and 16-bit images become RGB; what is transparent
    lies on white. Of an animation the first picture counts. Raises ValueError, naming the image,
    for what is not a whole image or has more than 2^26 pixels.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            check_pixels(name, *image.size)
            image.load()
            return to_rgb(ImageOps.exif_transpose(image))
    except UnidentifiedImageError as error:
        raise ValueError(f"{name} is not an image file ({len(data):,} bytes)") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ValueError(f"{name} is too large to be decoded ({error})") from error
    except (OSError, SyntaxError, EOFError, TypeError, OverflowError) as error:  # Pillow's ways
        raise ValueError(f"{name} is damaged and cannot be decoded ({error})") from error


def check_pixels(name: str, width: int, height: int) -> None:
    """Raise ValueError for more pixels than are decoded."""
    if width * height > LARGEST:
        raise ValueError(
            f"{name} is {width}x{height} pixels, more than the {LARGEST:,} that are decoded; "
            "make it smaller or leave it out"
        )


def to_rgb(image: Image.Image) -> Image.Image:
    """Any mode to RGB."""
    if image.mode in _SIXTEEN_BITS:
        values = np.asarray(image, dtype=np.int64).clip(0, 65535)
        return Image.fromarray((values // 257).astype(np.uint8)).convert("RGB")
    if image.mode in _OPAQUE and "transparency" not in image.info:
        return image.convert("RGB")
    layer = image.convert("RGBA")
    paper = Image.new("RGBA", layer.size, "white")
    return Image.alpha_composite(paper, layer).convert("RGB")


def cut_out(name: str, image: Image.Image, box: np.ndarray) -> Image.Image:
    """The part of an image inside a box (left, top, width, height) in pixels, rounded outwards.

    Raises ValueError for a box without a pixel of the image.
    """
    left, top, width, height = box.tolist()
    edges = np.floor([left, top]).tolist() + np.ceil([left + width, top + height]).tolist()
    limits = (*image.size, *image.size)
    left, top, right, bottom = (
        int(np.clip(edge, 0, limit)) for edge, limit in zip(edges, limits, strict=True)
    )
    if left >= right or top >= bottom:
        raise ValueError(f"{name}: its box {box.tolist()} lies outside its {image.size} pixels")
    return image.crop((left, top, right, bottom))


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
