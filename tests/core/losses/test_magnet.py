"""Magnet loss against plain loops, at its edges, and against the mistakes of common code."""

import math

import pytest
import torch
from torch import Tensor

from proxy_core.losses.magnet import Magnet, directions, magnet, variance

LABELS = torch.tensor([0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 2])
CLUSTERS = torch.tensor([7, 7, 2, 2, 2, 0, 0, 0, 9, 9, 9, -4])  # unequal, and one of a single image


def batch(spread: float = 1.5) -> Tensor:
    """Clusters around random centers, near enough that some images lie in foreign ones."""
    generator = torch.Generator().manual_seed(5)
    centers = torch.randn(14, 4, generator=generator, dtype=torch.float64)
    noise = torch.randn(12, 4, generator=generator, dtype=torch.float64)
    return centers[CLUSTERS + 4] + spread * noise


def plain_terms(
    embeddings: Tensor, alpha: float, *, power: int = 1, own_class: bool = False
) -> list[float]:
    """The paper's terms before the hinge, one for each image, with two mistakes to choose from."""
    rows = [[value / math.hypot(*row) for value in row] for row in embeddings.tolist()]
    labels, clusters = LABELS.tolist(), CLUSTERS.tolist()
    members = {c: [r for r, k in zip(rows, clusters, strict=True) if k == c] for c in clusters}
    means = {c: [sum(col) / len(rs) for col in zip(*rs, strict=True)] for c, rs in members.items()}
    class_of = dict(zip(clusters, labels, strict=True))
    squares = [math.dist(r, means[c]) ** 2 for r, c in zip(rows, clusters, strict=True)]
    sigma2 = (sum(squares) / (len(rows) - 1)) ** power
    terms = []
    for row, label, cluster in zip(rows, labels, clusters, strict=True):
        own = math.exp(-(math.dist(row, means[cluster]) ** 2) / (2 * sigma2) - alpha)
        others = sum(
            math.exp(-(math.dist(row, mean) ** 2) / (2 * sigma2))
            for other, mean in means.items()
            if class_of[other] != label or (own_class and other != cluster)
        )
        terms.append(-math.log(own / others))
    return terms


def hinged_mean(terms: list[float]) -> float:
    return sum(max(0.0, term) for term in terms) / len(terms)


@pytest.mark.parametrize("alpha", [0.0, 1.0, 4.0])
def test_the_loss_is_that_of_plain_loops(alpha: float) -> None:
    terms = plain_terms(batch(), alpha)
    if alpha == 0.0:  # both sides of the hinge are met
        assert 2 < sum(term > 0 for term in terms) < 10
    value = magnet(batch(), LABELS, CLUSTERS, alpha=alpha)
    assert value.item() == pytest.approx(hinged_mean(terms), rel=1e-12)


def test_the_mistakes_of_common_code_give_other_values() -> None:
    value = magnet(batch(), LABELS, CLUSTERS, alpha=1.0).item()
    assert abs(value - hinged_mean(plain_terms(batch(), 1.0, power=2))) > 0.1
    assert abs(value - hinged_mean(plain_terms(batch(), 1.0, own_class=True))) > 0.1


def test_gradients_match_finite_differences_through_means_and_variance() -> None:
    def value(embeddings: Tensor) -> Tensor:
        return magnet(embeddings, LABELS, CLUSTERS, alpha=1.0)

    assert torch.autograd.gradcheck(value, batch().requires_grad_())


def test_the_module_passes_on_clusters_and_alpha() -> None:
    loss = Magnet(3, 4, alpha=0.7)
    expected = magnet(batch(), LABELS, CLUSTERS, alpha=0.7)
    assert torch.equal(loss(batch(), LABELS, CLUSTERS), expected)
    assert torch.equal(Magnet(3, 4)(batch(), LABELS), magnet(batch(), LABELS, LABELS, alpha=1.0))
    assert (loss.clusters_per_class, loss.refresh_every) == (3, 100)
    assert not list(loss.parameters())
    assert not list(loss.buffers())


def test_only_directions_count() -> None:
    expected = magnet(batch(), LABELS, CLUSTERS, alpha=1.0)
    lengths = torch.linspace(0.1, 9.0, 12, dtype=torch.float64)[:, None]
    torch.testing.assert_close(magnet(lengths * batch(), LABELS, CLUSTERS, alpha=1.0), expected)


