"""N-pairs, multi-similarity and NT-Xent against loops over pairs and at their edges."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from proxy_core.losses.pair_similarity import (
    MultiSimilarity,
    NPairs,
    NTXent,
    informative,
    nt_xent,
)
from tests.support.plain_triplets import LABELS, points

MODULES: list[type[nn.Module]] = [NPairs, MultiSimilarity, NTXent]
every_batch = pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)


def products(embeddings: Tensor, *, normalised: bool) -> list[list[float]]:
    rows = embeddings.tolist()
    if normalised:
        rows = [[value / math.hypot(*row) for value in row] for row in rows]
    return [[sum(u * v for u, v in zip(one, other, strict=True)) for other in rows] for one in rows]


def plain_n_pairs(embeddings: Tensor, labels: list[int], norm_weight: float) -> float:
    s, size, terms = products(embeddings, normalised=False), range(len(labels)), []
    for a in size:
        for p in size:
            if a != p and labels[a] == labels[p]:
                total = 1.0
                for c in set(labels) - {labels[a]}:
                    ratios = [math.exp(s[a][n] - s[a][p]) for n in size if labels[n] == c]
                    total += sum(ratios) / len(ratios)
                terms.append(math.log(total))
    lengths = sum(s[i][i] for i in size) / len(labels)
    return sum(terms) / len(terms) + norm_weight * lengths


def plain_multi_similarity(
    embeddings: Tensor, labels: list[int], alpha: float, beta: float, base: float, epsilon: float
) -> float:
    """Equations of the paper: both conditions of the mining, then both soft maxima."""
    s, size, total = products(embeddings, normalised=True), range(len(labels)), 0.0
    for i in size:
        like = [s[i][k] for k in size if k != i and labels[k] == labels[i]]
        unlike = [s[i][k] for k in size if labels[k] != labels[i]]
        if like and unlike:
            mined_like = [v for v in like if v < max(unlike) + epsilon]
            mined_unlike = [v for v in unlike if v > min(like) - epsilon]
            total += math.log(1 + sum(math.exp(-alpha * (v - base)) for v in mined_like)) / alpha
            total += math.log(1 + sum(math.exp(beta * (v - base)) for v in mined_unlike)) / beta
    return total / len(labels)


def plain_nt_xent(embeddings: Tensor, labels: list[int], temperature: float) -> float:
    s, size, terms = products(embeddings, normalised=True), range(len(labels)), []
    for a in size:
        negatives = sum(math.exp(s[a][n] / temperature) for n in size if labels[n] != labels[a])
        for p in size:
            if a != p and labels[a] == labels[p]:
                own = math.exp(s[a][p] / temperature)
                terms.append(-math.log(own / (own + negatives)))
    return sum(terms) / len(terms)


@every_batch
@pytest.mark.parametrize("norm_weight", [0.0, 0.001, 0.7])
def test_n_pairs_is_that_of_plain_loops(labels: list[int], norm_weight: float) -> None:
    loss = NPairs(6, 5, norm_weight=norm_weight)(points(), torch.tensor(labels))
    assert loss.item() == pytest.approx(plain_n_pairs(points(), labels, norm_weight), rel=1e-12)


@every_batch
@pytest.mark.parametrize(
    "settings",
    [
        {"alpha": 2.0, "beta": 50.0, "base": 0.5, "epsilon": 0.1},
        {"alpha": 2.0, "beta": 50.0, "base": -1.0, "epsilon": 0.1},
        {"alpha": 5.0, "beta": 3.0, "base": 1.0, "epsilon": 0.0},
        {"alpha": 1.0, "beta": 10.0, "base": 0.2, "epsilon": 4.0},
    ],
    ids=str,
)
def test_multi_similarity_is_that_of_plain_loops(
    labels: list[int], settings: dict[str, float]
) -> None:
    loss = MultiSimilarity(6, 5, **settings)(points(), torch.tensor(labels))
    expected = plain_multi_similarity(points(), labels, **settings)
    assert loss.item() == pytest.approx(expected, rel=1e-12)


def test_the_mining_leaves_some_pairs_of_both_kinds_and_drops_some() -> None:
    """By hand for the first anchor, hardest negative 0.4, hardest positive 0.35, epsilon 0.1."""
    cosines = torch.tensor([[1.0, 0.35, 0.45, 0.9, 0.4, 0.26, 0.2]]).repeat(7, 1)
    masks = informative(cosines, torch.tensor([0, 0, 0, 0, 1, 1, 1]), epsilon=0.1)
    assert [mask[0].nonzero().squeeze(1).tolist() for mask in masks] == [[1, 2], [4, 5]]


@every_batch
@pytest.mark.parametrize("temperature", [0.07, 0.5, 2.0])
def test_nt_xent_is_that_of_plain_loops(labels: list[int], temperature: float) -> None:
    loss = NTXent(6, 5, temperature=temperature)(points(), torch.tensor(labels))
    assert loss.item() == pytest.approx(plain_nt_xent(points(), labels, temperature), rel=1e-12)


def test_with_two_views_of_each_image_nt_xent_is_the_cross_entropy_of_simclr() -> None:
    vectors = F.normalize(points(8), dim=1)
    logits = (vectors @ vectors.T / 0.2).fill_diagonal_(-torch.inf)
    expected = F.cross_entropy(logits, torch.tensor([4, 5, 6, 7, 0, 1, 2, 3]))
    ours = nt_xent(points(8), torch.arange(8) % 4, temperature=0.2)
    torch.testing.assert_close(ours, expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("labels", [[3], [0, 1, 2, 3], [1, 1, 1, 1]], ids=str)
@pytest.mark.parametrize("module", MODULES)
def test_without_positives_or_negatives_nothing_but_the_penalty_is_left(
    module: type[nn.Module], labels: list[int]
) -> None:
    embeddings = points(len(labels)).requires_grad_()
    loss = module(6, 5)(embeddings, torch.tensor(labels))
    (gradient,) = torch.autograd.grad(loss, embeddings)
    weight = 0.001 if module is NPairs else 0.0
    penalty = weight * sum(math.hypot(*row) ** 2 for row in embeddings.tolist()) / len(labels)
    assert loss.item() == pytest.approx(penalty, rel=1e-12, abs=0)
    torch.testing.assert_close(gradient, 2 * weight * embeddings.detach() / len(labels))


def test_a_pair_whose_probability_underflows_keeps_its_loss_and_gradient() -> None:
    embeddings = torch.tensor([[1.0, 0.1], [-1.0, 0.0], [1.0, 0.0]], requires_grad=True)
    loss = nt_xent(embeddings, torch.tensor([0, 0, 1]), temperature=0.01)
    (gradient,) = torch.autograd.grad(loss, embeddings)
    cosine = 1 / math.hypot(1, 0.1)  # of image 0 with image 2, and with image 1 but for the sign
    expected = (200 * cosine + math.log1p(math.exp(100 * (cosine - 1)))) / 2
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    assert gradient[0].abs().max() > 1


def test_pairs_as_hard_as_the_hardest_of_the_other_kind_are_easy() -> None:
    """Both borders of the mining are strict: for anchor 0 all cosines tie."""
    cosines = torch.tensor([[1.0, 0.5, 0.5], [0.5, 1.0, 0.25], [0.5, 0.25, 1.0]])
    positive, negative = informative(cosines, torch.tensor([0, 0, 1]), epsilon=0.0)
    assert not positive.any()
    assert not negative.any()
    positive, negative = informative(cosines, torch.tensor([0, 0, 1]), epsilon=0.25)
    assert positive.tolist() == [[False, True, False], [False, False, False], [False] * 3]
    assert negative.tolist() == [[False, False, True], [False, False, False], [False] * 3]
