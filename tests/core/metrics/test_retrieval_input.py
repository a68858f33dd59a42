"""Summaries of ranks, and what the search refuses."""

import pytest
import torch

from proxy_core.metrics.retrieval import not_finite, rank, recall_at_k, summary

pytestmark = pytest.mark.usefixtures("both_paths")


def test_recall_counts_the_queries_that_can_be_answered() -> None:
    first_hit = torch.tensor([1, 3, 0, 2, 9])
    assert [recall_at_k(first_hit, k) for k in (1, 2, 3, 8, 9)] == [0.25, 0.5, 0.75, 0.75, 1.0]


def test_the_summary_leaves_out_queries_without_a_relevant_item() -> None:
    vectors = torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [0.1, 1.0], [-1.0, -1.0]])
    scores = summary(rank(vectors, torch.tensor([0, 0, 1, 2, 3])), ks=(1,))
    expected = {"recall@1": 1.0, "r_precision": 1.0, "map@r": 1.0, "queries_without_relevant": 3.0}
    assert scores == expected


def test_no_query_with_a_relevant_item_is_an_error() -> None:
    with pytest.raises(ValueError, match="none of 3 queries has a relevant item"):
        summary(rank(torch.eye(3), torch.arange(3)))
    with pytest.raises(ValueError, match="k is 0"):
        recall_at_k(torch.tensor([1]), 0)


def test_embeddings_of_a_network_may_still_carry_gradients() -> None:
    vectors = torch.randn(20, 6, generator=torch.Generator().manual_seed(7))
    ranking = rank(vectors.half().requires_grad_(), torch.arange(20) % 4, neighbors=2)
    assert not ranking.average_precision.requires_grad


def test_finite_numbers_whose_sum_is_not_are_no_infinity() -> None:
    """Rows are looked through by their sums first."""
    signs = torch.tensor([[1.0, 1.0], [-1.0, -1.0], [1.0, -1.0]])
    for dtype in (torch.float16, torch.float32):
        vectors = signs.to(dtype) * torch.finfo(dtype).max
        assert len(not_finite(vectors)) == 0
        vectors[[0, 2], [1, 0]] = torch.nan
        assert not_finite(vectors).tolist() == [0, 2]


def test_bad_input_is_refused() -> None:
    x, y = torch.randn(4, 3, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 0, 1, 1])
    broken = x.clone()
    broken[2, 1] = torch.inf
    with pytest.raises(ValueError, match=r"queries hold NaN or infinity in 1 of 4 rows.*row 2"):
        rank(broken, y)
    with pytest.raises(ValueError, match=r"gallery hold NaN or infinity in 4 of 4 rows"):
        rank(x, y, x * torch.nan, y)
    with pytest.raises(ValueError, match=r"queries have shape \(0, 3\)"):
        rank(x[:0], y[:0])
    with pytest.raises(ValueError, match=r"queries have shape \(3,\)"):
        rank(x[0], y)
    with pytest.raises(ValueError, match=r"gallery have shape \(0, 3\)"):
        rank(x, y, x[:0], y[:0])
    with pytest.raises(ValueError, match=r"labels of queries are torch.int64 of shape \(3,\)"):
        rank(x, y[:3])
    with pytest.raises(ValueError, match=r"labels of queries are torch.float32"):
        rank(x, y.float())
    with pytest.raises(ValueError, match=r"ids of gallery are torch.int64 of shape \(2,\)"):
        rank(x, y, x, y, query_ids=y, gallery_ids=y[:2])
    with pytest.raises(ValueError, match="gallery: 2 dimensions, queries: 3"):
        rank(x, y, x[:, :2], y)
    with pytest.raises(ValueError, match="neighbors is -1: expected 0 or more"):
        rank(x, y, neighbors=-1)


def test_half_a_gallery_is_refused() -> None:
    x, y = torch.eye(2), torch.arange(2)
    with pytest.raises(ValueError, match="gallery or gallery_labels is missing"):
        rank(x, y, x)
    with pytest.raises(ValueError, match="gallery or gallery_labels is missing"):
        rank(x, y, gallery_ids=y)
    with pytest.raises(ValueError, match="one is missing"):
        rank(x, y, x, y, query_ids=y)


def test_arrays_are_no_tensors() -> None:
    with pytest.raises(TypeError, match="queries are ndarray: expected a tensor"):
        rank(torch.eye(2).numpy(), torch.arange(2))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="labels of queries are list: expected a tensor"):
        rank(torch.eye(2), [0, 1])  # type: ignore[arg-type]
