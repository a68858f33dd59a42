"""Network input: bytes to floats, affine jitter, crops of photographs, each draw from its seed."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms.v2 import InterpolationMode, RandomResizedCrop
from torchvision.transforms.v2.functional import resized_crop

from bench.datasets.files.photographs import Photographs
from bench.datasets.files.work import quiet
from bench.datasets.images import ArrayImages, DecodedPhotographs
from bench.training.inputs import (
    RATIO,
    SHARE,
    affine_maps,
    channels_first,
    cut_crops,
    draw_crops,
    draw_sizes,
    largest_sizes,
    to_input,
    training_batch,
)
from bench.training.sampling import derive
from tests.support.photographs import NAMES, write_pictures


def pictures(*shape: int) -> ArrayImages:
    pixels = np.random.default_rng(3).integers(0, 256, shape, dtype=np.uint8)
    return ArrayImages(pixels, tuple(map(str, range(shape[0]))))


@pytest.fixture
def photographs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DecodedPhotographs:
    monkeypatch.setenv("PROXY_BENCH_CACHE", str(tmp_path / "cache"))
    names = write_pictures(tmp_path / "photos", NAMES)
    return Photographs(tmp_path / "photos", names).prepare("zoo", 9, 6, quiet)


@pytest.mark.parametrize("shape", [(5, 6, 7), (5, 6, 7, 3)])
def test_input_is_channels_last_floats_in_0_to_1(shape: tuple[int, ...]) -> None:
    images = pictures(*shape).pixels
    batch = to_input(channels_first(images))
    channels = 1 if len(shape) == 3 else 3
    assert batch.shape == (5, channels, 6, 7)
    assert batch.dtype == torch.float32
    assert batch.is_contiguous(memory_format=torch.channels_last)
    expected = images.reshape(5, 6, 7, channels).transpose(0, 3, 1, 2) / 255
    np.testing.assert_allclose(batch.numpy(), expected, atol=1e-7)


def test_maps_are_small_motions_around_the_identity() -> None:
    maps = affine_maps(2000, np.random.default_rng(0))
    determinant = maps[:, 0, 0] * maps[:, 1, 1] - maps[:, 0, 1] * maps[:, 1, 0]
    np.testing.assert_allclose(maps[:, :, :2].mean(axis=0), np.eye(2), atol=0.02)
    np.testing.assert_allclose(maps[:, :, 2].mean(axis=0), 0, atol=0.01)
    # A rotation and a shear keep areas, so the determinant is the inverse square of the scale.
    assert determinant.min() >= 1.1**-2 - 1e-5
    assert determinant.max() <= 0.9**-2 + 1e-5
    assert np.ptp(determinant) > 0.3
    assert abs(maps[:, :, 2]).max() <= 0.16
    angles = np.degrees(np.arctan2(maps[:, 1, 0], maps[:, 0, 0]))
    assert 9.5 < abs(angles).max() <= 10.001


def slow_warp(image: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Each output pixel from its mapped position by bilinear interpolation, zero outside."""
    height, width = image.shape
    moved = np.zeros_like(image)
    for row in range(height):
        for column in range(width):
            x, y = (2 * column + 1) / width - 1, (2 * row + 1) / height - 1
            u, v = matrix @ [x, y, 1.0]
            u, v = ((u + 1) * width - 1) / 2, ((v + 1) * height - 1) / 2
            for r in (int(np.floor(v)), int(np.floor(v)) + 1):
                for c in (int(np.floor(u)), int(np.floor(u)) + 1):
                    if 0 <= r < height and 0 <= c < width:
                        weight = (1 - abs(v - r)) * (1 - abs(u - c))
                        moved[row, column] += weight * image[r, c]
    return moved


