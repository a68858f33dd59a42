"""Omniglot: the shrinking filter, the table of characters, and a check of the genuine data."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.datasets.omniglot.dataset import check_omniglot
from bench.datasets.omniglot.reading import characters, decode, items, shrink


def _png(size: tuple[int, int] = (105, 105), mode: str = "1") -> bytes:
    pixels = np.random.default_rng(2).random(size[::-1]) < 0.5
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(buffer, "PNG")
    return buffer.getvalue()


def _mean_ink(drawing: np.ndarray, row: int, column: int) -> float:
    """The mean ink of one small pixel's square, by its overlap with every pixel of the drawing.

    In units in which a drawing's side is 105 * 28: its pixels are 28 wide, small pixels 105.
    """

    def overlap(pixel: int, small: int) -> int:
        return max(0, min(105 * (small + 1), 28 * (pixel + 1)) - max(105 * small, 28 * pixel))

    inked = [(y, x) for y in range(105) for x in range(105) if not drawing[y, x]]
    return sum(overlap(y, row) * overlap(x, column) for y, x in inked) / 105**2


def test_shrink_is_the_mean_of_each_square() -> None:
    drawings = np.random.default_rng(1).random((2, 105, 105)) < 0.6
    small = shrink(drawings)
    assert small.shape == (2, 28, 28)
    assert small.dtype == np.uint8
    for row, column in ((0, 0), (0, 27), (13, 5), (27, 27), (9, 22)):
        assert small[1, row, column] == round(255 * _mean_ink(drawings[1], row, column))


def test_paper_is_black_and_ink_is_white() -> None:
    assert shrink(np.ones((1, 105, 105), dtype=bool)).max() == 0
    assert shrink(np.zeros((1, 105, 105), dtype=bool)).min() == 255


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (_png((105, 104)), r"^a\.png is 105x104 in mode 1, expected 105x105 1-bit"),
        (_png(mode="L"), r"^a\.png is 105x105 in mode L, expected"),
        (b"", r"^a\.png is not an image file"),
        (_png()[:300], r"^a\.png is damaged and cannot be decoded"),
        (b"BM" + _png(), r"^a\.png is not an image file"),
    ],
)
def test_decode_refuses_anything_else(data: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        decode("a.png", data)


def test_characters_are_numbered_through_all_alphabets() -> None:
    names = characters()
    assert len(names) == len(set(names)) == 1623
    assert names[0] == "images_background/Arcadian/character01"
    assert names[963] == "images_background/Tifinagh/character55"
    assert names[964] == "images_evaluation/Angelic/character01"
    assert names[1622] == "images_evaluation/ULOG/character26"
    assert items()[191][2] == "images_background/Braille/character01/0192_03.png"


def test_genuine_data_verifies_and_reports_progress(data_root: Path) -> None:
    seen: list[tuple[int, int]] = []
    assert check_omniglot(data_root, lambda done, total: seen.append((done, total))) == []
    assert seen[0] == (20, 32460)
    assert seen[-1] == (32460, 32460)
