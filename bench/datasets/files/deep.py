"""Images of more than 8 bits a value: which value is white, and 8 bits of them."""

import io
import re
from typing import Any

import numpy as np
from PIL import Image

WHITE = 2**16 - 1  # of 16 bits
LOST = 16  # of 256: an image of so few levels is one colour, to the eye and to a network
MOST = (1, 99)  # percentiles: a hot pixel or a caption lies outside of them
_BITS, _PHOTOMETRIC, _MAXIMA, _SAMPLE_FORMAT = 258, 262, (281, 341), 339  # tags of TIFF
_PLANES, _SEPARATE = 284, 2  # a tag of TIFF, and its value where each colour is stored by itself
_OTHER_ORDER = {";16B": ";16L", ";16L": ";16B", ";16N": ";16B"}  # of bytes, in Pillow
_UNSIGNED = 1  # sample format
_ADVICE = "save it with 8 bits per colour"


def is_deep(image: Image.Image) -> bool:
    """Whether an opened image, before it is loaded, has signed values or ones of over 8 bits."""
    raw = _raw_mode(image)
    colours = image.format == "PPM" and raw.endswith(f" {WHITE})")  # which Pillow scales to 8 bits
    return image.mode.startswith("I") or ";16" in raw or colours or _is_signed(image)


def is_unread(image: Image.Image) -> bool:
    """Whether an opened TIFF, before it is loaded, has separate planes that Pillow reads wrongly:
    values of over 8 bits as if they had 8, and grey with transparency as white."""
    if image.format != "TIFF" or _tag(image, _PLANES, 1) != _SEPARATE:
        return False
    return image.mode == "LA" or (_tag(image, _BITS, 8) > 8 and ";16" not in _raw_mode(image))


def _raw_mode(image: Image.Image) -> str:
    """Pillow's name of the layout in which an opened image stores its values; empty if unknown."""
    return str(image.tile[0].args) if image.tile else ""  # type: ignore[attr-defined]


def to_eight_bits(name: str, image: Image.Image) -> Image.Image:
    """The upper 8 bits of grey values, of the range that the file states: mode L.

    White is the largest value that a TIFF states (MaxSampleValue), if it is 2^b - 1 for b bits;
    else that of the bits of a value. Pillow scales a PGM from its maximum to 16 bits. Values of
    which zero is white are inverted. Raises ValueError, naming the image, for signed and 32-bit
    values without a stated largest one, for values outside of the range, and for a 16-bit image
    that uses few of these 8 bits' levels, although it states no range.
    """
    stated, bits = _stated_white(image), _tag(image, _BITS, 16)
    values = np.asarray(image)
    if values.itemsize > 2:  # else they are unsigned
        values = values.astype(np.int64)
        if not _is_signed(image):
            values %= 2**32  # Pillow reads large ones as negative
    found = f"from {values.min()} to {values.max()}"
    if stated is None and (bits > 16 or _is_signed(image)):
        kind = "signed" if _is_signed(image) else f"{bits}-bit"
        raise ValueError(
            f"{name} holds {kind} integers {found} and does not state the value of white "
            f"(MaxSampleValue); {_ADVICE}"
        )
    white = stated or 2**bits - 1
    if values.min() < 0 or values.max() > white:
        raise ValueError(f"{name} holds values {found}, outside its range 0 to {white}; {_ADVICE}")
    upper = values >> (white.bit_length() - 8)
    if stated is None and white == WHITE and (values % 257).any():  # else 8 bits, scaled to 16
        _check_levels(name, values, 256)
    if _tag(image, _PHOTOMETRIC, 1) == 0:
        upper = 255 - upper
    grey = Image.fromarray(upper.astype(np.uint8))
    grey.info = {key: value for key, value in image.info.items() if key != "transparency"}
    return grey


def is_undeclared(image: Image.Image) -> bool:
    """Whether a loaded image of 16 bits states no range and is not one of 8 bits that was scaled:
    its values may have fewer bits."""
    if (_stated_white(image) or WHITE) != WHITE:
        return False
    return not image.mode.startswith("I") or bool((np.asarray(image) % 257).any())


def check_colours(name: str, image: Image.Image, data: bytes) -> None:
    """Raise ValueError where the upper 8 of 16 bits, which Pillow takes of colours, are not those
    of the range that is stated or used, and for signed values.

    data: the bytes of the image's file.
    """
    if _is_signed(image):
        raise ValueError(f"{name} holds signed values; {_ADVICE}, without a sign")
    if (stated := _stated_white(image)) not in (None, WHITE):
        raise ValueError(f"{name} states that {stated} is white, of 16 bits; {_ADVICE}")
    colours = np.asarray(image)[..., : 3 if image.mode.startswith("RGB") else 1]
    if image.mode != "CMYK":
        _check_levels(name, colours, 1)
    if not colours.any() and (lower := _lower_bits(data, image.format)).any():
        raise ValueError(
            f"{name} would be black: its values are from {lower.min()} to {lower.max()}, of 0 to "
            f"{WHITE} in 16 bits; {_ADVICE}"
        )


def _lower_bits(data: bytes, kind: str | None) -> np.ndarray:
    """The lower 8 bits of 16-bit colours, read as if their bytes were in the other order; zero
    where Pillow does not read that order."""
    image: Any = Image.open(io.BytesIO(data), formats=[str(kind)])
    for position, tile in enumerate(image.tile):
        raw, *more = tile.args if isinstance(tile.args, tuple) else (tile.args,)
        other = re.sub(";16[BLN]", lambda found: _OTHER_ORDER[found[0]], str(raw))
        image.tile[position] = tile._replace(args=(other, *more) if more else other)
    try:
        return np.asarray(image)[..., :3]
    except (OSError, ValueError):
        return np.zeros(1, np.uint8)


def _check_levels(name: str, values: np.ndarray, unit: int) -> None:
    """Raise ValueError where all values are nearly black, or most lie close together.

    unit: how many values are one of 256 levels. Exact black and white do not count, since they are
    the background of a drawing or a caption; neither does one flat colour.
    """
    inner = values[(values > 0) & (values < 256 * unit - 1)]
    low, high = np.percentile(inner, MOST).tolist() if inner.size else (0, 0)
    if 0 < values.max() < LOST * unit:
        low, high = values.min(), values.max()
        found = "would be black: its values are"
    elif 0 < high - low < LOST * unit:
        found = "would be nearly one colour: most of its values are"
    else:
        return
    first, last = int(low) * 256 // unit, (int(high) + 1) * 256 // unit - 1
    raise ValueError(
        f"{name} {found} from {first} to {last}, of 0 to {WHITE} in 16 bits; if its range is "
        f"smaller, {_ADVICE}, or state the value of white (MaxSampleValue in TIFF, the maximum in "
        "PGM)"
    )


def _stated_white(image: Image.Image) -> int | None:
    """The largest value that a TIFF states, if it is that of 8 to 32 bits: others are statistics
    of one image."""
    stated = [_tag(image, tag, 0) for tag in _MAXIMA]
    return next((white for white in stated if white in [2**b - 1 for b in range(8, 33)]), None)


def _is_signed(image: Image.Image) -> bool:
    return _tag(image, _SAMPLE_FORMAT, _UNSIGNED) != _UNSIGNED


def _tag(image: Image.Image, tag: int, default: int) -> int:
    """The first whole number of a tag; the default if there is none, or no TIFF."""
    value = getattr(image, "tag_v2", {}).get(tag)
    first = value[0] if isinstance(value, tuple) and value else value
    return int(first) if isinstance(first, int | float) and first == first // 1 else default
