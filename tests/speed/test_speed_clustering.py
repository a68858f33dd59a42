"""k-means against scikit-learn at some hundred clusters and against faiss at many.

All on one thread. With more, scikit-learn's threads wait for each other and use CPU time meanwhile.
"""

import os

import numpy as np
import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor

from proxy_core.metrics.kmeans import k_means
from tests.speed.alternation import times_faster
from tests.support.plain_lloyd import objective

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
    from sklearn.metrics import normalized_mutual_info_score

    points, labels = embedded(size, classes, dim, noise=1.2)
    rows, truth = points.numpy(), labels.numpy()

    def ours(seed: int) -> tuple[float, float]:
        found = k_means(points, classes, seed=seed)
        return objective(points, found), normalized_mutual_info_score(truth, found.numpy())

    def theirs(seed: int) -> tuple[float, float]:
        found = KMeans(classes, n_init=1, random_state=seed).fit(rows)
        return float(found.inertia_), normalized_mutual_info_score(truth, found.labels_)

    mine, other = (np.array([method(seed) for seed in range(6)]) for method in (ours, theirs))
    assert (abs(mine.mean(axis=0) - other.mean(axis=0)) < 2 * other.std(axis=0)).all()
    faster = times_faster(
        lambda: [ours(seed) for seed in range(4)], lambda: [theirs(seed) for seed in range(4)], 1
    )
    benchmark.extra_info["times_faster"] = faster
    benchmark.pedantic(ours, args=(0,), rounds=3)  # type: ignore[no-untyped-call]


@pytest.mark.parametrize(
    ("size", "classes"), [(20_000, 4000), pytest.param(60502, 11316, marks=full_size)]
)
@pytest.mark.parametrize("dim", [64, pytest.param(512, marks=full_size)])
def test_k_means_of_many_clusters_against_faiss(
    benchmark: BenchmarkFixture, size: int, classes: int, dim: int
) -> None:
    """Start and iterations, to an objective as low as that of faiss after k-means++."""
    faiss = pytest.importorskip("faiss", reason="no peer installed")
    faiss.omp_set_num_threads(1)
    points, _ = embedded(size, classes, dim, noise=0.7)
    rows, start = points.numpy(), faiss.ClusteringInitMethod_KMEANS_PLUS_PLUS

    def ours() -> float:
        return objective(points, k_means(points, classes, seed=0))

    def theirs() -> float:
        found = faiss.Kmeans(dim, classes, niter=20, min_points_per_centroid=1, init_method=start)
        found.train(rows)
        return float(found.obj[-1])

    objectives: list[tuple[float, float]] = []
    ratio = times_faster(
        lambda: objectives.append((ours(), 0.0)), lambda: objectives.append((0.0, theirs())), 1
    )
    lowest = [min(filter(None, side)) for side in zip(*objectives, strict=True)]
    assert lowest[0] < 1.005 * lowest[1]
    benchmark.extra_info["times_faster"] = ratio
    benchmark.pedantic(ours, rounds=1)  # type: ignore[no-untyped-call]