@pytest.mark.parametrize("factor", [1e-40, 1e-25, 1e-15, 1e15])
def test_extreme_lengths_keep_value_and_gradient_finite(factor: float) -> None:
    leaf = (factor * batch().float()).requires_grad_()
    value = magnet(leaf, LABELS, CLUSTERS, alpha=1.0)
    (gradient,) = torch.autograd.grad(value, leaf)
    assert value.isfinite()
    assert gradient.isfinite().all()
    if factor > 1e-20:  # below, the square of a length is 0 in single precision
        torch.testing.assert_close(value, magnet(batch(), LABELS, CLUSTERS, alpha=1.0).float())
        assert gradient.count_nonzero() > 0


def test_clusters_far_smaller_than_their_distances_are_resolved() -> None:
    """Two classes that share their two places; there the variance is 1e-8 of the squared gap."""
    generator = torch.Generator().manual_seed(1)
    places = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]).repeat_interleave(8, 0)
    embeddings = places + 1e-4 * torch.randn(16, 3, generator=generator)
    clusters = torch.arange(16) // 4
    labels = clusters % 2
    double = magnet(embeddings.double(), labels, clusters, alpha=1.0)
    single = magnet(embeddings, labels, clusters, alpha=1.0)
    assert 0.5 < double < 2.0
    assert single.item() == pytest.approx(double.item(), rel=1e-6)


def loss_and_gradient(
    embeddings: Tensor, labels: list[int], clusters: list[int]
) -> tuple[float, Tensor]:
    leaf = embeddings.clone().requires_grad_()
    value = magnet(leaf, torch.tensor(labels), torch.tensor(clusters), alpha=1.5)
    (gradient,) = torch.autograd.grad(value, leaf)
    return value.item(), gradient


@pytest.mark.parametrize(
    ("labels", "clusters"),
    [
        ([0], [0]),  # B = 1: no variance, no other class
        ([0, 0, 0, 0], [0, 0, 1, 1]),  # one class
        ([0, 0, 1, 2], [0, 1, 2, 3]),  # every image is the mean of its cluster
    ],
)
def test_without_overlap_or_another_class_loss_and_gradient_are_zero(
    labels: list[int], clusters: list[int]
) -> None:
    value, gradient = loss_and_gradient(batch().float()[: len(labels)], labels, clusters)
    assert value == 0.0
    assert gradient.count_nonzero() == 0


@pytest.mark.parametrize("vector", [[0.0, 0.0, 0.0], [0.3, -0.2, 0.7]])
def test_a_collapsed_batch_has_alpha_plus_the_log_of_the_impostor_clusters(
    vector: list[float],
) -> None:
    """All distances are 0, so each image sees its impostors as near as its own mean."""
    labels, clusters = [0, 0, 0, 0, 1, 1, 2, 2], [0, 0, 1, 1, 2, 2, 3, 3]
    value, gradient = loss_and_gradient(torch.tensor([vector] * 8), labels, clusters)
    expected = 1.5 + (4 * math.log(2) + 4 * math.log(3)) / 8
    assert value == pytest.approx(expected, rel=1e-6)
    assert gradient.isfinite().all()


def test_variance_by_hand() -> None:
    assert variance(torch.tensor([1.0, 2.0, 4.5])).item() == 7.5 / 2
    assert variance(torch.tensor([3.0])).item() == 3.0
    assert variance(torch.zeros(4).double()).item() == 1e-12
    assert variance(torch.tensor([1e-12, 2e-12]).double()).item() == pytest.approx(3e-12)


def test_directions_are_unit_vectors_in_double_precision() -> None:
    found = directions(torch.tensor([[3.0, 4.0], [0.0, 0.0]]).half())
    torch.testing.assert_close(found, torch.tensor([[0.6, 0.8], [0.0, 0.0]]).double())
    assert found.dtype == torch.float64


@pytest.mark.parametrize(
    ("clusters", "message"),
    [
        ([0, 1], "clusters have shape (2,): expected (3,), one cluster for each embedding"),
        ([[0], [1], [2]], "clusters have shape (3, 1): expected (3,), one cluster for each"),
        ([0.0, 1.0, 2.0], "clusters are of type torch.float32: expected torch.int64"),
        (
            [3, 8, 8],
            "cluster 8 holds images of the classes [0, 1]: give the clusters of each class",
        ),
    ],
)
def test_clusters_that_do_not_fit_are_refused(clusters: list[int], message: str) -> None:
    with pytest.raises(ValueError) as error:  # noqa: PT011
        Magnet(2, 4)(torch.zeros(3, 4), torch.tensor([0, 0, 1]), torch.tensor(clusters))
    assert str(error.value).startswith(message)
