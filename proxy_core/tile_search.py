"""Exact ranking on a CPU at the cost of one half of a float32 matrix product.

Items are sorted by class and compared by tiles that stay in the processor's cache. In a search
among themselves each product serves both of its items. A tile holds next to no relevant item, so
there is nothing to sort: similarities of the own class come first, in float64, and then the misses
ahead of the best of them are counted, and the few that may stand within the first M places are
kept, M being the larger of R and K.

Products are float32 and only a filter. Let u = 2**-24, and x, y unit vectors. The operands are
x (1 + a), y (1 + b) with |a|, |b| <= u in every dimension (and a little for float64), and a sum of
D products in any order, fused or not, is off by at most D u / (1 - D u) sum |x_d y_d|. As that sum
is at most |x| |y| = 1, the product is off by less than 1.01 (D + 2) u. Every threshold is rounded
to float32 as well and compared after a subtraction: `width` allows (D + 8) u for all of it, and
2**-100 per dimension for values below float32's range. What is further from the threshold than
that is decided; the rest is decided in float64, pair by pair. A query with too many of those (a
collapsed embedding) is given up by the filter and compared with the whole gallery in float64.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch

from proxy_core import order_kernels as order
from proxy_core import tile_kernels as kernels
from proxy_core import tile_scan as scanning
from proxy_core.compiling import Array, Outcome, Rows, Rule, Sought

ROOM = 64 * 2**20  # bytes for hits and misses of the queries that are searched at a time
SETTLED = 4096  # queries whose results are put in order together
WHOLE = 64  # queries that are compared with the whole gallery at a time


def search(
    queries: Rows, gallery: Rows, own: Array, rule: Rule, tile: int, clashing: bool
) -> Outcome:
    """Rank the gallery for every query; own (Q, 2) are the places of each query's class.

    Queries and gallery being one object, they are searched among themselves. `clashing` says that
    items with one id may have different labels.
    """
    size = len(queries.order)
    found = np.full((size, rule.neighbors), -1), np.full((size, rule.neighbors), -np.inf, "f4")
    outcome = Outcome(np.zeros((size, 4)), *found)
    for part in parts(own, len(gallery.order), rule.neighbors):
        some = queries._replace(order=queries.order[part], ids=queries.ids[part])
        alike = queries is gallery and len(some.order) == size
        sought = start(some, gallery, own[part], rule, alike)
        compare(sought, some, gallery, rule, tile, alike, clashing)
        settle_kept(sought, some, gallery, rule, outcome)
        settle_given_up(sought, some, gallery, rule, outcome)
    return outcome


def pieces(size: int, piece: int, start: int = 0) -> Iterator[slice]:
    """Slices of at most `piece` that cover start..size - 1."""
    return (slice(first, min(first + piece, size)) for first in range(start, size, piece))


def room(gallery: int, neighbors: int) -> int:
    """How many misses a query may keep: twice those that it lists, and some that are close."""
    return min(2 * neighbors + 32, gallery) if neighbors else 0


def parts(own: Array, gallery: int, neighbors: int) -> Iterator[slice]:
    """Slices of queries whose hits and misses fit in `ROOM`; each holds one query at least."""
    sizes = 24 * (own[:, 1] - own[:, 0]) + 8 * room(gallery, neighbors)
    ends = np.cumsum(sizes)
    first = 0
    while first < len(own):
        past = int(np.searchsorted(ends, ends[first] - sizes[first] + ROOM, side="right"))
        yield slice(first, max(past, first + 1))
        first = max(past, first + 1)


def start(queries: Rows, gallery: Rows, own: Array, rule: Rule, alike: bool) -> Sought:
    """What is known of the queries once their own class is."""
    size, floats = len(own), np.float32
    hits_from = np.concatenate([[0], np.cumsum(own[:, 1] - own[:, 0])])
    room_from = np.arange(size + 1) * room(len(gallery.order), rule.neighbors)
    sought = Sought(
        own=own,
        relevant=np.zeros(size, np.int64),
        hits_from=hits_from,
        hits=np.empty(hits_from[-1]),
        hit_items=np.empty(hits_from[-1], np.int64),
        edges=np.empty(hits_from[-1], floats),
        counts=np.zeros(hits_from[-1], np.int32),
        rough_edge=np.full(size, np.inf, floats),
        ahead=np.zeros(size, np.int32),
        alive=np.zeros(size, np.int64),
        lowest=np.full(size, np.inf, floats),
        pending=np.zeros(size, np.int32),
        room_from=room_from,
        items=np.empty(room_from[-1], np.int32),
        products=np.empty(room_from[-1], floats),
        filled=np.zeros(size, np.int64),
        floor=np.full(size, -3.0 if rule.neighbors else np.inf, floats),
        least=np.full(size, np.inf, floats),
        close=np.zeros(size, np.int32),
        given_up=np.zeros(size, np.bool_),
    )
    kernels.own_class(sought, queries, gallery, alike, rule.euclidean)
    kernels.sort_hits(sought, gallery, rule)
    kernels.tighten_all(sought, rule)
    return sought


class Area(NamedTuple):
    """Memory for one tile that is used again for the next."""

    products: torch.Tensor  # (T * T,) float32
    flags: Array  # (>= T,) uint8
    events: tuple[Array, Array, Array]  # (2 * T * T,) int32, int32, float32
    unclear: Array  # (2 * T * T,) int32


def compare(
    sought: Sought, queries: Rows, gallery: Rows, rule: Rule, tile: int, alike: bool, clashing: bool
) -> None:
    """Show every query the whole gallery; if they are alike, each pair is multiplied once.

    The first tile of every query comes first and in growing pieces, as the more is known of a
    query, the fewer misses are worth a look.
    """
    size = 2 * tile * tile
    events = np.empty(size, np.int32), np.empty(size, np.int32), np.empty(size, np.float32)
    area = Area(torch.empty(tile * tile), np.zeros(tile + 8 - tile % 8, np.uint8), events, np.empty(size, np.int32))
    for later in (False, True):
        for rows in pieces(len(queries.order), tile):
            left = operand(queries, rows, rule, True)
            first = rows.start if alike else 0
            for columns in columns_of(first, len(gallery.order), tile, later):
                products = multiply(left, operand(gallery, columns, rule, False), area)
                hide(products, rows, columns, sought)
                if clashing:
                    scanning.hide_equal(products, queries.ids[rows], gallery.ids[columns])
                show(products, rows, columns, sought, queries, gallery, rule, alike and later, area)


def columns_of(first: int, size: int, tile: int, later: bool) -> Iterator[slice]:
    """The pieces of the first tile from a place on, or all later tiles."""
    end = min(first + tile, size)
    if later:
        yield from pieces(size, tile, end)
        return
    piece = -(-tile // 8)
    while first < end:
        yield slice(first, min(first + piece, end))
        first, piece = first + piece, 2 * piece


def multiply(left: torch.Tensor, right: torch.Tensor, area: Area) -> Array:
    """Products (T, U) of the filter's operands."""
    products = area.products[: len(left) * len(right)].view(len(left), len(right))
    torch.mm(left, right.T, out=products)
    return products.numpy()


