"""Images of more than 8 bits: the range that a file states counts, what does not fit is refused."""

import io
import struct
import zipfile
from pathlib import Path

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
    with pytest.raises(ValueError, match="would be black: its values are from 0 to 4095, of 0 to"):
        _decoded(colour_png(values))


def test_a_16_bit_picture_is_turned_as_its_exif_says() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    Image.fromarray((RAMP * 256).astype(np.uint16)).save(buffer, "PNG", exif=exif)
    np.testing.assert_array_equal(_decoded(buffer.getvalue())[..., 0], np.rot90(RAMP, -1))


def _grey_png(values: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(values.astype(np.uint16)).save(buffer, "PNG")
    return buffer.getvalue()


def _with_white(values: np.ndarray, rows: int, columns: int) -> np.ndarray:
    changed = values.copy()
    changed[:rows, :columns] = 65535
    return changed


FINE = np.arange(4096).reshape(64, 64)  # all values of 12 bits


@pytest.mark.parametrize(
    "values",
    {
        "a hot pixel": _with_white(FINE, 1, 1),
        "a bright pixel": np.where(FINE == 99, 60_000, FINE),
        "a caption": _with_white(FINE, 8, 64),
        "8 bits and a hot pixel": _with_white(FINE // 16, 1, 1),
        "a white background": _with_white(FINE, 64, 50),
        "a black background": np.where(np.arange(64) < 50, 0, _with_white(FINE, 1, 64)),
        "inverted": 65535 - FINE,
        "10 bits inverted": 65535 - FINE // 4,
        "an offset": FINE // 4 + 32768,
    }.items(),
    ids=lambda values: values[0],
)
def test_a_smaller_range_is_refused_whatever_a_few_values_are(
    values: tuple[str, np.ndarray],
) -> None:
    message = (
        r"^bird.png would be nearly one colour: most of its values are from \d+ to \d+, of 0 t"
    )
    with pytest.raises(ValueError, match=message):
        decode("bird.png", _grey_png(values[1]))
    if values[0].startswith("8 bits"):
        return  # of colours Pillow gives the upper 8 bits, here black
    with pytest.raises(ValueError, match=message):
        decode("bird.png", colour_png(np.stack([values[1]] * 3, axis=2)))


@pytest.mark.parametrize(
    "values",
    {
        "mostly white": np.where(np.arange(64) < 60, 65535, FINE * 16),
        "mostly black": np.where(np.arange(64) < 60, 0, FINE * 16),
        "black and white": np.where(FINE % 7, 65535, 0),
        "dark ink on white": np.where(FINE % 7, 65535, 2000),
        "a flat grey": np.full((64, 64), 30_000),
        "white": np.full((64, 64), 65535),
        "black": np.zeros((64, 64)),
    }.items(),
    ids=lambda values: values[0],
)
def test_drawings_of_16_bits_are_used(values: tuple[str, np.ndarray]) -> None:
    upper = values[1].astype(int) >> 8
    np.testing.assert_array_equal(_decoded(_grey_png(values[1]))[..., 0], upper)
    colours = np.stack([values[1]] * 3, axis=2)
    np.testing.assert_array_equal(_decoded(colour_png(colours))[..., 0], upper)


def test_a_pale_picture_of_8_bits_that_was_scaled_to_16_is_used() -> None:
    np.testing.assert_array_equal(
        _decoded(_grey_png((RAMP % 9 + 200) * 257))[..., 0], RAMP % 9 + 200
    )


def test_photographs_scaled_to_16_bits_are_used(data_root: Path) -> None:
    with zipfile.ZipFile(next((data_root / "grocery_store").glob("*.zip"))) as archive:
        names = [name for name in archive.namelist() if name.endswith(".jpg")]
        for name in names[::500]:
            with Image.open(io.BytesIO(archive.read(name))) as image:
                colours = np.asarray(image.convert("RGB")).astype(int)
                grey = np.asarray(image.convert("L")).astype(int)
            noise = np.random.default_rng(0).integers(0, 256, grey.shape)
            found = _decoded(colour_png(colours * 256 + noise[..., None]))
            np.testing.assert_array_equal(found, colours)
            found = _decoded(_grey_png(grey * 256 + noise))
            np.testing.assert_array_equal(found[..., 0], grey)


def planar_tiff(values: np.ndarray) -> bytes:
    """An uncompressed TIFF of 16-bit colours (H, W, 3) whose planes are stored one by one."""
    height, width, _ = values.shape
    planes = [values[..., colour].astype("<u2").tobytes() for colour in range(3)]
    bits = 8 + 2 + 10 * 12 + 4  # behind the table
    offsets, counts = bits + 6, bits + 18
    starts = [counts + 12 + sum(map(len, planes[:colour])) for colour in range(3)]
    entries = [
        *((256, 4, 1, width), (257, 4, 1, height), (258, 3, 3, bits), (259, 3, 1, 1)),
        *((262, 3, 1, 2), (273, 4, 3, offsets), (277, 3, 1, 3), (278, 4, 1, height)),
        *((279, 4, 3, counts), (284, 3, 1, 2)),
    ]
    head = struct.pack("<2sHIH", b"II", 42, 8, len(entries))
    table = b"".join(struct.pack("<HHII", *entry) for entry in entries) + struct.pack("<I", 0)
    lists = struct.pack("<3H3I3I", 16, 16, 16, *starts, *map(len, planes))
    return head + table + lists + b"".join(planes)


def test_deep_colours_in_separate_planes_are_refused() -> None:
    """Pillow reads their bytes as if they were of 8 bits."""
    colours = np.stack([RAMP * 257, RAMP[::-1] * 257, RAMP.T * 257], axis=-1)
    data = planar_tiff(colours)
    with Image.open(io.BytesIO(data)) as image:
        assert image.mode == "RGB"
        assert not np.array_equal(np.asarray(image), colours // 257)  # else it need not be refused
    with pytest.raises(ValueError, match=r"bird\.tif holds its colours in separate planes, which"):
        decode("bird.tif", data)
