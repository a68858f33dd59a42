"""Scores of a user's own embeddings: the same numbers as those of a run."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import numpy as np
import torch
from rich.table import Table
from torch import Tensor

from bench.cli.scoring.notes import no_positive, notes
from bench.cli.scoring.read_embeddings import Side
from bench.datasets.files.work import Report
from bench.evaluation.score_test import KMEANS_SEEDS
from bench.metrics import describe
from proxy_core.metrics.clustering import cluster_scores
from proxy_core.metrics.ranking import Progress
from proxy_core.metrics.reid import ReidRanking, rank_reid, reid_summary
from proxy_core.metrics.retrieval import Metric, Ranking, rank, summary


def score_embeddings(
    queries: Side, gallery: Side | None, ks: Sequence[int], metric: Metric, report: Report
) -> Iterator[tuple[dict[str, float], list[str]]]:
    """Score queries in a gallery, or without one among themselves.

    Yields scores, with notes on what may mislead in them: Recall@K for each K, R-Precision and
    MAP@R, with cameras mAP too; then, for cosines without a gallery, NMI and AMI, which cluster
    directions. Raises: ValueError from `rank`, `rank_reid`, their summaries and `cluster_scores`,
    also if no query has a positive.
    """
    report("ranking", 0, 1)
    ranking = search(queries, gallery, metric, partial(report, "ranking"))
    if not ranking.relevant.any():
        raise ValueError(no_positive(queries, gallery or queries))
    said = notes(queries, gallery, ks, metric, ranking)
    if isinstance(ranking, ReidRanking):
        yield reid_summary(ranking, ks=ks), said
    else:
        yield summary(ranking, ks=ks), said
    if gallery is None and metric == "cosine":
        report("clustering", 0, 1)
        progress = partial(report, "clustering")
        yield cluster_scores(*tensors(queries), seeds=KMEANS_SEEDS, progress=progress), []


def search(
    queries: Side, gallery: Side | None, metric: Metric, progress: Progress, *, neighbors: int = 1
) -> Ranking | ReidRanking:
    """Rank the gallery, or the other queries, and list neighbors; with cameras by their rule."""
    if queries.cameras is not None:
        return search_views(queries, gallery or queries, metric, progress, neighbors)
    rank_some = partial(rank, neighbors=neighbors, metric=metric, progress=progress)
    if gallery is None:
        return rank_some(*tensors(queries))
    sides = *tensors(queries), *tensors(gallery)
    if queries.ids is None or gallery.ids is None:
        return rank_some(*sides)
    return rank_some(*sides, query_ids=tensor(queries.ids), gallery_ids=tensor(gallery.ids))


def search_views(
    queries: Side, gallery: Side, metric: Metric, progress: Progress, neighbors: int
) -> ReidRanking:
    """Rank the gallery by the camera rule of re-identification."""
    if metric != "cosine" or queries.cameras is None or gallery.cameras is None:
        raise ValueError(
            "cameras go with cosines only: leave --metric out, or give the file no cameras"
        )
    cameras = tensor(queries.cameras), tensor(gallery.cameras)
    left, right = (*tensors(queries), cameras[0]), (*tensors(gallery), cameras[1])
    return rank_reid(*left, *right, neighbors=neighbors, progress=progress)


def tensors(side: Side) -> tuple[Tensor, Tensor]:
    """Embeddings in this machine's byte order, and classes."""
    embeddings = side.embeddings
    native = embeddings.astype(embeddings.dtype.newbyteorder("="), copy=False)
    return tensor(native), tensor(side.classes)


def tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(array)


def counts(queries: Side, gallery: Side | None) -> dict[str, int | None]:
    """How many images, dimensions and classes; cameras and gallery are None without them."""
    images, dimensions = queries.embeddings.shape
    return {
        "images": images,
        "dimensions": dimensions,
        "classes": len(np.unique(queries.classes)),
        "cameras": None if queries.cameras is None else len(np.unique(queries.cameras)),
        "gallery": len(gallery.classes) if gallery else None,
    }


def heading(found: Mapping[str, int | None]) -> str:
    """`counts` in a line."""
    what = "embeddings" if found["gallery"] is None else "queries"
    cameras = "" if found["cameras"] is None else f", {found['cameras']:,} cameras"
    where = "" if found["gallery"] is None else f", gallery of {found['gallery']:,}"
    return (
        f"{found['images']:,} {what} of {found['dimensions']:,} dimensions, "
        f"{found['classes']:,} classes{cameras}{where}"
    )


def score_table(scores: dict[str, float]) -> Table:
    """One line per score."""
    table = Table("score", "value")
    for name, value in scores.items():
        metric = describe(name)
        table.add_row(metric.heading, f"{value:.6f}" if metric.percent else f"{value:,.0f}")
    return table
