"""Steps of training: optimisers, schedules and precision, and deterministic algorithms."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop
from torch.optim.lr_scheduler import CosineAnnealingLR, StepLR
from torch.utils.data import DataLoader

from bench.datasets import load
from bench.running.run import run
from bench.spec import RunSpec
from bench.training.batches import Batches
from bench.training.inputs import to_input
from bench.training.loop import Steps, deterministic, make_optimizer, rate_factor, train_step
from proxy_core.losses import LOSSES
from proxy_core.models.embedding_model import EmbeddingModel
from tests.support.fabricated import make_spec
from tests.support.short_runs import spec_for


@pytest.mark.parametrize("before", [False, True])
def test_torch_is_deterministic_within_and_as_before_afterwards(
    before: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    torch.use_deterministic_algorithms(before)
    try:
        with suppress(KeyError), deterministic():
            assert torch.are_deterministic_algorithms_enabled()
            assert not torch.backends.cudnn.benchmark
            assert not torch.backends.cudnn.allow_tf32
            assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
            raise KeyError
        assert torch.are_deterministic_algorithms_enabled() == before
        assert torch.backends.cudnn.benchmark
        assert torch.backends.cudnn.allow_tf32
    finally:
        torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize("kind", [torch.backends.cuda, torch.backends.mkldnn])
def test_matrix_products_keep_float32_whatever_the_environment_allows(kind: Any) -> None:
    before = kind.matmul.fp32_precision
    kind.matmul.fp32_precision = "tf32"  # as NVIDIA's containers set it
    try:
        with deterministic():
            assert kind.matmul.fp32_precision == "ieee"
        assert kind.matmul.fp32_precision == "tf32"
    finally:
        kind.matmul.fp32_precision = before


def test_a_run_is_deterministic(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen = []

    def load(*_: object) -> None:
        seen.append(torch.are_deterministic_algorithms_enabled())
        raise KeyError

    monkeypatch.setattr("bench.running.run.load", load)
    spec = make_spec("digits", "Proxy-NCA", 0)
    with pytest.raises(KeyError):
        run(spec, tmp_path, data_root=None, device="cpu", keep_model=False, report=print, stop=bool)
    assert seen == [True]


class Row(nn.Module):
    """A network of one number behind a head, without a backbone."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Linear(3, 3)
        self.head = nn.Linear(3, 2)

    def forward(self, images: Tensor) -> Tensor:
        embeddings: Tensor = self.head(self.backbone(images))
        return embeddings


