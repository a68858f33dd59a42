"""The results of queries, from their hits and from the misses that were kept, all in float64."""

import numpy as np
import torch
from torch import Tensor

from proxy_core.metrics.exact.own_class import batches, best_first, padded, pairs
from proxy_core.metrics.exact.sides import Sides
from proxy_core.metrics.exact.tiles import Sought
from proxy_core.metrics.ranking import misses_ahead, order_ties, settle


def settle_queries(
    sought: Sought, sides: Sides, part: slice, neighbors: int, fields: list[Tensor]
) -> None:
    """Fill in the fields of `Ranking` for the queries at some places."""
    for some in batches(np.diff(sought.hits.starts) + sought.rooms.filled):
        hits, places = (torch.from_numpy(rows) for rows in sought.hits.rows(some))
        positions = sides.gallery.order[places]
        misses, others = kept_misses(sought, sides, part, some)
        ahead = misses_ahead(misses, hits, euclidean=sides.euclidean)
        misses, others = order_ties(misses, others, euclidean=sides.euclidean)
        first = torch.from_numpy(np.where(sought.hits.relevant > 0, 1 + sought.ahead, 0)[some])
        relevant = torch.from_numpy(sought.hits.relevant[some])
        lists = hits, positions, ahead, misses, others
        rest = settle(*lists, neighbors, euclidean=sides.euclidean)
        asked = sides.queries.order[part.start + some.start : part.start + some.stop]
        for field, rows in zip(fields, (first, relevant, *rest), strict=True):
            field[asked] = rows


def kept_misses(sought: Sought, sides: Sides, part: slice, some: slice) -> tuple[Tensor, Tensor]:
    """Similarities (T, W) in float64 of the misses that were kept, best first and filled up with
    -inf, and their positions (T, W)."""
    filled = np.where(np.isposinf(sought.rooms.floor[some]), 0, sought.rooms.filled[some])
    rooms = sought.rooms.starts[:-1][some]
    queries, where = pairs(np.stack([rooms, rooms + filled], axis=1), part.start + some.start)
    places = sought.rooms.places[where]
    starts = np.concatenate([[0], np.cumsum(filled)])
    positions = sides.gallery.order.numpy()[places]
    rows = best_first(*padded(starts, sides.similarities(queries, places), positions))
    return torch.from_numpy(rows[0]), torch.from_numpy(rows[1])
