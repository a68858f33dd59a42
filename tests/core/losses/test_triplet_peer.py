"""Triplet and margin loss against pytorch-metric-learning wherever both define the same thing."""

from typing import Any

import pytest
import torch
from torch import Tensor

from proxy_core.losses.margin import margin_loss
from proxy_core.losses.triplet import drawn_triplet, triplet
from tests.support.plain_triplets import LABELS, drawn_triplets, points, uniforms

losses = pytest.importorskip("pytorch_metric_learning.losses", reason="no peer installed")
every_batch = pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
every_surrogate = pytest.mark.parametrize("surrogate", ["margin", "nca"])


def peer(surrogate: str, margin: float) -> Any:
    """Its smooth loss adds the margin within the logarithm; ours is the one with a margin of 0."""
    from pytorch_metric_learning.distances import LpDistance

    squared = LpDistance(power=2)
    if surrogate == "nca":
        return losses.TripletMarginLoss(0.0, smooth_loss=True, distance=squared)
    return losses.TripletMarginLoss(margin, distance=squared)


def miner(mining: str, margin: float) -> Any:
    from pytorch_metric_learning import miners
    from pytorch_metric_learning.distances import LpDistance

    squared = LpDistance(power=2)
    if mining == "hard":
        return miners.BatchHardMiner(distance=squared)
    return miners.TripletMarginMiner(margin, type_of_triplets="semihard", distance=squared)


def assert_equal_with_gradients(one: Tensor, other: Tensor, inputs: list[Tensor]) -> None:
    torch.testing.assert_close(one, other.squeeze(), rtol=1e-10, atol=0)
    assert one.item() > 0
    gradients = zip(
        torch.autograd.grad(one, inputs), torch.autograd.grad(other, inputs), strict=True
    )
    for first, second in gradients:
        torch.testing.assert_close(first, second, rtol=1e-7, atol=1e-12)


def drawn(embeddings: Tensor, labels: list[int], mining: str) -> tuple[Tensor, ...]:
    triplets = drawn_triplets(embeddings, labels, uniforms(), mining)
    return tuple(torch.tensor(part) for part in zip(*triplets, strict=True))


@every_batch
@every_surrogate
@pytest.mark.parametrize("margin", [0.2, 1.0])
def test_all_triplets(labels: list[int], surrogate: Any, margin: float) -> None:
    leaf, numbers = points().requires_grad_(), torch.tensor(labels)
    ours = triplet(leaf, numbers, margin=margin, mining="all", surrogate=surrogate)
    assert_equal_with_gradients(ours, peer(surrogate, margin)(leaf, numbers), [leaf])


@every_batch
@every_surrogate
@pytest.mark.parametrize("mining", ["semi-hard", "hard"])
def test_its_miners(labels: list[int], surrogate: Any, mining: Any) -> None:
    """Its semi-hard takes 0 < d(a, n) - d(a, p) <= margin: on the border, where the hinge is 0, the
    two differ, and its default reducer leaves those zeros out of the mean again."""
    leaf, numbers = points().requires_grad_(), torch.tensor(labels)
    theirs = peer(surrogate, 0.4)(leaf, numbers, miner(mining, 0.4)(leaf, numbers))
    ours = triplet(leaf, numbers, margin=0.4, mining=mining, surrogate=surrogate)
    assert_equal_with_gradients(ours, theirs, [leaf])


@every_batch
@every_surrogate
@pytest.mark.parametrize("mining", ["random", "distance-weighted"])
def test_drawn_triplets(labels: list[int], surrogate: Any, mining: Any) -> None:
    leaf, numbers = points().requires_grad_(), torch.tensor(labels)
    settings: dict[str, Any] = {"margin": 0.2, "mining": mining, "surrogate": surrogate}
    ours = drawn_triplet(leaf, numbers, uniforms(), **settings)
    theirs = peer(surrogate, 0.2)(leaf, numbers, drawn(leaf.detach(), labels, mining))
    assert_equal_with_gradients(ours, theirs, [leaf])


@every_batch
@pytest.mark.parametrize(("classes", "nu"), [(None, 0.0), (None, 0.3), (6, 0.0)])
def test_margin_loss(labels: list[int], classes: int | None, nu: float) -> None:
    """With a boundary for each class its regulariser is divided by the terms that are not zero
    instead of the triplets; without nu that makes no difference."""
    leaf, numbers = points().requires_grad_(), torch.tensor(labels)
    theirs = losses.MarginLoss(0.2, nu=nu, beta=1.1, learn_beta=True, num_classes=classes).double()
    inputs = [leaf, theirs.beta]
    ours = margin_loss(leaf, numbers, theirs.beta.expand(6), uniforms(), margin=0.2, nu=nu)
    other = theirs(leaf, numbers, drawn(leaf.detach(), labels, "distance-weighted"))
    assert_equal_with_gradients(ours, other, inputs)
