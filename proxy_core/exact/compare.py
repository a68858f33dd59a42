"""One pass over all pairs by tiles, for `proxy_core.exact.search`."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from proxy_core.exact import exact_kernels as exact
from proxy_core.exact import filter_kernels as filtering
from proxy_core.exact import miss_kernels as kernels
from proxy_core.exact.tables import Array, Rows, Rule, Sought

KEPT = 32 * 2**20  # bytes up to which the filter's operands of the whole gallery are kept
SHARE = 16  # a query is given up when float64 decided more than this part of its pairs


@dataclass(frozen=True)
class Sides:
    """What is compared with what, and how."""

    queries: Rows
    gallery: Rows
    rule: Rule
    alike: bool  # are the queries the gallery, and all of it?
    clashing: bool  # may items with one id have different labels?


class Area(NamedTuple):
    """Memory for one tile that is used again for the next."""

    products: Tensor  # (T * T,) float32
    flags: Array  # (>= T,) uint8
    events: tuple[Array, Array, Array]  # (2 * T * T,) int32, int32, float32
    unclear: Array  # (2 * T * T,) int32
    nothing: Array  # (T,) float32: infinity
    uncounted: Array  # (T,) int32


def compare(sought: Sought, sides: Sides, tile: int) -> None:
    """Show every query the whole gallery; if they are alike, each pair is multiplied once.

    The first tile of every query comes first and in growing pieces, as the more is known of a
    query, the fewer misses are worth a look.
    """
    size = len(sides.gallery.order)
    area = area_of(min(tile, max(size, len(sought.relevant))))
    whole = None
    if size * sides.gallery.values.shape[1] * 4 <= KEPT:
        whole = operand(sides.gallery, slice(0, size), sides.rule, left=False)
    with full_float32():
        for later in (False, True):
            for rows in pieces(len(sought.relevant), tile):
                left = operand(sides.queries, rows, sides.rule, left=True)
                first = rows.start if sides.alike else 0
                for columns in columns_of(first, size, tile, later):
                    right = operand(sides.gallery, columns, sides.rule, left=False, whole=whole)
                    products = multiply(left, right, area)
                    hide(products, rows, columns, sought, sides)
                    show(products, rows, columns, sought, sides, sides.alike and later, area)


def pieces(size: int, piece: int, start: int = 0) -> Iterator[slice]:
    """Slices of at most `piece` that cover start..size - 1."""
    return (slice(first, min(first + piece, size)) for first in range(start, size, piece))


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


def area_of(tile: int) -> Area:
    """Memory for tiles (T, T)."""
    size = 2 * tile * tile
    return Area(
        products=torch.empty(tile * tile),
        flags=np.zeros(tile + 8 - tile % 8, np.uint8),
        events=(np.empty(size, np.int32), np.empty(size, np.int32), np.empty(size, np.float32)),
        unclear=np.empty(size, np.int32),
        nothing=np.full(tile, np.inf, np.float32),
        uncounted=np.empty(tile, np.int32),
    )


@contextmanager
def full_float32() -> Iterator[None]:
    """Products of float32 without shortened operands, whatever this process asked for.

    Autocast needs no such care: it leaves a product with an `out` alone.
    """
    asked = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(asked)


def operand(
    rows: Rows, places: slice, rule: Rule, *, left: bool, whole: Tensor | None = None
) -> Tensor:
    """Some rows as the filter multiplies them, float32 (T, D); out of the whole if that is kept."""
    if whole is not None:
        return whole[places]
    dim = rows.values.shape[1] + 2 * rule.euclidean
    out = np.empty((places.stop - places.start, dim), np.float32)
    filtering.operand(rows, places.start, rule, left, out)
    return torch.from_numpy(out)


def multiply(left: Tensor, right: Tensor, area: Area) -> Array:
    """Products (T, U) of the filter's operands."""
    shape = left.shape[0], right.shape[0]
    products = area.products[: shape[0] * shape[1]].view(shape)
    torch.mm(left, right.T, out=products)
    return products.numpy()


def hide(products: Array, rows: slice, columns: slice, sought: Sought, sides: Sides) -> None:
    """Set products of items that are no misses to -inf: those of the query's class or id.

    Classes stand in the same order on both sides, so most tiles have none.
    """
    own = sought.own[rows]
    if own[0, 0] < columns.stop and own[-1, 1] > columns.start:
        filtering.hide_own(products, own, columns.start)
    if sides.clashing:
        filtering.hide_equal(products, sides.queries.ids[rows], sides.gallery.ids[columns])


def show(
    products: Array,
    rows: slice,
    columns: slice,
    sought: Sought,
    sides: Sides,
    both: bool,
    area: Area,
) -> None:
    """Show a tile to its rows and, if the columns are queries too, to these."""
    size = columns.stop - columns.start
    nothing = area.nothing[:size]
    of_columns = bounds(sought, columns) if both else (nothing,) * 3 + (area.uncounted[:size],)
    area.flags[size:] = 0
    listing, places = sides.rule.neighbors > 0, (rows.start, columns.start)
    count = filtering.scan(
        products, bounds(sought, rows), of_columns, places, listing, area.flags, area.events
    )
    if listing and count:
        kernels.keep(count, area.events, sought, sides.rule)
    left = kernels.count_misses(count, area.events, sought, sides.rule, area.unclear)
    if left:
        unclear, queries, gallery = area.unclear[:left], sides.queries, sides.gallery
        similarities = exact.exact_pairs(
            unclear, area.events, queries, gallery, sides.rule.euclidean
        )
        kernels.decide(
            unclear, similarities, area.events[0], sought, 32 + len(gallery.order) // SHARE
        )


def bounds(sought: Sought, places: slice) -> filtering.Bounds:
    """What a scan compares the products of some queries with, and where it counts."""
    return sought.high[places], sought.low[places], sought.floor[places], sought.ahead[places]
