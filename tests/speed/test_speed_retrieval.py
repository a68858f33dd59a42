"""Exact ranking against a full sort, a bare matrix product, and the peer's search and scores.

With PROXY_BENCH_FULL_SPEED=1 also at the size of Stanford Online Products, which takes minutes.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor

from proxy_core.metrics.retrieval import rank, summary
from tests.speed.alternation import seconds, times_faster
from tests.speed.memory import extra_megabytes

if TYPE_CHECKING:
    from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator

ITEMS, CLASSES, DIM = 3000, 50, 64
FULL = os.environ.get("PROXY_BENCH_FULL_SPEED") == "1"
SIZES = [2000, 6000, 12000, 60502] if FULL else [2000, 6000, 12000]
SPREAD = {64: 0.8, 512: 1.15}  # of images around their class, for Recall@1 near 0.75
GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
SCORES = ("precision_at_1", "r_precision", "mean_average_precision_at_r")


def embedded() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(ITEMS) % CLASSES
    centers = torch.randn(CLASSES, DIM, generator=generator)
    return centers[labels] + 1.5 * torch.randn(ITEMS, DIM, generator=generator), labels


def like_products(items: int, dim: int, classes: int | None = None) -> tuple[Tensor, Tensor]:
    """Unit vectors of that many images; by default with as many per class as the test images of
    Stanford Online Products, 5.3. A few groups of classes, unequal dimensions, and images that are
    unequally hard."""
    generator = torch.Generator().manual_seed(0)
    classes = classes or items * 11316 // 60502
    groups = torch.randn(12, dim, generator=generator)
    member = torch.randint(0, 12, (classes,), generator=generator)
    centers = 0.7 * groups[member] + torch.randn(classes, dim, generator=generator)
    labels = torch.randperm(items, generator=generator) % classes
    spread = SPREAD[dim] * torch.exp(0.5 * torch.randn(items, 1, generator=generator))
    vectors = centers[labels] + spread * torch.randn(items, dim, generator=generator)
    scale = torch.arange(1, dim + 1) ** -0.5
    return torch.nn.functional.normalize(vectors * scale), labels


def full_sort(embeddings: Tensor, labels: Tensor) -> tuple[float, float]:
    """Recall@1 and MAP@R the direct way: the whole matrix in float64, every row sorted."""
    directions = torch.nn.functional.normalize(embeddings.double())
    similarities = (directions @ directions.T).fill_diagonal_(-torch.inf)
    hits = labels[similarities.argsort(dim=1, descending=True, stable=True)] == labels[:, None]
    relevant = hits.sum(dim=1) - 1  # the query itself stands last
    places = torch.arange(1, len(labels) + 1)
    precisions = hits.cumsum(dim=1) / places.double() * hits * (places <= relevant[:, None])
    return hits[:, 0].double().mean().item(), (precisions.sum(dim=1) / relevant).mean().item()


@pytest.mark.parametrize("neighbors", [0, 20])
def test_rank_against_a_full_sort(benchmark: BenchmarkFixture, neighbors: int) -> None:
    embeddings, labels = embedded()

    def ours() -> dict[str, float]:
        return summary(rank(embeddings, labels, neighbors=neighbors))

    recall, average = full_sort(embeddings, labels)
    assert ours()["recall@1"] == pytest.approx(recall)
    assert ours()["map@r"] == pytest.approx(average)
    benchmark.extra_info["times_faster"] = times_faster(
        ours, lambda: full_sort(embeddings, labels), rounds=5
    )
    benchmark.pedantic(  # type: ignore[no-untyped-call]
        ours, rounds=5, warmup_rounds=1
    )


def bare_product(vectors: Tensor) -> None:
    """The float32 products of all pairs by tiles that stay in the cache, and nothing else."""
    tile = 1024 if vectors.device.type == "cpu" else 4096
    buffer = torch.empty(tile * tile, device=vectors.device)
    for rows in torch.split(vectors, tile):
        for columns in torch.split(vectors, tile):
            out = buffer[: len(rows) * len(columns)].view(len(rows), len(columns))
            torch.mm(rows, columns.T, out=out)
    if vectors.device.type == "cuda":
        torch.cuda.synchronize()


@pytest.mark.parametrize("dim", [64, 512])
@pytest.mark.parametrize(
    ("items", "device"),
    [*((size, "cpu") for size in SIZES), pytest.param(60502, "cuda", marks=[GPU, pytest.mark.gpu])],
)
def test_rank_against_a_bare_product(
    benchmark: BenchmarkFixture, items: int, device: str, dim: int
) -> None:
    """All of Recall@K, R-Precision and MAP@R. The product costs N^2 D: the ratio levels off.

    What else the search costs grows with N, and shows where N and D are small. On a GPU the CPU
    time is that of waiting for it."""
    embeddings, labels = (part.to(device) for part in like_products(items, dim))

    def ours() -> object:
        return summary(rank(embeddings, labels), ks=(1, 10, 100, 1000))

    compare(benchmark, ours, lambda: bare_product(embeddings))
    benchmark.extra_info["picoseconds"] = 1e12 * seconds(ours) / items**2 / dim
    benchmark.extra_info["extra_megabytes"] = extra_megabytes(ours)


@pytest.mark.parametrize("case", ["20-neighbors", "distances", "separate-gallery", "untrained"])
def test_other_searches_against_a_bare_product(benchmark: BenchmarkFixture, case: str) -> None:
    """A list of neighbors; by distance; no symmetry to use; first hits that are far down."""
    embeddings, labels = like_products(SIZES[-1], 64)
    if case == "untrained":
        noise = torch.randn(embeddings.shape, generator=torch.Generator().manual_seed(1))
        embeddings = embeddings + noise / 16
    calls = {
        "20-neighbors": lambda: rank(embeddings, labels, neighbors=20),
        "distances": lambda: rank(embeddings, labels, metric="euclidean"),
        "separate-gallery": lambda: rank(embeddings, labels, embeddings.clone(), labels),
        "untrained": lambda: rank(embeddings, labels),
    }
    compare(benchmark, calls[case], lambda: bare_product(embeddings))


@pytest.mark.parametrize("dim", [64, 512])
@pytest.mark.parametrize(
    "items", [*SIZES[-1:], pytest.param(5924, id="5924-cub"), pytest.param(8131, id="8131-cars")]
)
def test_rank_against_pytorch_metric_learning(
    benchmark: BenchmarkFixture, items: int, dim: int
) -> None:
    """The peer with faiss, which has no Recall@K beyond K = 1; the same numbers to 1e-6."""
    pytest.importorskip("pytorch_metric_learning", reason="no peer installed")
    calculator = peer()
    few = {5924: 100, 8131: 98}
    embeddings, labels = like_products(items, dim, few.get(items))

    def ours() -> dict[str, float]:
        return summary(rank(embeddings, labels))

    def theirs() -> dict[str, float]:
        scores: dict[str, float] = calculator.get_accuracy(embeddings, labels)
        return scores

    expected, found = theirs(), ours()
    for key, name in zip(("recall@1", "r_precision", "map@r"), SCORES, strict=True):
        assert found[key] == pytest.approx(expected[name], abs=1e-6)
    compare(benchmark, ours, theirs)


def peer() -> AccuracyCalculator:
    faiss = pytest.importorskip("faiss", reason="no faiss installed")
    from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
    from pytorch_metric_learning.utils.inference import FaissKNN

    faiss.omp_set_num_threads(torch.get_num_threads())
    return AccuracyCalculator(
        include=SCORES,
        k="max_bin_count",
        knn_func=FaissKNN(index_init_fn=faiss.IndexFlatIP),
        device=torch.device("cpu"),
    )


def compare(
    benchmark: BenchmarkFixture, ours: Callable[[], object], theirs: Callable[[], object]
) -> None:
    benchmark.extra_info["times_faster"] = times_faster(ours, theirs, rounds=1 if FULL else 3)
    benchmark.pedantic(ours, rounds=1)  # type: ignore[no-untyped-call]


def test_rank_of_a_collapsed_embedding(benchmark: BenchmarkFixture) -> None:
    """The worst case: every row is one large tie and is sorted as a whole. Only recorded."""
    _, labels = embedded()
    collapsed = torch.ones(ITEMS, DIM)
    benchmark.pedantic(  # type: ignore[no-untyped-call]
        lambda: rank(collapsed, labels, neighbors=20), rounds=3, warmup_rounds=1
    )
