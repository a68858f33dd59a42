"""Exact ranking on a CPU at the cost of one half of a float32 matrix product.

Items are sorted by class and compared by tiles that stay in the processor's cache. In a search
among themselves each product serves both of its items. As classes stand together, hardly a tile
holds a relevant item. So nothing has to be sorted: similarities of the own class come first, in
float64; then misses are counted that are more similar than one of these, and, for a list of
neighbours, the few are kept that may be among the first K.

Products are float32 and only a filter. Let u = 2**-24 and x, y unit vectors. The operands are
x (1 + a), y (1 + b) with |a|, |b| <= u in every dimension (and a little for float64). A sum of D
products in any order, fused or not, is off by at most D u / (1 - D u) times the sum of |x_d y_d|
(Higham, Accuracy and Stability of Numerical Algorithms, section 3.1), which is at most |x| |y| = 1.
So a product is off by less than 1.01 (D + 2) u / (1 - D u). Thresholds are rounded to float32 as
well, when they are made and when something is added to them: `Rule.width` allows for (D + 8) u, and
for 2**-100 per dimension where float32 underflows. For distances, the sum has D + 2 products and is
at most 2. What is farther from a threshold than this is decided. The rest, a few hundred pairs of
60,502^2, is decided in float64, pair by pair. A query with too many of them, as of a collapsed
embedding, is given up by the filter and compared with the whole gallery in float64.

A list of neighbours is complete above the K-th best product minus twice the width and one tie for
each item, as items that are equal step by step stand in the order of the gallery.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from proxy_core.exact import exact_kernels as exact
from proxy_core.exact import miss_kernels as kernels
from proxy_core.exact import order_kernels as ordering
from proxy_core.exact.compare import Sides, compare, pieces
from proxy_core.exact.tables import Array, Outcome, Sought

ROOM = 48 * 2**20  # bytes for hits and misses of the queries that are searched at a time
SETTLED = 4096  # queries whose results are put in order together
MOST = 2048  # queries in a tile: its products have to fit in memory, and should in the cache
WHOLE = 64  # queries that are compared with the whole gallery at a time


def search(sides: Sides, own: Array, tile: int) -> Outcome:
    """Rank the gallery for every query; own (Q, 2) are the places of each query's class."""
    size, listed = len(sides.queries.order), sides.rule.neighbors
    found = np.full((size, listed), -1), np.full((size, listed), -np.inf, np.float32)
    outcome = Outcome(np.zeros((size, 4)), *found)
    for part in parts(own, len(sides.gallery.order), listed):
        some = part_of(sides, part)
        sought = start(some, own[part])
        compare(sought, some, min(tile, MOST))
        settle_kept(sought, some, outcome)
        settle_given_up(sought, some, outcome)
    return outcome


def part_of(sides: Sides, part: slice) -> Sides:
    """Some of the queries, before the whole gallery."""
    if part == slice(0, len(sides.queries.order)):
        return sides
    queries = sides.queries
    queries = queries._replace(order=queries.order[part], ids=queries.ids[part])
    return replace(sides, queries=queries, alike=False)


def room(gallery: int, neighbors: int) -> int:
    """How many misses a query may keep: twice those that it lists, and some that are close."""
    return min(2 * neighbors + 32, gallery) if neighbors else 0


def parts(own: Array, gallery: int, neighbors: int) -> Iterator[slice]:
    """Slices of queries whose hits and misses fit in `ROOM`; each holds one query at least."""
    sizes = 36 * (own[:, 1] - own[:, 0]) + 8 * room(gallery, neighbors)
    ends = np.cumsum(sizes)
    first = 0
    while first < len(own):
        past = int(np.searchsorted(ends, ends[first] - sizes[first] + ROOM, side="right"))
        yield slice(first, max(past, first + 1))
        first = max(past, first + 1)


