"""Triplet loss with every mining rule and surrogate against a triple loop, and at its edges."""

import itertools
import math
from typing import Any

import pytest
import torch
from torch import Tensor

from proxy_core.losses.triplet import Triplet, drawn_triplet, mean_of_listed, triplet
from tests.support.plain_triplets import (
    LABELS,
    MINING,
    mined_triplets,
    points,
    squared_table,
    uniforms,
)

DRAWN = ["random", "distance-weighted"]
PAIRS = list(itertools.product(MINING, ["margin", "nca"]))
every_batch = pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
every_rule = pytest.mark.parametrize(("mining", "surrogate"), PAIRS)


def value_of(
    embeddings: Tensor, labels: Tensor, numbers: Tensor, mining: Any, **settings: Any
) -> Tensor:
    if mining in DRAWN:
        return drawn_triplet(embeddings, labels, numbers, mining=mining, **settings)
    return triplet(embeddings, labels, mining=mining, **settings)


def make(mining: Any, surrogate: Any, dim: int = 5, margin: float = 0.2) -> Triplet:
    torch.manual_seed(3)
    return Triplet(6, dim, mining=mining, surrogate=surrogate, margin=margin)


@every_batch
@every_rule
@pytest.mark.parametrize("margin", [0.2, 1.0])
def test_the_loss_is_that_of_a_triple_loop(
    labels: list[int], mining: str, surrogate: str, margin: float
) -> None:
    """Squared distances of unit vectors; the hinge is averaged where it is not zero."""
    embeddings, numbers = points(), uniforms()
    d = squared_table(embeddings)
    mined = mined_triplets(embeddings, labels, numbers, mining=mining, margin=margin)
    gaps = [d[a][p] - d[a][n] for a, p, n in mined]
    if surrogate == "margin":
        terms = [gap + margin for gap in gaps if gap + margin > 0]
    else:
        terms = [-math.log(1 / (1 + math.exp(gap))) for gap in gaps]
    settings = {"margin": margin, "surrogate": surrogate}
    loss = value_of(embeddings, torch.tensor(labels), numbers, mining, **settings)
    assert len(terms) > 0
    assert loss.item() == pytest.approx(sum(terms) / len(terms), rel=1e-9)


@every_rule
def test_the_module_computes_the_formula_with_its_own_numbers(mining: str, surrogate: str) -> None:
    embeddings, labels = points(), torch.tensor(LABELS["balanced"])
    loss, other = make(mining, surrogate, margin=0.7), make(mining, surrogate, margin=0.7)
    for _ in range(2):
        numbers = other.draws(12) if other.draws is not None else uniforms()
        settings = {"margin": 0.7, "surrogate": surrogate}
        expected = value_of(embeddings, labels, numbers, mining, **settings)
        assert loss(embeddings, labels).item() == expected.item()


@pytest.mark.parametrize("mining", ["all", "semi-hard", "hard"])
def test_rules_that_draw_nothing_have_no_state_and_take_no_seed(mining: str) -> None:
    before = torch.get_rng_state()
    assert dict(Triplet(4, 5, mining=mining).state_dict()) == {}  # type: ignore[arg-type]
    assert torch.equal(torch.get_rng_state(), before)


def zero(loss: Triplet, embeddings: Tensor, labels: list[int]) -> bool:
    leaf = embeddings.clone().requires_grad_()
    value = loss(leaf, torch.tensor(labels))
    (gradient,) = torch.autograd.grad(value, leaf)
    return value.item() == 0.0 and gradient.count_nonzero().item() == 0


@every_rule
@pytest.mark.parametrize("labels", [[0, 1, 2, 3], [1, 1, 1, 1], [2]])
def test_without_a_triplet_loss_and_gradient_are_exactly_zero(
    mining: str, surrogate: str, labels: list[int]
) -> None:
    assert zero(make(mining, surrogate), points(len(labels)), labels)


@every_rule
def test_collapsed_embeddings(mining: str, surrogate: str) -> None:
    """All distances are 0: no negative is farther than a positive, each hinge is the margin."""
    embeddings = torch.tensor([[1.0, 0.0, 0.0]]).repeat(6, 1)
    value = make(mining, surrogate, dim=3)(embeddings, torch.arange(6) % 3).item()
    expected = math.log(2) if surrogate == "nca" else 0.2
    assert value == pytest.approx(0.0 if mining == "semi-hard" else expected)


def test_without_a_semi_hard_triplet_loss_and_gradient_are_exactly_zero() -> None:
    embeddings = torch.tensor([[1.0, 0.01], [1.0, 0.0], [0.01, 1.0], [0.0, 1.0]])
    for surrogate in ("margin", "nca"):
        assert zero(make("semi-hard", surrogate, dim=2), embeddings, [0, 0, 1, 1])


@pytest.mark.parametrize("mining", MINING)
def test_where_every_hinge_is_zero_so_are_loss_and_gradient(mining: str) -> None:
    embeddings = torch.tensor([[1.0, 0.01], [1.0, 0.0], [0.8, 0.6], [0.81, 0.6]])
    assert zero(make(mining, "margin", dim=2), embeddings, [0, 0, 1, 1])


@pytest.mark.parametrize("surrogate", ["margin", "nca"])
def test_negatives_at_right_angles_are_not_drawn_by_distance(surrogate: str) -> None:
    embeddings = torch.tensor([[3.0, 4.0, 0.0], [4.0, 3.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 2.0]])
    assert zero(make("distance-weighted", surrogate, dim=3), embeddings, [0, 0, 1, 1])
    assert not zero(make("random", "nca", dim=3), embeddings, [0, 0, 1, 1])


@pytest.mark.parametrize(("mining", "last"), [("semi-hard", 50), ("distance-weighted", 100)])
def test_a_single_triplet_is_its_own_mean(mining: str, last: int) -> None:
    """Images at 0, 20 and `last` degrees: the negative suits the second as anchor only."""
    angles = torch.tensor([0, 20, last], dtype=torch.float64).deg2rad()
    embeddings, labels = torch.stack([angles.cos(), angles.sin()], dim=1), torch.tensor([0, 0, 1])
    near, far = (2 - 2 * math.cos(math.radians(turn)) for turn in (20, last - 20))
    margin = 0.2 if mining == "semi-hard" else 4.0
    hinge = make(mining, "margin", dim=2, margin=margin)(embeddings, labels)
    nca = make(mining, "nca", dim=2)(embeddings, labels)
    assert hinge.item() == pytest.approx(near - far + margin)
    assert nca.item() == pytest.approx(math.log(1 + math.exp(near - far)))


def test_a_hinge_of_exactly_zero_does_not_count() -> None:
    near = torch.tensor([1.0, 1.0, 1.0], requires_grad=True)
    far = torch.tensor([1.5, 1.25, 2.0])
    loss = mean_of_listed(near.detach(), near, far, margin=0.5, surrogate="margin")
    (gradient,) = torch.autograd.grad(loss, near)
    assert loss.item() == 0.25
    assert gradient.tolist() == [0.0, 1.0, 0.0]


@every_rule
@pytest.mark.parametrize("labels", [[3, 0, 0, 1, 1, 2, 2, 0, 0], [0, 1, 2, 3, 4, 5], [0] * 4])
def test_broken_embeddings_are_not_hidden_as_a_loss_of_zero(
    mining: str, surrogate: str, labels: list[int]
) -> None:
    embeddings = points(len(labels))
    embeddings[0, 1] = torch.nan
    assert make(mining, surrogate)(embeddings, torch.tensor(labels)).isnan()
