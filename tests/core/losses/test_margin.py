"""Margin loss against a loop over drawn triplets, its boundaries, and its edges."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from proxy_core.losses.margin import Margin, margin_loss
from tests.support.plain_triplets import LABELS, distance_table, drawn_triplets, points, uniforms

BOUNDARIES = [1.3, 1.1, 1.25, 0.9, 1.2, 1.0]
every_batch = pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
both_kinds = pytest.mark.parametrize("boundaries", ["one", "per class"])


def make(dim: int = 5, **settings: Any) -> Margin:
    torch.manual_seed(3)
    return Margin(6, dim, **settings).double()


def plain_loss(
    embeddings: Tensor, labels: list[int], numbers: Tensor, margin: float, nu: float
) -> float:
    """Sum of both hinges over their number where not zero, plus nu times the mean boundary."""
    d, terms, regulariser = distance_table(embeddings), [], []
    for a, p, n in drawn_triplets(embeddings, labels, numbers, "distance-weighted"):
        boundary = BOUNDARIES[labels[a]]
        regulariser.append(nu * boundary)
        for term in (margin + d[a][p] - boundary, margin - d[a][n] + boundary):
            if term > 0:
                terms.append(term)
    return sum(terms) / len(terms) + sum(regulariser) / len(regulariser)


@every_batch
@pytest.mark.parametrize("margin", [0.1, 0.2, 0.7])
@pytest.mark.parametrize("nu", [0.0, 0.4])
def test_the_loss_is_that_of_a_loop(labels: list[int], margin: float, nu: float) -> None:
    boundaries = torch.tensor(BOUNDARIES, dtype=torch.float64)
    loss = margin_loss(points(), torch.tensor(labels), boundaries, uniforms(), margin=margin, nu=nu)
    expected = plain_loss(points(), labels, uniforms(), margin, nu)
    assert loss.item() == pytest.approx(expected, rel=1e-12)


@both_kinds
def test_the_module_computes_the_formula_with_its_own_numbers(boundaries: str) -> None:
    settings: dict[str, Any] = {"margin": 0.3, "nu": 0.1, "boundaries": boundaries, "beta": 1.1}
    loss, other = make(**settings), make(**settings)
    labels = torch.tensor(LABELS["balanced"])
    values = [loss(points(), labels).item() for _ in range(3)]
    every = torch.full((6,), 1.1, dtype=torch.float32).double()
    for value in values:
        numbers = other.draws(12)
        expected = margin_loss(points(), labels, every, numbers, margin=0.3, nu=0.1)
        assert value == expected.item()
    assert len(set(values)) == 3


def test_boundaries_start_at_beta_and_there_are_one_or_as_many_as_classes() -> None:
    assert make().beta.tolist() == pytest.approx([1.2])
    assert make(beta=0.5, boundaries="per class").beta.tolist() == [0.5] * 6
    assert [name for name, _ in make().named_parameters()] == ["beta"]
    assert [name for name, _ in make().named_buffers()] == ["draws.seed", "draws.step"]


def test_only_boundaries_of_anchors_are_learned() -> None:
    """Classes 3 to 5 have one image each, or none: it is a negative of others only."""
    loss = make(boundaries="per class", nu=0.03)  # so that no slope is zero by chance
    labels = torch.tensor([0, 1, 2, 3, 0, 1, 2, 4, 0, 1, 2, 0])
    (gradient,) = torch.autograd.grad(loss(points(), labels), loss.beta)
    assert gradient[:3].count_nonzero() == 3
    assert gradient[3:].tolist() == [0.0] * 3


def test_nu_moves_the_balance_of_positive_and_negative_terms() -> None:
    """Two positive terms and two negative ones of the same beta: only nu is left of its slope."""
    embeddings = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]], dtype=torch.float64)
    labels = torch.tensor([0, 0, 1])
    for nu in (0.0, 0.25):
        loss = make(dim=2, margin=0.5, nu=nu)
        (slope,) = torch.autograd.grad(loss(embeddings, labels), loss.beta)
        assert slope.item() == pytest.approx(nu)


@both_kinds
@pytest.mark.parametrize("labels", [[0, 1, 2, 3], [1, 1, 1, 1], [2]])
def test_without_a_triplet_loss_and_gradients_are_exactly_zero(
    boundaries: str, labels: list[int]
) -> None:
    loss = make(boundaries=boundaries, nu=0.5)
    leaf = points(len(labels)).requires_grad_()
    value = loss(leaf, torch.tensor(labels))
    assert value.item() == 0.0
    for gradient in torch.autograd.grad(value, [leaf, loss.beta]):
        assert gradient.count_nonzero() == 0


def test_where_no_term_is_left_so_is_no_loss() -> None:
    embeddings = torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.3, 1.0]], dtype=torch.float64)
    loss = make(dim=2, beta=0.6)
    assert loss(embeddings, torch.tensor([0, 0, 1])).item() == 0.0


def test_a_term_of_exactly_zero_does_not_count() -> None:
    """Of opposite terms 0 and 1.5 - d(a, n) only the latter is in the mean."""
    embeddings = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.6, 0.8]], dtype=torch.float64)
    loss = make(dim=2, margin=0.5, beta=0.5)
    leaf = embeddings.requires_grad_()
    value = loss(leaf, torch.tensor([0, 0, 1]))
    assert value.item() == pytest.approx(1.0 - 0.8**0.5)
    (slope,) = torch.autograd.grad(value, loss.beta)
    assert slope.item() == pytest.approx(1.0)


@pytest.mark.parametrize("labels", [[3, 0, 0, 1, 1, 2, 2], [0, 1, 2, 3, 4, 5], [0] * 4])
def test_broken_embeddings_are_not_hidden(labels: list[int]) -> None:
    embeddings = points(len(labels))
    embeddings[0, 1] = torch.nan
    assert make()(embeddings, torch.tensor(labels)).isnan()


def test_a_single_triplet_with_a_single_term_is_divided_by_one() -> None:
    """Images at 0, 20 and 100 degrees: only the second is near enough to the negative."""
    angles = torch.tensor([0, 20, 100], dtype=torch.float64).deg2rad()
    embeddings, labels = torch.stack([angles.cos(), angles.sin()], dim=1), torch.tensor([0, 0, 1])
    value = Margin(2, 2, nu=0.5).double()(embeddings, labels)
    far = 2 * math.sin(math.radians(40))
    assert value.item() == pytest.approx(0.2 + 1.2 - far + 0.5 * 1.2)
