"""Forward and backward pass of each loss, against a peer or the direct form of its formula."""

from collections.abc import Callable

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor, nn

from proxy_core.losses import LOSSES
from proxy_core.losses.center import center_pull, move_centers
from tests.speed.alternation import times_faster

Loss = Callable[[Tensor, Tensor], Tensor]
DIM = 64


def batch(size: int, per_class: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(size) // per_class
    centers = torch.randn(size // per_class, DIM, generator=generator)
    return centers[labels] + 2 * torch.randn(size, DIM, generator=generator), labels


def step(loss: Loss, embeddings: Tensor, labels: Tensor) -> Callable[[], object]:
    leaf = embeddings.clone().requires_grad_()
    return lambda: torch.autograd.grad(loss(leaf, labels), leaf)


def record(benchmark: BenchmarkFixture, ours: Loss, theirs: Loss, size: int) -> None:
    embeddings, labels = batch(size, per_class=4)
    torch.testing.assert_close(
        ours(embeddings, labels), theirs(embeddings, labels), rtol=1e-3, atol=1e-6
    )
    mine, other = step(ours, embeddings, labels), step(theirs, embeddings, labels)
    benchmark.extra_info["times_faster"] = times_faster(mine, other, rounds=5)
    benchmark.pedantic(  # type: ignore[no-untyped-call]
        mine, rounds=10, warmup_rounds=1
    )


@pytest.mark.parametrize("dim", [64, 512])
@pytest.mark.parametrize("size", [32, 128, 512])
def test_semi_hard_triplet(benchmark: BenchmarkFixture, size: int, dim: int) -> None:
    """The peer lists all triplets: O(B^3) memory, 780,000 candidates at 512."""
    losses = pytest.importorskip("pytorch_metric_learning.losses", reason="no peer installed")
    from pytorch_metric_learning import distances, miners

    distance = distances.LpDistance(power=2)
    miner = miners.TripletMarginMiner(0.2, type_of_triplets="semihard", distance=distance)
    hinge = losses.TripletMarginLoss(0.2, distance=distance)

    def theirs(embeddings: Tensor, labels: Tensor) -> Tensor:
        value: Tensor = hinge(embeddings, labels, miner(embeddings, labels))
        return value

    ours, labels = LOSSES["triplet"](size, dim), torch.arange(size) // 4
    generator = torch.Generator().manual_seed(0)
    centers = torch.randn(size // 4, dim, generator=generator)
    embeddings = centers[labels] + 2 * torch.randn(size, dim, generator=generator)
    value, expected = ours(embeddings, labels), theirs(embeddings, labels)
    torch.testing.assert_close(value, expected, rtol=1e-3, atol=1e-6)
    mine, other = step(ours, embeddings, labels), step(theirs, embeddings, labels)
    rounds = 3 if size == 512 else 15
    benchmark.extra_info["times_faster"] = times_faster(mine, other, rounds)
    benchmark.pedantic(mine, rounds=10, warmup_rounds=1)  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("classes", [100, 11318])
@pytest.mark.parametrize("size", [32, 128, 512])
@pytest.mark.parametrize("dim", [64, 512])
def test_center_pull_and_move(
    benchmark: BenchmarkFixture, dim: int, size: int, classes: int
) -> None:
    """With the centers moved, against the common form with its gradient for the centers."""
    generator = torch.Generator().manual_seed(1)
    labels = torch.arange(size) // 4 % classes
    embeddings = torch.randn(size, dim, generator=generator).requires_grad_()
    centers = torch.randn(classes, dim, generator=generator)
    learned = centers.clone().requires_grad_()

    def ours() -> tuple[Tensor, ...]:
        grads = torch.autograd.grad(center_pull(embeddings, labels, centers), embeddings)
        move_centers(embeddings, labels, centers, rate=0.5)
        return grads

    def theirs() -> tuple[Tensor, ...]:
        value = masked_distances(embeddings, labels, learned)
        return torch.autograd.grad(value, [embeddings, learned])

    torch.testing.assert_close(ours()[0], theirs()[0] / 2, rtol=1e-3, atol=1e-6)
    benchmark.extra_info["times_faster"] = times_faster(ours, theirs, rounds=5)
    benchmark.pedantic(  # type: ignore[no-untyped-call]
        ours, rounds=10, warmup_rounds=1
    )


def masked_distances(embeddings: Tensor, labels: Tensor, centers: Tensor) -> Tensor:
    """All B x C squared distances, of which a mask keeps the own ones, summed and divided by B."""
    distances = embeddings.square().sum(1, keepdim=True) + centers.square().sum(1)
    distances = torch.addmm(distances, embeddings, centers.T, alpha=-2)
    own = labels[:, None] == torch.arange(len(centers))
    return (distances * own).clamp(min=1e-12, max=1e12).sum() / len(labels)


@pytest.mark.parametrize("name", ["proxy_nca", "center"])
def test_step(benchmark: BenchmarkFixture, name: str) -> None:
    """Without a peer that computes the same: only recorded."""
    loss: nn.Module = LOSSES[name](1000, DIM)
    benchmark.pedantic(  # type: ignore[no-untyped-call]
        step(loss, *batch(128, per_class=4)), rounds=10, warmup_rounds=1
    )
