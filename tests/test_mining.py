"""Semi-hard counts against a triple loop, on random distances and on ties at both borders."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from proxy_core.distances import squared_distances
from proxy_core.mining import semi_hard


def plain_counts(distances: list[list[float]], labels: list[int], margin: float) -> list[list[int]]:
    """Every triplet looked at on its own: +1 for its positive pair, -1 for its negative pair."""
    size = range(len(labels))
    counts = [[0 for _ in size] for _ in size]
    for a in size:
        for p in size:
            for n in size:
                if a == p or labels[a] != labels[p] or labels[a] == labels[n]:
                    continue
                if distances[a][p] < distances[a][n] < distances[a][p] + margin:
                    counts[a][p] += 1
                    counts[a][n] -= 1
    return counts


def random_distances(size: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return squared_distances(torch.randn(size, 4, generator=generator, dtype=torch.float64))


@pytest.mark.parametrize(
    "labels", [[0, 0, 1, 1, 2, 2, 3], [0, 0, 0, 0, 0, 1, 1], [1, 0, 1, 0, 2, 1]]
)
@pytest.mark.parametrize("margin", [0.05, 0.5, 4.0])
def test_counts_are_those_of_a_triple_loop(labels: list[int], margin: float) -> None:
    distances = random_distances(len(labels), seed=len(labels))
    expected = plain_counts(distances.tolist(), labels, margin)
    assert semi_hard(distances, torch.tensor(labels), margin=margin).tolist() == expected


@st.composite
def tied_batches(draw: st.DrawFn) -> tuple[list[list[float]], list[int]]:
    size = draw(st.integers(1, 7))
    row = st.lists(st.integers(0, 4).map(float), min_size=size, max_size=size)
    return draw(st.lists(row, min_size=size, max_size=size)), draw(
        st.lists(st.integers(0, 2), min_size=size, max_size=size)
    )


@given(tied_batches(), st.integers(1, 3))
def test_both_borders_are_strict(batch: tuple[list[list[float]], list[int]], margin: int) -> None:
    distances, labels = batch
    counts = semi_hard(torch.tensor(distances), torch.tensor(labels), margin=float(margin))
    assert counts.tolist() == plain_counts(distances, labels, float(margin))


@pytest.mark.parametrize("margin", [0.1, 0.3, 0.7])
def test_the_counts_of_a_row_cancel_where_rounding_decides(margin: float) -> None:
    """d(a, p) + margin rounds: both counts must take the same side, or they would not cancel."""
    generator = torch.Generator().manual_seed(3)
    distances = torch.randint(0, 12, (40, 40), generator=generator) * 0.1
    labels = torch.randint(0, 5, (40,), generator=generator)
    counts = semi_hard(distances, labels, margin=margin)
    assert counts.abs().sum() > 0
    assert counts.sum(dim=1).tolist() == [0] * 40


def test_one_class_or_one_image_has_no_triplets() -> None:
    distances = random_distances(5, seed=1)
    assert semi_hard(distances, torch.zeros(5, dtype=torch.int64), margin=0.2).count_nonzero() == 0
    assert semi_hard(distances[:1, :1], torch.tensor([3]), margin=0.2).tolist() == [[0]]
