"""Clusters of training images against plain loops, and the neighborhoods drawn from them."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from bench.training.magnet_batches import (
    Clusters,
    draw_seed,
    find_clusters,
    nearest_impostors,
    neighborhood,
)
from bench.training.sampling import derive

K = 3


def embeddings(
    per_blob: int = 6, classes: int = 4, spread: float = 0.05
) -> tuple[Tensor, Tensor, Tensor]:
    """Each class in three blobs at random positions, shuffled -> vectors, labels, blobs."""
    generator = torch.Generator().manual_seed(8)
    middles = torch.randn(classes * K, 5, generator=generator)
    blobs = torch.arange(classes * K).repeat_interleave(per_blob)
    blobs = blobs[torch.randperm(len(blobs), generator=generator)]
    points = middles[blobs] + spread * torch.randn(len(blobs), 5, generator=generator)
    lengths = torch.rand(len(blobs), 1, generator=generator) + 0.1
    return lengths * points, blobs // K, blobs


def find(vectors: Tensor, labels: Tensor, *, groups: int = 4, refresh: int = 0) -> Clusters:
    generator = derive(0, "clusters", refresh)
    return find_clusters(
        vectors, labels, per_class=K, groups=groups, alpha=0.5, generator=generator
    )


def random_clusters(classes: int = 7, images: int = 200) -> Clusters:
    """Clusters of unequal size at random positions, some of them empty, with random losses."""
    draw = np.random.default_rng(2)
    used = np.setdiff1d(np.arange(classes * K), [1, 9, 10, 20])
    of_image = torch.from_numpy(draw.choice(used, images))
    of_image[: len(used)] = torch.from_numpy(used)
    centroids = torch.zeros(classes * K, 4, dtype=torch.float64)
    centroids[used] = torch.from_numpy(draw.normal(size=(len(used), 4)))
    losses = torch.zeros(classes * K, dtype=torch.float64)
    losses[used] = torch.from_numpy(draw.exponential(size=len(used)))
    return Clusters(of_image, centroids, losses, K)


def members(clusters: Clusters, cluster: int) -> set[int]:
    return {row for row, found in enumerate(clusters.of_image.tolist()) if found == cluster}


def test_every_class_falls_into_its_blobs() -> None:
    vectors, labels, blobs = embeddings()
    clusters = find(vectors, labels)
    assert torch.equal(clusters.of_image // K, labels)
    assert clusters.per_class == K
    assert clusters.filled.all()
    pairs = set(zip(blobs.tolist(), clusters.of_image.tolist(), strict=True))
    assert len(pairs) == 4 * K
    for cluster in range(4 * K):
        rows = vectors[sorted(members(clusters, cluster))].double()
        mean = torch.stack([row / row.norm() for row in rows]).mean(dim=0)
        torch.testing.assert_close(clusters.centroids[cluster], mean, atol=1e-6, rtol=0)


def brute_impostors(clusters: Clusters, cluster: int, count: int) -> list[int]:
    centroids = clusters.centroids.tolist()
    others = [c for c in set(clusters.of_image.tolist()) if c // K != cluster // K]
    return sorted(others, key=lambda c: (math.dist(centroids[c], centroids[cluster]), c))[:count]


@pytest.mark.parametrize("count", [0, 1, 5, 40])
def test_nearest_impostors_are_those_of_brute_force(count: int) -> None:
    clusters = random_clusters()
    for cluster in range(21):
        found = nearest_impostors(clusters, cluster, count).tolist()
        assert found == brute_impostors(clusters, cluster, count)
        assert cluster // K not in {c // K for c in found}


def test_of_equally_near_impostors_the_first_come_first() -> None:
    clusters = replace(random_clusters(), centroids=torch.zeros(21, 4).double())
    assert nearest_impostors(clusters, 4, 4).tolist() == [0, 2, 6, 7]


@pytest.mark.parametrize("groups", [2, 4, 50])
def test_losses_are_those_of_plain_loops(groups: int) -> None:
    vectors, labels, _ = embeddings(spread=0.7)
    clusters = find(vectors, labels, groups=groups)
    rows = [[value / math.hypot(*row) for value in row] for row in vectors.tolist()]
    centroids, of_image = clusters.centroids.tolist(), clusters.of_image.tolist()
    squares = [math.dist(r, centroids[c]) ** 2 for r, c in zip(rows, of_image, strict=True)]
    twice = 2 * sum(squares) / (len(rows) - 1)
    for cluster in range(4 * K):
        terms = []
        for image in members(clusters, cluster):
            near = sum(
                math.exp(-(math.dist(rows[image], centroids[c]) ** 2) / twice)
                for c in brute_impostors(clusters, cluster, groups - 1)
            )
            own = math.exp(-squares[image] / twice - 0.5)
            terms.append(max(0.0, -math.log(own / near)) if near else 0.0)
        expected = sum(terms) / len(terms)
        assert clusters.losses[cluster].item() == pytest.approx(expected, rel=1e-4, abs=1e-9)
    assert clusters.losses.count_nonzero() > 6


def test_each_refresh_has_its_own_draws_and_repeats_them() -> None:
    vectors = torch.randn(120, 3, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(120) % 4
    first, again, other = (find(vectors, labels, refresh=r).of_image for r in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_small_classes_and_equal_images_get_fewer_clusters() -> None:
    vectors = torch.randn(12, 3, generator=torch.Generator().manual_seed(0))
    vectors[3:8] = vectors[3]
    labels = torch.tensor([0, 1, 1, 2, 2, 2, 2, 2, 3, 3, 3, 3])
    clusters = find(vectors, labels)
    assert torch.equal(clusters.of_image // K, labels)
    filled = clusters.filled.reshape(4, K).sum(dim=1)
    assert filled.tolist() == [1, 2, 1, 3]
    direction = vectors[0].double() / vectors[0].double().norm()
    torch.testing.assert_close(clusters.centroids[0], direction, atol=1e-6, rtol=0)
    empty = ~clusters.filled
    assert clusters.centroids[empty].count_nonzero() == 0
    assert clusters.losses[empty].count_nonzero() == 0
    assert clusters.losses.isfinite().all()


def batch(
    clusters: Clusters, step: int, *, seed: int = 0, size: int = 20, samples: int = 4
) -> np.ndarray:
    return neighborhood(clusters, seed=seed, step=step, batch_size=size, samples_per_class=samples)


def test_a_batch_is_a_cluster_and_its_nearest_impostors_equally_filled() -> None:
    clusters = random_clusters(images=80)
    repeated = 0
    for step in range(60):
        groups = batch(clusters, step).reshape(5, 4)
        first, *others = (int(c) for c in clusters.of_image[groups[:, 0]])
        assert others == brute_impostors(clusters, first, 4)
        for cluster, rows in zip([first, *others], groups.tolist(), strict=True):
            own = members(clusters, cluster)
            assert set(rows) <= own
            assert len(set(rows)) == 4 or len(own) < 4
            repeated += len(set(rows)) < 4
    assert repeated > 0  # the fixture has clusters that are too small


def test_with_few_impostors_the_clusters_are_used_again() -> None:
    """Two classes of three clusters: a seed and three impostors for ten groups."""
    vectors, labels, _ = embeddings(per_blob=9, classes=2)
    clusters = find(vectors, labels)
    for step in range(20):
        rows = batch(clusters, step, size=30, samples=3)
        ids = list(dict.fromkeys(clusters.of_image[rows].tolist()))
        assert ids == [ids[0], *brute_impostors(clusters, ids[0], 9)]
        assert [int((clusters.of_image[rows] == c).sum()) for c in ids] == [9, 9, 6, 6]
        assert len(set(rows)) == 30  # a cluster of nine images gives all of them


def test_a_batch_depends_on_clusters_seed_and_step_only() -> None:
    clusters = random_clusters()
    forwards = [tuple(batch(clusters, step)) for step in range(8)]
    assert [tuple(batch(clusters, step)) for step in reversed(range(8))] == forwards[::-1]
    assert len({*forwards, *(tuple(batch(clusters, step, seed=1)) for step in range(8))}) == 16


@pytest.mark.parametrize("zero", [False, True])
def test_seed_clusters_are_drawn_in_proportion_to_their_losses(zero: bool) -> None:
    clusters = random_clusters()
    if zero:
        clusters = replace(clusters, losses=torch.zeros(21, dtype=torch.float64))
    draws = [draw_seed(clusters, derive(0, "batch", step)) for step in range(15000)]
    weights = (clusters.filled.double() if zero else clusters.losses).numpy()
    shares = np.bincount(draws, minlength=21) / len(draws)
    np.testing.assert_allclose(shares, weights / weights.sum(), atol=0.007)
    assert (shares[weights == 0] == 0).all()
