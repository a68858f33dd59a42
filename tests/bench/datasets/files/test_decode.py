"""One photograph: every kind of file becomes the RGB that a person would see, or is refused."""

import io
import struct
import subprocess
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps
from torchvision.transforms import InterpolationMode, Resize

from bench.datasets.files.decode import LARGEST, cut_out, decode, shrink_to
from tests.support.image_files import png_chunk

PIXELS = np.random.default_rng(2).integers(0, 256, (6, 9, 3), dtype=np.uint8)
# What undoes each EXIF orientation, on rows and columns (EXIF 2.3, tag 0x0112).
UPRIGHT = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: a[::-1].transpose(1, 0, 2),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: a[:, ::-1].transpose(1, 0, 2),
}


def _file(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _decoded(image: Image.Image, kind: str = "PNG", **options: Any) -> np.ndarray:
    found = decode("a.png", _file(image, kind, **options))
    assert found.mode == "RGB"
    return np.asarray(found)


def _grey(values: np.ndarray) -> np.ndarray:
    return np.repeat(values[:, :, None], 3, axis=2)


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_exif_orientation_is_undone(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = _decoded(Image.fromarray(PIXELS), exif=exif)
    np.testing.assert_array_equal(found, UPRIGHT[orientation](PIXELS))


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_a_jpeg_is_turned_too_and_damaged_exif_spoils_nothing() -> None:
    image = Image.fromarray(PIXELS)
    plain = decode("a.jpg", _file(image, "JPEG"))
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = decode("a.jpg", _file(image, "JPEG", exif=exif))
    np.testing.assert_array_equal(turned, plain.transpose(Image.Transpose.ROTATE_270))
    for damaged in (b"Exif\0\0 no table", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff", b"Exif\0\0"):
        data = _file(image, "JPEG", exif=damaged)
        np.testing.assert_array_equal(decode("a.jpg", data), plain)
        np.testing.assert_array_equal(_decoded(image, exif=damaged), PIXELS)


def test_grey_and_one_bit_become_equal_colours() -> None:
    np.testing.assert_array_equal(_decoded(Image.fromarray(PIXELS[..., 0])), _grey(PIXELS[..., 0]))
    ink = PIXELS[..., 0] > 99
    np.testing.assert_array_equal(_decoded(Image.fromarray(ink)), _grey(ink * np.uint8(255)))


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_of_sixteen_bit_grey_the_upper_bits_count(kind: str) -> None:
    values = np.array([[0, 255, 256, 257], [32767, 32768, 65279, 65535]], dtype=np.uint16)
    np.testing.assert_array_equal(_decoded(Image.fromarray(values), kind), _grey(values >> 8))
    big_endian = Image.frombytes("I;16B", (4, 2), values.astype(">u2").tobytes())
    np.testing.assert_array_equal(_decoded(big_endian, "TIFF"), _grey(values >> 8))


def _on_white(colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    share = alpha[:, :, None] / 255
    return colour * share + 255.0 * (1 - share)


def test_transparent_colours_and_greys_lie_on_white() -> None:
    alpha = np.random.default_rng(3).integers(0, 256, PIXELS.shape[:2], dtype=np.uint8)
    alpha[0, :2] = 0, 255
    for colour, mode in ((PIXELS, "RGBA"), (_grey(PIXELS[..., 1]), "LA")):
        layers = [*np.moveaxis(colour, 2, 0)[: len(mode) - 1], alpha]
        image = Image.merge(mode, [Image.fromarray(layer.copy()) for layer in layers])
        found = _decoded(image)
        assert found[0, 0].tolist() == [255, 255, 255]
        assert found[0, 1].tolist() == colour[0, 1].tolist()
        assert np.abs(found - _on_white(colour, alpha)).max() <= 1


def test_palettes_with_and_without_transparency() -> None:
    image = Image.new("P", (3, 1))
    image.putpalette([10, 20, 30, 200, 100, 50, 7, 8, 9])
    image.putdata([0, 1, 2])
    colours = [[10, 20, 30], [200, 100, 50], [7, 8, 9]]
    white = [255, 255, 255]
    assert _decoded(image).tolist() == [colours]
    assert _decoded(image, transparency=1).tolist() == [[colours[0], white, colours[2]]]
    half = _decoded(image, transparency=bytes([255, 0, 128]))[0]
    assert half[:2].tolist() == [colours[0], white]
    assert np.abs(half[2] - _on_white(np.array([[[7, 8, 9]]]), np.array([[128]]))).max() <= 1
    grey = Image.fromarray(np.array([[5, 9]], np.uint8))
    assert _decoded(grey, transparency=5).tolist() == [[white, [9, 9, 9]]]
    pair = Image.fromarray(np.array([colours[:2]], np.uint8))
    assert _decoded(pair, transparency=(10, 20, 30)).tolist() == [[white, colours[1]]]


def test_a_cmyk_jpeg_is_near_its_rgb() -> None:
    smooth = Image.fromarray(np.full((16, 16, 3), (200, 90, 30), np.uint8))
    found = _decoded(smooth.convert("CMYK"), "JPEG", quality=95)
    assert np.abs(found.astype(int) - (200, 90, 30)).max() <= 4


def test_of_an_animation_the_first_picture_counts() -> None:
    red, blue = (Image.new("RGB", (4, 3), colour) for colour in ("red", "blue"))
    for kind in ("GIF", "PNG", "WEBP", "TIFF"):
        found = _decoded(red, kind, save_all=True, append_images=[blue])
        assert np.abs(found.astype(int) - (255, 0, 0)).max() <= 2


def _png_claiming(width: int, height: int, data: bytes = b"") -> bytes:
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    content = png_chunk(b"IDAT", zlib.compress(data)) + png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + header + content


PNG, JPEG = (_file(Image.fromarray(PIXELS), kind) for kind in ("PNG", "JPEG"))
LONG_TEXT = PNG[:33] + png_chunk(b"zTXt", b"note\0\0" + zlib.compress(b" " * 2**21))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", r"is not an image file \(0 bytes\)"),
        (b"a note\n", r"is not an image file \(7 bytes\)"),
        (JPEG[:-20], "is damaged and cannot be decoded .*truncated"),
        (JPEG[: len(JPEG) // 2], "is damaged and cannot be decoded .*Truncated"),
        (PNG[: len(PNG) // 2], "is damaged and cannot be decoded .*truncated"),
        (PNG[:20], "is damaged and cannot be decoded|is not an image"),
        (LONG_TEXT, "is damaged and cannot be decoded .*Decompressed data too large"),
        (
            _png_claiming(100_000, 100_000),
            "has more than the 67,108,864 pixels that are decoded; make",
        ),
        (_png_claiming(9000, 9000, bytes(9001 * 9000)), r"is 9000x9000 pixels, more than the 67,"),
        (_png_claiming(2**26 + 1, 1), "is 67108865x1 pixels, more than the 67,108,864 that"),
        (
            _file(Image.fromarray(np.ones((2, 2), np.float32)), "TIFF"),
            "holds floating-point numbers; save it with 8 bits per colour",
        ),
    ],
)
def test_what_is_no_whole_picture_is_refused_by_name(data: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=f"^bird/größe 鳥.jpg {message}"):
        decode("bird/größe 鳥.jpg", data)


@pytest.mark.parametrize("kind", ["EPS", "PDF", "ICO", "PCX", "TGA", "SGI", "ICNS", "AVIF"])
def test_other_formats_are_not_opened_whatever_the_name(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = _file(Image.fromarray(PIXELS).resize((64, 64)), kind)
    monkeypatch.setattr(subprocess, "Popen", None)  # EPS would start Ghostscript
    with pytest.raises(ValueError, match=r"^a.jpg is not an image file \(.* bytes\) of JPEG, PNG,"):
        decode("a.jpg", content)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["JPEG", "PNG", "GIF", "BMP", "WEBP", "PPM"]), st.data())
def test_changed_bytes_give_a_picture_or_a_named_refusal(kind: str, data: st.DataObject) -> None:
    content = bytearray(_file(Image.fromarray(PIXELS), kind))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(st.integers(0, 255))
    said = "a.png "
    try:
        decode("a.png", bytes(content))
    except ValueError as error:
        said = str(error)
    assert said.startswith("a.png ")


@pytest.mark.parametrize(
    ("box", "rows", "columns"),
    [
        ((2, 1, 3, 4), (1, 5), (2, 5)),
        ((2.5, 1.2, 1.0, 0.1), (1, 2), (2, 4)),
        ((-3, -3, 5, 6), (0, 3), (0, 2)),
        ((7, 4, 50, np.inf), (4, 6), (7, 9)),
    ],
)
def test_a_box_is_cut_out_rounded_outwards_within_the_picture(
    box: tuple[float, ...], rows: tuple[int, int], columns: tuple[int, int]
) -> None:
    found = cut_out("a", Image.fromarray(PIXELS), np.array(box, dtype=np.float64))
    np.testing.assert_array_equal(found, PIXELS[slice(*rows), slice(*columns)])


@pytest.mark.parametrize("box", [(9, 0, 1, 1), (0, -5, 3, 5), (1, 1, 0, 3), (1, np.nan, 1, 1)])
def test_a_box_without_a_pixel_is_refused(box: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match=r"bird.jpg: its box \[.*\] lies outside its \(9, 6\) pix"):
        cut_out("bird.jpg", Image.fromarray(PIXELS), np.array(box, dtype=np.float64))


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 70),
    st.integers(1, 70),
    st.integers(1, 40),
    st.integers(0, 9),
    st.sampled_from(["bilinear", "bicubic"]),
)
def test_shrinking_equals_torchvision(
    width: int, height: int, side: int, seed: int, interpolation: str
) -> None:
    shape = (height, width, 3)
    pixels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    image = Image.fromarray(pixels)
    found = shrink_to("a", image, side, interpolation)
    peer = Resize(side, InterpolationMode(interpolation))
    np.testing.assert_array_equal(found, np.asarray(peer(image)))
    assert min(found.shape[:2]) == side


def test_extreme_proportions_stay_or_are_refused_before_memory_runs_out() -> None:
    thin = Image.new("RGB", (1, 3000), "green")
    assert shrink_to("a", thin, 4).shape == (12_000, 4, 3)
    assert shrink_to("a", ImageOps.expand(thin, 1), 1).shape == (1000, 1, 3)
    side = 200
    assert side * side * 3000 > LARGEST
    with pytest.raises(ValueError, match=r"^a at a shorter side of 200 is 200x600000 pixels, more"):
        shrink_to("a", thin, side)
