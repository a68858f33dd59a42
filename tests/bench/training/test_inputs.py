import numpy as np
import pytest
import torch

from bench.training.inputs import affine_maps, augment, to_input


def pictures(*shape: int) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("shape", [(5, 6, 7), (5, 6, 7, 3)])
def test_input_is_channels_last_floats_in_0_to_1(shape: tuple[int, ...]) -> None:
    images = pictures(*shape)
    batch = to_input(images)
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
    """Each output pixel looked up at its mapped place by bilinear interpolation, zero outside."""
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


def test_augmentation_agrees_with_a_plain_bilinear_warp() -> None:
    from bench.training.sampling import derive

    images = pictures(3, 9, 11)
    moved = augment(to_input(images), "affine", seed=5, step=17)
    maps = affine_maps(3, derive(5, "augment", 17))
    for index in range(3):
        expected = slow_warp(images[index] / 255, maps[index])
        np.testing.assert_allclose(moved[index, 0].numpy(), expected, atol=1e-5)


def test_augmentation_depends_on_seed_and_step_alone() -> None:
    batch = to_input(pictures(4, 8, 8))
    first = augment(batch, "affine", seed=1, step=2)
    assert torch.equal(first, augment(batch, "affine", seed=1, step=2))
    assert not torch.equal(first, augment(batch, "affine", seed=1, step=3))
    assert not torch.equal(first, augment(batch, "affine", seed=2, step=2))
    assert torch.equal(batch, augment(batch, "none", seed=1, step=2))
