"""Accuracies against plain loops and against retrieval."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from proxy_core.metrics import classification
from proxy_core.metrics.classification import (
    class_mean_accuracy,
    mean_directions,
    nearest_neighbor_accuracy,
    own_class_wins,
)
from proxy_core.metrics.retrieval import rank
from tests.support.plain_cosines import cloud, grids, integers, plain_cosine, plain_mean

Labelled = tuple[Tensor, Tensor]


def plain_accuracy(queries: Labelled, gallery: Labelled) -> float:
    """Share of queries whose nearest item of their class is nearer than all of other classes."""
    correct = 0
    for query, label in zip(queries[0].double().tolist(), queries[1].tolist(), strict=True):
        own, other = [-2.0], [-2.0]
        for item, item_label in zip(gallery[0].double().tolist(), gallery[1].tolist(), strict=True):
            (own if item_label == label else other).append(plain_cosine(query, item))
        correct += max(own) > max(other)
    return correct / len(queries[1])


def plain_means(gallery: Labelled) -> Labelled:
    rows, labels = gallery[0].double().tolist(), gallery[1].tolist()
    classes = sorted(set(labels))
    members = [[row for row, own in zip(rows, labels, strict=True) if own == c] for c in classes]
    means = [plain_mean(vectors) for vectors in members]
    return torch.tensor(means, dtype=torch.float64), torch.tensor(classes)


@pytest.mark.parametrize("tile", [1, 7, 512])
def test_accuracies_are_those_of_plain_loops(tile: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classification, "TILE", tile)
    queries, gallery = cloud(40, seed=1, noise=2.0), cloud(60, seed=2, noise=2.0)
    gallery[0][50:] = queries[0][:10] * 3  # some queries are in the gallery, often mislabelled
    queries[1][3] = 99  # a class that the gallery lacks: wrong
    expected = plain_accuracy(queries, gallery)
    assert nearest_neighbor_accuracy(*queries, *gallery) == expected
    by_means = plain_accuracy(queries, plain_means(gallery))
    assert class_mean_accuracy(*queries, *gallery) == by_means
    assert 0.1 < expected < 0.9
    assert 0.1 < by_means < 0.9
    assert expected != by_means


@settings(max_examples=200, deadline=None)
@given(grids(), st.data())
def test_ties_are_wrong(vectors: Tensor, data: st.DataObject) -> None:
    chosen = integers(data, 0, len(vectors) - 1, data.draw(st.integers(1, 6)))
    queries = vectors[chosen], integers(data, -1, 2, len(chosen))
    gallery = vectors, integers(data, -1, 2, len(vectors))
    expected = plain_accuracy(queries, gallery)
    assert nearest_neighbor_accuracy(*queries, *gallery) == expected
    by_means = plain_accuracy(queries, plain_means(gallery))
    assert class_mean_accuracy(*queries, *gallery) == by_means


def test_the_nearest_neighbor_is_that_of_retrieval() -> None:
    """If the gallery has every query's class, accuracy equals Recall@1."""
    queries, gallery = cloud(50, seed=5), cloud(70, seed=6)
    gallery[0][:20] = queries[0][:20]
    recall = (rank(*queries, *gallery).first_hit == 1).double().mean().item()
    assert nearest_neighbor_accuracy(*queries, *gallery) == recall


def test_a_class_may_have_several_proxies() -> None:
    """Two proxies of class 0 on either side of the one of class 1; lengths do not count."""
    proxies = torch.tensor([[1.0, 0.0], [9.0, 9.0], [0.0, 0.1]])
    queries = torch.tensor([[1.0, 0.3], [0.3, 1.0], [1.0, 1.1], [1.0, 1.1]])
    labels = torch.tensor([0, 0, 1, 0])
    of_proxy = torch.tensor([0, 1, 0])
    assert nearest_neighbor_accuracy(queries, labels, proxies, of_proxy) == 0.75


def test_collapsed_embeddings_are_all_wrong() -> None:
    queries, labels = torch.full((12, 3), 0.3), torch.arange(12) % 3
    for accuracy in (nearest_neighbor_accuracy, class_mean_accuracy):
        assert accuracy(queries, labels, queries, labels) == 0.0


@pytest.mark.parametrize(
    ("lead", "wins"), [(-1e-11, False), (0, False), (5e-13, False), (1e-11, True)]
)
def test_a_class_wins_only_if_clearly_more_similar(lead: float, wins: bool) -> None:
    similarities = torch.tensor([-0.9, 0.5 + lead, 0.5, 0.2], dtype=torch.float64)
    own = torch.tensor([True, True, False, False])
    assert own_class_wins(similarities, own).item() is wins

    similarities = torch.full((2, 3), -1.0, dtype=torch.float64)  # without own items, and only own
    assert own_class_wins(similarities, torch.tensor([[False], [True]])).tolist() == [False, True]


def test_means_that_cancel_out_have_no_direction() -> None:
    one = torch.tensor([[0.1, 0.2, 0.3]], dtype=torch.float64)
    means = torch.cat([one * 1e-15, one])
    expected = torch.cat([one * 0, one / one.norm()])
    torch.testing.assert_close(mean_directions(means), expected)


def test_bad_input_is_refused() -> None:
    x, y = torch.randn(4, 3, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 0, 1, 1])
    for accuracy in (nearest_neighbor_accuracy, class_mean_accuracy):
        with pytest.raises(ValueError, match=r"labels of queries are torch.float32 of shape \(4,"):
            accuracy(x, y.float(), x, y)
        with pytest.raises(ValueError, match="queries hold NaN or infinity in 4 of 4 rows"):
            accuracy(x * torch.nan, y, x, y)
        with pytest.raises(ValueError, match=r"queries have shape \(12,\)"):
            accuracy(x.flatten(), y, x, y)
        with pytest.raises(ValueError, match=r"labels of gallery are torch.int64 of shape \(3,\)"):
            accuracy(x, y, x, y[:3])
        with pytest.raises(ValueError, match="gallery: 2 dimensions, queries: 3"):
            accuracy(x, y, x[:, :2], y)
        with pytest.raises(ValueError, match=r"gallery have shape \(0, 3\)"):
            accuracy(x, y, x[:0], y[:0])
