"""Ranking in float64, by whole rows of similarities: on any device, and for few pairs.

A similarity is a cosine, or minus a squared Euclidean distance. A *hit* is a gallery item with the
query's label, a *miss* is any other. Rows are sorted from the best item and filled up with -inf.
`proxy_core.metrics.search` reaches the same results faster, and uses the second half of this file.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from proxy_core.distances import directions

Progress = Callable[[int, int], None]  # called with what is done, of how much
Side = tuple[Tensor, Tensor, Tensor]  # vectors (N, D), labels (N,), ids (N,)

TIE = 1e-12  # difference of cosines, or share of a squared distance, up to which two are equal
CELLS = {"cpu": 2**22, "cuda": 2**26}  # similarities at a time: 32 MB and 512 MB
CHUNK = 4096  # rows that are converted to float64 at a time


def rank_in_float64(
    queries: Side,
    gallery: Side,
    neighbors: int,
    progress: Progress | None,
    *,
    euclidean: bool,
) -> list[Tensor]:
    """Return the fields of `Ranking` from whole rows of similarities.

    Results are written into tensors that exist before the large matrices do, so that these can use
    the same memory again and again.
    """
    by_label, by_id = group(gallery[1]), group(gallery[2])
    size = rows_at_a_time(gallery[0])
    fields, done = empty_fields(len(queries[0]), neighbors), 0
    for vectors, labels, ids in zip(*(torch.split(part, size) for part in queries), strict=True):
        rows = similarities(vectors, gallery[0], euclidean=euclidean)
        ranked = rank_rows(rows, labels, ids, by_label, by_id, neighbors, euclidean=euclidean)
        for field, values in zip(fields, ranked, strict=True):
            field[done : done + len(vectors)] = values
        done += len(vectors)
        if progress:
            progress(done, len(queries[0]))
    return fields


def rows_at_a_time(gallery: Tensor) -> int:
    """How many queries to compare with a gallery (G, D) at a time."""
    return max(1, CELLS["cpu" if gallery.device.type == "cpu" else "cuda"] // len(gallery))


def empty_fields(queries: int, neighbors: int) -> list[Tensor]:
    """Make the fields of `Ranking`, to be filled in."""
    integers, reals = torch.int64, torch.float64
    scores = [torch.zeros(queries, dtype=dtype) for dtype in (integers, integers, reals, reals)]
    lists = torch.zeros(queries, neighbors, dtype=torch.float32)
    return [*scores, lists.long(), lists]


def similarities(vectors: Tensor, gallery: Tensor, *, euclidean: bool) -> Tensor:
    """Similarities (T, G) in float64 of rows (T, D) and (G, D)."""
    rows = vectors.new_empty(len(vectors), len(gallery), dtype=torch.float64)
    convert = Tensor.double if euclidean else directions
    left = convert(vectors)
    chunks = zip(torch.split(gallery, CHUNK), torch.split(rows, CHUNK, dim=1), strict=True)
    for chunk, out in chunks:
        out.copy_(pair_similarities(left, convert(chunk), euclidean=euclidean))
    return rows


def pair_similarities(left: Tensor, right: Tensor, *, euclidean: bool) -> Tensor:
    """Products, or minus squared distances, (..., T, G) of rows (..., T, D) and (..., G, D)."""
    if euclidean:  # products would lose the digits of small distances
        distances = torch.cdist(left, right, compute_mode="donot_use_mm_for_euclid_dist")
        return -(distances**2)
    return left @ right.mT


def center_and_radius(queries: Tensor, gallery: Tensor) -> tuple[Tensor, float]:
    """Mean (D,) of the gallery (G, D) and the largest distance from it; 1 if all are equal.

    Raises ValueError if float64 cannot hold the square of that distance, or float32 the distance.
    """
    chunks = torch.split(gallery, CHUNK)  # one sum of all would make a copy in float64
    total = torch.stack([rows.sum(dim=0, dtype=torch.float64) for rows in chunks]).sum(dim=0)
    center = total / len(gallery)
    radius, equal = 0.0, True
    for rows in (rows for side in (queries, gallery) for rows in torch.split(side, CHUNK)):
        difference = rows - center
        radius = max(radius, float(torch.linalg.vector_norm(difference, dim=1).max()))
        equal = equal and not difference.any()  # the square of a difference may underflow to 0
    if not equal and not 1e-100 < radius < 1e38:
        raise ValueError(
            f"vectors are up to {radius:g} from their mean, too far or too near to compute their "
            "distances: scale them to between 1e-100 and 1e38"
        )
    return center, radius or 1.0


@dataclass(frozen=True)
class Groups:
    """Gallery positions sorted by an integer key, to look up all those with a given key."""

    keys: Tensor  # (G,) int64, ascending
    positions: Tensor  # (G,) int64, ascending within a key

    def find(self, keys: Tensor) -> tuple[Tensor, Tensor]:
        """For keys (T,), gallery positions (T, M) and a mask (T, M) of those that are valid."""
        start = torch.searchsorted(self.keys, keys)
        count = torch.searchsorted(self.keys, keys, right=True) - start
        steps = torch.arange(int(count.max()), device=keys.device)
        index = (start[:, None] + steps).clamp(max=len(self.keys) - 1)
        return self.positions[index], steps < count[:, None]


def group(keys: Tensor) -> Groups:
    """Groups of equal keys (G,)."""
    ordered, positions = keys.sort(stable=True)
    return Groups(ordered, positions)


def rank_rows(
    similarities: Tensor,
    labels: Tensor,
    ids: Tensor,
    by_label: Groups,
    by_id: Groups,
    neighbors: int,
    *,
    euclidean: bool = False,
) -> tuple[Tensor, ...]:
    """The fields of `Ranking`, in order, for T queries with similarities (T, G), which are used up.

    labels and ids (T,) are those of the queries; the gallery's positions come in groups. Hits are
    looked up by label and taken out of the row. What is left are misses, and only the best of them
    are sorted: enough to rank every hit among the first R.
    """
    remove(similarities, *by_id.find(ids))
    positions, valid = by_label.find(labels)
    hits = similarities.gather(1, positions).masked_fill(~valid, -torch.inf)
    remove(similarities, positions, valid)
    hits, order = hits.sort(dim=1, descending=True, stable=True)
    best = min(max(hits.shape[1], neighbors + 1), similarities.shape[1])
    misses, others = similarities.topk(best, dim=1)
    first = first_hits(similarities, hits, misses, euclidean=euclidean)
    ahead = misses_ahead(misses, hits, euclidean=euclidean)
    misses, others = first_misses(similarities, misses, others, neighbors, euclidean=euclidean)
    positions = positions.gather(1, order)
    settled = settle(hits, positions, ahead, misses, others, neighbors, euclidean=euclidean)
    return first, hits.isfinite().sum(dim=1), *settled


def settle(
    hits: Tensor,
    positions: Tensor,
    ahead: Tensor,
    misses: Tensor,
    others: Tensor,
    neighbors: int,
    *,
    euclidean: bool,
) -> tuple[Tensor, ...]:
    """R-Precision and AP@R (T,), then positions and similarities (T, K) of the best items.

    hits (T, M) and misses (T, W) are similarities, best first and filled up with -inf, beside their
    positions in the gallery; `ahead` (T, M) counts the misses that precede each hit. Equal misses
    are in the order of their positions, and may end after the first K.
    """
    scores = scores_at_r(ahead, hits.isfinite().sum(dim=1))
    if neighbors == 0:  # nothing is listed, so the order of ties does not matter
        return *scores, positions[:, :0], hits[:, :0].float()
    hits, positions = order_ties(hits, positions, euclidean=euclidean)
    misses, others = misses[:, :neighbors], others[:, :neighbors]
    found, values = merge(hits, positions, ahead, misses, others, neighbors)
    return *scores, found, (-(-values).sqrt() if euclidean else values).float()


def remove(similarities: Tensor, positions: Tensor, valid: Tensor) -> None:
    """Set the valid ones of positions (T, M) in the rows of similarities (T, G) to -inf."""
    rows = torch.arange(len(positions), device=positions.device)[:, None].expand_as(positions)
    similarities[rows[valid], positions[valid]] = -torch.inf


def edges(hits: Tensor, *, euclidean: bool) -> Tensor:
    """Lowest similarity at which a miss precedes the given hit, for hits of any shape."""
    return hits * (1 + TIE) if euclidean else hits - TIE


def misses_ahead(misses: Tensor, hits: Tensor, *, euclidean: bool) -> Tensor:
    """How many of misses (T, W) precede each of hits (T, M), both strictly best first: (T, M).

    Counted before equal misses are put in the order of the gallery. Such runs may be long: each
    member is equal to the next, but the first need not be equal to the last.
    """
    return torch.searchsorted(-misses, -edges(hits, euclidean=euclidean), right=True)


def first_hits(similarities: Tensor, hits: Tensor, misses: Tensor, *, euclidean: bool) -> Tensor:
    """Ranks (T,) from 1 of the best of hits (T, M) among misses (T, G); 0 without any.

    misses (T, W) are the best of these; where all of them precede the first hit, the whole row is
    counted.
    """
    if hits.shape[1] == 0:
        return hits.new_zeros(len(hits), dtype=torch.int64)
    first = edges(hits[:, :1], euclidean=euclidean)
    ranks = 1 + (misses >= first).sum(dim=1)
    late = ranks > misses.shape[1]
    ranks[late] = 1 + (similarities[late] >= first[late]).sum(dim=1)
    return ranks.masked_fill(hits[:, 0].isneginf(), 0)


def scores_at_r(ahead: Tensor, relevant: Tensor) -> tuple[Tensor, Tensor]:
    """R-precision and AP@R (T,) from the number of misses ahead of each hit (T, M), and R (T,).

    AP@R = 1/R * sum over the hits within the first R of the precision there (Musgrave et al.,
    A Metric Learning Reality Check, https://arxiv.org/abs/2003.08505). Both are 0 where R = 0.
    Precisions are added up in their order, on the CPU: the same bits for any tile and device.
    """
    number = torch.arange(1, ahead.shape[1] + 1, device=ahead.device)
    ranks = ahead + number
    within = ranks <= relevant[:, None]  # never where a row has no hit: all misses are ahead
    total = relevant.clamp(min=1).double().cpu()
    precisions = F.pad(number.double() / ranks * within, (1, 0)).cpu().cumsum(dim=1)[:, -1]
    return within.sum(dim=1).cpu() / total, precisions / total


def first_misses(
    similarities: Tensor,
    misses: Tensor,
    others: Tensor,
    neighbors: int,
    *,
    euclidean: bool = False,
) -> tuple[Tensor, Tensor]:
    """The best misses (T, W); equal ones among the first K are put in the order of the gallery.

    `topk` may take any of several equal items, so rows with a tie among the first K + 1 are sorted
    as a whole.
    """
    tied = equal_to_next(misses, euclidean=euclidean) & misses[:, 1:].isfinite()
    tied = tied[:, :neighbors].any(dim=1)
    if tied.any():
        ordered = similarities[tied].sort(dim=1, descending=True)
        values, positions = order_ties(*ordered, euclidean=euclidean)
        misses[tied], others[tied] = values[:, : misses.shape[1]], positions[:, : others.shape[1]]
    return misses, others


def equal_to_next(values: Tensor, *, euclidean: bool) -> Tensor:
    """Mask (T, M - 1): does a value of rows (T, M), best first, count as equal to the next?"""
    ahead, behind = values[:, :-1], values[:, 1:]
    slack = TIE * ahead.abs() if euclidean else TIE
    return ~(ahead - behind > slack)  # also where both are -inf


def order_ties(
    values: Tensor, positions: Tensor, *, euclidean: bool = False
) -> tuple[Tensor, Tensor]:
    """Rows (T, M) of descending values with runs of equal ones put in the order of positions.

    A run goes on while a value is equal to the one before it. Values of -inf only fill rows up,
    so their order does not matter.
    """
    tied = equal_to_next(values, euclidean=euclidean)
    if not (tied & values[:, 1:].isfinite()).any():
        return values, positions
    starts = torch.zeros_like(positions)
    starts[:, 1:] = ~tied
    keys = starts.cumsum(dim=1) * (1 + int(positions.max() if positions.numel() else 0)) + positions
    order = keys.argsort(dim=1)
    return values.gather(1, order), positions.gather(1, order)


def merge(
    hits: Tensor, positions: Tensor, ahead: Tensor, misses: Tensor, others: Tensor, neighbors: int
) -> tuple[Tensor, Tensor]:
    """The first K of hits (T, M) and misses (T, K) in one list: positions and values (T, K).

    The i-th miss follows those hits that have at most i misses ahead of them; -1 and -inf fill
    the list when the gallery is too short.
    """
    nowhere = 2 * (hits.shape[1] + neighbors + int(ahead.max() if ahead.numel() else 0)) + 1
    ahead = ahead.masked_fill(hits.isneginf(), nowhere)
    hit_ranks = ahead + torch.arange(hits.shape[1], device=hits.device)
    index = torch.arange(misses.shape[1], device=hits.device).expand_as(misses).contiguous()
    miss_ranks = index + torch.searchsorted(ahead, index, right=True)
    ranks = torch.cat([hit_ranks, miss_ranks.masked_fill(misses.isneginf(), nowhere)], dim=1)
    chosen = ranks.argsort(dim=1)[:, :neighbors]
    values = torch.cat([hits, misses], dim=1).gather(1, chosen)
    listed = torch.cat([positions, others], dim=1).gather(1, chosen)
    listed = listed.masked_fill(values.isneginf(), -1)
    short = (0, neighbors - chosen.shape[1])
    return F.pad(listed, short, value=-1), F.pad(values, short, value=-torch.inf)
