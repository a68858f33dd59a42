"""Losses against pytorch-metric-learning wherever both define the same: value and gradients."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from proxy_core.losses import LOSSES
from proxy_core.losses.margin import margin_loss
from proxy_core.losses.triplet import drawn_triplet
from tests.support.plain_triplets import LABELS, drawn_triplets, points, uniforms

peer = pytest.importorskip("pytorch_metric_learning.losses", reason="the peer is not installed")
from pytorch_metric_learning import distances, miners, reducers, regularizers  # noqa: E402

SQUARED = distances.LpDistance(power=2)
PRODUCTS = distances.DotProductSimilarity(normalize_embeddings=False)
every_batch = pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
every_surrogate = pytest.mark.parametrize("surrogate", ["margin", "nca"])


def assert_same(ours: Tensor, theirs: Tensor, inputs: list[Tensor]) -> None:
    torch.testing.assert_close(ours, theirs.squeeze(), rtol=1e-10, atol=0)
    assert ours.item() > 0
    torch.testing.assert_close(
        torch.autograd.grad(ours, inputs),
        torch.autograd.grad(theirs, inputs),
        rtol=1e-7,
        atol=1e-12,
    )


PEERS: dict[str, tuple[str, str, str]] = {  # our loss: our vectors, its class, its vectors
    "softmax": ("head.weight", "LargeMarginSoftmaxLoss", "W"),
    "normalized_softmax": ("proxies", "NormalizedSoftmaxLoss", "W"),
    "arcface": ("proxies", "ArcFaceLoss", "W"),
    "cosface": ("proxies", "CosFaceLoss", "W"),
    "proxy_nca_softmax": ("proxies", "ProxyNCALoss", "proxies"),
    "proxy_anchor": ("proxies", "ProxyAnchorLoss", "proxies"),
    "soft_triple": ("centers", "SoftTripleLoss", "fc"),
}
SPREAD = {"weight_regularizer": regularizers.SparseCentersRegularizer(6, 3)}
SETTINGS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    # It has no plain softmax; its angle multiplied by 1 is one, and has no bias.
    ("softmax", {}, {"margin": 1, "scale": 1}),
    *(("normalized_softmax", {"temperature": t}, {"temperature": t}) for t in (0.05, 1.0)),
    *(
        ("arcface", {"scale": 16.0, "margin": math.radians(m)}, {"scale": 16.0, "margin": m})
        for m in (0.0, 28.6, 70.0)
    ),
    *(("cosface", {"scale": 16.0, "margin": m}, {"scale": 16.0, "margin": m}) for m in (0.0, 0.35)),
    # Its scale multiplies squared distances of unit vectors, which are 2 - 2 cos.
    *(("proxy_nca_softmax", {"scale": 2 * s}, {"softmax_scale": s}) for s in (1.0, 9.0)),
    *(("proxy_anchor", {"scale": s}, {"margin": 0.1, "alpha": s}) for s in (8.0, 32.0)),
    (
        "soft_triple",
        {"centers_per_class": 3},
        {"centers_per_class": 3, "weight_reg_weight": 0.2} | SPREAD,
    ),
]


@pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")  # the peer's own
@pytest.mark.parametrize(("name", "settings", "its"), SETTINGS)
def test_losses_with_learned_vectors(
    name: str, settings: dict[str, Any], its: dict[str, Any]
) -> None:
    """W and fc hold the vectors as columns. The last class is absent from the batch."""
    table, other, its_table = PEERS[name]
    loss, theirs = LOSSES[name](6, 4, **settings).double(), getattr(peer, other)(6, 4, **its)
    for parameter in loss.parameters():
        parameter.data.zero_()  # the bias
    shape = loss.get_parameter(table).shape
    generator = torch.Generator().manual_seed(3)
    embeddings, labels = points(30, 4).requires_grad_(), torch.arange(30) % 5
    vectors = torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()
    its_vectors = vectors if its_table == "proxies" else vectors.reshape(-1, 4).T
    batch = embeddings, labels
    ours = torch.func.functional_call(loss, {table: vectors}, batch)
    same = torch.func.functional_call(theirs, {its_table: its_vectors}, batch)
    assert_same(ours, same, [embeddings, vectors])


@every_batch
def test_contrastive_pair_by_pair(labels: list[int]) -> None:
    """Its values for pairs are d and [margin - d]_+: squared, halved and averaged they are ours."""
    theirs = peer.ContrastiveLoss(neg_margin=0.8, reducer=reducers.DoNothingReducer())
    leaf, numbers = points().requires_grad_(), torch.tensor(labels)
    parts = theirs(leaf, numbers)
    pull, push = (parts[name]["losses"].square().mean() for name in ("pos_loss", "neg_loss"))
    ours = LOSSES["contrastive"](6, 5, margin=0.8)(leaf, numbers)
    assert_same(ours, 0.5 * (pull + push), [leaf])


@pytest.mark.parametrize("margin", [0.3, 1.0])
@pytest.mark.parametrize(
    ("name", "other", "batch"),
    [
        ("lifted_structure", "LiftedStructureLoss", "balanced"),
        ("lifted_structure", "LiftedStructureLoss", "with classes of one image"),
        ("generalized_lifted", "GeneralizedLiftedStructureLoss", "unbalanced"),
    ],
)
def test_lifted_structure(name: str, other: str, batch: str, margin: float) -> None:
    """Classes of one image are left out of the generalised form, where the peer counts them."""
    leaf, numbers = points().requires_grad_(), torch.tensor(LABELS[batch])
    ours = LOSSES[name](6, 5, margin=margin)(leaf, numbers)
    assert_same(ours, getattr(peer, other)(neg_margin=margin)(leaf, numbers), [leaf])


@every_batch
@pytest.mark.parametrize("epsilon", [0.0, 0.1, 0.5])
def test_multi_similarity_with_its_miner(labels: list[int], epsilon: float) -> None:
    leaf, numbers = points().requires_grad_(), torch.tensor(labels)
    settings = {"alpha": 2.0, "beta": 50.0, "base": 0.5}
    mined = miners.MultiSimilarityMiner(epsilon)(leaf, numbers)
    ours = LOSSES["multi_similarity"](6, 5, epsilon=epsilon, **settings)(leaf, numbers)
    assert_same(ours, peer.MultiSimilarityLoss(**settings)(leaf, numbers, mined), [leaf])


@every_batch
def test_nt_xent(labels: list[int]) -> None:
    leaf, numbers = points().requires_grad_(), torch.tensor(labels)
    ours = LOSSES["nt_xent"](6, 5, temperature=0.2)(leaf, numbers)
    assert_same(ours, peer.NTXentLoss(temperature=0.2)(leaf, numbers), [leaf])


def test_n_pairs_where_both_images_of_a_class_are_the_same() -> None:
    """The peer takes the first pair of each class only, so the two agree when all are alike."""
    leaf = points(6).requires_grad_()
    embeddings, labels = leaf.repeat(2, 1), torch.arange(6).repeat(2)
    penalty = regularizers.LpRegularizer(p=2, power=2)
    theirs = peer.NPairsLoss(
        distance=PRODUCTS, embedding_regularizer=penalty, embedding_reg_weight=0.01
    )
    ours = LOSSES["n_pairs"](6, 5, norm_weight=0.01)(embeddings, labels)
    assert_same(ours, theirs(embeddings, labels), [leaf])


def test_n_pairs_with_one_negative_for_each_class_is_cross_entropy_of_its_pairs() -> None:
    """Two images of class 0 and one of each other: nothing to average within a class."""
    leaf, labels = points(7).requires_grad_(), torch.tensor([0, 0, 1, 2, 3, 4, 5])
    ours = LOSSES["n_pairs"](6, 5, norm_weight=0.0)(leaf, labels)
    assert_same(ours, peer.NTXentLoss(temperature=1.0, distance=PRODUCTS)(leaf, labels), [leaf])


def its_triplet(surrogate: str, margin: float) -> Any:
    """Its smooth loss adds the margin within the logarithm; ours is the one with a margin of 0."""
    smooth = surrogate == "nca"
    return peer.TripletMarginLoss(0.0 if smooth else margin, smooth_loss=smooth, distance=SQUARED)


@every_batch
@every_surrogate
@pytest.mark.parametrize(
    ("mining", "margin"), [("all", 0.2), ("all", 1.0), ("semi-hard", 0.4), ("hard", 0.4)]
)
def test_triplet(labels: list[int], surrogate: str, mining: str, margin: float) -> None:
    """Its semi-hard takes 0 < d(a, n) - d(a, p) <= margin: on the border, where the hinge is 0, the
    two differ, and its default reducer leaves those zeros out of the mean again."""
    leaf, numbers = points().requires_grad_(), torch.tensor(labels)
    mined = None
    if mining == "hard":
        mined = miners.BatchHardMiner(distance=SQUARED)(leaf, numbers)
    elif mining == "semi-hard":
        miner = miners.TripletMarginMiner(margin, type_of_triplets="semihard", distance=SQUARED)
        mined = miner(leaf, numbers)
    ours = LOSSES["triplet"](6, 5, margin=margin, mining=mining, surrogate=surrogate)(leaf, numbers)
    assert_same(ours, its_triplet(surrogate, margin)(leaf, numbers, mined), [leaf])


def drawn(embeddings: Tensor, labels: list[int], mining: str) -> tuple[Tensor, ...]:
    triplets = drawn_triplets(embeddings, labels, uniforms(), mining)
    return tuple(torch.tensor(part) for part in zip(*triplets, strict=True))


@every_batch
@every_surrogate
@pytest.mark.parametrize("mining", ["random", "distance-weighted"])
def test_drawn_triplets(labels: list[int], surrogate: Any, mining: Any) -> None:
    leaf, numbers = points().requires_grad_(), torch.tensor(labels)
    settings: dict[str, Any] = {"margin": 0.2, "mining": mining, "surrogate": surrogate}
    ours = drawn_triplet(leaf, numbers, uniforms(), **settings)
    theirs = its_triplet(surrogate, 0.2)(leaf, numbers, drawn(leaf.detach(), labels, mining))
    assert_same(ours, theirs, [leaf])


@every_batch
@pytest.mark.parametrize(("classes", "nu"), [(None, 0.0), (None, 0.3), (6, 0.0)])
def test_margin_loss(labels: list[int], classes: int | None, nu: float) -> None:
    """With a boundary for each class its regulariser is divided by the terms that are not zero
    instead of the triplets; without nu that makes no difference."""
    leaf, numbers = points().requires_grad_(), torch.tensor(labels)
    theirs = peer.MarginLoss(0.2, nu=nu, beta=1.1, learn_beta=True, num_classes=classes).double()
    ours = margin_loss(leaf, numbers, theirs.beta.expand(6), uniforms(), margin=0.2, nu=nu)
    other = theirs(leaf, numbers, drawn(leaf.detach(), labels, "distance-weighted"))
    assert_same(ours, other, [leaf, theirs.beta])
