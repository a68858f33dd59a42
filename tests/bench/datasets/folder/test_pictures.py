"""Pictures that decode without an error and are not what their files held or show."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bench.datasets.files.decode import decode
from tests.support.image_files import LARGEST, colour_png, colour_ppm, grey_tiff
from tests.support.zoo import verify_zoo

END = b"\xff\xd9"


def _scene(seed: int = 1, mode: str = "RGB") -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize((203, 151), Image.Resampling.BICUBIC).convert(mode)


def _file(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


JPEGS: dict[str, dict[str, Any]] = {
    "plain": {},
    "progressive": {"progressive": True},
    "restarts": {"restart_marker_rows": 1},
    "restarts in a row": {"restart_marker_blocks": 3},
    "no subsampling": {"subsampling": 0, "quality": 95},
}


@pytest.mark.parametrize("options", JPEGS.values(), ids=JPEGS)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_jpeg_that_was_cut_before_its_end_mark_is_named(
    zoo: Path, options: dict[str, Any], mode: str, share: float
) -> None:
    whole = _file(_scene(mode=mode), "JPEG", **options)
    (zoo / "a" / "0.jpg").write_bytes(whole)
    assert verify_zoo(zoo) == []
    start = whole.index(b"\xff\xda")
    (zoo / "a" / "0.jpg").write_bytes(whole[: int(start + share * (len(whole) - start))] + END)
    assert verify_zoo(zoo) == [
        f"{zoo}: 1 of 15 images lack the end of their picture (a/0.jpg); get them again"
    ]


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_a_cut_jpeg_that_is_shown_turned_is_named(zoo: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    whole = _file(_scene(), "JPEG", exif=exif)
    (zoo / "a" / "0.jpg").write_bytes(whole[: len(whole) // 2] + END)
    (problem,) = verify_zoo(zoo)
    assert "lack the end of their picture" in problem


def test_a_webp_whose_last_bytes_were_never_written_is_named(zoo: Path) -> None:
    for name, options in (("8.webp", {}), ("9.webp", {"lossless": True})):
        whole = _file(_scene(), "WEBP", **options)
        (zoo / "a" / name).write_bytes(whole + bytes(500))  # behind its end: no damage
        (zoo / "b" / name).write_bytes(whole[: len(whole) // 2].ljust(len(whole), b"\0"))
    found = [problem for problem in verify_zoo(zoo) if "lack the end" in problem]
    (problem,) = found
    assert problem.startswith(f"{zoo}: 2 of 18 images lack the end of their picture (b/8.webp, b/9")


def _padded(image: Image.Image) -> Image.Image:
    """On a grey ground, as for a square input."""
    paper = Image.new("RGB", (256, 256), (128, 128, 128))
    paper.paste(image, (20, 0))
    return paper


@pytest.mark.parametrize("options", JPEGS.values(), ids=JPEGS)
def test_grey_borders_and_further_bytes_are_no_cut(zoo: Path, options: dict[str, Any]) -> None:
    (zoo / "a" / "8.jpg").write_bytes(_file(_padded(_scene()), "JPEG", **options))
    (zoo / "a" / "9.jpg").write_bytes(_file(_scene(2), "JPEG", **options) + b"more" + END)
    assert verify_zoo(zoo) == []


FRAMES = [_scene(seed) for seed in (3, 4, 5)]


@pytest.mark.parametrize("kind", ["TIFF", "GIF", "WEBP", "PNG"])
def test_files_of_several_pictures_are_named(zoo: Path, kind: str) -> None:
    name = f"a/9.{kind.lower()}"
    content = _file(FRAMES[0], kind, save_all=True, append_images=FRAMES[1:])
    (zoo / name).write_bytes(content)
    (zoo / "b" / f"9.{kind.lower()}").write_bytes(_file(_scene(6), kind))
    assert verify_zoo(zoo) == [
        f"{zoo}: 1 of 16 images hold several pictures; only the first is used ({name}: 3);"
        " save each in a file of its own, or only the first"
    ]


def test_a_preview_beside_a_picture_is_no_second_one(zoo: Path) -> None:
    preview = _scene(3).resize((20, 15))
    preview.encoderinfo = {"tiffinfo": {254: 1}}
    pages = {"save_all": True, "append_images": [preview]}
    (zoo / "a" / "9.tif").write_bytes(_file(_scene(3), "TIFF", **pages))
    (zoo / "b" / "9.jpg").write_bytes(_file(_scene(4), "MPO", **pages))
    assert verify_zoo(zoo) == []


def _grey(bits: int) -> np.ndarray:
    values = np.asarray(_scene(7, "L")).astype(np.int64)
    noise = np.random.default_rng(0).integers(0, 256, values.shape)
    scaled: np.ndarray = (values * 256 + noise) // 2 ** (16 - bits)
    return scaled


DARK = "are of 16 bits and use only the darkest quarter of them or less"


@pytest.mark.parametrize("bits", [13, 14])
@pytest.mark.parametrize("form", ["grey TIFF", "grey PNG", "colour PNG", "colour PPM"])
def test_values_of_13_and_14_bits_are_named(zoo: Path, bits: int, form: str) -> None:
    values = _grey(bits)
    content = {
        "grey TIFF": lambda: grey_tiff(values, 16, {}),
        "grey PNG": lambda: _file(Image.fromarray(values.astype(np.uint16)), "PNG"),
        "colour PNG": lambda: colour_png(np.stack([values] * 3, axis=2)),
        "colour PPM": lambda: colour_ppm(np.stack([values] * 3, axis=2)),
    }[form]()
    (zoo / "a" / "9.png").write_bytes(content)
    (problem,) = verify_zoo(zoo)
    assert problem.startswith(f"{zoo}: 1 of 15 images {DARK}, as values of 13 or 14 bits do (a/9")


@pytest.mark.parametrize(
    "content",
    [
        grey_tiff(_grey(14), 16, {LARGEST: 2**14 - 1}),
        grey_tiff(_grey(16), 16, {}),
        _file(Image.fromarray((_grey(8) // 5 * 257).astype(np.uint16)), "PNG"),
        _file(_scene(7).point(lambda value: value // 5), "PNG"),
    ],
    ids=["stated", "16 bits", "8 bits scaled to 16", "dark in 8 bits"],
)
def test_values_that_fill_their_range_are_not_named(zoo: Path, content: bytes) -> None:
    (zoo / "a" / "9.png").write_bytes(content)
    assert verify_zoo(zoo) == []


def test_a_dark_picture_among_bright_ones_of_16_bits_is_not_named(zoo: Path) -> None:
    (zoo / "a" / "8.tif").write_bytes(grey_tiff(_grey(14), 16, {}))
    (zoo / "a" / "9.tif").write_bytes(grey_tiff(np.rot90(_grey(16)), 16, {}))
    assert verify_zoo(zoo) == []


@pytest.mark.parametrize(
    ("bits", "form"),
    [*((bits, colour_png) for bits in (5, 7, 8)), *((bits, colour_ppm) for bits in (8, 10, 11))],
)
def test_colours_of_16_bits_with_values_of_few_are_refused(
    bits: int, form: Callable[[np.ndarray], bytes]
) -> None:
    content = form(np.stack([_grey(bits)] * 3, axis=2))
    with pytest.raises(
        ValueError, match=r"^a.png would be black: its values are from \d+ to \d+, o"
    ):
        decode("a.png", content)


def test_black_of_16_bits_is_used() -> None:
    for form in (colour_png, colour_ppm):
        assert not np.asarray(decode("a.png", form(np.zeros((9, 9, 3))))).any()


def test_a_ppm_of_16_bits_keeps_its_upper_8() -> None:
    values = np.stack([_grey(16)] * 3, axis=2)
    assert np.abs(np.asarray(decode("a.ppm", colour_ppm(values))) - values / 257).max() <= 0.5
