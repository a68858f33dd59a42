"""A training batch of small images, against a DataLoader that transforms one image at a time."""

import numpy as np
import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor

from bench.datasets.images import ArrayImages
from bench.training.inputs import ROTATION_DEGREES, SCALE, SHEAR, SHIFT, training_batch
from bench.training.sampling import batch_positions, positions_by_class
from tests.speed.alternation import times_faster

IMAGES, CLASSES, BATCH = 4000, 200, 128


class OneByOne(torch.utils.data.Dataset[Tensor]):
    """The usual way: a picture, its transforms, a tensor."""

    def __init__(self, images: np.ndarray) -> None:
        from torchvision import transforms

        self.images = images
        self.transform = transforms.Compose(
            [
                transforms.ToPILImage(),
                transforms.RandomAffine(
                    ROTATION_DEGREES,
                    translate=(SHIFT, SHIFT),
                    scale=SCALE,
                    shear=float(np.degrees(SHEAR)),
                    interpolation=transforms.InterpolationMode.BILINEAR,
                ),
                transforms.ToTensor(),
            ]
        )

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Tensor:
        image: Tensor = self.transform(self.images[index])
        return image


@pytest.mark.parametrize("size", [28])
def test_batches_of_small_images(benchmark: BenchmarkFixture, size: int) -> None:
    images = np.random.default_rng(0).integers(0, 256, (IMAGES, size, size), dtype=np.uint8)
    by_class = positions_by_class(np.arange(IMAGES) % CLASSES, np.arange(IMAGES))
    one_by_one = OneByOne(images)
    ours_in_memory = ArrayImages(images, tuple(map(str, range(IMAGES))))

    def positions() -> np.ndarray:
        return batch_positions(by_class, seed=0, step=3, batch_size=BATCH, samples_per_class=4)

    def ours() -> Tensor:
        return training_batch(ours_in_memory, positions(), "affine", seed=0, step=3)

    def theirs() -> Tensor:
        sampler = positions().tolist()
        loader = torch.utils.data.DataLoader(one_by_one, batch_size=BATCH, sampler=sampler)
        batch: Tensor = next(iter(loader))
        return batch

    assert ours().shape == theirs().shape == (BATCH, 1, size, size)
    benchmark.extra_info["times_faster"] = times_faster(ours, theirs, rounds=5)
    benchmark.pedantic(ours, rounds=10, warmup_rounds=1)  # type: ignore[no-untyped-call]
