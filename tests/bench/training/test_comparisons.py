"""Losses that have nothing to compare in their batches are refused, and no others."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bench.datasets import load
from bench.spec import RunSpec
from bench.training.comparisons import nothing_to_compare
from proxy_core.losses import LOSSES
from tests.support.loss_variants import VARIANTS
from tests.support.short_runs import spec_for
from tests.support.tiny_classes import tiny_classes

TWELVE = tiny_classes()
OF_THE_BATCH = [
    "contrastive",
    "lifted_structure",
    "generalized_lifted",
    "n_pairs",  # whose penalty of lengths has a gradient all the same
    "multi_similarity",
    "nt_xent",
    "triplet",
    "margin",
    "facility_location",
    "magnet",
]

REFUSING_ONE_CLASS = ["proxy_nca", "proxy_triplet"]  # themselves


def of_the_batch(variant: str) -> bool:
    """Whether only pairs within a batch use the labels; dynamic assignment does so too."""
    return variant.split(" ")[0] in OF_THE_BATCH or "dynamic" in variant


def spec_of(variant: str, samples: int, **fields: Any) -> RunSpec:
    name, args = VARIANTS[variant]
    sizes = {"batch_size": 8, "samples_per_class": samples, "embedding_dim": 6}
    changes = {"method": name, "loss": name, "loss_args": args} | sizes | fields
    return spec_for().model_copy(update=changes)


@pytest.mark.parametrize("samples", [2, 4])
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_loss_learns_from_batches_of_two_classes_or_more(variant: str, samples: int) -> None:
    assert nothing_to_compare(spec_of(variant, samples), TWELVE) == ""


@pytest.mark.parametrize("variant", VARIANTS)
def test_one_image_of_each_class_is_refused_without_class_vectors(variant: str) -> None:
    found = nothing_to_compare(spec_of(variant, 1), TWELVE)
    if not of_the_batch(variant):
        assert found == ""
    else:
        pairs = "1 positive and 27" if variant == "magnet" else "0 positive and 28"  # of clusters
        assert found == (
            f"{VARIANTS[variant][0]} has nothing to compare: batch_size = 8 and samples_per_class "
            f"= 1 leave {pairs} negative pairs in a batch; choose samples_per_class = 2 or 4"
        )


@pytest.mark.parametrize("variant", [v for v in VARIANTS if not of_the_batch(v)])
@pytest.mark.parametrize("classes", [4, 8, 9])
def test_class_vectors_learn_however_many_classes_a_batch_has(variant: str, classes: int) -> None:
    dataset = tiny_classes(train=classes)
    for samples in (1, 4, 8):
        assert nothing_to_compare(spec_of(variant, samples), dataset) == ""


@pytest.mark.parametrize("variant", VARIANTS)
def test_one_class_a_batch_is_refused_without_class_vectors(variant: str) -> None:
    found = nothing_to_compare(spec_of(variant, 8), TWELVE)
    if variant == "magnet":
        assert "needs two clusters in a batch" in found
    elif of_the_batch(variant):
        assert "leave 28 positive and 0 negative pairs in a batch" in found
    else:
        assert found == ""


@pytest.mark.parametrize("loss", [name for name in LOSSES if name not in REFUSING_ONE_CLASS])
def test_one_training_class_is_refused_for_every_loss(loss: str) -> None:
    found = nothing_to_compare(spec_of(loss, 2), tiny_classes(train=1))
    assert found.endswith("the training images need a second class")


@pytest.mark.parametrize("loss", OF_THE_BATCH)
def test_few_classes_are_used_again_and_give_positives(loss: str) -> None:
    digits = load("digits", None, "class-disjoint")
    assert nothing_to_compare(spec_of(loss, 1, batch_size=24), digits) == ""


@pytest.mark.parametrize("loss", OF_THE_BATCH)
def test_an_image_is_no_positive_of_itself_without_augmentation(loss: str) -> None:
    """Moved by an augmentation it is one, as in self-supervised learning."""
    singles = tiny_classes(per_class=1)
    assert nothing_to_compare(spec_of(loss, 4), singles) == ""
    found = nothing_to_compare(spec_of(loss, 4, augmentation="none"), singles)
    assert "leave 0 positive and 1 negative pairs" in found
    assert found.endswith("give classes more training images, or set augmentation")


@pytest.mark.parametrize("loss", ["triplet", "n_pairs", "softmax", "proxy_nca", "magnet"])
def test_one_dimension_has_no_directions_to_turn(loss: str) -> None:
    found = nothing_to_compare(spec_of(loss, 4, embedding_dim=1), TWELVE)
    assert found.endswith("choose embedding_dim = 2 or more")
    assert nothing_to_compare(spec_of(loss, 4, embedding_dim=2), TWELVE) == ""


def test_a_batch_that_cannot_be_divided_is_to_be_changed() -> None:
    found = nothing_to_compare(spec_of("triplet", 1, batch_size=7), TWELVE)
    assert found.endswith("choose a batch_size that samples_per_class = 2 divides, from 4 on")


class Own(nn.Module):
    """A user's loss without any hook: the squared distance to a learned vector of the class."""

    def __init__(self, num_classes: int, embedding_dim: int) -> None:
        super().__init__()
        self.vectors = nn.Parameter(torch.randn(num_classes, embedding_dim))

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return (embeddings - self.vectors[labels]).square().mean()


