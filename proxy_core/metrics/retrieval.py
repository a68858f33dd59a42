"""Exact retrieval: where the relevant items stand in each query's ranked gallery.

Order: by cosine similarity in float64, best first. Ties are pessimistic: a relevant item stands
behind every irrelevant one that is at most 1e-12 less similar, so a collapsed embedding finds
nothing. Items of one kind, each equal to the next, are listed in the order of the gallery. 1e-12 is
far above float64's rounding, hence the order does not depend on tile, threads or device; only for
embeddings within some 1e-6 of each other, as after a collapse, many cosines differ by just that,
and rounding may decide. A zero vector has cosine 0 to everything. By distance, two items are equal
if their squared distances differ by at most 1e-12 of themselves.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from proxy_core.metrics.exact.rows import (
    Progress,
    Side,
    center_and_reach,
    directions,
    rank_in_float64,
)

Metric = Literal["cosine", "euclidean"]

CHECKED = 256  # rows that are looked through for NaN at a time, where their sums are not finite
SMALL = 2**20  # pairs up to which it does not pay to load the compiled filter, 3 s once a process


@dataclass(frozen=True)
class Ranking:
    """What the ranked gallery says about Q queries, as CPU tensors; K neighbours were asked for.

    A query itself is never part of its gallery. R is its number of relevant items.
    """

    first_hit: Tensor  # (Q,) int64: rank from 1 of the first relevant item, 0 if there is none
    relevant: Tensor  # (Q,) int64: R
    r_precision: Tensor  # (Q,) float64 in [0, 1]: relevant share of the first R; 0 if R = 0
    average_precision: Tensor  # (Q,) float64 in [0, 1]: AP@R; 0 if R = 0
    neighbors: Tensor  # (Q, K) int64: gallery positions, best first, -1 beyond the gallery's end
    similarities: Tensor  # (Q, K) float32: cosines, or minus distances; -inf beyond that end


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
    tile: int = 1024,
    progress: Progress | None = None,
) -> Ranking:
    """Rank the gallery for every query; relevant are the items with the query's label.

    queries (Q, D) and gallery (G, D) of any length and floating type, labels and ids (Q,) and (G,)
    integers. Without a gallery the queries are searched among themselves. A gallery item with the
    query's id is the query itself and is left out, wherever it stands and however often; ids
    default to the positions in a search among themselves, and to no common item otherwise.
    `neighbors` is K. `tile` is how many queries are compared with as many items at a time; it
    changes no result. `progress` is called now and then with what is done and how much there is.

    On a CPU it costs half of a float32 product of all pairs and some more, or a whole one where
    queries and gallery differ or where K and the classes are so large that not all queries are
    searched at a time (`metrics.exact.search`); a collapsed embedding is left to float64, which
    is some ten times slower. It takes as many threads as PyTorch has. Beside input and result it
    holds a float32 copy of the input (two by distance, and one in float64 if the input is neither
    float32 nor half precision), some 60 MB, up to 350 MB and 20 bytes for each number in the
    largest class where K or classes are of hundreds, and for each thread 4 D tile bytes and, where
    hardly anything can be ruled out, up to 40 tile^2. On another device, and for few pairs, all is
    done in float64, with a few matrices of 32 MB at a time on a CPU and of 512 MB elsewhere.

    TypeError for what is no tensor. ValueError for shapes that do not fit, empty or non-finite
    input, K < 0, tile < 1, another metric, and distances whose squares float64 cannot hold.
    """
    if metric not in get_args(Metric):
        raise ValueError(f"metric is {metric!r}: expected one of {get_args(Metric)}")
    if neighbors < 0 or tile < 1:
        raise ValueError(f"neighbors is {neighbors} and tile is {tile}: expected >= 0 and >= 1")
    if gallery is None or gallery_labels is None:
        if gallery is not None or gallery_labels is not None or gallery_ids is not None:
            raise ValueError(
                "gallery or gallery_labels is missing: give both, or none of gallery, "
                "gallery_labels and gallery_ids to search the queries among themselves"
            )
        query_ids = torch.arange(len(queries)) if query_ids is None else query_ids
        gallery, gallery_labels, gallery_ids = queries, query_labels, query_ids
    query_ids, gallery_ids = given_ids(query_ids, gallery_ids, len(queries), len(gallery))
    asked = check("queries", queries, query_labels, query_ids, queries)
    same = gallery is queries, gallery_labels is query_labels, gallery_ids is query_ids
    alike = all(same)
    items = asked if alike else check("gallery", gallery, gallery_labels, gallery_ids, queries)
    euclidean = metric == "euclidean"
    if queries.device.type != "cpu" or len(queries) * len(gallery) <= SMALL:
        if euclidean:
            center_and_reach(asked[0], items[0])  # or refuse them, as the filter does
        fields = rank_in_float64(asked, items, neighbors, progress, euclidean=euclidean)
    else:
        from proxy_core.metrics.exact.search import search  # numba takes its time to import

        fields = search(asked, items, neighbors, tile, progress, euclidean=euclidean)
    return Ranking(*fields)


def given_ids(
    query_ids: Tensor | None, gallery_ids: Tensor | None, queries: int, gallery: int
) -> tuple[Tensor, Tensor]:
    """The ids (Q,) and (G,), made up so that none is common if neither side has any."""
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
    """Vectors (N, D), labels and ids (N,) in int64, on the device of `like`; ValueError as said."""
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
    some = torch.split(suspects, CHECKED)  # masks of all numbers would take more than they
    return torch.cat([rows[~vectors[rows].isfinite().all(dim=1)] for rows in some])


def recall_at_k(first_hit: Tensor, k: int) -> float:
    """Share in [0, 1] of queries whose first relevant item is among the K best.

    first_hit (Q,) as in `Ranking`; queries without a relevant item (0) are left out, and
    ValueError if that leaves none, or if k < 1.
    """
    if k < 1:
        raise ValueError(f"k is {k}: expected 1 or more neighbours")
    known = first_hit[first_hit > 0]
    if len(known) == 0:
        raise ValueError(f"none of {len(first_hit)} queries has a relevant item in the gallery")
    return float((known <= k).double().mean())


def summary(ranking: Ranking, ks: Sequence[int] = (1, 2, 4, 8)) -> dict[str, float]:
    """Means over the queries: `recall@K` for each K, `r_precision` and `map@r`, all in [0, 1].

    Queries without a relevant item are left out; `queries_without_relevant` is their number.
    """
    scores = {f"recall@{k}": recall_at_k(ranking.first_hit, k) for k in ks}
    known = ranking.relevant > 0
    scores["r_precision"] = float(ranking.r_precision[known].mean())
    scores["map@r"] = float(ranking.average_precision[known].mean())
    scores["queries_without_relevant"] = float((~known).sum())
    return scores
