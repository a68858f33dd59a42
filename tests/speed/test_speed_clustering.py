"""k-means against scikit-learn at some hundred clusters, Lloyd's iterations against faiss at many.

All on one thread. With more, scikit-learn's threads wait for each other and use CPU time in doing
so: on a busy machine that made it look five times slower than it is.
"""

import os

import numpy as np
import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor

from proxy_core.metrics.agreement import normalized_mutual_information
from proxy_core.metrics.kmeans import ITERATIONS, frame, k_means
from proxy_core.metrics.lloyd import lloyd, on_grid, squared_distances
from tests.speed.alternation import times_faster

FULL = "PROXY_BENCH_FULL_SPEED"  # set to 1 for 60,502 images of 11,316 classes: some minutes
full_size = pytest.mark.skipif(os.environ.get(FULL) != "1", reason=f"{FULL}=1 runs it")


def embedded(size: int, classes: int, dim: int, noise: float) -> tuple[Tensor, Tensor]:
    """Unit vectors (size, dim) and labels: classes in groups, a falling spectrum, uneven noise."""
    generator = np.random.default_rng(0)
    spectrum = 1 / np.sqrt(1 + np.arange(dim) / 8)
    families = generator.standard_normal((max(5, classes // 50), dim))
    centers = 0.7 * families[np.arange(classes) % len(families)]
    centers += generator.standard_normal((classes, dim))
    labels = np.arange(size) % classes
    spread = noise * np.exp(0.4 * generator.standard_normal((size, 1)))
    points = (centers[labels] + spread * generator.standard_normal((size, dim))) * spectrum
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    return torch.from_numpy(points).float(), torch.from_numpy(labels)


@pytest.mark.parametrize(
    ("size", "classes"),
    [(1500, 25), *(pytest.param(*each, marks=full_size) for each in ((5924, 100), (8131, 98)))],
)
@pytest.mark.parametrize("dim", [64, 512])
def test_k_means_against_scikit_learn(
    benchmark: BenchmarkFixture, size: int, classes: int, dim: int
) -> None:
    from sklearn.cluster import KMeans

    points, labels = embedded(size, classes, dim, noise=1.2)
    rows, truth = points.numpy(), labels.numpy()

    def ours(seed: int) -> tuple[float, float]:
        found = k_means(points, classes, seed=seed)
        return found.objective, normalized_mutual_information(truth, found.of_point.numpy())

    def theirs(seed: int) -> tuple[float, float]:
        found = KMeans(classes, n_init=1, random_state=seed).fit(rows)
        return float(found.inertia_), normalized_mutual_information(truth, found.labels_)

    mine, other = (np.array([method(seed) for seed in range(6)]) for method in (ours, theirs))
    assert (abs(mine.mean(axis=0) - other.mean(axis=0)) < 2 * other.std(axis=0)).all()
    benchmark.extra_info["times_faster"] = times_faster(lambda: ours(0), lambda: theirs(0), 3)
    benchmark.pedantic(ours, args=(0,), rounds=3)  # type: ignore[no-untyped-call]


@pytest.mark.parametrize(
    ("size", "classes"), [(6000, 1200), pytest.param(60502, 11316, marks=full_size)]
)
def test_lloyd_against_faiss_from_the_same_start(
    benchmark: BenchmarkFixture, size: int, classes: int
) -> None:
    faiss = pytest.importorskip("faiss", reason="no peer installed")
    faiss.omp_set_num_threads(1)
    points, _ = embedded(size, classes, 64, noise=0.7)
    mean, scale = frame(points)
    points = on_grid((points.double() - mean) / scale)
    rows, start = points.numpy(), np.random.default_rng(0).permutation(size)[:classes]

    def ours() -> float:
        clusters, _ = lloyd(points, points[start].double(), ITERATIONS)
        return float(squared_distances(points, clusters).sum())

    def theirs() -> float:
        found = faiss.Kmeans(64, classes, niter=20, min_points_per_centroid=1)
        found.train(rows, init_centroids=rows[start])
        return float(found.obj[-1])

    assert ours() == pytest.approx(theirs(), rel=1e-3)
    rounds = 1 if size > 10_000 else 3
    benchmark.extra_info["times_faster"] = times_faster(ours, theirs, rounds)
    benchmark.pedantic(ours, rounds=rounds)  # type: ignore[no-untyped-call]


@full_size
def test_k_means_at_eleven_thousand_clusters(benchmark: BenchmarkFixture) -> None:
    """Only recorded: no peer starts by greedy k-means++ in less than minutes."""
    points, _ = embedded(60502, 11316, 64, noise=0.7)
    benchmark.pedantic(k_means, args=(points, 11316), kwargs={"seed": 0}, rounds=1)  # type: ignore[no-untyped-call]
