"""Scores of a user's own embeddings: the same numbers as those of a run."""

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
import torch
from rich.table import Table

from bench.datasets.files.work import Report
from bench.evaluation.score_test import KMEANS_SEEDS
from bench.metrics import describe
from proxy_core.metrics.clustering import cluster_scores
from proxy_core.metrics.retrieval import Metric, rank, summary

Side = tuple[np.ndarray, np.ndarray]  # embeddings (N, D) and classes (N,)


def score_embeddings(
    queries: Side, gallery: Side | None, ks: Sequence[int], metric: Metric, report: Report
) -> Iterator[dict[str, float]]:
    """Score queries in a gallery, or without one among themselves.

    Yields: Recall@K for each K, R-Precision and MAP@R; then, for cosines without a gallery, NMI and
    AMI, which cluster directions. Raises: ValueError from `rank`, `summary` and `cluster_scores`,
    also if no query has a positive.
    """
    sides = [part for side in (queries, gallery) if side for part in to_tensors(side)]
    report("ranking", 0, 1)
    yield summary(rank(*sides, metric=metric, progress=partial(report, "ranking")), ks=ks)
    if gallery is None and metric == "cosine":
        report("clustering", 0, 1)
        progress = partial(report, "clustering")
        yield cluster_scores(*sides, seeds=KMEANS_SEEDS, progress=progress)


def to_tensors(side: Side) -> tuple[torch.Tensor, torch.Tensor]:
    """Embeddings in this machine's byte order, and classes."""
    embeddings, classes = side
    native = embeddings.astype(embeddings.dtype.newbyteorder("="), copy=False)
    return torch.from_numpy(native), torch.from_numpy(classes)


def heading(queries: Side, gallery: Side | None) -> str:
    """Number of images, dimensions and classes, in a line."""
    images, dimensions = queries[0].shape
    what = f"{images:,} queries" if gallery else f"{images:,} embeddings"
    where = f", gallery of {len(gallery[1]):,}" if gallery else ""
    return f"{what} of {dimensions} dimensions, {len(np.unique(queries[1])):,} classes{where}"


def score_table(scores: dict[str, float]) -> Table:
    """One line per score."""
    table = Table("score", "value")
    for name, value in scores.items():
        metric = describe(name)
        table.add_row(metric.heading, f"{value:.6f}" if metric.percent else f"{value:,.0f}")
    return table


def notes(queries: Side, gallery: Side | None, metric: Metric) -> list[str]:
    """Warnings about embeddings whose scores may mislead."""
    found = [lengths_note(queries, metric)]
    zeros = int((~queries[0].any(axis=1)).sum())
    if zeros and metric == "cosine":
        found.append(f"{zeros:,} of {len(queries[0]):,} embeddings are zero, without direction.")
    if gallery and metric == "cosine":
        found.append("NMI and AMI, which are of one set, are left out beside a gallery.")
    if not gallery and (queries[0] == queries[0][0]).all():
        found.append("All embeddings are equal. Ties count against a query, so nothing is found.")
    if gallery and (common := common_rows(queries[0], gallery[0])):
        found.append(
            f"{common:,} of {len(queries[0]):,} queries are also in the gallery and find "
            "themselves. Without --gallery each is searched among the others."
        )
    return [note for note in found if note]


def common_rows(queries: np.ndarray, gallery: np.ndarray) -> int:
    """Number of rows of queries (Q, D) that are also rows of the gallery (G, D)."""
    rows = {row.tobytes() for row in np.asarray(gallery, np.float64)}
    return sum(row.tobytes() in rows for row in np.asarray(queries, np.float64))


def lengths_note(queries: Side, metric: Metric) -> str:
    """A note on embeddings of different lengths; empty if cosines and distances rank alike."""
    if metric == "euclidean":
        return "Compared by distance. NMI and AMI, which are of directions, are left out."
    largest = np.abs(queries[0]).max(axis=1).astype(np.float64)
    scale = np.where(largest > 0, largest, 1.0)  # squares of the numbers may be beyond float64
    lengths = largest * np.linalg.norm(queries[0] / scale[:, None], axis=1)
    if lengths.max() <= 1.01 * lengths.min():
        return ""
    return (
        f"Lengths go from {lengths.min():.3g} to {lengths.max():.3g}: by cosine only their "
        "directions count; --metric euclidean compares distances."
    )