class Unlabelled(Own):
    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return (embeddings - embeddings.mean(dim=0)).square().mean()


class Detached(Own):
    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return super().forward(embeddings.detach(), labels)


class Constant(Own):
    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return torch.tensor(1.0)


class Zero(Own):
    """The squared distance to centers that start at zero, as in some code of the center loss."""

    def __init__(self, num_classes: int, embedding_dim: int) -> None:
        super().__init__(num_classes, embedding_dim)
        self.vectors = nn.Parameter(torch.zeros(num_classes, embedding_dim))


class ZeroSoftmax(Zero):
    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        found: Tensor = nn.functional.cross_entropy(embeddings @ self.vectors.T, labels)
        return found


class Bounds(Own):
    """A number of each class, which turns no embedding."""

    def __init__(self, num_classes: int, embedding_dim: int) -> None:
        super().__init__(num_classes, embedding_dim)
        self.vectors = nn.Parameter(torch.zeros(num_classes))

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        lengths = torch.linalg.norm(embeddings, dim=1)
        found: Tensor = (lengths - self.vectors[labels]).square().mean()
        return found


class Broken(Own):
    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return torch.nan * super().forward(embeddings, labels)


class Raising(Own):
    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        raise RuntimeError("a mistake of its author")


@pytest.mark.parametrize(
    ("kind", "accepted"),
    [
        (Own, True),
        (Zero, True),
        (ZeroSoftmax, True),
        (Bounds, False),
        (Broken, True),
        (Raising, True),
        (Unlabelled, False),
        (Detached, False),
        (Constant, False),
    ],
)
@pytest.mark.parametrize("samples", [1, 2, 8])
def test_a_users_own_loss_is_tried_and_need_not_declare_anything(
    kind: type[nn.Module], accepted: bool, samples: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NaN and errors are left to the run, which reports them."""
    monkeypatch.setitem(LOSSES, "own", kind)
    spec = spec_of("triplet", samples).model_copy(update={"loss": "own", "loss_args": {}})
    found = nothing_to_compare(spec, TWELVE)
    assert (found == "") == accepted
    if samples == 2 and not accepted:
        assert "its gradient does not depend on the labels" in found


@pytest.mark.parametrize("margin", [1e30, 1e38])
def test_a_gradient_that_overflows_is_left_to_the_run(margin: float) -> None:
    spec = spec_of("lifted_structure", 4, loss_args={"margin": margin})
    assert nothing_to_compare(spec, TWELVE) == ""


def test_a_trial_changes_no_later_draw() -> None:
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    nothing_to_compare(spec_of("margin", 4), TWELVE)
    assert torch.equal(torch.rand(4), expected)