def test_affine_augmentation_agrees_with_a_plain_bilinear_warp() -> None:
    images = pictures(3, 9, 11)
    moved = training_batch(images, np.arange(3), "affine", seed=5, step=17)
    maps = affine_maps(3, derive(5, "augment", 17))
    for index in range(3):
        expected = slow_warp(images.pixels[index] / 255, maps[index])
        np.testing.assert_allclose(moved[index, 0].numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("augmentation", ["none", "affine", "crop", "resized-crop"])
def test_augmentation_depends_on_seed_and_step_alone(
    augmentation: str, photographs: DecodedPhotographs
) -> None:
    images = pictures(8, 8, 8) if augmentation == "affine" else photographs
    positions = np.array([7, 0, 2, 5])

    def batch(seed: int, step: int) -> torch.Tensor:
        return training_batch(images, positions, augmentation, seed=seed, step=step)

    first = batch(1, 2)
    assert first.shape[2:] == images.shape[:2]
    assert torch.equal(first, batch(1, 2))
    others = [batch(1, 3), batch(2, 2)]
    assert all(torch.equal(first, other) == (augmentation == "none") for other in others)
    if augmentation == "none":
        assert torch.equal(first, to_input(channels_first(images.batch(positions))))


def test_random_crops_reach_every_position_and_are_mirrored_half_of_the_time() -> None:
    sizes = np.tile([6, 7], (6000, 1))
    boxes, mirrored = draw_crops(sizes, "crop", 4, np.random.default_rng(0))
    assert (boxes[:, 2:] == 4).all()
    corners, counts = np.unique(boxes[:, :2], axis=0, return_counts=True)
    assert corners.tolist() == [[top, left] for top in range(3) for left in range(4)]
    assert counts.min() > 400
    assert counts.max() < 600
    assert 0.47 < mirrored.mean() < 0.53
    whole, _ = draw_crops(np.tile([5, 5], (50, 1)), "crop", 5, np.random.default_rng(0))
    assert (whole == [0, 0, 5, 5]).all()


def test_resized_crops_stay_inside_and_keep_share_and_ratio() -> None:
    sizes = np.tile([[300, 200], [200, 500]], (3000, 1))
    boxes, _ = draw_crops(sizes, "resized-crop", 64, np.random.default_rng(1))
    corners, wanted = boxes[:, :2], boxes[:, 2:]
    assert (corners >= 0).all()
    assert (corners + wanted <= sizes).all()
    share = wanted.prod(axis=1) / sizes.prod(axis=1)
    assert SHARE[0] - 0.01 < share.min() < SHARE[0] + 0.02
    assert share[::2].max() > 0.85
    ratio = wanted[:, 1] / wanted[:, 0]
    assert ratio.min() >= RATIO[0] - 0.02
    assert ratio.max() <= RATIO[1] + 0.02
    # Even on a log scale: as many upright as lying crops of an upright and a lying photograph.
    assert np.log(ratio[1::2]).min() < -0.28


def test_resized_crops_are_spread_as_torchvisions() -> None:
    sizes = np.tile([256, 340], (4000, 1))
    wanted = draw_sizes(sizes, np.random.default_rng(2))
    torch.manual_seed(0)
    theirs = RandomResizedCrop(8, scale=SHARE, ratio=RATIO)
    image = torch.zeros(3, 256, 340)
    params = [theirs.make_params([image]) for _ in range(4000)]
    heights = np.array([[found["height"], found["width"]] for found in params])
    quantiles = [0.05, 0.25, 0.5, 0.75, 0.95]
    ours, peer = (np.quantile(x, quantiles, axis=0) for x in (wanted, heights))
    np.testing.assert_allclose(ours, peer, atol=8)


@pytest.mark.parametrize(
    ("size", "expected"), [((400, 10), [13, 10]), ((10, 400), [10, 13]), ((1, 1), [1, 1])]
)
def test_of_a_strip_the_largest_allowed_part_is_taken(
    size: tuple[int, int], expected: list[int]
) -> None:
    assert largest_sizes(np.array([size])).tolist() == [expected]
    strips = np.tile(size, (20, 1))
    assert (draw_sizes(strips, np.random.default_rng(0)) <= size).all()


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_pixels_are_those_of_torchvision_and_within_a_step_those_of_pillow(
    interpolation: str,
) -> None:
    mode = InterpolationMode(interpolation)
    images = pictures(3, 30, 41, 3)
    boxes = np.array([[3, 5, 20, 30], [0, 0, 25, 20], [4, 4, 8, 8]])
    positions = np.array([2, 0, 1])
    mirrored = np.array([False, True, False])
    batch = cut_crops(images, positions, boxes, mirrored, 8, interpolation)
    for row, box in enumerate(boxes.tolist()):
        image = images[positions[row]]
        picture = np.asarray(resized_crop(Image.fromarray(image), *box, [8, 8], mode))
        tensor = torch.from_numpy(image.copy()).permute(2, 0, 1)
        peer = resized_crop(tensor, *box, [8, 8], mode).permute(1, 2, 0).numpy()
        found = batch[row, :, ::-1] if row == 1 else batch[row]
        np.testing.assert_array_equal(found, peer)
        np.testing.assert_allclose(found.astype(int), picture.astype(int), atol=1)
    np.testing.assert_array_equal(batch[2], images[1][4:12, 4:12])  # of this size: not resized