def operand(rows: Rows, places: slice, rule: Rule, left: bool) -> torch.Tensor:
    """Some rows as the filter multiplies them, float32 (T, D)."""
    dim = rows.values.shape[1] + 2 * rule.euclidean
    out = np.empty((places.stop - places.start, dim), np.float32)
    scanning.operand(rows, places.start, rule, left, out)
    return torch.from_numpy(out)


def hide(products: Array, rows: slice, columns: slice, sought: Sought) -> None:
    """Set the relevant items among products to -inf; classes stand in the same order on both
    sides, so most tiles have none."""
    own = sought.own[rows]
    if own[0, 0] < columns.stop and own[-1, 1] > columns.start:
        scanning.hide_own(products, own, columns.start)


def show(
    products: Array, rows: slice, columns: slice, sought: Sought,
    queries: Rows, gallery: Rows, rule: Rule, both: bool, area: Area,
) -> None:
    """Show a tile to its rows and, if the columns are queries too, to these."""
    numbers = sought.rough_edge, sought.least, sought.ahead
    size = columns.stop - columns.start
    nothing = np.full(size, np.inf, np.float32)
    of_columns = tuple(a[columns] for a in numbers) if both else (nothing, nothing, np.zeros(size, np.int32))
    area.flags[size:] = 0
    count = scanning.scan(
        products, tuple(a[rows] for a in numbers), of_columns, (rows.start, columns.start),
        rule.width, area.flags, area.events,
    )
    if rule.neighbors:
        kernels.keep(count, area.events, sought, rule)
    left = kernels.count_misses(count, area.events, sought, rule, area.unclear)
    kernels.decide(area.unclear[:left], area.events, sought, queries, gallery, rule)


def settle_kept(
    sought: Sought, queries: Rows, gallery: Rows, rule: Rule, outcome: Outcome
) -> None:
    """Write down the outcome from the misses that were kept, now in float64."""
    kernels.tighten_all(sought, rule)
    filled = np.where(sought.given_up, 0, sought.filled)
    for part in pieces(len(queries.order), SETTLED):
        starts = np.concatenate([[0], np.cumsum(filled[part])])
        misses, positions = np.empty(starts[-1]), np.empty(starts[-1], np.int64)
        kernels.exact_misses(
            sought, part.start, starts, queries, gallery, rule.euclidean, misses, positions
        )
        order.settle_kept(
            sought, part.start, starts, misses, positions, queries, gallery, rule, outcome
        )


def settle_given_up(
    sought: Sought, queries: Rows, gallery: Rows, rule: Rule, outcome: Outcome
) -> None:
    """Rank the whole gallery in float64 for the queries that the filter gave up."""
    given_up = np.flatnonzero(sought.given_up)
    for part in pieces(len(given_up), WHOLE):
        chosen = given_up[part]
        rows = np.empty((len(chosen), len(gallery.order)))
        kernels.exact_rows(queries, queries.order[chosen], gallery, rule.euclidean, rows)
        order.settle_rows(rows, chosen, sought, queries, gallery, rule, outcome)
