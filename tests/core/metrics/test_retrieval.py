"""Exact retrieval against a full sort in plain Python, with ties, duplicates and identities."""

import dataclasses
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from proxy_core.metrics.retrieval import Ranking, rank, summary
from tests.support.rankings import tiles

pytestmark = pytest.mark.usefixtures("both_paths")


@dataclasses.dataclass
class Side:
    vectors: Tensor
    labels: Tensor
    ids: Tensor


def plain_cosine(left: list[float], right: list[float]) -> float:
    lengths = math.hypot(*left) * math.hypot(*right)
    return sum(a * b for a, b in zip(left, right, strict=True)) / lengths if lengths else 0.0


def plain_order(queries: Side, gallery: Side, query: int) -> list[tuple[float, bool, int]]:
    """(-cosine, relevant, position), best first; rounding makes equal what only rounding parts."""
    rows = []
    for position, vector in enumerate(gallery.vectors.double().tolist()):
        if gallery.ids[position] == queries.ids[query]:
            continue
        cosine = plain_cosine(queries.vectors[query].double().tolist(), vector)
        relevant = bool(gallery.labels[position] == queries.labels[query])
        rows.append((-round(cosine, 10), relevant, position))
    return sorted(rows)


def assert_plain(ranking: Ranking, queries: Side, gallery: Side, neighbors: int) -> None:
    for query in range(len(queries.labels)):
        order = plain_order(queries, gallery, query)
        hits = [relevant for _, relevant, _ in order]
        total = sum(hits)
        precisions = [sum(hits[: i + 1]) / (i + 1) * hits[i] for i in range(total)]
        assert ranking.relevant[query] == total
        assert ranking.first_hit[query] == (hits.index(True) + 1 if total else 0)
        assert ranking.r_precision[query].item() == pytest.approx(sum(hits[:total]) / max(total, 1))
        average = sum(precisions) / max(total, 1)
        assert ranking.average_precision[query].item() == pytest.approx(average)
        padding = [-1] * (neighbors - len(order))
        found = [position for _, _, position in order[:neighbors]]
        assert ranking.neighbors[query].tolist() == found + padding
        cosines = [-cosine for cosine, _, _ in order[:neighbors]] + [-math.inf] * len(padding)
        assert ranking.similarities[query].tolist() == pytest.approx(cosines, abs=1e-6)


def cloud(size: int, seed: int, first_id: int = 0) -> Side:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 6, (size,), generator=generator)
    centers = torch.randn(6, 5, generator=torch.Generator().manual_seed(0))
    vectors = centers[labels] + torch.randn(size, 5, generator=generator)
    return Side(vectors, labels, torch.arange(first_id, first_id + size))


@pytest.mark.parametrize("neighbors", [0, 7, 60])
def test_a_search_among_themselves_is_that_of_a_full_sort(neighbors: int) -> None:
    side = cloud(50, seed=1)
    with tiles(16):
        ranking = rank(side.vectors, side.labels, neighbors=neighbors)
    assert_plain(ranking, side, side, neighbors)


def test_a_separate_gallery_is_that_of_a_full_sort() -> None:
    queries, gallery = cloud(20, seed=1), cloud(40, seed=2, first_id=100)
    ranking = rank(queries.vectors, queries.labels, gallery.vectors, gallery.labels, neighbors=9)
    assert_plain(ranking, queries, gallery, 9)


def test_queries_that_are_part_of_the_gallery_are_left_out_by_id() -> None:
    gallery = cloud(40, seed=3, first_id=500)
    chosen = torch.tensor([39, 3, 17, 4])
    queries = Side(gallery.vectors[chosen], gallery.labels[chosen], gallery.ids[chosen])
    ranking = rank(
        queries.vectors,
        queries.labels,
        gallery.vectors,
        gallery.labels,
        query_ids=queries.ids,
        gallery_ids=gallery.ids,
        neighbors=40,
    )
    assert_plain(ranking, queries, gallery, 40)
    assert not (ranking.neighbors[:, :39] == chosen[:, None]).any()
    whole = rank(gallery.vectors, gallery.labels, neighbors=40)
    assert torch.equal(whole.neighbors[chosen], ranking.neighbors)


@st.composite
def grids(draw: st.DrawFn) -> Side:
    """Vectors of -1, 0 and 1: zero vectors, duplicates and many equal angles; ids may repeat."""
    size, dim = draw(st.integers(1, 12)), draw(st.integers(1, 3))
    row = st.lists(st.integers(-1, 1).map(float), min_size=dim, max_size=dim)
    vectors = draw(st.lists(row, min_size=size, max_size=size))
    labels = draw(st.lists(st.integers(-1, 2), min_size=size, max_size=size))
    ids = draw(st.lists(st.integers(0, size), min_size=size, max_size=size))
    return Side(torch.tensor(vectors), torch.tensor(labels), torch.tensor(ids))


@settings(max_examples=150, deadline=None)
@given(grids(), st.integers(0, 14), st.integers(1, 13))
def test_ties_are_pessimistic_and_then_in_gallery_order(
    side: Side, neighbors: int, tile: int
) -> None:
    with tiles(tile):
        ranking = rank(side.vectors, side.labels, query_ids=side.ids, neighbors=neighbors)
    assert_plain(ranking, side, side, neighbors)


