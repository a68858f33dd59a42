"""A training batch of cached photographs, against a DataLoader that decodes each from its file, and
against the training step that it feeds."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor

from bench.datasets.files.photographs import Photographs
from bench.datasets.files.work import quiet
from bench.datasets.splits import Split
from bench.datasets.types import Dataset
from bench.training.inputs import RATIO, SHARE, training_batch
from bench.training.loop import train_step
from proxy_core.losses import LOSSES
from proxy_core.models.embedding_model import EmbeddingModel
from tests.speed.alternation import times_faster

COUNT, BATCH = 128, 32


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Smooth photographs of 500x375 pixels, as in CUB-200-2011, some 40 kB each."""
    folder = tmp_path_factory.mktemp("photographs")
    generator = np.random.default_rng(0)
    for position in range(COUNT):
        coarse = generator.integers(0, 256, (40, 50, 3), dtype=np.uint8)
        image = Image.fromarray(coarse).resize((500, 375), Image.Resampling.BICUBIC)
        image.save(folder / f"{position:03d}.jpg", quality=90)
    return folder


@pytest.fixture
def dataset(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    monkeypatch.setenv("PROXY_BENCH_CACHE", str(tmp_path))
    names = tuple(f"{position:03d}.jpg" for position in range(COUNT))
    quarters = np.array_split(np.arange(COUNT), 4)
    labels = np.arange(COUNT) // 2
    classes = tuple(map(str, range(COUNT // 2)))
    split = Split("official", quarters[0], quarters[1], quarters[2], quarters[2])
    found = Dataset("birds", Photographs(folder, names), labels, classes, names, split)
    return found


class OneByOne(torch.utils.data.Dataset[Tensor]):
    """The usual way: a file, its picture, its transforms, a tensor."""

    def __init__(self, folder: Path, augmentation: str, side: int) -> None:
        from torchvision import transforms

        crop = (
            [transforms.Resize(256), transforms.RandomCrop(side)]
            if augmentation == "crop"
            else [transforms.RandomResizedCrop(side, scale=SHARE, ratio=RATIO)]
        )
        finish = [transforms.RandomHorizontalFlip(), transforms.ToTensor()]
        self.folder = folder
        self.transform = transforms.Compose([*crop, *finish])

    def __len__(self) -> int:
        return COUNT

    def __getitem__(self, index: int) -> Tensor:
        with Image.open(self.folder / f"{index:03d}.jpg") as image:
            tensor: Tensor = self.transform(image.convert("RGB"))
        return tensor


@pytest.mark.parametrize(("augmentation", "side"), [("resized-crop", 224), ("crop", 227)])
def test_batches_of_photographs(
    benchmark: BenchmarkFixture, dataset: Dataset, folder: Path, augmentation: str, side: int
) -> None:
    positions = np.random.default_rng(1).permutation(COUNT)[:BATCH]
    one_by_one = OneByOne(folder, augmentation, side)

    images = dataset.prepare(256, side, quiet).images

    def ours() -> Tensor:
        return training_batch(images, positions, augmentation, seed=0, step=3)

    def theirs() -> Tensor:
        loader = torch.utils.data.DataLoader(
            one_by_one, batch_size=BATCH, sampler=positions.tolist()
        )
        batch: Tensor = next(iter(loader))
        return batch

    assert ours().shape == theirs().shape == (BATCH, 3, side, side)
    benchmark.extra_info["times_faster"] = times_faster(ours, theirs, rounds=5)
    benchmark.pedantic(ours, rounds=10, warmup_rounds=1)  # type: ignore[no-untyped-call]


@pytest.mark.parametrize(("backbone", "side"), [("conv4", 64), ("resnet18", 224)])
def test_training_step_against_its_batch(
    benchmark: BenchmarkFixture, dataset: Dataset, backbone: str, side: int
) -> None:
    """How many times longer the step takes than the making of its batch."""
    positions = np.arange(BATCH // 2)
    model = EmbeddingModel(backbone, channels=3, embedding_dim=64)
    model.to(memory_format=torch.channels_last)
    loss = LOSSES["proxy_nca"](num_classes=64, embedding_dim=64)
    optimizer = torch.optim.AdamW([*model.parameters(), *loss.parameters()])
    labels = torch.from_numpy(dataset.labels[positions])

    photographs = dataset.prepare(256, side, quiet).images

    def ours() -> Tensor:
        return training_batch(photographs, positions, "resized-crop", seed=0, step=3)

    images = ours()

    def step() -> Tensor:
        return train_step(model, loss, optimizer, images, (labels,))

    benchmark.extra_info["times_faster"] = times_faster(ours, step, rounds=1)
    benchmark.pedantic(ours, rounds=10, warmup_rounds=1)  # type: ignore[no-untyped-call]
