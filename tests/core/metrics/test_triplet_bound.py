"""Both sides of the triplet bound against a triple loop, and the bound itself."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from proxy_core.metrics.triplet_bound import ROWS, TripletBound, triplet_bound
from tests.support.plain_proxies import points


def unit_rows(vectors: Tensor) -> list[list[float]]:
    return [[value / math.hypot(*row) for value in row] for row in vectors.tolist()]


def plain_bound(
    embeddings: Tensor, labels: list[int], proxies: Tensor, proxy_of: list[int]
) -> TripletBound:
    xs, ps = unit_rows(embeddings), unit_rows(proxies)
    epsilon = max(math.dist(x, ps[p]) for x, p in zip(xs, proxy_of, strict=True))
    found = []
    for i, x in enumerate(xs):
        for j, y in enumerate(xs):
            for k, z in enumerate(xs):
                if i != j and labels[i] == labels[j] and labels[i] != labels[k]:
                    gap = math.dist(x, ps[proxy_of[j]]) - math.dist(x, ps[proxy_of[k]])
                    wrong = math.dist(x, y) > math.dist(x, z)
                    found.append((wrong, gap > 0, abs(gap) <= 2 * epsilon))
    wrong, proxy_wrong, ties = (sum(column) / len(found) for column in zip(*found, strict=True))
    return TripletBound(wrong, proxy_wrong, ties, epsilon, len(found))


LABELS = torch.tensor([0, 0, 0, 1, 1, 2, 2, 2, 2, 3])


def near_their_proxies(noise: float, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Embeddings scattered around proxies, which is what makes epsilon small."""
    proxies = points(4, 5, seed=seed)
    return proxies[LABELS] + noise * points(10, 5, seed=seed + 50), proxies


@pytest.mark.parametrize("noise", [0.05, 0.5, 3.0])
@pytest.mark.parametrize("proxy_of", [LABELS, LABELS.flip(0), torch.arange(10) % 4])
def test_both_sides_are_those_of_a_triple_loop(noise: float, proxy_of: Tensor) -> None:
    embeddings, proxies = near_their_proxies(noise)
    found = triplet_bound(embeddings, LABELS, proxies, proxy_of)
    expected = plain_bound(embeddings, LABELS.tolist(), proxies, proxy_of.tolist())
    assert found.triplets == expected.triplets
    assert found.epsilon == pytest.approx(expected.epsilon, rel=1e-12)
    assert found.rank_loss == expected.rank_loss
    assert found.proxy_rank_loss == expected.proxy_rank_loss
    assert found.near_tie == expected.near_tie
    assert found.bound == found.proxy_rank_loss + found.near_tie


def test_proxies_of_single_images_far_from_those_of_their_class() -> None:
    """Each image at a proxy of its own: gaps of both signs are much larger than epsilon."""
    proxies = points(10, 3, seed=4)
    embeddings = proxies + 0.02 * points(10, 3, seed=5)
    found = triplet_bound(embeddings, LABELS, proxies, torch.arange(10))
    expected = plain_bound(embeddings, LABELS.tolist(), proxies, list(range(10)))
    assert found.epsilon == pytest.approx(expected.epsilon, rel=1e-12)
    assert (found.rank_loss, found.proxy_rank_loss, found.near_tie) == (
        expected.rank_loss,
        expected.proxy_rank_loss,
        expected.near_tie,
    )
    assert found.near_tie < 0.2 < found.proxy_rank_loss


def test_one_proxy_for_all_says_nothing() -> None:
    embeddings, proxies = near_their_proxies(0.5)
    found = triplet_bound(embeddings, LABELS, proxies[:1], torch.zeros_like(LABELS))
    assert (found.proxy_rank_loss, found.near_tie, found.bound) == (0.0, 1.0, 1.0)


@given(st.integers(0, 10**6), st.floats(0.0, 2.0))
@settings(max_examples=60, deadline=None)
def test_the_bound_holds(seed: int, noise: float) -> None:
    embeddings, proxies = near_their_proxies(noise, seed)
    found = triplet_bound(embeddings, LABELS, proxies, LABELS)
    assert found.rank_loss <= found.bound


def test_it_is_tight_for_embeddings_on_their_proxies() -> None:
    embeddings, proxies = near_their_proxies(0.0)
    found = triplet_bound(embeddings, LABELS, proxies, LABELS)
    assert (found.rank_loss, found.proxy_rank_loss, found.near_tie) == (0.0, 0.0, 0.0)
    assert found.epsilon < 1e-7


def test_the_square_of_the_distance_would_break_it() -> None:
    """An arc from y over x = p(x) and z to p(z): wrong for x, though no square is a near tie."""
    x, y, z, p, q = ([math.cos(angle), math.sin(angle)] for angle in (0.0, -0.1, 0.09, 0.0, 0.19))
    embeddings = torch.tensor([x, y, z], dtype=torch.float64)
    proxies = torch.tensor([p, q], dtype=torch.float64)
    labels = torch.tensor([0, 0, 1])
    found = triplet_bound(embeddings, labels, proxies, labels)
    assert (found.rank_loss, found.proxy_rank_loss, found.near_tie) == (0.5, 0.0, 1.0)
    for anchor in (x, y):
        squared_gap = math.dist(anchor, q) ** 2 - math.dist(anchor, p) ** 2
        assert squared_gap > 2 * found.epsilon**2


def test_more_images_than_are_looked_at_at_a_time() -> None:
    labels = torch.arange(ROWS + 44) % 7
    proxies = points(7, 5)
    embeddings = proxies[labels] + 0.8 * points(len(labels), 5, seed=9)
    whole = triplet_bound(embeddings, labels, proxies, labels)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(3))
    shuffled = triplet_bound(embeddings[order], labels[order], proxies, labels[order])
    assert whole.triplets == sum(
        n * (n - 1) * (len(labels) - n) for n in labels.bincount().tolist()
    )
    assert whole == shuffled
    assert 0 < whole.rank_loss < 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"embeddings": torch.zeros(10)}, r"embeddings have shape \(10,\): expected \(N, D\)"),
        ({"proxies": torch.zeros(4, 6)}, "proxies: 6 dimensions"),
        ({"labels": LABELS[:9]}, r"labels of embeddings are torch.int64 of shape \(9,\)"),
        ({"labels": LABELS.float()}, r"labels of embeddings are torch.float32"),
        ({"proxy_of": LABELS[:, None]}, r"proxy_of has shape \(10, 1\): expected \(10,\)"),
        ({"proxy_of": LABELS.float()}, r"proxy_of is torch.float32"),
        ({"proxy_of": LABELS + 1}, r"proxy_of spans 1\.\.4: expected 0\.\.3"),
        ({"proxy_of": LABELS - 1}, r"proxy_of spans -1\.\.2"),
        ({"embeddings": torch.full((10, 5), torch.nan)}, "embeddings hold NaN or infinity"),
        ({"proxies": torch.full((4, 5), torch.inf)}, "proxies hold NaN or infinity"),
        ({"labels": torch.zeros(10, dtype=torch.int64)}, "labels hold no triplet"),
        ({"labels": torch.arange(10)}, "labels hold no triplet"),
        ({"embeddings": torch.zeros(0, 5)}, r"embeddings have shape \(0, 5\): .* not empty"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, Tensor], message: str) -> None:
    embeddings, proxies = near_their_proxies(0.1)
    given = {"embeddings": embeddings, "labels": LABELS, "proxies": proxies, "proxy_of": LABELS}
    with pytest.raises(ValueError, match=message):
        triplet_bound(**{**given, **change})
