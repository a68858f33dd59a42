"""Re-identification: CMC and mAP under the camera and junk rules of Market-1501.

The rules are those of Zheng et al., Scalable Person Re-identification: A Benchmark, ICCV 2015,
as in the MATLAB code that was published for it (evaluation.m and compute_AP.m, for example in
https://github.com/zhunzhong07/IDE-baseline-Market-1501). Order and ties are those of
`proxy_core.metrics.retrieval`: pessimistic, where that code takes equal items in the order of the
gallery.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from proxy_core.metrics import JUNK
from proxy_core.metrics.ranking import (
    TIE,
    Groups,
    Progress,
    first_misses,
    group,
    merge,
    order_ties,
    remove,
    rows_at_a_time,
    scores_at_r,
)
from proxy_core.metrics.retrieval import checked, recall_at_k

UNKNOWN = -1  # camera that is equal to no camera


@dataclass(frozen=True)
class ReidRanking:
    """Ranks and scores of Q queries with K neighbors each, as tensors on the CPU.

    Ranks and precisions count the items that are not ignored. R is the number of positives.
    """

    first_hit: Tensor  # (Q,) int64: rank from 1 of the first positive, 0 if there is none
    relevant: Tensor  # (Q,) int64: R
    r_precision: Tensor  # (Q,) float64 in [0, 1]: relevant share of the first R; 0 if R = 0
    average_precision: Tensor  # (Q,) float64 in [0, 1]: AP@R as in `Ranking`; 0 if R = 0
    full_precision: Tensor  # (Q,) float64 in [0, 1]: mean precision at all R hits; 0 if R = 0
    trapezoidal_precision: Tensor  # (Q,) float64 in [0, 1]: the same in MATLAB's form
    neighbors: Tensor  # (Q, K) int64: gallery positions, best first, -1 beyond the last item
    similarities: Tensor  # (Q, K) float32: their cosines, -inf beyond the last item


def rank_reid(
    queries: Tensor,
    query_labels: Tensor,
    query_cameras: Tensor,
    gallery: Tensor,
    gallery_labels: Tensor,
    gallery_cameras: Tensor,
    *,
    neighbors: int = 0,
    progress: Progress | None = None,
) -> ReidRanking:
    """Rank the gallery for every query. Positives have its label and come from another camera.

    Ignored for all queries: items with label -1 (junk). Ignored for one query: items with its label
    and its camera. All other items are negatives, also those whose label no query has, such as the
    distractors of Market-1501 with label 0. Camera -1 is unknown and equal to no camera, so nothing
    is ignored because of it. Only the camera rule leaves a query out of the gallery.

    queries (Q, D), gallery (G, D): vectors of any length and floating type. labels, cameras: (Q,)
        and (G,) integers.
    neighbors: K, how many gallery items to list for each query.
    progress: called as progress(done, total), with numbers of queries.

    Returns a `ReidRanking`, computed in float64 on the device of `queries`, with a few matrices of
    32 MB at a time on a CPU and of 512 MB elsewhere.

    Raises ValueError for shapes that do not fit, empty or non-finite input, cameras below -1, a
    query with label -1, a gallery of junk only, and K < 0.
    """
    if neighbors < 0:
        raise ValueError(f"neighbors is {neighbors}: expected 0 or more")
    check_cameras("queries", query_cameras, query_labels)
    check_cameras("gallery", gallery_cameras, gallery_labels)
    vectors, labels, cameras = checked("queries", queries, query_labels, query_cameras, queries)
    items, item_labels, item_cameras = checked(
        "gallery", gallery, gallery_labels, gallery_cameras, queries
    )
    kept = (item_labels != JUNK).nonzero().squeeze(1)
    if (labels == JUNK).any() or len(kept) == 0:
        raise ValueError(
            f"{int((labels == JUNK).sum())} queries and {len(item_labels) - len(kept)} of "
            f"{len(item_labels)} gallery items have label {JUNK} (junk): no query may be junk, "
            "and some of the gallery must not be"
        )
    views, item_views = same_view(labels, cameras, item_labels[kept], item_cameras[kept])
    groups = group(item_labels[kept]), group(item_views)
    items = items[kept]
    size = rows_at_a_time(items)
    tiles = zip(*(torch.split(column, size) for column in (vectors, labels, views)), strict=True)
    parts = []
    for done, (rows, own, view) in enumerate(tiles):
        if progress:
            progress(done * size, len(vectors))
        parts.append(rank_views(rows @ items.T, own, view, *groups, neighbors))
    ranking = ReidRanking(*(torch.cat(column).cpu() for column in zip(*parts, strict=True)))
    positions = kept.cpu()[ranking.neighbors.clamp(min=0)]
    return replace(ranking, neighbors=positions.masked_fill(ranking.neighbors < 0, -1))


def check_cameras(name: str, cameras: Tensor, labels: Tensor) -> None:
    """Raise ValueError unless cameras are integers from -1, one for each label."""
    if cameras.shape != labels.shape or cameras.is_floating_point():
        raise ValueError(
            f"cameras of {name} are {cameras.dtype} of shape {tuple(cameras.shape)}: "
            f"expected integers of shape {tuple(labels.shape)}, like the labels"
        )
    if (cameras < UNKNOWN).any():
        raise ValueError(
            f"cameras of {name} go down to {int(cameras.min())}: "
            f"expected numbers from 0, or {UNKNOWN} for an unknown camera"
        )


def same_view(
    labels: Tensor, cameras: Tensor, item_labels: Tensor, item_cameras: Tensor
) -> tuple[Tensor, Tensor]:
    """Numbers (Q,) and (G,), equal where label and known camera of query and item are equal."""
    both = torch.stack([torch.cat([labels, item_labels]), torch.cat([cameras, item_cameras])])
    _, views = torch.unique(both, dim=1, return_inverse=True)
    return views[: len(labels)], views[len(labels) :].masked_fill(item_cameras == UNKNOWN, -1)


def rank_views(
    similarities: Tensor,
    labels: Tensor,
    views: Tensor,
    by_label: Groups,
    by_view: Groups,
    neighbors: int,
) -> tuple[Tensor, ...]:
    """The fields of `ReidRanking`, in order, for T queries with similarities (T, G), which are used
    up, labels and views (T,). The gallery's positions come in groups, and it holds no junk.
    """
    remove(similarities, *by_view.find(views))
    positions, valid = by_label.find(labels)
    hits = similarities.gather(1, positions).masked_fill(~valid, -torch.inf)
    remove(similarities, positions, valid)
    hits, order = hits.sort(dim=1, descending=True)
    ahead = misses_ahead(similarities, hits)
    relevant = hits.isfinite().sum(dim=1)
    at_r = scores_at_r(ahead, relevant)
    first = (1 + F.pad(ahead, (0, 1))[:, 0]) * (relevant > 0)  # rank of the best hit, or 0
    scores = first, relevant, *at_r, *precisions(ahead, hits)
    best = min(neighbors + 1, similarities.shape[1])
    misses, others = first_misses(similarities, *similarities.topk(best, dim=1), neighbors)
    misses, others = misses[:, :neighbors], others[:, :neighbors]
    hits, positions = order_ties(hits, positions.gather(1, order))
    found, values = merge(hits, positions, ahead, misses, others, neighbors)
    return *scores, found, values.float()


def misses_ahead(misses: Tensor, hits: Tensor) -> Tensor:
    """How many misses (T, G) precede each of the descending hits (T, M): (T, M) int64.

    A miss precedes a hit that is at most `TIE` more similar. Each miss is counted at the first hit
    that it precedes, and these counts are added up.
    """
    first = torch.searchsorted(TIE - hits, -misses)  # M where it precedes none
    counts = first.new_zeros(len(hits), hits.shape[1] + 1)
    return counts.scatter_add_(1, first, torch.ones_like(first)).cumsum(dim=1)[:, :-1]


def precisions(ahead: Tensor, hits: Tensor) -> tuple[Tensor, Tensor]:
    """Average precision (T,) in both forms, from the misses ahead of each of the hits (T, M).

    The i-th of R hits has rank p. The usual form, of torchreid and most Python code, is the
    sum of i / p, divided by R. compute_AP.m adds (recall - old_recall) * (old_precision +
    precision) / 2 at every item that is not ignored, where the old values are those at the item
    before, 0 and 1.0 at the start. As recall grows by 1 / R at a hit and nowhere else, that is the
    sum of (i / p + (i - 1) / (p - 1)) / 2, divided by R, with 1.0 for the second share at p = 1.
    It is never larger than the usual form.
    """
    number = torch.arange(1, hits.shape[1] + 1, device=hits.device).double()
    ranks = ahead + number
    now = number / ranks
    before = torch.where(ranks > 1, (number - 1) / (ranks - 1).clamp(min=1), 1.0)
    found = hits.isfinite()
    total = found.sum(dim=1).clamp(min=1)
    return (now * found).sum(dim=1) / total, ((now + before) / 2 * found).sum(dim=1) / total


def reid_summary(ranking: ReidRanking, ks: Sequence[int] = (1, 5, 10)) -> dict[str, float]:
    """Means over the queries, in [0, 1]: `recall@K` (CMC at rank K) for each K, `r_precision`,
    `map@r`, and over all hits `map` and `map_trapezoidal`.

    Queries without a positive are left out, as in torchreid (evaluation.m counts them as 0;
    Market-1501 has none); `queries_without_relevant` is their number. Published mAPs are of both
    forms, and `map_trapezoidal` is the one of the data set's own code.

    Raises ValueError if no query has a positive, or if a K < 1.
    """
    scores = {f"recall@{k}": recall_at_k(ranking.first_hit, k) for k in ks}
    known = ranking.relevant > 0
    scores["r_precision"] = float(ranking.r_precision[known].mean())
    scores["map@r"] = float(ranking.average_precision[known].mean())
    scores["map"] = float(ranking.full_precision[known].mean())
    scores["map_trapezoidal"] = float(ranking.trapezoidal_precision[known].mean())
    scores["queries_without_relevant"] = float((~known).sum())
    return scores