def trained(spec: RunSpec, steps: int, model: Row | None = None) -> Row:
    """A small network after some steps with the rates of a specification."""
    torch.manual_seed(0)
    model = model or Row()
    loss = LOSSES["triplet"](4, 2)
    optimizer = make_optimizer(spec, cast(EmbeddingModel, model), loss)
    images = torch.randn(8, 3, generator=torch.Generator().manual_seed(1))
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = group["base_lr"] * rate_factor(spec, step)
        targets = (torch.arange(8) // 2,)
        train_step(model, loss, optimizer, images, targets, clip_norm=spec.clip_norm)
    return model


def peer(kind: type[Optimizer], steps: int, rates: tuple[float, float], **settings: Any) -> Row:
    """The same in a plain loop over torch's own optimiser."""
    torch.manual_seed(0)
    model = Row()
    loss = LOSSES["triplet"](4, 2)
    groups = [
        {"params": list(part.parameters()), "lr": rate}
        for part, rate in zip((model.backbone, model.head), rates, strict=True)
    ]
    optimizer = kind(groups, **settings)
    images = torch.randn(8, 3, generator=torch.Generator().manual_seed(1))
    for _ in range(steps):
        optimizer.zero_grad()
        loss(model(images), torch.arange(8) // 2).backward()
        optimizer.step()
    return model


@pytest.mark.parametrize(
    ("kind", "fields", "settings"),
    [
        (AdamW, {"optimizer": "adamw"}, {"weight_decay": 0.01}),
        (Adam, {"optimizer": "adam", "epsilon": 1.0}, {"weight_decay": 0.01, "eps": 1.0}),
        (SGD, {"optimizer": "sgd", "momentum": 0.9}, {"weight_decay": 0.01, "momentum": 0.9}),
        (RMSprop, {"optimizer": "rmsprop"}, {"weight_decay": 0.01}),
    ],
)
def test_each_optimizer_takes_the_steps_of_torchs(
    kind: type[Optimizer], fields: dict[str, Any], settings: dict[str, Any]
) -> None:
    rates = {"learning_rate": 0.01, "head_learning_rate": 0.1, "weight_decay": 0.01}
    spec = spec_for("triplet", **rates, **fields)
    found, expected = trained(spec, 5), peer(kind, 5, (0.01, 0.1), **settings)
    for name, value in expected.state_dict().items():
        torch.testing.assert_close(found.state_dict()[name], value, rtol=1e-5, atol=1e-7)


def test_a_frozen_parameter_is_not_trained() -> None:
    model = Row()
    model.backbone.requires_grad_(False)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    after = trained(spec_for("triplet", learning_rate=0.1), 3, model).state_dict()
    changed = {name for name, value in before.items() if not torch.equal(value, after[name])}
    assert changed == {"head.weight", "head.bias"}


def test_batches_made_ahead_by_processes_are_those_of_their_steps() -> None:
    """As a GPU gets them."""
    digits, spec = load("digits", None, "class-disjoint"), spec_for(augmentation="none")
    batches = Batches(spec, digits, nn.Identity())
    made = DataLoader(Steps(batches, range(2, 12)), batch_size=None, num_workers=2)
    for step, drawn in enumerate(made, 2):
        expected, expected_targets = batches.load(step)
        assert drawn.images.dtype == torch.uint8
        assert torch.equal(to_input(drawn.images), expected)
        assert all(map(torch.equal, drawn.targets, expected_targets))
        assert drawn[2:] == batches.draw(step)[2:]


def factors(**fields: Any) -> list[float]:
    spec = spec_for("triplet", **fields)
    return [rate_factor(spec, step) for step in range(spec.steps)]


def by_torch(schedule: Callable[[Optimizer], Any], steps: int) -> list[float]:
    optimizer = SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = schedule(optimizer)
    found = []
    for _ in range(steps):
        found.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        scheduler.step()
    return found


def test_schedules_are_those_of_torch() -> None:
    assert factors(steps=6) == [1.0] * 6
    step = by_torch(lambda made: StepLR(made, 4, 0.3), 12)
    assert factors(schedule="step", decay_every=4, decay_factor=0.3) == pytest.approx(step)
    cosine = by_torch(lambda made: CosineAnnealingLR(made, 12), 12)
    assert factors(schedule="cosine") == pytest.approx(cosine)
    after = by_torch(lambda made: CosineAnnealingLR(made, 9), 9)
    warm = [1 / 3, 2 / 3, 1.0, *after]
    assert factors(schedule="cosine", warmup_steps=3) == pytest.approx(warm)


def test_the_gradient_is_clipped_to_its_norm() -> None:
    spec = spec_for("triplet", optimizer="sgd", learning_rate=1.0, weight_decay=0.0, clip_norm=1e-3)
    before = trained(spec, 0)
    after = trained(spec, 1)
    moved = [(b - a).detach() for a, b in zip(after.parameters(), before.parameters(), strict=True)]
    norm = torch.cat([part.flatten() for part in moved]).norm()
    assert float(norm) == pytest.approx(1e-3, rel=1e-3)


def test_under_bf16_the_network_is_rounded_and_the_loss_is_not() -> None:
    seen: dict[str, torch.dtype] = {}
    model, loss = Row(), LOSSES["triplet"](4, 2)
    model.head.register_forward_hook(lambda *args: seen.update(network=args[-1].dtype))
    loss.register_forward_pre_hook(lambda _, args: seen.update(loss=args[0].dtype))
    optimizer = make_optimizer(spec_for("triplet"), cast(EmbeddingModel, model), loss)
    images, labels = torch.randn(8, 3), torch.arange(8) // 2
    value = train_step(model, loss, optimizer, images, (labels,), precision="bf16")
    assert seen == {"network": torch.bfloat16, "loss": torch.float32}
    assert value.dtype == torch.float32
