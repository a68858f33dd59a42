"""Bounds that outlast the moves of few centers: never too high, and the nearest are the nearest."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from proxy_core.metrics import lloyd as steps
from proxy_core.metrics import pruning
from proxy_core.metrics.lloyd import lloyd, on_grid
from proxy_core.metrics.pruning import Bounds, assign_few, reassign_few
from tests.support.plain_lloyd import clouds, first_nearest, objective, plain_lloyd, problems

NEVER, ALWAYS = 2.0, -1.0  # share of pairs in doubt from which on all bounds are renewed


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "ROWS", 16)
    monkeypatch.setattr(pruning, "SMALL", 0)


def check(
    points: Tensor, centers: Tensor, of_point: Tensor, values: Tensor, bounds: Bounds
) -> None:
    """What `assign_few` promises, by all values in float64."""
    true = centers.square().sum(dim=1) / 2 - points.double() @ centers.T
    assert torch.equal(of_point, first_nearest(points, centers))
    torch.testing.assert_close(values, true.gather(1, of_point[:, None])[:, 0], rtol=0, atol=1e-14)
    assert (bounds.least <= true + 1e-14).all()
    assert (bounds.lengths >= torch.linalg.vector_norm(points.double(), dim=1)).all()


@pytest.mark.parametrize("many", [NEVER, 0.25, ALWAYS])
def test_any_moves_one_after_another(many: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "MANY", many)

    @settings(deadline=None)
    @given(problems(), st.integers(0, 2**32), st.floats(0.1, 1.0))
    def moves(problem: tuple[Tensor, Tensor], seed: int, share: float) -> None:
        points, centers = problem
        generator = np.random.default_rng(seed)
        found = assign_few(points, centers)
        check(points, centers, *found)
        for size in (0.125, 1e-9, 0.02, 1e-13, 0.125, 0.002):
            signs = generator.integers(-1, 2, centers.shape) * (
                generator.random((len(centers), 1)) < share
            )
            before, centers = centers, (centers + size * torch.from_numpy(signs)).clamp(-0.4, 0.4)
            found = reassign_few(points, centers, before, *found)
            check(points, centers, *found)

    moves()


@pytest.mark.parametrize("dim", [1, 64, 300])
def test_bounds_hold_where_moves_leave_no_room(dim: int) -> None:
    """Along the points themselves a move changes the value as much as it can."""
    points = on_grid(clouds(300, 9, dim=dim).double() * 0.7)
    centers = points[:40].double()
    found = assign_few(points, centers)
    for step in (0.01, -0.02, 0.005, 1e-5, -1e-7) * 6:
        before, centers = centers, centers * (1 + step)
        found = reassign_few(points, centers, before, *found)
        check(points, centers, *found)
        assert torch.equal(found[0][:40], first_nearest(points[:40], centers))


@pytest.mark.parametrize("apart", [1e-10, 1e-8, 1e-6])
def test_what_float32_cannot_tell_apart_is_told_apart(apart: float) -> None:
    generator = torch.Generator().manual_seed(0)
    middle = torch.nn.functional.normalize(torch.randn(1, 64, generator=generator).double())
    centers = 0.5 * middle + apart * torch.randn(40, 64, generator=generator).double()
    points = clouds(100, 10, dim=64)
    found = assign_few(points, centers)
    assert len(set(found[0].tolist())) > 5
    check(points, centers, *found)
    turned = 0.5 * middle + apart * torch.randn(40, 64, generator=generator).double()
    check(points, turned, *reassign_few(points, turned, centers, *found))


def test_equal_centers_and_equal_points() -> None:
    points = torch.tensor([[0.25, 0.5]]).repeat(30, 1)
    centers = torch.tensor([[0.5, 0.5], [0.0, 0.5], [0.25, 0.25]]).double()
    found = assign_few(points, centers)
    check(points, centers, *found)
    assert set(found[0].tolist()) == {0}
    closer = torch.tensor([[0.5, 0.5], [0.25, 0.5], [0.25, 0.5]]).double()
    found = reassign_few(points, closer, centers, *found)
    check(points, closer, *found)
    assert set(found[0].tolist()) == {1}


def test_of_centers_closer_than_rounding_the_first_is_taken() -> None:
    """Where float32 is finer than what counts as a tie."""
    points = torch.tensor([[0.5], [-0.5], [0.0]])
    centers = torch.tensor([[0.0], [5e-13], [-5e-13]]).double()
    found = assign_few(points, centers)
    check(points, centers, *found)
    assert found[0].tolist() == [0, 0, 0]


@pytest.mark.parametrize("many", [NEVER, ALWAYS])
@pytest.mark.parametrize(("size", "k", "dim"), [(150, 7, 3), (150, 25, 4), (200, 40, 2)])
def test_plain_loops_agree(
    size: int, k: int, dim: int, many: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning, "MANY", many)
    points = on_grid(clouds(size, k, dim=dim, noise=0.6).double() / 2)
    expected, objectives = plain_lloyd(points, points[:k], 60)
    clusters, iterations = lloyd(points, points[:k].double(), 60)
    assert clusters.bounds is not None
    assert clusters.of_point.tolist() == expected
    assert 3 <= iterations == len(objectives) - 1
    found = objective(points, clusters.of_point, clusters.centers)
    assert found == pytest.approx(objectives[-1], rel=1e-9)
    assert float(steps.squared_distances(points, clusters).sum()) == pytest.approx(found)


@settings(deadline=None)
@given(problems())
def test_runs_with_empty_clusters_are_those_without_bounds(problem: tuple[Tensor, Tensor]) -> None:
    points, centers = problem
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pruning, "MANY", NEVER)
        pruned, iterations = lloyd(points, centers, 50)
        patch.setattr(pruning, "SMALL", 2**60)
        full, expected = lloyd(points, centers, 50)
    assert iterations == expected
    assert torch.equal(pruned.of_point, full.of_point)
    assert torch.equal(pruned.centers, full.centers)


def test_small_moves_leave_few_pairs_in_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    points = on_grid(clouds(500, 30, dim=16).double() / 2)
    before = points[:30].double()
    found = assign_few(points, before)
    monkeypatch.setattr(pruning, "fill", None)  # which would be called if many were
    centers = before + 1e-3
    check(points, centers, *reassign_few(points, centers, before, *found))
