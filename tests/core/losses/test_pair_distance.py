"""Contrastive and both lifted structure losses against loops over pairs, and at their edges."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from proxy_core.losses.pair_distance import (
    Contrastive,
    GeneralizedLifted,
    LiftedStructure,
    plain_distances,
)
from tests.support.plain_triplets import LABELS, distance_table, points

every_batch = pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)


def pairs(labels: list[int], *, alike: bool) -> list[tuple[int, int]]:
    size = range(len(labels))
    return [(i, j) for i in size for j in size if i != j and (labels[i] == labels[j]) is alike]


def plain_contrastive(embeddings: Tensor, labels: list[int], margin: float) -> float:
    d = distance_table(embeddings)
    pull = [d[i][j] ** 2 / 2 for i, j in pairs(labels, alike=True)]
    push = [max(0.0, margin - d[i][j]) ** 2 / 2 for i, j in pairs(labels, alike=False)]
    return sum(pull) / len(pull) + sum(push) / len(push)


def plain_lifted(embeddings: Tensor, labels: list[int], margin: float) -> float:
    d, negatives, terms = distance_table(embeddings), pairs(labels, alike=False), []
    for i, j in pairs(labels, alike=True):
        near = sum(math.exp(margin - d[a][b]) for a, b in negatives if a == i)
        near += sum(math.exp(margin - d[a][b]) for a, b in negatives if a == j)
        terms.append(max(0.0, math.log(near) + d[i][j]) ** 2)
    return sum(terms) / (2 * len(terms))


def plain_generalized(embeddings: Tensor, labels: list[int], margin: float) -> float:
    d, terms = distance_table(embeddings), []
    for a in range(len(labels)):
        far = [math.exp(d[a][p]) for i, p in pairs(labels, alike=True) if i == a]
        near = [math.exp(margin - d[a][n]) for i, n in pairs(labels, alike=False) if i == a]
        if far and near:
            terms.append(max(0.0, math.log(sum(far)) + math.log(sum(near))))
    return sum(terms) / len(terms)


@every_batch
@pytest.mark.parametrize("margin", [0.1, 0.5, 1.0, 2.0])
@pytest.mark.parametrize(
    ("module", "plain"),
    [
        (Contrastive, plain_contrastive),
        (LiftedStructure, plain_lifted),
        (GeneralizedLifted, plain_generalized),
    ],
)
def test_the_loss_is_that_of_plain_loops(
    module: type[nn.Module],
    plain: Callable[[Tensor, list[int], float], float],
    margin: float,
    labels: list[int],
) -> None:
    loss = module(6, 5, margin=margin)(points(), torch.tensor(labels))
    assert loss.item() == pytest.approx(plain(points(), labels, margin), rel=1e-12)
    assert loss.item() > 0


@pytest.mark.parametrize("module", [LiftedStructure, GeneralizedLifted])
def test_the_hinge_of_lifted_structure_cuts_well_separated_pairs(module: type[nn.Module]) -> None:
    """Here J = 0.1 - 2 + log 4 and 0.1 - 2 + log 2, both below 0."""
    embeddings = torch.tensor([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [-1.0, 0.0]])
    embeddings.requires_grad_()
    loss = module(2, 2, margin=0.1)(embeddings, torch.tensor([0, 0, 1, 1]))
    (gradient,) = torch.autograd.grad(loss, embeddings)
    assert loss.item() == 0.0
    assert gradient.count_nonzero() == 0


def value_and_gradient(module: type[nn.Module], labels: list[int]) -> tuple[float, Tensor]:
    embeddings = points(len(labels)).requires_grad_()
    loss = module(6, 5)(embeddings, torch.tensor(labels))
    (gradient,) = torch.autograd.grad(loss, embeddings)
    assert gradient.isfinite().all()
    return loss.item(), gradient


@pytest.mark.parametrize("labels", [[3], [0, 1, 2, 3], [1, 1, 1, 1]], ids=str)
@pytest.mark.parametrize("module", [LiftedStructure, GeneralizedLifted])
def test_lifted_structure_without_positives_or_negatives_is_exactly_zero(
    module: type[nn.Module], labels: list[int]
) -> None:
    value, gradient = value_and_gradient(module, labels)
    assert value == 0.0
    assert gradient.count_nonzero() == 0


def test_contrastive_keeps_the_part_whose_pairs_are_there() -> None:
    d = distance_table(points(4))
    both = pairs([0] * 4, alike=True)
    pull = sum(d[i][j] ** 2 / 2 for i, j in both) / len(both)
    push = sum(max(0.0, 1.0 - d[i][j]) ** 2 / 2 for i, j in both) / len(both)
    assert value_and_gradient(Contrastive, [0, 0, 0, 0])[0] == pytest.approx(pull, rel=1e-12)
    assert value_and_gradient(Contrastive, [0, 1, 2, 3])[0] == pytest.approx(push, rel=1e-12)
    assert push > 0
    assert value_and_gradient(Contrastive, [2])[0] == 0.0


def test_the_root_of_a_distance_of_exactly_zero_has_gradient_zero() -> None:
    leaf = torch.tensor([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0]], requires_grad=True)
    distances = plain_distances(leaf)
    assert distances[0, 1].item() == distances[1, 1].item() == 0.0
    (gradient,) = torch.autograd.grad(distances.sum(), leaf)
    assert gradient.isfinite().all()
    assert gradient.any()
