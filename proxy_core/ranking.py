"""Ranks of the relevant items for one tile of queries, without sorting the whole gallery."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

TIE = 1e-12  # difference of cosines up to which two items count as equally similar


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


@dataclass(frozen=True)
class Gallery:
    """The ranked items: unit vectors (G, D) float64, and their positions by label and by id."""

    vectors: Tensor
    by_label: Groups
    by_id: Groups


def group(keys: Tensor) -> Groups:
    """Groups of equal keys (G,)."""
    ordered, positions = keys.sort(stable=True)
    return Groups(ordered, positions)


def rank_tile(
    vectors: Tensor, labels: Tensor, ids: Tensor, gallery: Gallery, neighbors: int
) -> tuple[Tensor, ...]:
    """The fields of `Ranking`, in order, for T queries with unit vectors (T, D), labels, ids (T,).

    The relevant items are looked up by label and taken out of the row. What is left is irrelevant,
    and only the best of it is sorted: enough to place every relevant item that stands within R.
    """
    similarities = vectors @ gallery.vectors.T  # (T, G)
    remove(similarities, *gallery.by_id.find(ids))
    positions, valid = gallery.by_label.find(labels)
    hits = similarities.gather(1, positions).masked_fill(~valid, -torch.inf)
    remove(similarities, positions, valid)
    hits, order = hits.sort(dim=1, descending=True, stable=True)
    relevant = hits.isfinite().sum(dim=1)
    best = min(max(hits.shape[1], neighbors + 1), similarities.shape[1])
    misses, others = similarities.topk(best, dim=1)
    ahead = torch.searchsorted(-misses, TIE - hits, right=True)  # misses that precede each hit
    first = first_hits(similarities, hits, ahead, best)
    scores = first, relevant, *scores_at_r(ahead, relevant)
    hits, positions = order_ties(hits, positions.gather(1, order))
    misses, others = first_misses(similarities, misses, others, neighbors)
    return *scores, *merge(hits, positions, ahead, misses, others, neighbors)


def remove(similarities: Tensor, positions: Tensor, valid: Tensor) -> None:
    """Set the valid ones of positions (T, M) in the rows of similarities (T, G) to -inf."""
    rows = torch.arange(len(positions), device=positions.device)[:, None].expand_as(positions)
    similarities[rows[valid], positions[valid]] = -torch.inf


def first_hits(similarities: Tensor, hits: Tensor, ahead: Tensor, best: int) -> Tensor:
    """Ranks (T,) from 1 of the best of hits (T, M) among irrelevant items (T, G); 0 without any.

    `ahead` (T, M) counts misses among the `best` first ones only; where all of them precede the
    first hit, the whole row is counted.
    """
    if hits.shape[1] == 0:
        return hits.new_zeros(len(hits), dtype=torch.int64)
    ranks = 1 + ahead[:, 0]
    late = ranks > best
    ranks[late] = 1 + (similarities[late] >= hits[late, :1] - TIE).sum(dim=1)
    return ranks.masked_fill(hits[:, 0].isneginf(), 0)


def scores_at_r(ahead: Tensor, relevant: Tensor) -> tuple[Tensor, Tensor]:
    """R-precision and AP@R (T,) from the number of misses ahead of each hit (T, M), and R (T,).

    AP@R = 1/R * sum over the hits within the first R of the precision there (Musgrave et al.,
    A Metric Learning Reality Check, https://arxiv.org/abs/2003.08505). Both are 0 where R = 0.
    Precisions are added up in their order, on the CPU: the same bits for any tile and device.
    """
    number = torch.arange(1, ahead.shape[1] + 1, device=ahead.device)
    places = ahead + number
    within = places <= relevant[:, None]  # never where a row has no hit: all misses are ahead
    total = relevant.clamp(min=1).double().cpu()
    precisions = F.pad(number.double() / places * within, (1, 0)).cpu().cumsum(dim=1)[:, -1]
    return within.sum(dim=1).cpu() / total, precisions / total


def first_misses(
    similarities: Tensor, misses: Tensor, others: Tensor, neighbors: int
) -> tuple[Tensor, Tensor]:
    """The K best irrelevant items (T, K), equal ones in the order of the gallery.

    `topk` may take any of several equal items, so rows with a tie among the first K + 1 are sorted
    as a whole.
    """
    tied = (misses[:, :-1] - misses[:, 1:] <= TIE)[:, :neighbors].any(dim=1)
    if tied.any():
        values, positions = order_ties(*similarities[tied].sort(dim=1, descending=True))
        misses[tied], others[tied] = values[:, : misses.shape[1]], positions[:, : others.shape[1]]
    return misses[:, :neighbors], others[:, :neighbors]


def order_ties(values: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
    """Rows (T, M) of descending values with runs of equal ones put in the order of positions.

    A run goes on while a value is at most `TIE` below the one before it.
    """
    starts = torch.zeros_like(positions)
    starts[:, 1:] = values[:, :-1] - values[:, 1:] > TIE
    keys = starts.cumsum(dim=1) * (1 + int(positions.max() if positions.numel() else 0)) + positions
    order = keys.argsort(dim=1)
    return values.gather(1, order), positions.gather(1, order)


def merge(
    hits: Tensor, positions: Tensor, ahead: Tensor, misses: Tensor, others: Tensor, neighbors: int
) -> tuple[Tensor, Tensor]:
    """The first K of hits (T, M) and misses (T, K) in one list: positions and cosines (T, K).

    The i-th miss follows those hits that have at most i misses ahead of them; -1 and -inf fill
    the list when the gallery is too short.
    """
    nowhere = 2 * (hits.shape[1] + neighbors + int(ahead.max() if ahead.numel() else 0)) + 1
    ahead = ahead.masked_fill(hits.isneginf(), nowhere)
    hit_places = ahead + torch.arange(hits.shape[1], device=hits.device)
    index = torch.arange(misses.shape[1], device=hits.device).expand_as(misses).contiguous()
    miss_places = index + torch.searchsorted(ahead, index, right=True)
    places = torch.cat([hit_places, miss_places.masked_fill(misses.isneginf(), nowhere)], dim=1)
    chosen = places.argsort(dim=1)[:, :neighbors]
    values = torch.cat([hits, misses], dim=1).gather(1, chosen)
    listed = torch.cat([positions, others], dim=1).gather(1, chosen)
    listed = listed.masked_fill(values.isneginf(), -1)
    short = (0, neighbors - chosen.shape[1])
    return F.pad(listed, short, value=-1), F.pad(values.float(), short, value=-torch.inf)
