"""Semi-hard triplet loss against a triple loop, at its edges, in memory, and against a peer."""

import math

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from proxy_core.losses.triplet import Triplet, semi_hard_triplet


def batch(size: int = 12, classes: int = 4, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    embeddings = torch.randn(size, 5, generator=generator, dtype=torch.float64)
    return embeddings, torch.arange(size) % classes


def plain_loss(embeddings: Tensor, labels: list[int], margin: float) -> float:
    """FaceNet's hinge on squared distances of unit vectors, averaged over semi-hard triplets."""
    rows = [[value / math.hypot(*row) for value in row] for row in embeddings.tolist()]
    hinges = []
    for a, anchor in enumerate(rows):
        for p, positive in enumerate(rows):
            for n, negative in enumerate(rows):
                near, far = math.dist(anchor, positive) ** 2, math.dist(anchor, negative) ** 2
                related = a != p and labels[a] == labels[p] and labels[a] != labels[n]
                if related and near < far < near + margin:
                    hinges.append(near - far + margin)
    return sum(hinges) / len(hinges)


@pytest.mark.parametrize("margin", [0.1, 0.2, 1.0, 4.0])
@pytest.mark.parametrize("classes", [2, 3, 6])
def test_the_loss_is_that_of_a_triple_loop(margin: float, classes: int) -> None:
    embeddings, labels = batch(classes=classes)
    loss = semi_hard_triplet(embeddings, labels, margin=margin)
    expected = plain_loss(embeddings, labels.tolist(), margin)
    assert loss.item() == pytest.approx(expected, rel=1e-12)
    assert 0 < loss.item() < margin


@pytest.mark.parametrize(
    "labels",
    [[0, 1, 2, 3], [1, 1, 1, 1], [0, 0, 1, 1]],
    ids=["no positives", "no negatives", "only easy ones"],
)
def test_without_a_semi_hard_triplet_loss_and_gradient_are_exactly_zero(labels: list[int]) -> None:
    embeddings = torch.tensor([[1.0, 0.01], [1.0, 0.0], [0.01, 1.0], [0.0, 1.0]])
    embeddings.requires_grad_()
    loss = Triplet(4, 2, margin=0.2)(embeddings, torch.tensor(labels))
    (gradient,) = torch.autograd.grad(loss, embeddings)
    assert loss.item() == 0.0
    assert gradient.count_nonzero() == 0


def test_collapsed_embeddings_have_no_semi_hard_triplet() -> None:
    """Every distance is equal, so no negative is farther than a positive."""
    embeddings = torch.tensor([[1.0, 0.0, 0.0]]).repeat(6, 1)
    assert Triplet(3, 3)(embeddings, torch.arange(6) % 3).item() == 0.0


def test_broken_embeddings_are_not_hidden_as_a_loss_of_zero() -> None:
    embeddings, labels = batch()
    embeddings[3, 1] = torch.nan
    assert Triplet(4, 5)(embeddings, labels).isnan()


def test_an_unknown_mining_rule_is_refused() -> None:
    with pytest.raises(ValueError, match="mining is 'hard': the only known rule is 'semi-hard'"):
        Triplet(4, 5, mining="hard")  # type: ignore[arg-type]


class Largest(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Remembers the number of elements of the largest tensor that any operation returns."""

    elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        result = func(*args, **(kwargs or {}))
        for value in result if isinstance(result, tuple | list) else (result,):
            if isinstance(value, Tensor):
                self.elements = max(self.elements, value.numel())
        return result


@pytest.mark.parametrize("classes", [2, 25])
def test_no_tensor_is_larger_than_the_square_of_the_batch(classes: int) -> None:
    embeddings, labels = batch(size=100, classes=classes)
    embeddings.requires_grad_()
    with Largest() as largest:  # type: ignore[no-untyped-call]
        torch.autograd.grad(semi_hard_triplet(embeddings, labels, margin=0.2), embeddings)
    assert largest.elements == 100 * 100


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_loss_and_gradient_equal_pytorch_metric_learning_on_squared_distances(seed: int) -> None:
    """Its miner takes 0 < d(a, n) - d(a, p) <= margin: on the border, where the hinge is 0, the
    two differ, and its default reducer leaves those zeros out of the mean again."""
    losses = pytest.importorskip("pytorch_metric_learning.losses", reason="no peer installed")
    from pytorch_metric_learning import distances, miners

    distance = distances.LpDistance(power=2)
    miner = miners.TripletMarginMiner(0.2, type_of_triplets="semihard", distance=distance)
    theirs = losses.TripletMarginLoss(0.2, distance=distance)
    embeddings, labels = batch(size=40, classes=8, seed=seed)
    ours_leaf, peer_leaf = embeddings.clone().requires_grad_(), embeddings.requires_grad_()
    ours = semi_hard_triplet(ours_leaf, labels, margin=0.2)
    other = theirs(peer_leaf, labels, miner(peer_leaf, labels))
    torch.testing.assert_close(ours, other, rtol=1e-10, atol=0)
    (ours_gradient,) = torch.autograd.grad(ours, ours_leaf)
    (peer_gradient,) = torch.autograd.grad(other, peer_leaf)
    torch.testing.assert_close(ours_gradient, peer_gradient, rtol=1e-7, atol=1e-12)
