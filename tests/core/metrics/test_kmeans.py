"""k-means: draws, bits, duplicates, limits, and objectives beside those of peers."""

import numpy as np
import pytest
import torch
from torch import Tensor

from proxy_core.metrics import pruning
from proxy_core.metrics.kmeans import k_means
from tests.support.plain_lloyd import clouds, objective


@pytest.fixture(autouse=True, params=[0, 2**60], ids=["loops", "products"])
def _small(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways to cluster, each whatever the size."""
    monkeypatch.setattr(pruning, "SMALL", request.param)


@pytest.mark.parametrize(("size", "k", "dim"), [(500, 12, 7), (900, 280, 5), (200, 1, 3)])
def test_both_ways_give_the_same_clusters(
    size: int, k: int, dim: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = clouds(size, max(2, k), dim=dim, noise=0.8)
    found = k_means(points, k, seed=2)
    monkeypatch.setattr(pruning, "SMALL", 2**60 - pruning.SMALL)
    other = k_means(points, k, seed=2)
    assert torch.equal(found.of_point, other.of_point)
    assert torch.equal(found.centers, other.centers)
    assert found.iterations == other.iterations


def test_the_parts_fit_together() -> None:
    points = clouds(300, 12, dim=7)
    found = k_means(points, 12, seed=4)
    assert 1 < found.iterations < 300
    assert found.objective == pytest.approx(objective(points, found.of_point, found.centers))
    for cluster in range(12):
        mean = points[found.of_point == cluster].double().mean(dim=0)
        torch.testing.assert_close(found.centers[cluster], mean, rtol=0, atol=1e-6)
    distances = torch.cdist(points.double(), found.centers)
    assert torch.equal(distances.argmin(dim=1), found.of_point)


def test_seeds_decide_every_bit_and_differ() -> None:
    points = clouds(400, 300, dim=5)
    first, again = (k_means(points, 30, seed=1) for _ in range(2))
    assert torch.equal(first.of_point, again.of_point)
    assert torch.equal(first.centers, again.centers)
    assert len({k_means(points, 30, seed=seed).objective for seed in range(6)}) == 6


def test_threads_change_no_bit() -> None:
    points = clouds(3000, 700, dim=70)
    threads = torch.get_num_threads()
    results = []
    for count in (1, 2):
        torch.set_num_threads(count)
        results.append(k_means(points, 600, seed=0))
    torch.set_num_threads(threads)
    assert torch.equal(results[0].of_point, results[1].of_point)
    assert torch.equal(results[0].centers, results[1].centers)


def test_the_best_of_several_runs() -> None:
    points = clouds(400, 300, dim=5)
    runs = [k_means(points, 30, seed=9, n_init=count).objective for count in range(1, 8)]
    assert runs == sorted(runs, reverse=True)
    assert len(set(runs)) > 1


def test_one_cluster_and_one_for_each_point() -> None:
    points = clouds(700, 20, dim=3)
    whole = k_means(points, 1, seed=0)
    torch.testing.assert_close(whole.centers[0], points.double().mean(dim=0), rtol=0, atol=1e-6)
    assert whole.of_point.sum() == 0
    single = k_means(points, 700, seed=0)  # above 256 centers are chosen several at a time
    assert sorted(single.of_point.tolist()) == list(range(700))
    assert single.objective == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("k", [3, 7, 40])
def test_equal_points_stay_together(k: int) -> None:
    distinct = clouds(7, 7, dim=4)
    points = distinct.repeat(9, 1)
    found = k_means(points, k, seed=2).of_point.view(9, 7)
    assert (found == found[0]).all()
    assert len(set(found[0].tolist())) == min(k, 7)


def test_a_collapsed_embedding_is_one_cluster() -> None:
    found = k_means(torch.full((50, 3), 0.1), 10, seed=0)
    assert len(set(found.of_point.tolist())) == 1
    assert found.objective == 0.0


def test_scale_and_place_do_not_matter() -> None:
    points = clouds(300, 40, dim=6).double()
    first = k_means(points, 20, seed=3)
    for scale, shift in ((2.0**40, 0.0), (2.0**-40, 0.0), (1e-3, 1.0)):
        moved = k_means(points * scale + shift, 20, seed=3)
        assert torch.equal(moved.of_point, first.of_point)
        assert moved.objective == pytest.approx(first.objective * scale**2, rel=1e-6)


@pytest.mark.parametrize(("size", "k", "dim"), [(1500, 50, 32), (2000, 400, 16)])
def test_objectives_are_those_of_peers(size: int, k: int, dim: int) -> None:
    """Not worse than scikit-learn's mean by more than its spread over seeds, and better than
    faiss, which starts at random points."""
    from sklearn.cluster import KMeans

    points = clouds(size, k, dim=dim, noise=0.6)
    ours = [k_means(points, k, seed=seed).objective for seed in range(4)]
    theirs = [
        float(KMeans(k, n_init=1, random_state=seed).fit(points.numpy()).inertia_)
        for seed in range(4)
    ]
    assert abs(np.mean(ours) - np.mean(theirs)) < 2 * (np.std(ours) + np.std(theirs))
    assert np.mean(ours) < 0.99 * faiss_objective(points, k)


def faiss_objective(points: Tensor, k: int) -> float:
    faiss = pytest.importorskip("faiss", reason="no peer installed")
    means = faiss.Kmeans(points.shape[1], k, niter=20, min_points_per_centroid=1, seed=0)
    means.train(points.numpy())
    return float(means.obj[-1])


def test_bad_input_is_refused() -> None:
    points = clouds(10, 3, dim=2)
    with pytest.raises(ValueError, match="k is 11 with 10 points"):
        k_means(points, 11, seed=0)
    with pytest.raises(ValueError, match="k is 0"):
        k_means(points, 0, seed=0)
    far = torch.tensor([[1e160], [-1e160], [2e160]], dtype=torch.float64)
    for apart in (far, torch.full((3, 1), 1e39, dtype=torch.float64)):
        with pytest.raises(ValueError, match="too far for their distances"):
            k_means(apart, 2, seed=0)
    with pytest.raises(ValueError, match=r"shape \(10, 0\)"):
        k_means(torch.ones(10, 0), 2, seed=0)
    with pytest.raises(ValueError, match=r"shape \(10,\)"):
        k_means(points[:, 0], 2, seed=0)
    with pytest.raises(ValueError, match="NaN or infinity"):
        k_means(points * torch.nan, 2, seed=0)
    with pytest.raises(ValueError, match="seed is -1 and n_init is 1"):
        k_means(points, 2, seed=-1)
    with pytest.raises(ValueError, match="n_init is 0"):
        k_means(points, 2, seed=0, n_init=0)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_gives_the_same_clusters_twice() -> None:
    points = clouds(3000, 700, dim=70).cuda()
    first, again = (k_means(points, 600, seed=0) for _ in range(2))
    assert torch.equal(first.of_point, again.of_point)
    assert torch.equal(first.centers, again.centers)
    on_cpu = k_means(points.cpu(), 600, seed=0)
    assert first.objective == pytest.approx(on_cpu.objective, rel=0.02)
