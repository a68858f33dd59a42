"""Re-identification against a walk down the ranked gallery in plain Python, and by hand."""

import dataclasses
import math
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from proxy_core.metrics import ranking
from proxy_core.metrics.reid import ReidRanking, rank_reid, reid_summary
from proxy_core.metrics.retrieval import rank
from tests.support.plain_cosines import cloud, grids, integers, plain_cosine


@contextmanager
def tiles(queries: int, gallery: int) -> Iterator[None]:
    """Compare that many queries with a gallery at a time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranking, "CELLS", {"cpu": queries * gallery})
        yield


Side = tuple[Tensor, Tensor, Tensor]  # vectors, labels, cameras


def plain_order(queries: Side, gallery: Side, query: int) -> list[tuple[float, bool, int]]:
    """(-cosine, relevant, position) of the items that are not ignored, best first."""
    label, camera = queries[1][query].item(), queries[2][query].item()
    rows = []
    for position, vector in enumerate(gallery[0].double().tolist()):
        own = gallery[1][position].item() == label
        same_camera = gallery[2][position].item() == camera != -1
        if gallery[1][position].item() != -1 and not (own and same_camera):
            cosine = plain_cosine(queries[0][query].double().tolist(), vector)
            rows.append((-cosine, own, position))
    return sorted(rows)


def plain_precisions(hits: list[bool]) -> tuple[float, float]:
    """Both forms of the average precision, item by item down the list."""
    summed = area = recall = found = 0.0
    precision = 1.0
    for place, hit in enumerate(hits, start=1):
        found += hit
        before, precision = precision, found / place
        summed += precision * hit
        area += (found / sum(hits) - recall) * (before + precision) / 2 if sum(hits) else 0.0
        recall = found / sum(hits) if sum(hits) else 0.0
    return summed / max(sum(hits), 1), area


def assert_plain(ranking: ReidRanking, queries: Side, gallery: Side, neighbors: int) -> None:
    for query in range(len(queries[1])):
        order = plain_order(queries, gallery, query)
        hits = [relevant for _, relevant, _ in order]
        assert ranking.relevant[query] == sum(hits)
        assert ranking.first_hit[query] == (hits.index(True) + 1 if any(hits) else 0)
        summed, area = plain_precisions(hits)
        assert ranking.full_precision[query].item() == pytest.approx(summed, abs=1e-12)
        assert ranking.trapezoidal_precision[query].item() == pytest.approx(area, abs=1e-12)
        first = hits[: sum(hits)]
        at_r = plain_precisions(first)[0] * sum(first) / max(sum(hits), 1)
        assert ranking.average_precision[query].item() == pytest.approx(at_r, abs=1e-12)
        share = sum(first) / max(sum(hits), 1)
        assert ranking.r_precision[query].item() == pytest.approx(share, abs=1e-12)
        found = [position for _, _, position in order] + [-1] * neighbors
        assert ranking.neighbors[query].tolist() == found[:neighbors]
        cosines = [-cosine for cosine, _, _ in order] + [-math.inf] * neighbors
        assert ranking.similarities[query].tolist() == pytest.approx(cosines[:neighbors], abs=1e-6)


def people(size: int, seed: int, *, junk: bool) -> Side:
    """A cloud of identities 0..5 before cameras -1..2; a fifth of a gallery is junk."""
    vectors, labels = cloud(size, seed)
    generator = torch.Generator().manual_seed(seed)
    if junk:
        labels = labels.masked_fill(torch.rand(size, generator=generator) < 0.2, -1)
    return vectors, labels, torch.randint(-1, 3, (size,), generator=generator)


@pytest.mark.parametrize("neighbors", [0, 1, 9, 80])
def test_ranks_are_those_of_a_walk_down_the_gallery(neighbors: int) -> None:
    queries, gallery = people(25, 1, junk=False), people(70, 2, junk=True)
    gallery[0][40:60] = gallery[0][:20] * 3  # the same directions again, under other labels
    queries[1][0] = 77  # nobody in the gallery
    with tiles(7, 70):
        ranking = rank_reid(*queries, *gallery, neighbors=neighbors)
    assert_plain(ranking, queries, gallery, neighbors)
    assert ranking.relevant[0] == 0 < ranking.relevant[1:].min()


@settings(max_examples=200, deadline=None)
@given(grids(), st.data(), st.integers(0, 14), st.integers(1, 13))
def test_ties_are_pessimistic_whatever_is_ignored(
    vectors: Tensor, data: st.DataObject, neighbors: int, tile: int
) -> None:
    size = len(vectors)
    asked = integers(data, 0, size - 1, data.draw(st.integers(1, 6)))
    queries = vectors[asked], integers(data, 0, 3, len(asked)), integers(data, -1, 1, len(asked))
    labels = integers(data, -1, 3, size)
    labels[data.draw(st.integers(0, size - 1))] = 2  # not junk only
    gallery = vectors, labels, integers(data, -1, 1, size)
    with tiles(tile, size):
        ranking = rank_reid(*queries, *gallery, neighbors=neighbors)
    assert_plain(ranking, queries, gallery, neighbors)


def at_angles(hits: str) -> Tensor:
    """Gallery vectors (G, 2) in the order of their cosine with (1, 0)."""
    angles = torch.linspace(0.1, 1.5, len(hits), dtype=torch.float64)
    return torch.stack([angles.cos(), angles.sin()], dim=1)


@pytest.mark.parametrize(
    ("kinds", "first_hit", "summed", "trapezoidal"),
    [
        ("hmhmmh", 1, (1 + 2 / 3 + 3 / 6) / 3, (1 + (2 / 3 + 1 / 2) / 2 + (3 / 6 + 2 / 5) / 2) / 3),
        ("mh", 2, 1 / 2, (1 / 2 + 0 / 1) / 2),
        ("hh", 1, 1.0, 1.0),
        ("jmcjhcdh", 2, (1 / 2 + 2 / 4) / 2, ((1 / 2 + 0 / 1) / 2 + (2 / 4 + 1 / 3) / 2) / 2),
        ("mmjc", 0, 0.0, 0.0),
    ],
)
def test_worked_examples(kinds: str, first_hit: int, summed: float, trapezoidal: float) -> None:
    """hit, miss, junk, same camera, distractor"""
    labels = torch.tensor([{"h": 7, "m": 8, "j": -1, "c": 7, "d": 0}[kind] for kind in kinds])
    cameras = torch.tensor([{"h": 2, "m": 1, "j": 2, "c": 1, "d": 1}[kind] for kind in kinds])
    query = torch.tensor([[1.0, 0.0]]), torch.tensor([7]), torch.tensor([1])
    ranking = rank_reid(*query, at_angles(kinds), labels, cameras, neighbors=len(kinds))
    assert ranking.first_hit.tolist() == [first_hit]
    assert ranking.full_precision.item() == pytest.approx(summed, abs=1e-15)
    assert ranking.trapezoidal_precision.item() == pytest.approx(trapezoidal, abs=1e-15)
    counted = [place for place, kind in enumerate(kinds) if kind in "hmd"]
    ignored = [-1] * (len(kinds) - len(counted))
    assert ranking.neighbors[0].tolist() == counted + ignored


def test_an_unknown_camera_is_no_other_cameras_equal() -> None:
    labels, one = torch.tensor([7, 7]), torch.tensor([1])
    for query_camera, relevant in ((-1, 2), (1, 1), (2, 2)):
        query = torch.ones(1, 2), 7 * one, query_camera * one
        ranking = rank_reid(*query, torch.eye(2), labels, torch.tensor([-1, 1]))
        assert ranking.relevant.item() == relevant


def test_without_cameras_and_junk_it_is_plain_retrieval() -> None:
    (x, y, _), (g, z, _) = people(30, 3, junk=False), people(50, 4, junk=False)
    unknown = torch.full((50,), -1)
    ours, plain = rank_reid(x, y, unknown[:30], g, z, unknown, neighbors=9), rank(x, y, g, z)
    assert torch.equal(ours.first_hit, plain.first_hit)
    assert torch.equal(ours.neighbors, rank(x, y, g, z, neighbors=9).neighbors)


def test_both_forms_are_those_of_scikit_learn() -> None:
    """Of version 0.19 and later, and of those before, which took the trapezoids of the curve."""
    from sklearn.metrics import auc, average_precision_score, precision_recall_curve

    queries, gallery = people(10, 5, junk=False), people(60, 6, junk=True)
    ranking = rank_reid(*queries, *gallery)
    for query in range(10):
        rows = plain_order(queries, gallery, query)
        truth, scores = [hit for _, hit, _ in rows], [-cosine for cosine, _, _ in rows]
        precision, recall, _ = precision_recall_curve(truth, scores)
        summed = average_precision_score(truth, scores)
        assert ranking.full_precision[query].item() == pytest.approx(summed)
        area = auc(recall, precision)
        assert ranking.trapezoidal_precision[query].item() == pytest.approx(area)


@pytest.mark.parametrize(("lead", "first_hit"), [(-1e-11, 2), (0.0, 2), (5e-13, 2), (1e-11, 1)])
def test_a_wrong_item_goes_first_unless_clearly_less_similar(lead: float, first_hit: int) -> None:
    cosines = torch.tensor([0.5 + lead, 0.5, -0.3], dtype=torch.float64)
    gallery = torch.stack([cosines, (1 - cosines**2).sqrt()], dim=1)
    query = torch.tensor([[1.0, 0.0]], dtype=torch.float64), torch.tensor([1]), torch.tensor([0])
    ranking = rank_reid(*query, gallery, torch.tensor([1, 0, 0]), torch.ones(3).int(), neighbors=3)
    assert ranking.first_hit.item() == first_hit
    assert ranking.full_precision.item() == 1 / first_hit
    assert ranking.neighbors[0].tolist() == ([0, 1, 2] if first_hit == 1 else [1, 0, 2])


@pytest.mark.parametrize("label", [0, 1])
def test_equal_items_that_rounding_parts_stand_in_gallery_order(label: int) -> None:
    generator = torch.Generator().manual_seed(9)
    query = torch.randn(1, 7, generator=generator, dtype=torch.float64)
    gallery = query * torch.rand(50, 1, generator=generator, dtype=torch.float64)
    one, labels = torch.tensor([1]), torch.full((50,), label)
    ranking = rank_reid(query, one, one, gallery, labels, labels * 2, neighbors=30)
    assert len((gallery / gallery.norm(dim=1, keepdim=True) @ query[0]).unique()) > 1
    assert ranking.neighbors[0].tolist() == list(range(30))


def test_the_tile_changes_nothing() -> None:
    queries, gallery = people(40, 7, junk=False), people(90, 8, junk=True)
    expected = rank_reid(*queries, *gallery, neighbors=20)
    for tile in (1, 13, 40):
        with tiles(tile, 90):
            ranking = rank_reid(*queries, *gallery, neighbors=20)
        for field in dataclasses.fields(ReidRanking):
            torch.testing.assert_close(
                getattr(ranking, field.name), getattr(expected, field.name), rtol=0, atol=1e-6
            )


def test_the_summary_leaves_out_queries_without_a_relevant_item() -> None:
    """Three queries find their item at places 1, 2 and 6; the fourth has none from elsewhere."""
    queries = torch.eye(7)[[0, 1, 2, 3]], torch.tensor([1, 2, 3, 4]), torch.zeros(4).long()
    gallery = torch.tensor([[9.0, 0, 0, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0, 0]])
    ahead = torch.eye(7)[[1, 2, 2, 2, 2, 2, 3]]
    items = torch.cat([gallery, ahead, torch.tensor([[0.0, 0, 1, 0, 0, 0, 2]])])
    labels = torch.tensor([1, 2, 0, 0, 0, 0, 0, 0, 4, 3])
    cameras = torch.tensor([1, 1, 1, 1, 1, 1, 1, 1, 0, 1])
    scores = reid_summary(rank_reid(*queries, items, labels, cameras))
    rates = {"recall@1": 1 / 3, "recall@5": 2 / 3, "recall@10": 1.0}
    at_r = {"r_precision": 1 / 3, "map@r": 1 / 3, "queries_without_relevant": 1.0}  # R = 1 for each
    areas = {"map": (1 + 1 / 2 + 1 / 6) / 3, "map_trapezoidal": (1 + 1 / 4 + 1 / 12) / 3}
    assert scores == pytest.approx(rates | areas | at_r, abs=1e-12)
