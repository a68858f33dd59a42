"""EfficientNet-Lite0 at 128 pixels, a training step and embedding, against the plain loop: timm's
network with contiguous maps and, in training, batch normalisation over each batch."""

import numpy as np
import pytest
import timm
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor, nn

from bench.datasets.images import ArrayImages
from bench.training.inputs import embed, evaluation_batch
from bench.training.loop import train_step
from proxy_core.losses import LOSSES
from proxy_core.models.embedding_model import EmbeddingModel
from tests.speed.alternation import times_faster

SIDE, BATCH, CLASSES, DIM = 128, 32, 8, 64


@pytest.fixture(scope="module")
def images() -> ArrayImages:
    pixels = np.random.default_rng(0).integers(0, 256, (BATCH, SIDE, SIDE, 3), dtype=np.uint8)
    return ArrayImages(pixels, tuple(map(str, range(BATCH))))


def plain() -> nn.Module:
    """The network as timm makes it, with a linear layer to D."""
    network: nn.Module = timm.create_model("tf_efficientnet_lite0", num_classes=DIM)
    return network


def ours(frozen: str) -> nn.Module:
    model = EmbeddingModel(
        "efficientnet_lite0", channels=3, embedding_dim=DIM, frozen=frozen, image_side=SIDE
    )
    return model.to(memory_format=torch.channels_last)


@pytest.mark.parametrize("frozen", ["norm", "none"])
def test_training_step(benchmark: BenchmarkFixture, images: ArrayImages, frozen: str) -> None:
    batch = evaluation_batch(images, np.arange(BATCH))
    contiguous = batch.contiguous()
    labels = torch.arange(BATCH) % CLASSES
    loss = LOSSES["proxy_nca"](num_classes=CLASSES, embedding_dim=DIM)
    fast, usual = ours(frozen), plain()
    optimizers = {
        model: torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4)
        for model in (fast, usual)
    }

    def step() -> Tensor:
        return train_step(fast, loss, optimizers[fast], batch, (labels,))

    def usual_step() -> Tensor:
        usual.train()
        optimizers[usual].zero_grad()
        value: Tensor = loss(usual((contiguous - 0.5) / 0.5), labels)
        torch.autograd.backward(value)
        optimizers[usual].step()
        return value

    benchmark.extra_info["times_faster"] = times_faster(step, usual_step, rounds=9)
    benchmark.pedantic(step, rounds=5, warmup_rounds=1)  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("frozen", ["norm", "none"])
def test_embedding(benchmark: BenchmarkFixture, images: ArrayImages, frozen: str) -> None:
    fast, usual = ours(frozen), plain()
    positions = np.arange(BATCH)
    pixels = torch.from_numpy(images.batch(positions))

    def embedding() -> Tensor:
        return embed(fast, images, positions)

    def usual_embedding() -> Tensor:
        usual.eval()
        with torch.no_grad():
            batch = pixels.permute(0, 3, 1, 2).contiguous().float() / 255
            found: Tensor = usual((batch - 0.5) / 0.5)
        return found

    assert embedding().shape == usual_embedding().shape == (BATCH, DIM)
    benchmark.extra_info["times_faster"] = times_faster(embedding, usual_embedding, rounds=9)
    benchmark.pedantic(embedding, rounds=5, warmup_rounds=1)  # type: ignore[no-untyped-call]
