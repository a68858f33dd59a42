"""Exact ranking on a CPU at the cost of one half of a float32 matrix product.

Items are sorted by class and compared by tiles, whose products stay in the processor's cache. In a
search among themselves each product serves both of its items. As classes stand together, hardly a
tile holds a relevant item. So nothing has to be sorted: similarities of the own class come first,
in float64 (`own_class`); then misses are counted that are more similar than the best of these, and
the few are kept that may be among the first max(R, K), from which all else follows (`settle`).

Products are float32 and only a filter. Let u = 2**-24 and x, y unit vectors. The operands are
x (1 + a), y (1 + b) with |a|, |b| <= u in every dimension (and a little for float64). A sum of D
products in any order, fused or not, is off by at most D u / (1 - D u) times the sum of |x_d y_d|
(Higham, Accuracy and Stability of Numerical Algorithms, section 3.1), which is at most |x| |y| = 1.
So a product is off by less than 1.01 (D + 2) u / (1 - D u). Thresholds are rounded to float32 as
well, when they are made and when something is added to them: `Filter.width` allows for (D + 8) u,
and for 2**-100 per dimension where float32 underflows. For distances, the sum has D + 2 products
and is at most 2. A pair that is nearer to a threshold than this is decided in float64. A query with
too many such pairs, as of a collapsed embedding, is given up and ranked in float64 altogether.

The misses are complete above the M-th best product minus twice the width and one tie for each item,
as items that are equal step by step stand in the order of the gallery.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from proxy_core.metrics.compiled import Array
from proxy_core.metrics.exact.own_class import Hits, own_class
from proxy_core.metrics.exact.room_kernels import Rooms
from proxy_core.metrics.exact.rows import Progress, Side, empty_fields, rank_in_float64
from proxy_core.metrics.exact.settle import settle_queries
from proxy_core.metrics.exact.sides import (
    Sides,
    arranged,
    by_cosine,
    by_distance,
    ids_clash,
    own_places,
)
from proxy_core.metrics.exact.tiles import Sought, compare
from proxy_core.metrics.ranking import edges

ROOM = 2**28  # bytes for hits and misses of the queries that are searched at a time
MOST = 2048  # queries in a tile: its products have to fit in memory, and should in the cache
FLOOR = -3.0  # below every product


def search(
    queries: Side,
    gallery: Side,
    neighbors: int,
    tile: int,
    progress: Progress | None,
    *,
    euclidean: bool,
) -> list[Tensor]:
    """The fields of `Ranking` for checked sides on the CPU; one object is searched in itself."""
    items = arranged(gallery, euclidean=euclidean)
    asked = items if queries is gallery else arranged(queries, euclidean=euclidean)
    rule = (by_distance if euclidean else by_cosine)(asked, items)
    own = own_places(asked, items)
    sides = Sides(asked, items, rule, own, euclidean, ids_clash(asked, items))
    fields = empty_fields(len(asked.order), neighbors)
    late = torch.cat(
        [
            search_part(sides, part, tile, of_whole(progress, part, len(own)), fields)
            for part in parts(own, neighbors)
        ]
    )
    if len(late):
        some = queries[0][late], queries[1][late], queries[2][late]
        exact = rank_in_float64(some, gallery, neighbors, progress, euclidean=euclidean)
        for field, rows in zip(fields, exact, strict=True):
            field[late] = rows
    return fields


def search_part(
    sides: Sides, part: slice, tile: int, progress: Progress, fields: list[Tensor]
) -> Tensor:
    """Fill in the fields for the queries at some places, and return the positions of those that
    are given up; a function, so that what was kept for them is gone before the next part."""
    neighbors = fields[-1].shape[1]
    sought = start(sides, part, neighbors)
    compare(sought, sides, part, min(tile, MOST), progress)
    settle_queries(sought, sides, part, neighbors, fields)
    return sides.queries.order[part][torch.from_numpy(sought.given_up())]


def of_whole(progress: Progress | None, part: slice, queries: int) -> Progress:
    """Progress with some of the queries, told as progress with all."""

    def told(done: int, total: int) -> None:
        if progress:
            progress(part.start * total + (part.stop - part.start) * done, queries * total)

    return told


def room(wanted: Array) -> Array:
    """How many misses a query may keep when M are wanted: enough to be cleared rarely."""
    return np.where(wanted > 0, wanted + wanted // 4 + 32, 0)


def parts(own: Array, neighbors: int) -> Iterator[slice]:
    """Slices of queries whose hits and misses fit in `ROOM`; each holds one query at least."""
    relevant = own[:, 1] - own[:, 0]
    ends = np.cumsum(16 * relevant + 8 * room(np.maximum(relevant, neighbors)) + 64)
    first = 0
    while first < len(own):
        past = int(np.searchsorted(ends, (ends[first - 1] if first else 0) + ROOM, side="right"))
        yield slice(first, max(past, first + 1))
        first = max(past, first + 1)


def start(sides: Sides, part: slice, neighbors: int) -> Sought:
    """What is known of the queries at some places once their own class is."""
    hits = own_class(sides, part)
    wanted = np.maximum(hits.relevant, neighbors)
    edge = first_edges(hits, euclidean=sides.euclidean)
    products = (hits.values * sides.rule.scale).astype(np.float32)
    threshold, width = (edge * sides.rule.scale).astype(np.float32), np.float32(sides.rule.width)
    floors = first_floors(hits, products, wanted, sides.rule.margin)
    limits = np.stack([threshold + width, threshold - width, floors])
    starts = np.concatenate([[0], np.cumsum(room(wanted))])
    rooms = Rooms(
        margin=np.float32(sides.rule.margin),
        wanted=wanted,
        hits=products,
        hits_from=hits.starts,
        starts=starts,
        places=np.empty(starts[-1], np.int32),
        kept=np.empty(starts[-1], np.float32),
        filled=np.zeros(len(wanted), np.int64),
        floor=limits[2],
    )
    ahead, close = np.zeros((2, len(wanted)), np.int64)
    return Sought(hits, rooms, edge, limits, ahead, close)


def first_edges(hits: Hits, *, euclidean: bool) -> Array:
    """The least similarity (P,) of a miss that precedes the first hit; infinite without a hit."""
    found = np.full(len(hits.relevant), np.inf)
    some = hits.relevant > 0
    best = torch.from_numpy(hits.values[hits.starts[:-1][some]])
    found[some] = edges(best, euclidean=euclidean).numpy()
    return found


def first_floors(hits: Hits, products: Array, wanted: Array, margin: float) -> Array:
    """Products (P,) below which no miss is wanted: those of the R-th hit if only R are wanted."""
    floors = np.where(wanted > 0, FLOOR, np.inf).astype(np.float32)
    enough = (hits.relevant == wanted) & (wanted > 0)
    last = hits.starts[:-1][enough] + wanted[enough] - 1
    floors[enough] = products[last] - np.float32(margin)
    return floors