@settings(max_examples=100, deadline=None)
@given(grids(), st.data())
def test_ties_with_a_separate_gallery(side: Side, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(side.labels) - 1))
    queries = Side(side.vectors[: cut + 1], side.labels[: cut + 1], side.ids[: cut + 1])
    gallery = Side(side.vectors[cut:], side.labels[cut:], side.ids[cut:])
    ranking = rank(
        queries.vectors,
        queries.labels,
        gallery.vectors,
        gallery.labels,
        query_ids=queries.ids,
        gallery_ids=gallery.ids,
        neighbors=5,
    )
    assert_plain(ranking, queries, gallery, 5)


def test_the_tile_changes_nothing_even_among_near_duplicates() -> None:
    side = cloud(120, seed=5)
    side.vectors[60:] = side.vectors[:60] * torch.rand(
        60, 1, generator=torch.Generator().manual_seed(1)
    )
    expected = rank(side.vectors, side.labels, neighbors=30)
    for tile in (1, 7, 64, 1000):
        with tiles(tile):
            ranking = rank(side.vectors, side.labels, neighbors=30)
        for field in dataclasses.fields(Ranking):
            if field.name != "similarities":
                assert torch.equal(getattr(ranking, field.name), getattr(expected, field.name))
        torch.testing.assert_close(ranking.similarities, expected.similarities)


@pytest.mark.parametrize("relevant", [0, 1])
def test_equal_items_that_rounding_parts_stand_in_gallery_order(relevant: int) -> None:
    generator = torch.Generator().manual_seed(9)
    query = torch.randn(1, 7, generator=generator, dtype=torch.float64)
    direction = torch.randn(1, 7, generator=generator, dtype=torch.float64)
    gallery = direction * torch.rand(50, 1, generator=generator, dtype=torch.float64)
    directions = gallery / gallery.norm(dim=1, keepdim=True)
    assert len((directions @ query[0]).unique()) > 1
    labels = torch.full((50,), relevant)
    ranking = rank(query, torch.tensor([1]), gallery, labels, neighbors=30)
    assert ranking.neighbors[0].tolist() == list(range(30))


def test_collapsed_embeddings_find_nothing() -> None:
    labels = torch.arange(40) % 4
    scores = summary(rank(torch.full((40, 3), 0.3), labels))
    expected = {"recall@1": 0.0, "recall@2": 0.0, "recall@4": 0.0, "recall@8": 0.0}
    assert scores == expected | {"r_precision": 0.0, "map@r": 0.0, "queries_without_relevant": 0.0}


def test_embeddings_that_are_one_direction_for_each_class_score_exactly_one() -> None:
    labels = torch.arange(30) % 5
    lengths = torch.rand(30, 1, generator=torch.Generator().manual_seed(0)) + 0.1
    scores = summary(rank(torch.eye(5)[labels] * lengths, labels), ks=(1, 8))
    assert [scores[key] for key in ("recall@1", "recall@8", "r_precision", "map@r")] == [1.0] * 4


@pytest.mark.parametrize(("lead", "first_hit"), [(-1e-11, 2), (0.0, 2), (5e-13, 2), (1e-11, 1)])
def test_an_irrelevant_item_goes_first_unless_clearly_less_similar(
    lead: float, first_hit: int
) -> None:
    cosines = torch.tensor([0.5 + lead, 0.5, -0.3], dtype=torch.float64)
    gallery = torch.stack([cosines, (1 - cosines**2).sqrt()], dim=1)
    query = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    ranking = rank(query, torch.tensor([1]), gallery, torch.tensor([1, 0, 0]), neighbors=3)
    assert ranking.first_hit.item() == first_hit
    assert ranking.neighbors[0].tolist() == ([0, 1, 2] if first_hit == 1 else [1, 0, 2])


def test_differences_too_small_for_single_precision_are_seen() -> None:
    """Stored in float32, the two angles differ; their float32 cosines with the query do not."""
    gallery = torch.tensor([[1.0, 1.0e-4], [1.0, 0.99e-4]])
    query = torch.tensor([[1.0, 0.0]])
    ranking = rank(query, torch.tensor([1]), gallery, torch.tensor([0, 1]), neighbors=2)
    assert ranking.similarities[0, 0] == ranking.similarities[0, 1]
    assert ranking.neighbors.tolist() == [[1, 0]]


def test_scores_equal_pytorch_metric_learning() -> None:
    """Its `precision_at_1` is recall@1; without ties there is no difference of conventions."""
    pytest.importorskip("pytorch_metric_learning", reason="the peer is not installed")
    from pytorch_metric_learning.distances import CosineSimilarity
    from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
    from pytorch_metric_learning.utils.inference import CustomKNN

    side = cloud(80, seed=6)
    names = ("precision_at_1", "r_precision", "mean_average_precision_at_r")
    search = CustomKNN(CosineSimilarity())
    calculator = AccuracyCalculator(
        include=names, k="max_bin_count", knn_func=search, device=torch.device("cpu")
    )
    theirs = calculator.get_accuracy(side.vectors, side.labels)
    ours = summary(rank(side.vectors, side.labels))
    for key, name in zip(("recall@1", "r_precision", "map@r"), names, strict=True):
        assert ours[key] == pytest.approx(theirs[name], abs=1e-6)
