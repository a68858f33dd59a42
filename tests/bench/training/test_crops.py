"""Crops of photographs: sizes, places, pixels."""

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms.v2 import RandomResizedCrop
from torchvision.transforms.v2.functional import resized_crop

from bench.training.crops import (
    AREA,
    RATIO,
    Crops,
    centre,
    draw_crops,
    draw_sizes,
    largest,
    stack_crops,
)


def photographs(*sizes: tuple[int, int]) -> list[np.ndarray]:
    generator = np.random.default_rng(4)
    return [generator.integers(0, 256, (*size, 3), dtype=np.uint8) for size in sizes]


def test_random_crops_reach_every_place_and_are_mirrored_half_of_the_time() -> None:
    sizes = np.tile([6, 7], (6000, 1))
    crops = draw_crops(sizes, "crop", 4, np.random.default_rng(0))
    assert (crops.boxes[:, 2:] == 4).all()
    places, counts = np.unique(crops.boxes[:, :2], axis=0, return_counts=True)
    assert places.tolist() == [[top, left] for top in range(3) for left in range(4)]
    assert counts.min() > 400
    assert counts.max() < 600
    assert 0.47 < crops.mirrored.mean() < 0.53


def test_a_crop_of_the_whole_has_one_place() -> None:
    crops = draw_crops(np.tile([5, 5], (50, 1)), "crop", 5, np.random.default_rng(0))
    assert (crops.boxes == [0, 0, 5, 5]).all()


def test_resized_crops_stay_inside_and_keep_area_and_proportion() -> None:
    sizes = np.tile([[300, 200], [200, 500]], (3000, 1))
    crops = draw_crops(sizes, "resized-crop", 64, np.random.default_rng(1))
    corners, wanted = crops.boxes[:, :2], crops.boxes[:, 2:]
    assert (corners >= 0).all()
    assert (corners + wanted <= sizes).all()
    share = wanted.prod(axis=1) / sizes.prod(axis=1)
    assert AREA[0] - 0.01 < share.min() < AREA[0] + 0.02
    assert share[::2].max() > 0.85
    proportion = wanted[:, 1] / wanted[:, 0]
    assert proportion.min() >= RATIO[0] - 0.02
    assert proportion.max() <= RATIO[1] + 0.02
    # Even on a log scale: as many upright as lying crops of an upright and a lying photograph.
    assert np.log(proportion[1::2]).min() < -0.28


def test_resized_crops_are_spread_as_torchvisions() -> None:
    sizes = np.tile([256, 340], (4000, 1))
    wanted = draw_sizes(sizes, np.random.default_rng(2))
    torch.manual_seed(0)
    theirs = RandomResizedCrop(8, scale=AREA, ratio=RATIO)
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
    assert largest(np.array([size])).tolist() == [expected]
    strips = np.tile(size, (20, 1))
    assert (draw_sizes(strips, np.random.default_rng(0)) <= size).all()


def test_pixels_are_those_of_torchvision_and_within_a_step_those_of_pillow() -> None:
    images = photographs((30, 41), (25, 20), (18, 18))
    boxes = np.array([[3, 5, 20, 30], [0, 0, 25, 20], [4, 4, 8, 8]])
    batch = stack_crops(images, Crops(boxes, np.array([False, True, False])), 8)
    for place, (image, box) in enumerate(zip(images, boxes.tolist(), strict=True)):
        picture = np.asarray(resized_crop(Image.fromarray(image), *box, size=[8, 8]))
        tensor = torch.from_numpy(image.copy()).permute(2, 0, 1)
        peer = resized_crop(tensor, *box, size=[8, 8]).permute(1, 2, 0).numpy()
        found = batch[place, :, ::-1] if place == 1 else batch[place]
        np.testing.assert_array_equal(found, peer)
        np.testing.assert_allclose(found.astype(int), picture.astype(int), atol=1)


def test_a_crop_of_the_wanted_size_is_not_touched() -> None:
    (image,) = photographs((12, 15))
    batch = stack_crops([image], Crops(np.array([[2, 3, 8, 8]]), np.array([False])), 8)
    np.testing.assert_array_equal(batch[0], image[2:10, 3:11])


def test_the_centre_lies_in_the_middle() -> None:
    (image,) = photographs((9, 14))
    np.testing.assert_array_equal(centre(image, 5), image[2:7, 4:9])
