"""Queries whose hits hang on how images that are equally near are ordered."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from bench.cli.scoring.read_embeddings import Side
from bench.cli.scoring.score import tensors
from proxy_core.distances import directions
from proxy_core.metrics.ranking import TIE
from proxy_core.metrics.retrieval import Metric, Ranking

ROWS = 256  # queries of a class that are compared at a time


def tied_hits(queries: Side, gallery: Side | None, metric: Metric, ranking: Ranking) -> np.ndarray:
    """Which queries (Q,) have a negative ahead of their nearest positive only because it is exactly
    as near. ranking: of the queries, with one neighbor or more.
    """
    searched = gallery or queries
    left, right = (values(side, metric) for side in (queries, searched))
    tied = np.zeros(len(left), bool)
    ahead = (ranking.first_hit > 1).numpy()
    for label in np.unique(queries.classes[ahead]):
        rows = np.flatnonzero(ahead & (queries.classes == label))
        others = np.flatnonzero(searched.classes == label)
        for some in np.split(rows, range(ROWS, len(rows), ROWS)):
            best = nearness(left[some], right[others], metric)
            best[torch.from_numpy(same_image(queries, gallery, some, others))] = -torch.inf
            first = right[ranking.neighbors[some, 0]]
            negative = nearness(left[some], first, metric).diagonal()
            slack = TIE if metric == "cosine" else TIE * negative.abs()
            tied[some] = (best.amax(dim=1) >= negative - slack).numpy()
    return tied


def unsettled(units: Tensor, labels: Tensor, slacks: Sequence[float]) -> list[dict[str, int]]:
    """For each slack how many queries may have another score, by its name, if two cosines that
    differ by at most so much may come in either order.

    units: unit vectors (N, D) in float64, each of which is searched among the others; labels: (N,).
    Returns: counts by recall@1, r_precision and map@r, the latter two of the first R images, the
    number of a query's positives.
    """
    ranks = max(int(torch.bincount(labels).max()) - 1, 1)
    found = [dict.fromkeys(("recall@1", "r_precision", "map@r"), 0) for _ in slacks]
    for rows in torch.split(torch.arange(len(units)), ROWS):
        cosines = units[rows] @ units.T
        cosines[torch.arange(len(rows)), rows] = -torch.inf
        hits = labels[rows, None] == labels
        inside = torch.arange(1, ranks + 1) < hits.sum(dim=1, keepdim=True)  # the query is a hit
        for counts, slack in zip(found, slacks, strict=True):
            best, worst = (
                hits.gather(1, (cosines + way * slack * hits).topk(ranks).indices) & inside
                for way in (1, -1)
            )
            counts["recall@1"] += int((best != worst)[:, 0].sum())
            counts["r_precision"] += int((best.sum(dim=1) != worst.sum(dim=1)).sum())
            counts["map@r"] += int((best != worst).any(dim=1).sum())
    return found


def values(side: Side, metric: Metric) -> Tensor:
    """What is compared, (N, D) in float64."""
    embeddings = tensors(side)[0]
    return directions(embeddings) if metric == "cosine" else embeddings.double()


def nearness(left: Tensor, right: Tensor, metric: Metric) -> Tensor:
    """Cosines (B, G), or minus squared distances."""
    if metric == "cosine":
        return left @ right.T
    exact = "donot_use_mm_for_euclid_dist"
    return -torch.cdist(left, right, compute_mode=exact).square()


def same_image(
    queries: Side, gallery: Side | None, rows: np.ndarray, others: np.ndarray
) -> np.ndarray:
    """Which gallery images (B, G) are the query itself."""
    if gallery is None:
        return found_in(rows, others)
    if queries.ids is None or gallery.ids is None:
        return np.zeros((len(rows), len(others)), bool)
    return found_in(queries.ids[rows], gallery.ids[others])


def found_in(ids: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Which of some ids (B,) equal which of others (G,), as (B, G)."""
    same: np.ndarray = ids[:, None] == others
    return same