def start(sides: Sides, own: Array) -> Sought:
    """What is known of the queries once their own class is."""
    size, floats, rule = len(own), np.float32, sides.rule
    hits_from = np.concatenate([[0], np.cumsum(own[:, 1] - own[:, 0])])
    room_from = np.arange(size + 1) * room(len(sides.gallery.order), rule.neighbors)
    sought = Sought(
        own=own,
        relevant=np.zeros(size, np.int64),
        hits_from=hits_from,
        hits=np.empty(hits_from[-1]),
        hit_items=np.empty(hits_from[-1], np.int64),
        edges=np.empty(hits_from[-1]),
        rough_edges=np.empty(hits_from[-1], floats),
        counts=np.zeros(hits_from[-1], np.int32),
        high=np.full(size, np.inf, floats),
        ahead=np.zeros(size, np.int32),
        alive=np.zeros(size, np.int64),
        low=np.full(size, np.inf, floats),
        pending=np.zeros(size, np.int32),
        room_from=room_from,
        items=np.empty(room_from[-1], np.int32),
        products=np.empty(room_from[-1], floats),
        filled=np.zeros(size, np.int64),
        due=np.minimum(np.diff(room_from), 16 + rule.neighbors * 3 // 2),
        floor=np.full(size, -3.0 if rule.neighbors else np.inf, floats),
        close=np.zeros(size, np.int32),
        given_up=np.zeros(size, np.bool_),
    )
    exact.own_class(sought, sides.queries, sides.gallery, sides.alike, rule.euclidean)
    kernels.sort_hits(sought, sides.gallery.order)
    sought.edges[:] = sought.hits - rule.tie * (np.abs(sought.hits) if rule.euclidean else 1.0)
    sought.rough_edges[:] = sought.edges * rule.scale
    kernels.set_bounds(sought, rule)
    return sought


def settle_kept(sought: Sought, sides: Sides, outcome: Outcome) -> None:
    """Write down the outcome from the misses that were kept, now in float64."""
    queries, gallery, rule = sides.queries, sides.gallery, sides.rule
    kernels.tighten_all(sought, rule)
    filled = np.where(sought.given_up, 0, sought.filled)
    for part in pieces(len(queries.order), SETTLED):
        starts = np.concatenate([[0], np.cumsum(filled[part])])
        misses, items = np.empty(starts[-1]), np.empty(starts[-1], np.int64)
        exact.exact_misses(
            sought, part.start, starts, queries, gallery, rule.euclidean, misses, items
        )
        ordering.settle_kept(
            sought, part.start, starts, misses, items, queries.order, rule, outcome
        )


def settle_given_up(sought: Sought, sides: Sides, outcome: Outcome) -> None:
    """Rank the whole gallery in float64 for the queries that the filter gave up."""
    queries, gallery, rule = sides.queries, sides.gallery, sides.rule
    given_up = np.flatnonzero(sought.given_up)
    for part in pieces(len(given_up), WHOLE):
        chosen = given_up[part]
        rows = np.empty((len(chosen), len(gallery.order)))
        exact.exact_rows(queries, queries.order[chosen], gallery, rule.euclidean, rows)
        leave_out(rows, chosen, sought, sides)
        count = min(rows.shape[1], max(rule.neighbors, sought.relevant[chosen].max()))
        best = np.partition(rows, rows.shape[1] - count, axis=1)[:, rows.shape[1] - count :]
        best = np.ascontiguousarray(np.sort(best, axis=1)[:, ::-1])
        ordering.settle_rows(rows, best, chosen, sought, queries.order, rule, outcome)


def leave_out(rows: Array, chosen: Array, sought: Sought, sides: Sides) -> None:
    """Set rows (T, G) of the chosen queries (T,) to -inf for items of their class or their id."""
    gallery = sides.gallery
    for row, p in zip(rows, chosen, strict=True):
        row[gallery.order[slice(*sought.own[p])]] = -np.inf
        row[gallery.order[gallery.ids == sides.queries.ids[p]]] = -np.inf
