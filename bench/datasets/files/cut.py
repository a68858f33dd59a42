"""Files that decode without an error although the end of their picture is missing."""

import io

import numpy as np
from PIL import Image

_END, _RESTARTS = b"\xff\xd9", range(0xD0, 0xD8)  # markers of JPEG
_GREYS = (128, 64)  # of what is missing, a block without coefficients; the second of four inks
_MORE = bytes(range(1, 250, 2)) * 2  # what would be more of a picture, without a marker
_ZEROS = 64  # bytes: so many zeros are not compressed pixels


def is_cut(data: bytes, image: Image.Image, pixels: np.ndarray) -> bool:
    """Whether an image was cut and its end mark put back (JPEG), or the last bytes of its file were
    never written (WebP). Other formats then fail to decode, or hold plain black.

    image: opened from the bytes, need not be loaded; pixels: the whole of it (H, W, 3), as decoded.
    """
    if image.format == "JPEG":
        return ("progressive" in image.info or _has_grey_corner(pixels)) and _takes_more(data)
    simple = data[12:16] in (b"VP8 ", b"VP8L")  # whose pixels come last
    return image.format == "WEBP" and simple and _written(data).endswith(bytes(_ZEROS))


def _has_grey_corner(pixels: np.ndarray) -> bool:
    """Whether the last block may be missing, wherever the picture was turned to. In progressive
    files only details are."""
    corners = pixels[[0, 0, -1, -1], [0, -1, 0, -1]].astype(int)
    return any(bool((np.abs(corners - grey) <= 2).all(axis=1).any()) for grey in _GREYS)


def _takes_more(data: bytes) -> bool:
    """Whether bytes before the end mark change a JPEG: behind the last block they are ignored."""
    end = data.rfind(_END)
    restarts = b"".join(bytes([0xFF, restart]) + _MORE for restart in _RESTARTS)
    longer = data[:end] + _MORE + restarts + data[end:]
    return end > 0 and _pixels(data) != _pixels(longer)


def _pixels(data: bytes) -> bytes | None:
    """The pixels of a JPEG; None where it cannot be decoded."""
    try:
        return Image.open(io.BytesIO(data), formats=["JPEG"]).tobytes()
    except OSError:
        return None


def _written(data: bytes) -> bytes:
    """What belongs to a WebP; others may have added to its file."""
    return data[: 8 + int.from_bytes(data[4:8], "little")]
