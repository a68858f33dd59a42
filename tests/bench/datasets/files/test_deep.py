"""Images of more than 8 bits: the range that a file states counts, what does not fit is refused."""

import io

import numpy as np
import pytest
from PIL import Image

from bench.datasets.files.decode import decode
from tests.support.image_files import LARGEST, SIGNED, WHITE_IS_ZERO, colour_png, grey_tiff

RAMP = np.arange(0, 256).reshape(16, 16)  # 8 bits, of which others are multiples


def _decoded(data: bytes) -> np.ndarray:
    image = decode("a.tif", data)
    assert image.mode == "RGB"
    return np.asarray(image)


@pytest.mark.parametrize(
    ("bits", "unit", "tags"),
    [
        (12, 16, {}),
        (16, 256, {}),
        (16, 4, {LARGEST: 1023}),
        (16, 16, {LARGEST: 4095}),
        (16, 64, {LARGEST: 16383}),
        (16, 128, SIGNED | {LARGEST: 2**15 - 1}),
        (32, 1, {LARGEST: 255}),
        (32, 16, SIGNED | {341: 4095}),
        (32, 2**24, {LARGEST: 2**32 - 1}),
        (16, 256, {LARGEST: 61_234}),  # a statistic of this image
    ],
)
def test_the_stated_range_becomes_black_to_white(
    bits: int, unit: int, tags: dict[int, int]
) -> None:
    found = _decoded(grey_tiff(RAMP * unit + unit // 2, bits, tags))
    np.testing.assert_array_equal(found, np.repeat(RAMP[..., None], 3, axis=2))


def test_where_zero_is_white_values_are_inverted() -> None:
    found = _decoded(grey_tiff(RAMP * 256, 16, WHITE_IS_ZERO))
    np.testing.assert_array_equal(found[..., 0], 255 - RAMP)


def test_a_graymap_states_its_largest_value() -> None:
    found = _decoded(b"P5 16 16 1023\n" + (RAMP * 4 + 2).astype(">u2").tobytes())
    assert np.abs(found[..., 0] - RAMP).max() <= 1


@pytest.mark.parametrize(
    ("values", "bits", "tags", "message"),
    [
        (RAMP * 16, 16, {}, r"would be black: its values are from 0 to 4080, of 0 to 65535 in 16"),
        (RAMP * 4, 16, {}, r"would be black: its values are from 0 to 1020"),
        (RAMP * 16, 16, SIGNED, r"holds signed integers from 0 to 4080 and does not state the val"),
        (RAMP - 128, 8, SIGNED, r"holds signed values; save it with 8 bits per colour, without a"),
        (RAMP - 99, 16, SIGNED | {LARGEST: 4095}, r"holds values from -99 to 156, outside its ran"),
        (RAMP * 16, 32, {}, r"holds 32-bit integers from 0 to 4080 and does not state the value"),
        (RAMP, 32, SIGNED, r"holds signed integers from 0 to 255 and"),
        (RAMP * 999, 32, {LARGEST: 65535}, r"holds values from 0 to 254745, outside its range 0"),
        (RAMP * 257, 16, {LARGEST: 1023}, r"holds values from 0 to 65535, outside its range 0 to"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(
    values: np.ndarray, bits: int, tags: dict[int, int], message: str
) -> None:
    with pytest.raises(ValueError, match=f"^bird.tif {message}"):
        decode("bird.tif", grey_tiff(values, bits, tags))


def test_grey_of_12_bits_in_a_png_is_refused_and_a_black_one_is_black() -> None:
    for values, black in ((RAMP * 16, False), (RAMP * 0, True)):
        buffer = io.BytesIO()
        Image.fromarray(values.astype(np.uint16)).save(buffer, "PNG")
        if black:
            assert not _decoded(buffer.getvalue()).any()
        else:
            with pytest.raises(ValueError, match="would be black: its values are from 0 to 4080"):
                _decoded(buffer.getvalue())


@pytest.mark.parametrize("unit", [16, 256])
def test_colours_of_16_bits(unit: int) -> None:
    values = np.stack([RAMP * unit, RAMP * unit, RAMP * 0], axis=2)
    if unit == 256:
        np.testing.assert_array_equal(_decoded(colour_png(values))[..., 1], RAMP)
        return
    with pytest.raises(ValueError, match="would be black: its values are below 4096, of 0 to"):
        _decoded(colour_png(values))


def test_a_16_bit_picture_is_turned_as_its_exif_says() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    Image.fromarray((RAMP * 256).astype(np.uint16)).save(buffer, "PNG", exif=exif)
    np.testing.assert_array_equal(_decoded(buffer.getvalue())[..., 0], np.rot90(RAMP, -1))
