"""The losses over pairs against pytorch-metric-learning wherever both define the same thing."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from proxy_core.losses.pair_distance import contrastive, generalized_lifted, lifted_structure
from proxy_core.losses.pair_similarity import multi_similarity, n_pairs, nt_xent
from tests.core.losses.test_pair_distance import LABELS, every_batch, points

losses = pytest.importorskip("pytorch_metric_learning.losses", reason="the peer is not installed")


def assert_same_value_and_gradient(one: Tensor, other: Tensor, leaf: Tensor) -> None:
    torch.testing.assert_close(one, other, rtol=1e-10, atol=0)
    (first,) = torch.autograd.grad(one, leaf)
    (second,) = torch.autograd.grad(other, leaf)
    torch.testing.assert_close(first, second, rtol=1e-7, atol=1e-12)


@every_batch
def test_contrastive_equals_pytorch_metric_learning_pair_by_pair(labels: list[int]) -> None:
    """Its values for pairs are d and [margin - d]_+: squared, halved and averaged they are ours."""
    from pytorch_metric_learning.reducers import DoNothingReducer

    theirs = losses.ContrastiveLoss(neg_margin=0.8, reducer=DoNothingReducer())
    parts = theirs(points(), torch.tensor(labels))
    expected = [0.5 * parts[name]["losses"].square().mean() for name in ("pos_loss", "neg_loss")]
    ours = contrastive(points(), torch.tensor(labels), margin=0.8)
    torch.testing.assert_close(ours, sum(expected), rtol=1e-10, atol=0)


@pytest.mark.parametrize("margin", [0.3, 1.0])
@pytest.mark.parametrize(
    ("name", "formula", "labels"),
    [
        ("LiftedStructureLoss", lifted_structure, LABELS["balanced"]),
        ("LiftedStructureLoss", lifted_structure, LABELS["with classes of one image"]),
        ("GeneralizedLiftedStructureLoss", generalized_lifted, LABELS["unbalanced"]),
    ],
)
def test_lifted_structure_equals_pytorch_metric_learning(
    name: str, formula: Callable[..., Tensor], labels: list[int], margin: float
) -> None:
    """Classes of one image are left out of the generalised form, where the peer counts them."""
    leaf = points().requires_grad_()
    ours = formula(leaf, torch.tensor(labels), margin=margin)
    theirs = getattr(losses, name)(neg_margin=margin)(leaf, torch.tensor(labels))
    assert_same_value_and_gradient(ours, theirs, leaf)


@every_batch
@pytest.mark.parametrize("epsilon", [0.0, 0.1, 0.5])
def test_multi_similarity_with_its_miner(labels: list[int], epsilon: float) -> None:
    from pytorch_metric_learning.miners import MultiSimilarityMiner

    leaf, numbers = points().requires_grad_(), torch.tensor(labels)
    settings = {"alpha": 2.0, "beta": 50.0, "base": 0.5}
    mined = MultiSimilarityMiner(epsilon)(leaf, numbers)
    theirs = losses.MultiSimilarityLoss(**settings)(leaf, numbers, mined)
    ours = multi_similarity(leaf, numbers, epsilon=epsilon, **settings)
    assert_same_value_and_gradient(ours, theirs, leaf)


@every_batch
def test_nt_xent(labels: list[int]) -> None:
    leaf, numbers = points().requires_grad_(), torch.tensor(labels)
    theirs = losses.NTXentLoss(temperature=0.2)(leaf, numbers)
    assert_same_value_and_gradient(nt_xent(leaf, numbers, temperature=0.2), theirs, leaf)


def test_n_pairs_where_both_images_of_a_class_are_the_same() -> None:
    """The peer takes the first pair of each class only, so the two agree when all are alike."""
    from pytorch_metric_learning.distances import DotProductSimilarity
    from pytorch_metric_learning.regularizers import LpRegularizer

    leaf = points(6).requires_grad_()
    theirs = losses.NPairsLoss(
        distance=DotProductSimilarity(normalize_embeddings=False),
        embedding_regularizer=LpRegularizer(p=2, power=2),
        embedding_reg_weight=0.01,
    )
    embeddings, labels = leaf.repeat(2, 1), torch.arange(6).repeat(2)
    ours = n_pairs(embeddings, labels, norm_weight=0.01)
    assert_same_value_and_gradient(ours, theirs(embeddings, labels), leaf)


def test_n_pairs_with_one_negative_for_each_class_is_cross_entropy_of_its_pairs() -> None:
    """Two images of class 0 and one of each other: nothing to average within a class."""
    from pytorch_metric_learning.distances import DotProductSimilarity

    leaf, labels = points(7).requires_grad_(), torch.tensor([0, 0, 1, 2, 3, 4, 5])
    distance = DotProductSimilarity(normalize_embeddings=False)
    theirs = losses.NTXentLoss(temperature=1.0, distance=distance)(leaf, labels)
    assert_same_value_and_gradient(n_pairs(leaf, labels, norm_weight=0.0), theirs, leaf)
