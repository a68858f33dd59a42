"""SoftTriple against the paper's formula in plain Python, at its edges, and against a peer."""

import math
from itertools import combinations

import pytest
import torch
from torch import Tensor

from proxy_core.losses.soft_triple import SoftTriple, center_spread, soft_triple
from proxy_core.losses.softmax import cosface
from tests.support.plain_proxies import cosine


def batch(count: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    """Class 4 is absent."""
    generator = torch.Generator().manual_seed(7)
    embeddings = torch.randn(8, 4, generator=generator, dtype=torch.float64)
    centers = torch.randn(5, count, 4, generator=generator, dtype=torch.float64)
    return embeddings, torch.tensor([3, 0, 1, 2, 0, 3, 1, 0]), centers


def plain_loss(
    batch: tuple[Tensor, Tensor, Tensor], scale: float, margin: float, temperature: float
) -> float:
    embeddings, labels, centers = batch
    total = 0.0
    for x, y in zip(embeddings.tolist(), labels.tolist(), strict=True):
        powers = []
        for c, own in enumerate(centers.tolist()):
            cosines = [cosine(x, w) for w in own]
            shares = [math.exp(value / temperature) for value in cosines]
            soft = sum(q * v for q, v in zip(shares, cosines, strict=True)) / sum(shares)
            powers.append(math.exp(scale * (soft - margin * (c == y))))
        total -= math.log(powers[y] / sum(powers))
    return total / len(labels)


def plain_spread(centers: Tensor) -> float:
    classes, count, _ = centers.shape
    pairs = [pair for own in centers.tolist() for pair in combinations(own, 2)]
    roots = sum(math.sqrt(2 - 2 * cosine(s, t)) for s, t in pairs)
    return roots / (classes * count * (count - 1))


@pytest.mark.parametrize("count", [1, 2, 10])
@pytest.mark.parametrize("settings", [(20.0, 0.01, 0.1), (3.0, 0.5, 1.0)])
def test_the_loss_is_that_of_plain_loops(count: int, settings: tuple[float, float, float]) -> None:
    scale, margin, temperature = settings
    value = soft_triple(*batch(count), scale=scale, margin=margin, temperature=temperature)
    assert value.item() == pytest.approx(plain_loss(batch(count), *settings), rel=1e-11)


@pytest.mark.parametrize("count", [2, 3, 10])
def test_the_regulariser_is_that_of_plain_loops(count: int) -> None:
    centers = batch(count)[2]
    assert center_spread(centers).item() == pytest.approx(plain_spread(centers), rel=1e-12)
    assert center_spread(7 * centers).item() == pytest.approx(plain_spread(centers), rel=1e-12)


def test_one_center_per_class_is_cosface_without_a_regulariser() -> None:
    embeddings, labels, centers = batch(1)
    value = soft_triple(embeddings, labels, centers, scale=9.0, margin=0.2, temperature=0.1)
    expected = cosface(embeddings, labels, centers[:, 0], scale=9.0, margin=0.2)
    torch.testing.assert_close(value, expected)
    assert center_spread(centers).item() == 0.0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_merged_centers_keep_a_finite_gradient(dtype: torch.dtype) -> None:
    """Exact copies, copies up to rounding, and zero vectors."""
    centers = torch.randn(50, 1, 3, generator=torch.Generator().manual_seed(1)).to(dtype)
    centers = torch.cat([centers, centers, 3 * centers, centers + 1e-7], dim=1)
    centers[0] = 0.0
    leaf = centers.requires_grad_()
    (gradient,) = torch.autograd.grad(center_spread(leaf), leaf)
    assert gradient.isfinite().all()
    assert gradient.abs().max() < 1


def test_the_module_adds_the_weighted_regulariser() -> None:
    embeddings, labels, _ = batch()
    loss = SoftTriple(
        5, 4, scale=7.0, margin=0.3, temperature=0.2, centers_per_class=3, spread_weight=0.6
    ).double()
    plain = soft_triple(embeddings, labels, loss.centers, scale=7.0, margin=0.3, temperature=0.2)
    expected = plain + 0.6 * center_spread(loss.centers)
    assert torch.equal(loss(embeddings, labels), expected)
    assert [(name, value.shape) for name, value in loss.named_parameters()] == [
        ("centers", (5, 3, 4))
    ]


def test_distances_of_orthogonal_and_of_merged_centers() -> None:
    orthogonal = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    assert center_spread(orthogonal).item() == pytest.approx(0.5 * 2**0.5)
    merged = torch.tensor([[[1.0, 0.0], [2.0, 0.0], [0.0, 1.0]]])
    assert center_spread(merged).item() == pytest.approx(0.5 * 2 * 2**0.5 / 3)


def test_the_regulariser_is_computed_in_single_precision_inside_autocast() -> None:
    centers = SoftTriple(5, 4).centers
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = center_spread(centers)
    assert torch.equal(inside, center_spread(centers))


def test_centers_start_uniformly_within_the_bound_of_the_authors_code() -> None:
    torch.manual_seed(0)
    centers = SoftTriple(20, 64, centers_per_class=5).centers
    bound = 100**-0.5
    assert centers.abs().max() <= bound
    assert centers.min() < -0.99 * bound
    assert centers.std().item() == pytest.approx(bound / 3**0.5, rel=0.02)
