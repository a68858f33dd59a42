"""k-means against plain loops and scikit-learn: starts, ties, empty clusters, threads, memory."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from proxy_core.metrics import kmeans as module
from proxy_core.metrics.kmeans import (
    draw_centers,
    fill_empty,
    k_means,
    lloyd,
    nearest,
    on_grid,
    reassign,
)
from tests.support.largest import Largest
from tests.support.plain_lloyd import clouds, first_nearest, objective, plain_lloyd, problems


@pytest.fixture
def _small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several tiles, and comparisons with moved centers, as with thousands of centers."""
    monkeypatch.setattr(module, "CELLS", {"cpu": 400})
    monkeypatch.setattr(module, "COLUMNS", 24)
    monkeypatch.setattr(module, "NUMBERS", 30)
    monkeypatch.setattr(module, "ACTIVE", 3)


def ignore(share: float) -> None:
    """A progress callback."""


def grid_points(size: int, centers: int, dim: int, noise: float = 0.6) -> Tensor:
    """Clouds (size, dim) as `lloyd` takes them."""
    return on_grid(clouds(size, centers, dim=dim, noise=noise).double() / 2).float()


@pytest.mark.usefixtures("_small_tiles")
@settings(deadline=None)
@given(problems())
def test_the_nearest_center_is_that_of_differences(problem: tuple[Tensor, Tensor]) -> None:
    assert torch.equal(nearest(*problem), first_nearest(*problem))


@pytest.mark.parametrize("apart", [1e-7, 1e-5])
def test_centers_that_float32_products_cannot_separate_are_separated(apart: float) -> None:
    generator = torch.Generator().manual_seed(0)
    middle = torch.nn.functional.normalize(torch.randn(1, 64, generator=generator).double())
    noise = torch.randn(40, 64, generator=generator).double()
    centers, points = on_grid(0.5 * middle + apart * noise), grid_points(100, 10, 64)
    found = nearest(points, centers)
    assert len(set(found.tolist())) > 5
    assert torch.equal(found, first_nearest(points, centers))


@pytest.mark.usefixtures("_small_tiles")
@settings(max_examples=300, deadline=None)
@given(problems(), st.integers(0, 2**32), st.floats(0, 0.5))
def test_a_comparison_with_moved_centers_only_changes_no_cluster(
    problem: tuple[Tensor, Tensor], seed: int, share: float
) -> None:
    points, centers = problem
    generator = np.random.default_rng(seed)
    moved = torch.from_numpy(generator.random(len(centers)) < share)
    steps = torch.from_numpy(generator.choice([-0.125, 0.0, 0.125], size=centers.shape))
    after = torch.where(moved[:, None], centers + steps, centers)
    found = reassign(points, centers, after, nearest(points, centers))
    assert torch.equal(found, first_nearest(points, after))


@pytest.mark.parametrize("active", [3, 1000])
@pytest.mark.parametrize(("size", "k", "dim"), [(150, 7, 3), (150, 25, 4), (200, 40, 2)])
def test_iterations_are_those_of_plain_loops(
    size: int, k: int, dim: int, active: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ACTIVE", active)
    points = grid_points(size, k, dim)
    moves: list[float] = []
    of_point = lloyd(points, points[:k].double(), moves.append)
    assert of_point.tolist() == plain_lloyd(points, points[:k])
    assert len(moves) >= 3


@pytest.mark.usefixtures("_small_tiles")
@settings(max_examples=40, deadline=None)
@given(problems())
def test_the_objective_never_grows_and_the_limit_of_iterations_holds(
    problem: tuple[Tensor, Tensor],
) -> None:
    points, centers = problem
    values = []
    for limit in range(8):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "ITERATIONS", limit)
            moves: list[float] = []
            values.append(objective(points, lloyd(points, centers, moves.append)))
        assert len(moves) <= limit
    assert all(later <= sooner + 1e-10 for sooner, later in pairwise(values))


def test_the_order_of_the_points_changes_no_cluster() -> None:
    points = grid_points(300, 40, 5)
    order = torch.randperm(300, generator=torch.Generator().manual_seed(1))
    first = lloyd(points, points[:30].double(), ignore)
    assert torch.equal(lloyd(points[order], points[:30].double(), ignore), first[order])


