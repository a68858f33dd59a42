"""A step of greedy k-means++, compiled or by matrix products, against plain loops."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from proxy_core.metrics.starts import take_best
from tests.support.plain_lloyd import clouds, problems


def gaps(points: Tensor, rows: np.ndarray) -> np.ndarray:
    """Squared distances (N, L) float64 of all points and the rows (L,)."""
    exact: np.ndarray = points.double().numpy()
    distances: np.ndarray = ((exact[:, None] - exact[rows][None]) ** 2).sum(axis=2)
    return distances


@settings(max_examples=200, deadline=None)
@given(problems(), st.integers(1, 14), st.integers(0, 2**32), st.booleans(), st.booleans())
def test_a_step_is_that_of_plain_loops(
    problem: tuple[Tensor, Tensor], count: int, seed: int, twice: bool, compiled: bool
) -> None:
    points, _ = problem
    generator = np.random.default_rng(seed)
    before = gaps(points, generator.integers(len(points), size=2)).min(axis=1)
    drawn = generator.integers(len(points), size=count)
    exact = gaps(points, drawn)
    gains = np.maximum(before[:, None] - exact, 0).sum(axis=0)
    distances = torch.from_numpy(before.copy())
    rows = np.stack([drawn, drawn]) if twice else drawn[None]
    lengths = points.square().sum(dim=1)
    chosen = take_best(points, lengths, rows, distances, compiled=compiled)
    assert len(chosen) == len(rows)
    place = drawn.tolist().index(chosen[0])
    assert gains[place] >= gains.max() - 1e-5 * (1 + gains.max())
    expected = np.minimum(before, exact[:, place])
    torch.testing.assert_close(distances, torch.from_numpy(expected), rtol=1e-13, atol=1e-16)


@pytest.mark.parametrize("dim", [3, 64, 700])
@pytest.mark.parametrize("nearer", [1e-12, 1e-9, 1e-7])
@pytest.mark.parametrize("compiled", [False, True])
def test_what_is_hardly_nearer_counts(dim: int, nearer: float, compiled: bool) -> None:
    """Far below what float32 can tell."""
    points = clouds(200, 9, dim=dim) / 2
    exact = gaps(points, np.array([5]))[:, 0]
    distances = torch.from_numpy(exact + nearer)
    lengths = points.square().sum(dim=1)
    take_best(points, lengths, np.array([[5]]), distances, compiled=compiled)
    torch.testing.assert_close(distances, torch.from_numpy(exact), rtol=1e-13, atol=1e-16)


@pytest.mark.parametrize("compiled", [False, True])
def test_of_equally_good_candidates_the_first_is_taken(compiled: bool) -> None:
    points = torch.tensor([[0.0], [0.25], [-0.25], [0.5], [-0.5]])
    distances = torch.full((5,), 0.25, dtype=torch.float64)
    lengths = points.square().sum(dim=1)
    drawn = np.array([[3, 2, 1, 2]])
    assert take_best(points, lengths, drawn, distances, compiled=compiled).tolist() == [2]
