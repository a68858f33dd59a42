"""Runs of items that are each equal to the next, though the first is not equal to the last."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from proxy_core.metrics.retrieval import Metric, rank

STEP = 0.8e-12  # two items are equal if they are at most one such step apart


pytestmark = pytest.mark.usefixtures("both_paths")


def items(steps: list[int], metric: Metric) -> Tensor:
    """Vectors (N, 2) whose similarity to (1, 0), or to (0, 0) by distance, falls by steps."""
    values = [0.5 - STEP * step for step in steps]
    if metric == "cosine":
        rows = [[value, math.sqrt(1 - value * value)] for value in values]
    else:
        rows = [[math.sqrt(1 + STEP * step), 0.0] for step in steps]
    return torch.tensor(rows, dtype=torch.float64)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@settings(max_examples=60, deadline=None)
@given(st.data())
def test_scores_count_the_misses_that_are_equal_to_the_hit(
    metric: Metric, data: st.DataObject
) -> None:
    size = data.draw(st.integers(1, 40))
    steps = data.draw(st.lists(st.integers(0, 30), min_size=size, max_size=size))
    labels = data.draw(st.lists(st.integers(0, 1), min_size=size, max_size=size))
    query = torch.tensor([[1.0, 0.0] if metric == "cosine" else [0.0, 0.0]], dtype=torch.float64)
    neighbors = data.draw(st.integers(0, 45))
    ranking = rank(
        query,
        torch.tensor([1]),
        items(steps, metric),
        torch.tensor(labels),
        metric=metric,
        neighbors=neighbors,
    )
    hits = sorted(step for step, label in zip(steps, labels, strict=True) if label)
    misses = [step for step, label in zip(steps, labels, strict=True) if not label]
    places = [1 + i + sum(m <= h + 1 for m in misses) for i, h in enumerate(hits)]
    within = [(i + 1) / place for i, place in enumerate(places) if place <= len(hits)]
    total = max(len(hits), 1)
    assert ranking.first_hit.tolist() == [places[0] if places else 0]
    assert ranking.r_precision.item() == pytest.approx(len(within) / total)
    assert ranking.average_precision.item() == pytest.approx(sum(within) / total)
    listed = [position for position in ranking.neighbors[0].tolist() if position >= 0]
    assert len(set(listed)) == len(listed) == min(neighbors, size)


@pytest.mark.parametrize("neighbors", [1, 10])
def test_a_list_of_neighbors_changes_no_score_of_a_nearly_collapsed_embedding(
    neighbors: int,
) -> None:
    generator = torch.Generator().manual_seed(1)
    vectors = 1 + 3e-6 * torch.randn(600, 64, generator=generator)
    labels = torch.randint(0, 30, (600,), generator=generator)
    expected, ranking = rank(vectors, labels), rank(vectors, labels, neighbors=neighbors)
    assert torch.equal(ranking.r_precision, expected.r_precision)
    assert torch.equal(ranking.average_precision, expected.average_precision)
    assert ranking.average_precision.mean() < 0.01