def test_empty_clusters_take_the_farthest_points() -> None:
    points = torch.tensor([[0.0], [0.125], [0.5], [0.25], [0.5]])
    zero = torch.zeros(5, dtype=torch.int64)
    assert fill_empty(points, torch.zeros(3, 1).double(), zero).tolist() == [0, 0, 1, 0, 2]
    found = lloyd(points, torch.tensor([[0.0], [0.875], [0.875]]).double(), ignore)
    assert len(set(found.tolist())) == 3
    assert found[2] == found[4]


def test_a_cluster_stays_empty_if_all_points_are_on_centers() -> None:
    points = torch.tensor([[0.5], [0.5], [0.0]])
    assert lloyd(points, torch.full((3, 1), 0.5).double(), ignore).tolist() == [0, 0, 1]


def plain_start(points: Tensor, k: int, seed: int, rounds: int) -> list[int]:
    """Greedy k-means++ in float64, by all squared distances."""
    generator = np.random.default_rng(seed)
    rows = points.double().numpy()
    gaps = ((rows[:, None] - rows[None]) ** 2).sum(axis=2)
    chosen: list[int] = generator.integers(len(rows), size=1).tolist()
    distances = gaps[chosen[0]]
    while len(chosen) < k:
        count = min(-(-k // rounds), k - len(chosen))
        sums = distances.cumsum()
        draws = generator.random((count, 2 + int(np.log(k)))) * sums[-1]
        drawn = np.searchsorted(sums[:-1], draws, side="right")
        left = np.minimum(distances, gaps[drawn]).sum(axis=2)
        best = [row[i] for row, i in zip(drawn, left.argmin(axis=1), strict=True)]
        chosen += best
        distances = np.minimum(distances, gaps[best].min(axis=0))
    return chosen


@pytest.mark.parametrize("rounds", [1000, 7])
def test_starts_are_those_of_plain_loops(rounds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROUNDS", rounds)
    points = grid_points(300, 40, 5)
    for seed in range(5):
        found = draw_centers(points, 50, np.random.default_rng(seed), ignore)
        assert found.tolist() == plain_start(points, 50, seed, rounds)


def test_starts_are_decided_in_float64_where_float32_cannot(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All candidates are compared in float64 if float32 may lose everything."""
    points = grid_points(300, 40, 5)
    expected = draw_centers(points, 50, np.random.default_rng(3), ignore)
    exact, calls = module.exact_best, []

    def counted(points: Tensor, lengths: Tensor, distances: Tensor, drawn: np.ndarray) -> int:
        calls.append(drawn)
        return exact(points, lengths, distances, drawn)

    monkeypatch.setattr(module, "exact_best", counted)
    monkeypatch.setattr(module, "working", lambda points: (torch.float32, 1.0))
    found = draw_centers(points, 50, np.random.default_rng(3), ignore)
    assert len(calls) == 49
    assert torch.equal(found, expected)


def test_above_a_limit_centers_have_one_candidate_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GREEDY", 49)
    monkeypatch.setattr(module, "ROUNDS", 1000)
    points, generator = grid_points(300, 40, 5), np.random.default_rng(0)
    found = draw_centers(points, 50, np.random.default_rng(0), ignore).tolist()
    rows = points.double().numpy()
    chosen = generator.integers(300, size=1).tolist()
    while len(chosen) < 50:
        sums = ((rows[:, None] - rows[chosen]) ** 2).sum(axis=2).min(axis=1).cumsum()
        chosen.append(int(np.searchsorted(sums, generator.random() * sums[-1], side="right")))
    assert found == chosen


def test_every_point_is_nearest_to_the_mean_of_its_cluster() -> None:
    points = clouds(300, 12, dim=7)
    found = k_means(points, 12, seed=4)
    means = torch.stack([points[found == cluster].double().mean(dim=0) for cluster in range(12)])
    assert torch.equal(torch.cdist(points.double(), means).argmin(dim=1), found)


@pytest.mark.parametrize(
    ("k", "size"), [(100, 3000), pytest.param(600, 1500, marks=pytest.mark.slow)]
)
def test_seeds_decide_the_clusters_at_any_number_of_threads(k: int, size: int) -> None:
    points = clouds(size, 700, dim=70)
    threads, results = torch.get_num_threads(), []
    for count in (1, 3):
        torch.set_num_threads(count)
        results.append(k_means(points, k, seed=0))
    torch.set_num_threads(threads)
    assert all(torch.equal(results[0], other) for other in results[1:])
    assert not torch.equal(k_means(points, k, seed=1), results[0])


def test_one_cluster_and_one_for_each_point() -> None:
    points = clouds(700, 20, dim=3)
    assert not k_means(points, 1, seed=0).any()
    assert sorted(k_means(points, 700, seed=0).tolist()) == list(range(700))


@pytest.mark.parametrize("k", [3, 7, 40])
def test_equal_points_are_in_one_cluster(k: int) -> None:
    distinct = clouds(7, 7, dim=4)
    found = k_means(distinct.repeat(9, 1), k, seed=2).view(9, 7)
    assert (found == found[0]).all()
    assert len(set(found[0].tolist())) == min(k, 7)


def test_a_collapsed_embedding_is_one_cluster() -> None:
    found = k_means(torch.full((50, 3), 0.1), 10, seed=0)
    assert len(set(found.tolist())) == 1


def test_scale_and_origin_change_no_cluster() -> None:
    points = clouds(300, 40, dim=6).double()
    first = k_means(points, 20, seed=3)
    for scale, shift in ((2.0**40, 0.0), (2.0**-40, 0.0), (1e-3, 1.0)):
        assert torch.equal(k_means(points * scale + shift, 20, seed=3), first)


@pytest.mark.parametrize(("size", "k", "dim"), [(1500, 50, 32), (2000, 300, 16)])
def test_the_mean_objective_is_within_one_percent_of_that_of_scikit_learn(
    size: int, k: int, dim: int
) -> None:
    from sklearn.cluster import KMeans

    points = clouds(size, k, dim=dim, noise=0.6)
    ours = [objective(points, k_means(points, k, seed=seed)) for seed in range(8)]
    models = [KMeans(k, n_init=1, random_state=seed).fit(points.numpy()) for seed in range(8)]
    theirs = [float(model.inertia_) for model in models]
    assert np.mean(ours) == pytest.approx(np.mean(theirs), rel=0.01)


def test_the_objective_is_at_least_as_low_as_that_of_faiss_without_candidates(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    faiss = pytest.importorskip("faiss", reason="no peer installed")
    monkeypatch.setattr(module, "GREEDY", 100)
    points = clouds(2000, 400, dim=16, noise=0.6)
    means = faiss.Kmeans(16, 400, niter=20, min_points_per_centroid=1, seed=0)
    means.train(points.numpy())
    ours = objective(points, k_means(points, 400, seed=0))
    assert ours < 0.99 * float(means.obj[-1])


def test_progress_rises_from_round_to_round_and_iteration_to_iteration() -> None:
    steps: list[tuple[int, int]] = []
    k_means(clouds(900, 30, dim=6), 20, seed=0, progress=lambda *step: steps.append(step))
    done = [step[0] for step in steps]
    assert done == sorted(done)
    assert {total for _, total in steps} == {900}
    assert len(set(done)) > 19 + 3
    assert done[18] == 450
    assert done[-1] == 900


def test_pairs_of_points_and_centers_are_never_all_in_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "CELLS", {"cpu": 2**14})
    points = clouds(4000, 700, dim=4)
    with Largest() as largest:  # type: ignore[no-untyped-call]
        k_means(points, 640, seed=0)
    assert largest.elements == 4000 * -(-640 // module.ROUNDS) * 8  # the candidates of a round


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
    with pytest.raises(ValueError, match="seed is -1"):
        k_means(points, 2, seed=-1)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("k", [100, 600])
def test_a_gpu_finds_the_clusters_of_the_cpu(k: int) -> None:
    points = clouds(3000, 700, dim=70)
    on_cpu = k_means(points, k, seed=0)
    first, again = (k_means(points.cuda(), k, seed=0) for _ in range(2))
    assert torch.equal(first, again)
    assert torch.equal(first.cpu(), on_cpu)
