"""Exact retrieval: the ranks of the positives in each query's sorted gallery.

Items are sorted by cosine similarity in float64, best first. Ties are pessimistic: a positive ranks
behind every negative that is at most 1e-12 less similar, so a collapsed embedding finds nothing.
Positives that are equal to each other, and negatives that are, are listed in the order of the
gallery. 1e-12 is far above the rounding of float64, so the order does not depend on the size of
tiles, the number of threads or the device. Only where embeddings differ by about 1e-6, as after a
collapse, do many cosines differ by about 1e-12, and rounding may decide. A zero vector has cosine 0
to everything. By distance, two items are equal if their squared distances differ by at most a share
of 1e-12.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from proxy_core.distances import directions
from proxy_core.metrics.ranking import Progress, Side, center_and_radius, rank_in_float64

Metric = Literal["cosine", "euclidean"]

SMALL = 2**20  # pairs up to which whole rows in float64 take less time than to import numba
CHECKED = 256  # rows that are checked for NaN at a time, where their sums are not finite


@dataclass(frozen=True)
class Ranking:
    """Ranks and scores of Q queries with K neighbors each, as tensors on the CPU.

    A query is never part of its own gallery. R is the number of its positives.
    """

    first_hit: Tensor  # (Q,) int64: rank from 1 of the first positive, 0 if there is none
    relevant: Tensor  # (Q,) int64: R
    r_precision: Tensor  # (Q,) float64 in [0, 1]: share of positives among the first R; 0 if R = 0
    average_precision: Tensor  # (Q,) float64 in [0, 1]: AP@R; 0 if R = 0
    neighbors: Tensor  # (Q, K) int64: gallery positions, best first, -1 after the last item
    similarities: Tensor  # (Q, K) float32: cosines, or minus distances; -inf after it


def rank(
    queries: Tensor,
    query_labels: Tensor,
    gallery: Tensor | None = None,
    gallery_labels: Tensor | None = None,
    *,
    query_ids: Tensor | None = None,
    gallery_ids: Tensor | None = None,
    neighbors: int = 0,
    metric: Metric = "cosine",
    progress: Progress | None = None,
) -> Ranking:
    """Rank the gallery for every query. Positives are the items with the query's label.

    queries (Q, D), gallery (G, D): vectors of any length and floating type. labels and ids: (Q,)
        and (G,) integers. Without a gallery the queries are searched among themselves.
    query_ids, gallery_ids: a gallery item with the query's id is the query itself and is left out,
        at every position. They default to the positions in a search of the queries among
        themselves, and otherwise to ids that no two items share.
    neighbors: K, how many gallery items to list for each query.
    metric: "cosine" or "euclidean".
    progress: called as progress(done, total).

    Returns a `Ranking`. A search of a set in itself costs half of a float32 product of all pairs
    and some more; one with another gallery, or with so large classes or K that 256 MB do not hold
    what is kept, a whole product (`proxy_core.metrics.search`). Collapsed embeddings are ranked in
    float64, up to ten times slower. Beside input and result it takes a float32 copy of the input
    (two by distance), about 80 MB, and 256 MB more for large classes or K. It uses as many threads
    as PyTorch, and the device of `queries`.

    Raises TypeError for input that is not a tensor; ValueError for shapes that do not fit, empty or
    non-finite input, K < 0, an unknown metric, and distances whose squares float64 cannot hold.
    """
    if metric not in get_args(Metric):
        raise ValueError(f"metric is {metric!r}: expected one of {get_args(Metric)}")
    if neighbors < 0:
        raise ValueError(f"neighbors is {neighbors}: expected 0 or more")
    if gallery is None or gallery_labels is None:
        if gallery is not None or gallery_labels is not None or gallery_ids is not None:
            raise ValueError(
                "gallery or gallery_labels is missing: give both, or none of gallery, "
                "gallery_labels and gallery_ids to search the queries among themselves"
            )
        query_ids = torch.arange(len(queries)) if query_ids is None else query_ids
        gallery, gallery_labels, gallery_ids = queries, query_labels, query_ids
    query_ids, gallery_ids = given_ids(query_ids, gallery_ids, len(queries), len(gallery))
    left = check("queries", queries, query_labels, query_ids, queries)
    same = gallery is queries, gallery_labels is query_labels, gallery_ids is query_ids
    right = left if all(same) else check("gallery", gallery, gallery_labels, gallery_ids, queries)
    euclidean = metric == "euclidean"
    if len(queries) * len(gallery) <= SMALL:
        if euclidean:
            center_and_radius(left[0], right[0])  # or refuse them, as the search does
        fields = rank_in_float64(left, right, neighbors, progress, euclidean=euclidean)
    else:
        from proxy_core.metrics.search import search  # importing numba takes a second

        fields = search(left, right, neighbors, progress, euclidean=euclidean)
    return Ranking(*fields)


def given_ids(
    query_ids: Tensor | None, gallery_ids: Tensor | None, queries: int, gallery: int
) -> tuple[Tensor, Tensor]:
    """The ids (Q,) and (G,); without any, such that no two items share one."""
    if query_ids is None and gallery_ids is None:
        return torch.arange(queries), -1 - torch.arange(gallery)
    if query_ids is None or gallery_ids is None:
        raise ValueError("query_ids and gallery_ids must be given together: one is missing")
    return query_ids, gallery_ids


def checked(name: str, vectors: Tensor, labels: Tensor, ids: Tensor, like: Tensor) -> Side:
    """Unit vectors (N, D) in float64, labels and ids (N,) in int64, on the device of `like`."""
    vectors, labels, ids = check(name, vectors, labels, ids, like)
    return directions(vectors), labels, ids


def check(name: str, vectors: Tensor, labels: Tensor, ids: Tensor, like: Tensor) -> Side:
    """Vectors (N, D), labels and ids (N,) in int64, on the device of `like`, once checked."""
    for kind, given in ((name, vectors), (f"labels of {name}", labels)):
        if not isinstance(given, Tensor):
            raise TypeError(
                f"{kind} are {type(given).__name__}: expected a tensor, torch.as_tensor"
            )
    if vectors.ndim != 2 or 0 in vectors.shape:
        raise ValueError(f"{name} have shape {tuple(vectors.shape)}: expected (N, D), not empty")
    if vectors.shape[1] != like.shape[1]:
        raise ValueError(
            f"{name}: {vectors.shape[1]} dimensions, queries: {like.shape[1]}; "
            "both must come from the same network"
        )
    for kind, numbers in (("labels", labels), ("ids", ids)):
        if numbers.shape != vectors.shape[:1] or numbers.is_floating_point():
            raise ValueError(
                f"{kind} of {name} are {numbers.dtype} of shape {tuple(numbers.shape)}: "
                f"expected integers of shape ({len(vectors)},)"
            )
    broken = not_finite(vectors)
    if len(broken) > 0:
        raise ValueError(
            f"{name} hold NaN or infinity in {len(broken)} of {len(vectors)} rows, "
            f"the first is row {int(broken[0])}: has the training diverged?"
        )
    device = like.device
    whole = labels.to(device, torch.int64), ids.to(device, torch.int64)
    return vectors.detach().to(device), *whole


def not_finite(vectors: Tensor) -> Tensor:
    """The rows (M,), ascending, of vectors (N, D) that hold NaN or infinity."""
    suspects = (~vectors.sum(dim=1).isfinite()).nonzero().flatten()  # or their sum is too large
    parts = torch.split(suspects, CHECKED)  # masks of all numbers would take more memory
    return torch.cat([rows[~vectors[rows].isfinite().all(dim=1)] for rows in parts])


def recall_at_k(first_hit: Tensor, k: int) -> float:
    """Share in [0, 1] of queries with a positive among the K best.

    first_hit: (Q,) as in `Ranking`. Queries without a positive (0) are left out.

    Raises ValueError if no query has a positive, or if k < 1.
    """
    if k < 1:
        raise ValueError(f"k is {k}: expected 1 or more neighbours")
    known = first_hit[first_hit > 0]
    if len(known) == 0:
        raise ValueError(f"none of {len(first_hit)} queries has a relevant item in the gallery")
    return float((known <= k).double().mean())


def summary(ranking: Ranking, ks: Sequence[int] = (1, 2, 4, 8)) -> dict[str, float]:
    """Means over the queries: `recall@K` for each K, `r_precision` and `map@r`, all in [0, 1].

    Queries without a positive are left out; `queries_without_relevant` is their number.
    """
    scores = {f"recall@{k}": recall_at_k(ranking.first_hit, k) for k in ks}
    known = ranking.relevant > 0
    scores["r_precision"] = float(ranking.r_precision[known].mean())
    scores["map@r"] = float(ranking.average_precision[known].mean())
    scores["queries_without_relevant"] = float((~known).sum())
    return scores
