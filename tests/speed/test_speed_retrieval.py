"""Exact ranking against a full sort of every row, and against the peer's search and scores."""

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor

from proxy_core.retrieval import rank, summary
from tests.speed.alternation import times_faster

ITEMS, CLASSES, DIM = 1200, 50, 64


def embedded() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(ITEMS) % CLASSES
    centers = torch.randn(CLASSES, DIM, generator=generator)
    return centers[labels] + 1.5 * torch.randn(ITEMS, DIM, generator=generator), labels


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


def test_rank_against_pytorch_metric_learning(benchmark: BenchmarkFixture) -> None:
    pytest.importorskip("pytorch_metric_learning", reason="no peer installed")
    from pytorch_metric_learning.distances import CosineSimilarity
    from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
    from pytorch_metric_learning.utils.inference import CustomKNN

    embeddings, labels = embedded()
    names = ("precision_at_1", "r_precision", "mean_average_precision_at_r")
    calculator = AccuracyCalculator(
        include=names,
        k="max_bin_count",
        knn_func=CustomKNN(CosineSimilarity()),
        device=torch.device("cpu"),
    )

    def theirs() -> object:
        return calculator.get_accuracy(embeddings, labels)

    def ours() -> dict[str, float]:
        return summary(rank(embeddings, labels))

    benchmark.extra_info["times_faster"] = times_faster(ours, theirs, rounds=5)
    benchmark.pedantic(  # type: ignore[no-untyped-call]
        ours, rounds=5, warmup_rounds=1
    )


def test_rank_of_a_collapsed_embedding(benchmark: BenchmarkFixture) -> None:
    """The worst case: every row is one large tie and is sorted as a whole. Only recorded."""
    _, labels = embedded()
    collapsed = torch.ones(ITEMS, DIM)
    benchmark.pedantic(  # type: ignore[no-untyped-call]
        lambda: rank(collapsed, labels, neighbors=20), rounds=3, warmup_rounds=1
    )
