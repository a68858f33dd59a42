"""The search on a GPU: the ranks of the CPU, by tiles in float32, in bounded memory."""

from typing import Any

import pytest
import torch
from torch import Tensor

from proxy_core.metrics import search
from proxy_core.metrics.retrieval import Metric, rank
from tests.support.rankings import assert_equal

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]


def cloud(size: int, dim: int = 32) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, size // 8, (size,), generator=generator)
    centers = torch.randn(size // 8, dim, generator=generator)
    return centers[labels] + 1.5 * torch.randn(size, dim, generator=generator), labels


def by_rows(*_: object, **__: object) -> list[Tensor]:
    raise AssertionError("the search was left to whole rows in float64")


@pytest.mark.parametrize("neighbors", [0, 20])
@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("duplicates", [False, True])
def test_a_gpu_ranks_as_the_cpu(neighbors: int, metric: Metric, duplicates: bool) -> None:
    vectors, labels = cloud(9000)
    if duplicates:
        vectors[::3] = vectors[1]
    queries, ids = (vectors, labels), torch.arange(9000)
    searches: list[tuple[tuple[Tensor, ...], dict[str, Any]]] = [
        (queries, {}),
        (2 * queries, {"query_ids": ids, "gallery_ids": ids}),
    ]
    for sides, own in searches:
        expected = rank(*sides, **own, neighbors=neighbors, metric=metric)
        there = [part.cuda() for part in sides]
        assert_equal(rank(*there, **own, neighbors=neighbors, metric=metric), expected)


def test_a_gpu_multiplies_tiles_in_float32_whatever_its_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    vectors, labels = cloud(9000)
    expected = rank(vectors, labels, neighbors=5)
    monkeypatch.setattr(search, "rank_in_float64", by_rows)
    torch.set_float32_matmul_precision("medium")
    try:
        with torch.autocast("cuda", dtype=torch.bfloat16):
            assert_equal(rank(vectors.cuda(), labels.cuda(), neighbors=5), expected)
    finally:
        torch.set_float32_matmul_precision("highest")


def test_memory_of_a_gpu_does_not_grow_with_the_square_of_the_images() -> None:
    """A float32 matrix of all pairs would take 3.6 GB."""
    vectors, labels = (part.cuda() for part in cloud(30_000))
    rank(vectors[:3000], labels[:3000])
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    rank(vectors, labels, neighbors=10)
    assert torch.cuda.max_memory_allocated() - before < 800 * 2**20
