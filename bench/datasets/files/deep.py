"""Images of more than 8 bits a value: which value is white, and 8 bits of them."""

import numpy as np
from PIL import Image

WHITE = 2**16 - 1  # of 16 bits
LOST = 16  # of 256: an image whose values are all below is black, to the eye and to a network
_BITS, _PHOTOMETRIC, _MAXIMA, _SAMPLE_FORMAT = 258, 262, (281, 341), 339  # tags of TIFF
_UNSIGNED = 1  # sample format
_ADVICE = "save it with 8 bits per colour"


def is_deep(image: Image.Image) -> bool:
    """Whether an opened image, before it is loaded, has signed values or ones of over 8 bits."""
    raw = str(image.tile[0].args) if image.tile else ""  # type: ignore[attr-defined]
    return image.mode.startswith("I") or ";16" in raw or _is_signed(image)


def to_eight_bits(name: str, image: Image.Image) -> Image.Image:
    """The upper 8 bits of grey values, of the range that the file states: mode L.

    White is the largest value that a TIFF states (MaxSampleValue), if it is 2^b - 1 for b bits;
    else that of the bits of a value. Pillow scales a PGM from its maximum to 16 bits. Values of
    which zero is white are inverted. Raises ValueError, naming the image, for signed and 32-bit
    values without a stated largest one, for values outside of the range, and for a 16-bit image
    of which these 8 bits would be black, although it states no range.
    """
    stated, bits = _stated_white(image), _tag(image, _BITS, 16)
    values = np.asarray(image).astype(np.int64)
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
    if stated is None and white == WHITE and values.any() and upper.max() < LOST:
        raise ValueError(_black(name, found))
    if _tag(image, _PHOTOMETRIC, 1) == 0:
        upper = 255 - upper
    grey = Image.fromarray(upper.astype(np.uint8))
    grey.info = {key: value for key, value in image.info.items() if key != "transparency"}
    return grey


def check_colours(name: str, image: Image.Image) -> None:
    """Raise ValueError where the upper 8 of 16 bits, which Pillow takes of colours, are not those
    of the range that is stated or used, and for signed values."""
    if _is_signed(image):
        raise ValueError(f"{name} holds signed values; {_ADVICE}, without a sign")
    if (stated := _stated_white(image)) not in (None, WHITE):
        raise ValueError(f"{name} states that {stated} is white, of 16 bits; {_ADVICE}")
    colours = np.asarray(image)[..., : 3 if image.mode.startswith("RGB") else 1]
    if image.mode != "CMYK" and colours.any() and colours.max() < LOST:
        raise ValueError(_black(name, f"below {256 * (int(colours.max()) + 1)}"))


def _black(name: str, found: str) -> str:
    return (
        f"{name} would be black: its values are {found}, of 0 to {WHITE} in 16 bits; if white is "
        f"less, {_ADVICE}, or state it (MaxSampleValue in TIFF, the maximum in PGM)"
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
