"""Ranking by Euclidean distance against a full sort in plain Python."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from proxy_core.metrics import search
from proxy_core.metrics.retrieval import rank, summary
from tests.support.plain_cosines import cloud, grids, integers
from tests.support.rankings import assert_same, tiles

pytestmark = pytest.mark.usefixtures("both_paths")


def plain_order(vectors: Tensor, labels: Tensor, query: int) -> list[tuple[float, bool, int]]:
    """(squared distance, relevant, position), best first, equal ones rounded to be equal."""
    rows = []
    for position, vector in enumerate(vectors.double().tolist()):
        if position != query:
            pairs = zip(vectors[query].double().tolist(), vector, strict=True)
            squares = [(a - b) ** 2 for a, b in pairs]
            own = bool(labels[position] == labels[query])
            rows.append((float(f"{math.fsum(squares):.10e}"), own, position))
    return sorted(rows)


def assert_plain(vectors: Tensor, labels: Tensor, neighbors: int, tile: int) -> None:
    with tiles(tile):
        ranking = rank(vectors, labels, neighbors=neighbors, metric="euclidean")
    for query in range(len(labels)):
        order = plain_order(vectors, labels, query)
        hits = [own for _, own, _ in order]
        total = sum(hits)
        assert ranking.relevant[query] == total
        assert ranking.first_hit[query] == (hits.index(True) + 1 if total else 0)
        precisions = [sum(hits[: i + 1]) / (i + 1) * hits[i] for i in range(total)]
        average = ranking.average_precision[query].item()
        assert average == pytest.approx(sum(precisions) / max(total, 1))
        found = [position for _, _, position in order] + [-1] * neighbors
        assert ranking.neighbors[query].tolist() == found[:neighbors]
        distances = [-math.sqrt(square) for square, _, _ in order] + [-math.inf] * neighbors
        listed = ranking.similarities[query].tolist()
        assert listed == pytest.approx(distances[:neighbors], rel=1e-6, abs=0)


@pytest.mark.parametrize("neighbors", [0, 8, 70])
@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_distances_rank_as_in_a_full_sort(neighbors: int, offset: float) -> None:
    vectors, labels = cloud(60, seed=3)
    assert_plain(vectors + offset, labels, neighbors, tile=16)


@settings(max_examples=80, deadline=None)
@given(grids(), st.data())
def test_equal_distances_are_pessimistic_and_then_in_gallery_order(
    vectors: Tensor, data: st.DataObject
) -> None:
    labels = integers(data, 0, 2, len(vectors))
    scale = data.draw(st.sampled_from([1e-20, 1.0, 1e20]))
    assert_plain(
        vectors * scale, labels, data.draw(st.integers(0, 14)), data.draw(st.integers(1, 9))
    )


def test_twins_far_away_from_all_others_are_told_apart() -> None:
    """Beside an item at 1e6 the filter sees nothing of distances near 1, and gives all up."""
    vectors, labels = cloud(300, seed=4)
    vectors[0] = 1e6
    assert_plain(vectors, labels, 4, tile=64)


def test_a_collapsed_embedding_finds_nothing_by_distance() -> None:
    ranking = rank(torch.full((90, 3), 0.3), torch.arange(90) % 9, metric="euclidean")
    assert summary(ranking)["recall@8"] == summary(ranking)["map@r"] == 0.0


def test_a_separate_gallery_is_searched_by_distance() -> None:
    vectors, labels = cloud(80, seed=5)
    ids = torch.arange(80)
    whole = rank(vectors, labels, neighbors=6, metric="euclidean")
    part = rank(
        vectors[20:40],
        labels[20:40],
        vectors,
        labels,
        query_ids=ids[20:40],
        gallery_ids=ids,
        neighbors=6,
        metric="euclidean",
    )
    assert torch.equal(part.neighbors, whole.neighbors[20:40])
    assert torch.equal(part.average_precision, whole.average_precision[20:40])


def test_tile_and_memory_change_no_distance(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, labels = cloud(200, seed=6)
    expected = rank(vectors, labels, neighbors=9, metric="euclidean")
    monkeypatch.setattr(search, "MEMORY", 20_000)
    monkeypatch.setattr(search, "CELLS", 500)
    with tiles(30):
        assert_same(rank(vectors, labels, neighbors=9, metric="euclidean"), expected)


def test_what_cannot_be_measured_is_refused() -> None:
    x, y = torch.eye(3, dtype=torch.float64), torch.tensor([0, 0, 1])
    with pytest.raises(ValueError, match="expected one of"):
        rank(x, y, metric="manhattan")  # type: ignore[arg-type]
    for scale, found in (
        (1e40, r"8\.\d+e\+39"),
        (1e-120, r"8\.\d+e-121"),
        (1e-300, "0"),
        (1e200, "inf"),
    ):
        with pytest.raises(ValueError, match=f"up to {found} from their mean"):
            rank(x * scale, y, metric="euclidean")
