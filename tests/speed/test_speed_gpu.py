"""Training ResNet-50 on a GPU, against a plain loop over timm's model and images that are there."""

import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor, nn

from bench.datasets import load
from bench.datasets.files.work import quiet
from bench.datasets.types import Dataset
from bench.spec import RunSpec
from bench.training.batches import Batches
from bench.training.checkpoint import Progress
from bench.training.loop import deterministic, make_optimizer, train
from bench.training.network import build

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]
BATCH, WARM_UP, STEPS = 128, 20, 60
SPEC: dict[str, Any] = {
    "method": "Proxy-NCA",
    "dataset": "folder:photographs",
    "loss": "proxy_nca",
    "loss_args": {},
    "loss_learning_rate": 0.01,
    "samples_per_class": "random",
    "seed": 0,
    "backbone": "timm:resnet50",
    "embedding_dim": 64,
    "batch_size": BATCH,
    "steps": STEPS,
    "evaluate_every": STEPS,
    "learning_rate": 1e-4,
    "weight_decay": 1e-4,
    "augmentation": "resized-crop",
    "resize": 256,
    "crop": 224,
    "precision": "bf16",
}


@pytest.fixture
def dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """Smooth photographs of 320x256 pixels, 48 in each of 32 classes."""
    monkeypatch.setenv("PROXY_BENCH_CACHE", str(tmp_path / "cache"))
    generator = np.random.default_rng(0)
    for number in range(32 * 48):
        path = tmp_path / "photographs" / f"{number // 48:02d}" / f"{number % 48}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse = generator.integers(0, 256, (8, 10, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((320, 256), Image.Resampling.BICUBIC).save(path)
    return load("folder:photographs", tmp_path, "class-disjoint").prepare(256, 224, quiet)


def ours(dataset: Dataset) -> Iterator[None]:
    spec = RunSpec.model_validate(SPEC)
    model, loss, _ = build(spec, dataset, torch.device("cuda"))
    optimizer = make_optimizer(spec, model, loss)
    with deterministic():
        yield from train(Batches(spec, dataset, loss), model, loss, optimizer, Progress())


def plain() -> Iterator[None]:
    """As timm's benchmark of training: without a loader, with the fastest convolutions."""
    import timm

    model = timm.create_model("resnet50", num_classes=64).cuda().train()
    model = model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-4)
    images = torch.randn(BATCH, 3, 224, 224, device="cuda")
    images = images.contiguous(memory_format=torch.channels_last)
    labels = torch.arange(BATCH, device="cuda") % 64
    for _ in range(STEPS):
        optimizer.zero_grad()
        with torch.autocast("cuda", torch.bfloat16):
            value: Tensor = nn.functional.cross_entropy(model(images), labels)
        torch.autograd.backward(value)
        optimizer.step()
        yield


def seconds(steps: Iterator[None]) -> float:
    """Of the steps after the first ones."""
    for _ in islice(steps, WARM_UP):
        pass
    torch.cuda.synchronize()
    started = time.perf_counter()
    for _ in steps:
        pass
    torch.cuda.synchronize()
    return time.perf_counter() - started


def test_training_on_a_gpu_against_a_plain_loop(
    benchmark: BenchmarkFixture, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.set_num_threads(1)
    pairs = []
    for _ in range(3):
        with monkeypatch.context() as patch:
            patch.setattr(torch.backends.cudnn, "benchmark", True)
            theirs = seconds(plain())
        pairs.append(theirs / seconds(ours(dataset)))
    benchmark.extra_info["times_faster"] = float(np.median(pairs))
    benchmark.pedantic(lambda: None)  # type: ignore[no-untyped-call]
