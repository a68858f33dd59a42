"""Lloyd's iterations against plain loops, moved centers only against all, and empty clusters."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from proxy_core.metrics import lloyd as module
from proxy_core.metrics import nearest as search
from proxy_core.metrics.lloyd import (
    Clusters,
    assign,
    farthest,
    fill_empty,
    lloyd,
    on_grid,
    reassign,
)
from proxy_core.metrics.nearest import arrange, nearest
from tests.support.plain_lloyd import clouds, first_nearest, objective, plain_lloyd, problems


@pytest.fixture(autouse=True)
def _small_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiles, groups and moved centers, as with thousands of points and centers."""
    monkeypatch.setattr(search, "ROWS", 16)
    monkeypatch.setattr(search, "COLUMNS", 24)
    monkeypatch.setattr(search, "GROUPED", 20)
    monkeypatch.setattr(module, "FEW", 3)
    monkeypatch.setattr(module, "BLOCK", 7)


@settings(deadline=None)
@given(problems())
def test_the_nearest_is_that_of_differences(problem: tuple[Tensor, Tensor]) -> None:
    points, centers = problem
    assert torch.equal(nearest(points, arrange(centers)), first_nearest(points, centers))


@pytest.mark.parametrize("apart", [1e-10, 1e-8])
def test_what_float32_cannot_tell_apart_is_told_apart(apart: float) -> None:
    generator = torch.Generator().manual_seed(0)
    middle = torch.nn.functional.normalize(torch.randn(1, 64, generator=generator).double())
    centers = 0.5 * middle + apart * torch.randn(40, 64, generator=generator).double()
    points = clouds(100, 10, dim=64)
    found = nearest(points, arrange(centers))
    assert len(set(found.tolist())) > 5
    assert torch.equal(found, first_nearest(points, centers))


@settings(max_examples=300, deadline=None)
@given(problems(), st.integers(0, 2**32), st.floats(0, 0.5))
def test_moved_centers_only_or_all_is_the_same(
    problem: tuple[Tensor, Tensor], seed: int, share: float
) -> None:
    points, centers = problem
    generator = np.random.default_rng(seed)
    moved = torch.from_numpy(generator.random(len(centers)) < share)
    steps = torch.from_numpy(generator.choice([-0.125, 0.0, 0.125], size=centers.shape))
    after = torch.where(moved[:, None], centers + steps, centers)
    found = reassign(points, after, assign(points, centers))
    assert torch.equal(found.of_point, first_nearest(points, after))


@settings(deadline=None)
@given(problems())
def test_whole_runs_over_moved_centers_or_all_are_the_same(problem: tuple[Tensor, Tensor]) -> None:
    points, centers = problem
    active, iterations = lloyd(points, centers, 50)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "FEW", 1000)
        full, expected = lloyd(points, centers, 50)
    assert iterations == expected
    assert torch.equal(active.of_point, full.of_point)
    assert torch.equal(active.centers, full.centers)


@settings(max_examples=40, deadline=None)
@given(problems())
def test_the_objective_never_grows(problem: tuple[Tensor, Tensor]) -> None:
    points, centers = problem
    values = []
    for iterations in range(8):
        clusters, _ = lloyd(points, centers, iterations)
        values.append(objective(points, clusters.of_point, clusters.centers))
    assert all(later <= sooner + 1e-10 for sooner, later in pairwise(values))


@pytest.mark.parametrize(("size", "k", "dim"), [(150, 7, 3), (150, 25, 4), (200, 40, 2)])
def test_plain_loops_agree(size: int, k: int, dim: int) -> None:
    points = on_grid(clouds(size, k, dim=dim, noise=0.6).double() / 2)
    expected, objectives = plain_lloyd(points, points[:k], 60)
    clusters, iterations = lloyd(points, points[:k].double(), 60)
    assert clusters.of_point.tolist() == expected
    assert 3 <= iterations == len(objectives) - 1
    found = objective(points, clusters.of_point, clusters.centers)
    assert found == pytest.approx(objectives[-1], rel=1e-9)
    assert float(module.squared_distances(points, clusters).sum()) == pytest.approx(found)


def test_the_order_of_the_points_does_not_matter() -> None:
    points = on_grid(clouds(300, 40, dim=5).double() / 2)
    order = torch.randperm(300, generator=torch.Generator().manual_seed(1))
    first, _ = lloyd(points, points[:30].double(), 100)
    again, _ = lloyd(points[order], points[:30].double(), 100)
    assert torch.equal(again.of_point, first.of_point[order])
    assert torch.equal(again.centers, first.centers)


def test_sums_of_points_are_exact() -> None:
    """Numbers of many sizes, added in any order: whole multiples of 2^-30 before and after."""
    generator = np.random.default_rng(2)
    drawn = torch.from_numpy(10.0 ** generator.uniform(-8, -0.5, (500, 3)))
    points, none = on_grid(drawn), torch.zeros(500, dtype=torch.int64)
    torch.testing.assert_close(points.double(), drawn, rtol=6e-8, atol=5e-10)
    totals = [torch.zeros(1, 3).double() for _ in range(2)]
    for total, order in zip(totals, (torch.arange(500), torch.randperm(500)), strict=True):
        assert module.update(total, points[order], None, none)
    assert torch.equal(totals[0], totals[1])
    exact = [sum(int(x * 2**30) for x in column) for column in points.T.tolist()]
    assert (totals[0][0] * 2**30).tolist() == exact


def test_the_limit_of_iterations_holds() -> None:
    points = on_grid(clouds(300, 40, dim=5).double() / 2)
    clusters, iterations = lloyd(points, points[:30].double(), 2)
    assert iterations == 2
    assert torch.equal(clusters.of_point, first_nearest(points, clusters.centers))


def test_empty_clusters_take_the_farthest_points() -> None:
    points = torch.tensor([[0.0], [0.125], [0.5], [0.25], [0.5]])
    clusters = Clusters(torch.zeros(5, dtype=torch.int64), torch.zeros(3, 1).double())
    assert fill_empty(points, clusters).of_point.tolist() == [0, 0, 1, 0, 2]
    found, _ = lloyd(points, torch.tensor([[0.0], [9.0], [9.0]]).double() / 10, 50)
    assert len(set(found.of_point.tolist())) == 3
    assert found.of_point[2] == found.of_point[4]


def test_a_point_on_its_center_is_not_far() -> None:
    points = torch.tensor([[0.5], [0.5], [0.0]])
    found, iterations = lloyd(points, torch.full((3, 1), 0.5).double(), 50)
    assert found.of_point.tolist() == [0, 0, 1]
    assert found.centers.tolist() == [[0.5], [0.0], [0.5]]
    assert iterations == 1


def test_the_farthest_points_fill_empty_clusters_and_of_equally_far_ones_the_first() -> None:
    """Each distance is equal to the next up to rounding, but the first is not to the last."""
    chain = torch.arange(30).double() * 0.9e-12 + 1e-3
    assert farthest(chain, 3).tolist() == [28, 29, 26]
    assert farthest(torch.tensor([0.5, 0.5 + 1e-16, 0.25, 8e-12]).double(), 4).tolist() == [0, 1, 2]


def test_a_dense_line_leaves_no_center_empty() -> None:
    half = (torch.arange(2000).double() * 0.9e-12).sqrt()
    line = torch.cat([half, -half])
    points = on_grid(torch.stack([line, torch.zeros_like(line)], dim=1))
    clusters, _ = lloyd(points, torch.zeros(2, 2).double(), 300)
    assert torch.bincount(clusters.of_point, minlength=2).min() > 1900
