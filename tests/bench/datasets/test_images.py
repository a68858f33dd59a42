"""Images in memory and decoded photographs: one contract, the right pixels, checksums."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.datasets.files.photographs import Photographs
from bench.datasets.files.work import quiet
from bench.datasets.images import ArrayImages, DecodedPhotographs
from bench.datasets.splits import class_disjoint
from bench.datasets.types import Dataset, Images
from tests.support.photographs import NAMES, decoded, write_pictures

LABELS = np.arange(11) // 2 % 4


@pytest.fixture
def photographs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Photographs:
    monkeypatch.setenv("PROXY_BENCH_CACHE", str(tmp_path / "cache"))
    write_pictures(tmp_path / "photos", NAMES)
    return Photographs(tmp_path / "photos", NAMES)


def _pixels(*shape: int) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, shape, dtype=np.uint8)


def _dataset(images: Images) -> Dataset:
    split = class_disjoint(LABELS, validation=np.array([1]), test=np.array([2]))
    return Dataset("zoo", images, LABELS, ("ant", "bee", "cat", "dog"), NAMES, split)


@pytest.mark.parametrize("shape", [(11, 6, 7), (11, 6, 7, 3)])
def test_images_in_memory_are_read_as_they_are(shape: tuple[int, ...]) -> None:
    pixels = _pixels(*shape)
    images = ArrayImages(pixels, NAMES)
    assert images.shape == (6, 7, 1 if len(shape) == 3 else 3)
    positions = np.array([9, 0, 3])
    np.testing.assert_array_equal(images.batch(positions), pixels[[9, 0, 3]])
    np.testing.assert_array_equal(images.thumbnail(9), pixels[9])
    assert images.sizes(positions).tolist() == [[6, 7]] * 3
    dataset = _dataset(images)
    assert dataset.prepare(4, 3, quiet).images is images
    np.testing.assert_array_equal(dataset.pixels, pixels)


@pytest.mark.parametrize(
    "pixels", [np.ones((8, 5, 4)), *(_pixels(*s) for s in [(8, 5), (8, 5, 4, 2), (8, 5, 4, 3, 3)])]
)
def test_arrays_of_another_shape_or_type_are_refused(pixels: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"must be .* uint8, found \(8, 5.*\) (float64|uint8)"):
        ArrayImages(pixels, NAMES[:8])


def test_checksum_is_the_documented_hash_and_independent_of_order() -> None:
    pixels, names = _pixels(2, 3, 4), ("b", "a")
    digest = hashlib.sha256()
    for i in (1, 0):
        digest.update(json.dumps([names[i], [3, 4]]).encode() + pixels[i].tobytes())
    checksum = ArrayImages(pixels, names).checksum
    assert checksum == ArrayImages(pixels[::-1], names[::-1]).checksum == digest.hexdigest()
    others = [(pixels ^ 1, names), (pixels.reshape(2, 4, 3), names), (pixels, ("b", "c"))]
    assert len({checksum, *(ArrayImages(*other).checksum for other in others)}) == 4


def test_of_photographs_the_centre_is_seen(photographs: Photographs) -> None:
    found = photographs.prepare("zoo", 8, 5, quiet)
    assert found.shape == (5, 5, 3)
    positions = np.array([10, 0, 3])
    assert found.sizes(positions).tolist() == [list(found[i].shape[:2]) for i in (10, 0, 3)]
    for image, position in zip(found.batch(positions), (10, 0, 3), strict=True):
        top, left = ((size - 5) // 2 for size in found[position].shape[:2])
        np.testing.assert_array_equal(image, found[position][top : top + 5, left : left + 5])
        np.testing.assert_array_equal(found.thumbnail(position), image)


def test_thumbnails_of_large_photographs_are_the_centre_in_128_pixels(tmp_path: Path) -> None:
    y, x = np.mgrid[:150, :260]
    smooth = np.stack([x % 256, y, (x + y) % 256], axis=2).astype(np.uint8)
    Image.fromarray(smooth).save(tmp_path / "a.png")
    images = decoded(Photographs(tmp_path, ("a.png",)), 150)
    thumbnail = images.thumbnail(0)
    assert thumbnail.shape == (128, 128, 3)
    left = (260 - 150) // 2
    corners = thumbnail[[0, -1], [0, -1]].astype(int)
    assert np.abs(corners[:, :2] - [[left, 0], [left + 149, 149]]).max() <= 2


def test_each_interpolation_has_pixels_of_its_own(photographs: Photographs) -> None:
    plain, smooth, again = (
        photographs.prepare("zoo", 8, 5, quiet, interpolation)
        for interpolation in ("bilinear", "bicubic", "bilinear")
    )
    np.testing.assert_array_equal(plain[3], again[3])
    assert smooth[3].shape == plain[3].shape
    assert (smooth[3] != plain[3]).any()
    assert smooth.checksum == plain.checksum


def test_a_data_set_is_prepared_once(photographs: Photographs) -> None:
    dataset = _dataset(photographs)
    ready = dataset.prepare(6, 5, quiet)
    assert isinstance(ready.images, DecodedPhotographs)
    assert ready.checksum == dataset.checksum
    assert ready.prepare(7, 4, quiet).images is ready.images
    with pytest.raises(ValueError, match="zoo holds photographs: give the budget `resize` and"):
        dataset.prepare(6, None, quiet)
    with pytest.raises(TypeError, match="must be decoded before their pixels are read"):
        _ = dataset.pixels
    (photographs.place / NAMES[3]).unlink()
    with pytest.raises(FileNotFoundError, match=f"missing or unreadable: {NAMES[3]}"):
        photographs.require_files()
