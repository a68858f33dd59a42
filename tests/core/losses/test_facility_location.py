"""The structured clustering loss: its value from the paper's formula, its gradient, its edges."""

import itertools
import math

import pytest
import torch
from torch import Tensor

from proxy_core.losses.facility_location import FacilityLocation, facility_location
from tests.support.plain_medoids import plain_nmi, plain_search
from tests.support.plain_triplets import distance_table


def points(seed: int = 0, size: int = 9) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(size, 3, generator=generator, dtype=torch.float64)


def plain_facility(d: list[list[float]], chosen: list[int]) -> float:
    """F of the paper: minus the sum of distances to the nearest medoid."""
    return -sum(min(row[j] for j in chosen) for row in d)


def plain_oracle(d: list[list[float]], labels: list[int]) -> float:
    """F~ of the paper: the best single medoid of each class, over its own images."""
    total = 0.0
    for label in set(labels):
        own = [i for i, y in enumerate(labels) if y == label]
        total += max(-sum(d[i][j] for i in own) for j in own)
    return total


def plain_loss(d: list[list[float]], labels: list[int], chosen: list[int], gamma: float) -> float:
    to = [min(chosen, key=lambda j: row[j]) for row in d]
    structured = plain_facility(d, chosen) + gamma * (1 - plain_nmi(to, labels))
    return max(0.0, structured - plain_oracle(d, labels)) / len(labels)


@pytest.mark.parametrize("labels", [[0, 1, 2] * 3, [0, 0, 0, 0, 5, 5, 5, 2, 3]], ids=str)
@pytest.mark.parametrize("margin", [0.0, 0.2, 3.0])
@pytest.mark.parametrize("passes", [0, 3])
def test_the_loss_is_the_papers_over_b_with_gamma_as_margin_times_b(
    passes: int, margin: float, labels: list[int]
) -> None:
    for seed in range(6):
        d = distance_table(points(seed))
        _, chosen, _ = plain_search(d, labels, margin, passes)
        expected = plain_loss(d, labels, chosen, gamma=9 * margin)
        loss = facility_location(points(seed), torch.tensor(labels), margin=margin, passes=passes)
        assert loss.item() == pytest.approx(expected, rel=1e-7, abs=1e-9)


def test_the_loss_is_a_lower_bound_of_the_exact_one_and_at_least_zero() -> None:
    labels, hits = [0, 1, 2] * 3, 0
    for seed in range(30):
        d = distance_table(points(seed))
        loss = facility_location(points(seed), torch.tensor(labels), margin=0.3, passes=5).item()
        sets = itertools.combinations(range(9), 3)
        exact = max(plain_loss(d, labels, list(chosen), gamma=2.7) for chosen in sets)
        assert -1e-9 < loss < exact + 1e-7
        hits += loss > exact - 1e-7
    assert hits > 20


def test_the_gradient_pulls_to_the_own_medoid_and_pushes_from_the_nearest_one() -> None:
    """Angles 0, 10, 60 | 70, 120: without margin the best pair of medoids is at 10 and at 70, so
    only the image at 60 counts: it is 50 degrees from its own medoid and 10 from the other."""
    degrees = torch.tensor([0.0, 10.0, 60.0, 70.0, 120.0], dtype=torch.float64)
    angles = degrees.deg2rad().requires_grad_()
    embeddings = torch.stack([angles.cos(), angles.sin()], dim=1)
    labels = torch.tensor([0, 0, 0, 1, 1])
    loss = facility_location(embeddings, labels, margin=0.0, passes=5)
    (gradient,) = torch.autograd.grad(loss, angles)

    def chord(angle: float) -> float:
        return 2 * math.sin(math.radians(angle) / 2)

    def slope(angle: float) -> float:
        return math.cos(math.radians(angle) / 2)

    assert loss.item() == pytest.approx((chord(50) - chord(10)) / 5, rel=1e-9)
    expected = [0.0, -slope(50), slope(50) + slope(10), -slope(10), 0.0]
    assert gradient.tolist() == pytest.approx([g / 5 for g in expected], abs=1e-9)


@pytest.mark.parametrize("labels", [[3], [1] * 6, [0, 1, 2, 3, 4, 5], [0, 0, 0, 2, 2, 2]], ids=str)
def test_nothing_is_left_to_do_for_one_class_single_images_and_clear_clusters(
    labels: list[int],
) -> None:
    means = 100 * torch.eye(3, dtype=torch.float64)[torch.tensor(labels) % 3]
    clear = (
        means + 0.1 * points(1, len(labels)) if len(set(labels)) == 2 else points(1, len(labels))
    )
    leaf = clear.requires_grad_()
    loss = FacilityLocation(6, 3, margin=0.5)(leaf, torch.tensor(labels))
    (gradient,) = torch.autograd.grad(loss, leaf)
    assert loss.item() == pytest.approx(0.0, abs=1e-12)
    assert gradient.count_nonzero() == 0


def test_an_image_is_at_distance_zero_from_itself_even_without_a_direction() -> None:
    """Else it would be as far from itself as from the other, and both could be one cluster."""
    for embeddings in ([[0.0, 0.0], [1.0, 0.0]], [[1.0, 0.0], [0.0, 0.0]]):
        loss = FacilityLocation(2, 2)(torch.tensor(embeddings), torch.tensor([0, 1]))
        assert loss.item() == 0.0


@pytest.mark.parametrize("labels", [[0] * 6, [0, 1, 2] * 2], ids=["one class", "three classes"])
def test_repeated_images_give_a_finite_gradient(labels: list[int]) -> None:
    embeddings = torch.tensor([[0.6, 0.8, 0.0]]).repeat(6, 1).requires_grad_()
    loss = FacilityLocation(3, 3)(embeddings, torch.tensor(labels))
    (gradient,) = torch.autograd.grad(loss, embeddings)
    assert loss.item() == pytest.approx(float(len(set(labels)) > 1), abs=2e-3)  # margin * (1 - 0)
    assert gradient.isfinite().all()


def test_the_order_of_a_batch_of_pairs_does_not_matter_in_single_precision_either() -> None:
    labels = torch.arange(32) % 16
    for seed in range(10):
        embeddings = points(seed, 32).float()
        order = torch.randperm(32, generator=torch.Generator().manual_seed(seed))
        one = FacilityLocation(16, 3)(embeddings, labels)
        other = FacilityLocation(16, 3)(embeddings[order], labels[order])
        assert one.item() == pytest.approx(other.item(), abs=1e-5)


def test_the_module_passes_on_margin_and_passes_and_swaps_help() -> None:
    loss, unswapped = FacilityLocation(6, 3, passes=5), FacilityLocation(6, 3, passes=0)
    labels, gains = torch.arange(24) % 6, 0
    for seed in range(10):
        batch = points(seed, 24)
        values = [facility_location(batch, labels, margin=1.0, passes=p).item() for p in (0, 5)]
        assert [unswapped(batch, labels).item(), loss(batch, labels).item()] == values
        gains += values[1] > values[0]
    assert gains > 0
