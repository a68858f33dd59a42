"""Compiled loops of `proxy_core.exact.search` over a tile of products and over its rare events."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit

Array = np.ndarray[Any, np.dtype[Any]]
Function = TypeVar("Function", bound=Callable[..., object])
int32, float32, float64 = np.int32, np.float32, np.float64


def compiled(function: Function) -> Function:
    """The function compiled by numba, and kept on disk where a folder for that can be written.

    It runs without Python's lock. What is kept does not notice a change of a function in another
    file, so all compiled functions that call each other stand in this one.
    """
    try:
        return cast(Function, njit(cache=True, nogil=True)(function))
    except RuntimeError:  # no such folder
        return cast(Function, njit(nogil=True)(function))


@compiled
def hide(products: Array, own: Array, first_column: int) -> None:
    """Set products (T, U) with the own class (T, 2) of each row, given by place, to -inf."""
    for t in range(products.shape[0]):
        start = max(own[t, 0] - first_column, 0)
        for u in range(start, min(own[t, 1] - first_column, products.shape[1])):
            products[t, u] = -np.inf


@compiled
def count(
    products: Array,
    high: Array,
    low: Array,
    column_high: Array,
    column_low: Array,
    above: Array,
    reached: Array,
    column_above: Array,
    column_reached: Array,
) -> None:
    """Add to the last four, per row (T,) and per column (U,) of products (T, U), how many are
    greater than `high` and how many are at least `low`."""
    for t in range(products.shape[0]):
        row, upper, lower = products[t], high[t], low[t]
        over, at_least = int32(0), int32(0)
        for u in range(row.size):  # branches or wider counters would keep it from being vectorised
            over += int32(row[u] > upper)
            at_least += int32(row[u] >= lower)
            column_above[u] += int32(row[u] > column_high[u])
            column_reached[u] += int32(row[u] >= column_low[u])
        above[t] += over
        reached[t] += at_least


@compiled
def find(products: Array, floor: Array, column_floor: Array, flags: Array, found: Array) -> int:
    """Write to `found` the places in products (T, U), row after row, of those that are not below
    the floor of their row (T,) or of their column (U,); how many they are.

    flags are uint8, as many as U rounded up to eights at least, and zero.
    """
    size, width = 0, products.shape[1]
    words = flags.view(np.uint64)
    for t in range(products.shape[0]):
        row, lowest = products[t], floor[t]
        for u in range(width):
            flags[u] = np.uint8(row[u] >= min(lowest, column_floor[u]))
        for word in range(-(-width // 8)):
            if words[word]:
                for u in range(8 * word, min(8 * word + 8, width)):
                    if flags[u]:
                        found[size] = t * width + u
                        size += 1
    return size


@compiled
def add(above: Array, reached: Array, ahead: Array) -> bool:
    """Add counts (T,) to others; whether any of `reached` differs from them."""
    differ = False
    for t in range(above.size):
        ahead[t] += above[t]
        differ |= above[t] != reached[t]
    return differ


@compiled
def keep(
    found: Array,
    products: Array,
    first_row: int,
    first_column: int,
    both: bool,
    margin: np.float32,
    wanted: Array,
    hits: Array,
    hits_from: Array,
    room_from: Array,
    places: Array,
    kept: Array,
    filled: Array,
    floor: Array,
) -> None:
    """Take what was found in products (T, U) into the rooms of the rows' queries and, if `both`, of
    the columns'. The last eight are those of `proxy_core.exact.tiles.Sought`.

    A room that is full is cleared of what cannot be among the wanted; if nothing can go, its query
    is given up: its floor becomes infinite.
    """
    width = products.shape[1]
    for k in range(found.size):
        t, u = found[k] // width, found[k] % width
        product = products[t, u]
        for side in range(1 + both):
            query, place = first_row + t, first_column + u
            if side == 1:
                query, place = place, query
            if product < floor[query]:
                continue
            if filled[query] == room_from[query + 1] - room_from[query]:
                clear(
                    query, margin, wanted, hits, hits_from, room_from, places, kept, filled, floor
                )
                if filled[query] == room_from[query + 1] - room_from[query]:
                    floor[query] = np.inf
                if product < floor[query]:
                    continue
            places[room_from[query] + filled[query]] = place
            kept[room_from[query] + filled[query]] = product
            filled[query] += 1


@compiled
def clear(
    query: int,
    margin: np.float32,
    wanted: Array,
    hits: Array,
    hits_from: Array,
    room_from: Array,
    places: Array,
    kept: Array,
    filled: Array,
    floor: Array,
) -> None:
    """Raise a query's floor to its last wanted product of hits and misses, less the margin, and
    drop the misses below it."""
    first, size, count = room_from[query], filled[query], wanted[query]
    own = min(hits_from[query + 1] - hits_from[query], count)
    if count == 0 or own + size < count or floor[query] == np.inf:
        return
    known = np.empty(own + size, float32)
    for k in range(own):
        known[k] = hits[hits_from[query] + k]
    for k in range(size):
        known[own + k] = kept[first + k]
    known = np.partition(known, known.size - count)
    floor[query] = max(floor[query], known[known.size - count] - margin)
    left = first
    for k in range(first, first + size):
        if kept[k] >= floor[query]:
            places[left], kept[left] = places[k], kept[k]
            left += 1
    filled[query] = left - first


@compiled
def clear_all(
    margin: np.float32,
    wanted: Array,
    hits: Array,
    hits_from: Array,
    room_from: Array,
    places: Array,
    kept: Array,
    filled: Array,
    floor: Array,
) -> None:
    """Clear the rooms of all queries."""
    for query in range(filled.size):
        clear(query, margin, wanted, hits, hits_from, room_from, places, kept, filled, floor)


@compiled
def similarity(x: Array, y: Array, euclidean: bool) -> float:
    """Product, or minus squared distance, in float64 of two rows (D,)."""
    a = b = c = d = 0.0  # four sums, which the processor adds up side by side
    for k in range(0, x.size - 3, 4):
        if euclidean:
            a -= (float64(x[k]) - float64(y[k])) ** 2
            b -= (float64(x[k + 1]) - float64(y[k + 1])) ** 2
            c -= (float64(x[k + 2]) - float64(y[k + 2])) ** 2
            d -= (float64(x[k + 3]) - float64(y[k + 3])) ** 2
        else:
            a += float64(x[k]) * float64(y[k])
            b += float64(x[k + 1]) * float64(y[k + 1])
            c += float64(x[k + 2]) * float64(y[k + 2])
            d += float64(x[k + 3]) * float64(y[k + 3])
    for k in range(x.size - x.size % 4, x.size):
        if euclidean:
            a -= (float64(x[k]) - float64(y[k])) ** 2
        else:
            a += float64(x[k]) * float64(y[k])
    return (a + b) + (c + d)


@compiled
def similarities(
    queries: Array, query_rows: Array, gallery: Array, gallery_rows: Array, euclidean: bool
) -> Array:
    """Those (M,) of the chosen rows of two tables, pair by pair."""
    out = np.empty(query_rows.size)
    for k in range(out.size):
        out[k] = similarity(queries[query_rows[k]], gallery[gallery_rows[k]], euclidean)
    return out
