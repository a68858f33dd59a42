"""The same picture in files of other bytes: in two parts or classes, or several times in one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from bench.cli.data import split_lines
from bench.datasets import load, verify
from bench.datasets.doubts import equal_pictures
from bench.datasets.files.photographs import Photographs
from tests.support.photographs import write_pictures
from tests.support.tiny import quiet

NAMES = [f"{label}/{i}.png" for label in "abcdefg" for i in range(2)]
FOUND = "2 pictures that look equal are in different classes or parts: "


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PROXY_BENCH_CACHE", str(tmp_path / "cache"))
    write_pictures(tmp_path / "data" / "zoo", NAMES)
    _scene(1).save(tmp_path / "data" / "zoo" / "a" / "0.png")
    return tmp_path / "data" / "zoo"


def _scene(seed: int, width: int = 240, height: int = 180) -> Image.Image:
    """Soft blobs with some noise, as of a photograph."""
    generator = np.random.default_rng(seed)
    blobs = Image.fromarray(generator.integers(0, 256, (7, 9, 3), dtype=np.uint8))
    scene = np.asarray(blobs.resize((width, height), Image.Resampling.BICUBIC)).astype(float)
    noisy = scene + generator.normal(0, 4, scene.shape)
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def _verify(zoo: Path) -> list[str]:
    return verify("folder:zoo", zoo.parent, quiet)


def _with_text() -> PngInfo:
    info = PngInfo()
    info.add_text("Software", "another program")
    return info


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("9.png", {"compress_level": 1}),
        ("9.png", {"pnginfo": _with_text()}),
        ("9.bmp", {}),
        ("9.tif", {"compression": "tiff_lzw"}),
        ("9.webp", {"lossless": True}),
        ("9.jpg", {"quality": 90}),
        ("9.jpg", {"quality": 40, "progressive": True}),
        ("9.webp", {"quality": 60}),
    ],
)
def test_a_copy_saved_again_in_the_test_part_is_a_problem(
    zoo: Path, name: str, options: dict[str, Any]
) -> None:
    with Image.open(zoo / "a" / "0.png") as image:
        image.save(zoo / "g" / name, **options)
    assert _verify(zoo) == [f"{FOUND}a/0.png (a, train) = g/{name} (g, test)"]


@pytest.mark.parametrize(
    "change",
    [
        lambda image: image.resize((120, 90)),
        lambda image: image.resize((480, 360)),
        lambda image: image.convert("L"),
        lambda image: image.convert("RGBA"),
    ],
    ids=["smaller", "larger", "grey", "with opacity"],
)
def test_a_copy_of_another_size_or_mode_is_a_problem(
    zoo: Path, change: Callable[[Image.Image], Image.Image]
) -> None:
    change(_scene(1)).save(zoo / "b" / "9.png")
    assert _verify(zoo) == [f"{FOUND}a/0.png (a, train) = b/9.png (b, train)"]


def test_copies_in_one_class_and_part_are_only_counted(zoo: Path) -> None:
    _scene(1).save(zoo / "a" / "8.jpg")
    _scene(1).save(zoo / "a" / "9.bmp")
    assert _verify(zoo) == []
    assert split_lines("folder:zoo", zoo.parent)[1:] == [
        "3 pictures that look equal are several images of one class: a/0.png (a, train) = "
        "a/8.jpg (a, train) = a/9.bmp (a, train)"
    ]


def test_the_one_copy_of_another_class_is_among_those_that_are_shown(zoo: Path) -> None:
    for quality in range(50, 60):
        _scene(1).save(zoo / "a" / f"{quality}.jpg", quality=quality)
    _scene(1).save(zoo / "g" / "9.jpg", quality=45)
    (problem,) = _verify(zoo)
    assert problem.startswith("12 pictures that look equal are in different classes or parts: ")
    assert "g/9.jpg (g, test)" in problem


def test_equal_files_are_not_named_a_second_time(zoo: Path) -> None:
    (zoo / "g" / "9.png").write_bytes((zoo / "a" / "0.png").read_bytes())
    (problem,) = _verify(zoo)
    assert problem.startswith("2 equal files are in different classes or parts")


def _texture(seed: int) -> Image.Image:
    fine = np.random.default_rng(seed).integers(90, 150, (320, 320), dtype=np.uint8)
    return Image.fromarray(fine)


def _drawing(shift: int) -> Image.Image:
    """A dot on white paper, as in Braille."""
    paper = np.full((105, 105), 255, np.uint8)
    paper[50:54, 50 + shift : 54 + shift] = 0
    return Image.fromarray(paper)


def _form(digit: int) -> Image.Image:
    """One printed page with another number filled in."""
    page = np.full((200, 200), 255, np.uint8)
    page[::20] = 0
    page[82:98, 60 + 10 * digit : 68 + 10 * digit] = 0
    return Image.fromarray(page)


@pytest.mark.parametrize("made", [_texture, _drawing, _form, _scene])
def test_pictures_that_only_resemble_each_other_are_not_named(
    zoo: Path, made: Callable[[int], Image.Image]
) -> None:
    for number, label in enumerate("aceg", start=2):
        made(number).save(zoo / label / "9.png")
    assert _verify(zoo) == []


def test_photographs_are_decoded_once(zoo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _verify(zoo) == []
    monkeypatch.setattr(Photographs, "photograph", None)
    assert len(split_lines("folder:zoo", zoo.parent)) == 1


def test_a_broken_picture_does_not_hide_the_other_problems(zoo: Path) -> None:
    (zoo / "b" / "0.png").write_bytes(b"no image")
    (problem,) = _verify(zoo)
    assert "b/0.png is not an image file" in problem


def test_no_two_photographs_of_grocery_store_look_equal(
    data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROXY_BENCH_CACHE", str(tmp_path))
    dataset = load("grocery_store", data_root, "official")
    assert equal_pictures(dataset) == ([], [])
