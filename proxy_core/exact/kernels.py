"""Compiled loops of `proxy_core.exact.search` over a tile of products and over its rare events."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit

Array = np.ndarray[Any, np.dtype[Any]]
Function = TypeVar("Function", bound=Callable[..., object])
int32, float32, float64 = np.int32, np.float32, np.float64
SUMS = {"reassoc", "contract"}  # what else fastmath stands for would forbid infinities


def compiled(function: Function) -> Function:
    """The function compiled by numba, and kept on disk where a folder for that can be written.

    It runs without Python's lock, and adds up sums in the order that is best for the processor.
    What is kept does not notice a change of a function in another file, so all compiled functions
    that call each other stand in this one.
    """
    try:
        return cast(Function, njit(cache=True, nogil=True, fastmath=SUMS)(function))
    except RuntimeError:  # no such folder
        return cast(Function, njit(nogil=True, fastmath=SUMS)(function))


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
        above[t] += over
        reached[t] += at_least
    whole = products.shape[0] - products.shape[0] % 8
    for t in range(0, whole, 8):  # eight rows for each step of the columns' counters
        block = products[t : t + 8]
        for u in range(block.shape[1]):
            over, at_least = int32(0), int32(0)
            for i in range(8):
                over += int32(block[i, u] > column_high[u])
                at_least += int32(block[i, u] >= column_low[u])
            column_above[u] += over
            column_reached[u] += at_least
    for t in range(whole, products.shape[0]):
        row = products[t]
        for u in range(row.size):
            column_above[u] += int32(row[u] > column_high[u])
            column_reached[u] += int32(row[u] >= column_low[u])


@compiled
def find(
    products: Array, floor: Array, column_floor: Array, flags: Array, found: Array, ends: Array
) -> int:
    """Write to `found` the columns in products (T, U), row after row, of those that are not below
    the floor of their row (T,) or of their column (U,), and to `ends` (T,) where each row ends; how
    many they are.

    flags are uint8, as many as U rounded up to eights at least, and zero. `found` has room for all
    products and one more.
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
                    found[size] = u  # in any case, which is sooner done than asked
                    size += flags[u]
        ends[t] = size
    return size


@compiled
def look(
    products: Array,
    first_row: int,
    first_column: int,
    both: bool,
    high: Array,
    low: Array,
    floor: Array,
    nothing: Array,
    counts: Array,
    flags: Array,
    found: Array,
    ends: Array,
) -> int:
    """`count` and `find` in products (T, U) for the queries of the rows and, if `both`, of the
    columns, who come first. The counts (4, >= T, U) are set anew."""
    rows, width = products.shape
    last_row, last_column = first_row + rows, first_column + width
    column_high = column_low = column_floor = nothing[:width]
    if both:
        column_high = high[first_column:last_column]
        column_low = low[first_column:last_column]
        column_floor = floor[first_column:last_column]
    counts[:] = 0
    flags[:] = 0
    count(
        products,
        high[first_row:last_row],
        low[first_row:last_row],
        column_high,
        column_low,
        counts[0, :rows],
        counts[1, :rows],
        counts[2, :width],
        counts[3, :width],
    )
    return find(products, floor[first_row:last_row], column_floor, flags, found, ends)


@compiled
def add(above: Array, reached: Array, first: int, size: int, ahead: Array) -> bool:
    """Add counts of some queries to what is known of all; whether any of `reached` differs."""
    differ = False
    for t in range(size):
        ahead[first + t] += above[t]
        differ |= above[t] != reached[t]
    return differ


@compiled
def keep(
    found: Array,
    ends: Array,
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
    k = 0
    for t in range(products.shape[0]):
        while k < ends[t]:
            u, k = found[k], k + 1
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
    first, past = room_from[query], room_from[query] + filled[query]
    mine = hits[hits_from[query] : hits_from[query + 1]]
    own = min(mine.size, wanted[query])
    if wanted[query] == 0 or own + filled[query] < wanted[query] or floor[query] == np.inf:
        return
    last = last_wanted(mine[:own], kept[first:past], wanted[query], floor[query])
    floor[query] = max(floor[query], last - margin)
    left = first
    for k in range(first, past):
        places[left], kept[left] = places[k], kept[k]  # in any case, which is sooner done than asked
        left += kept[k] >= floor[query]
    filled[query] = left - first


@compiled
def last_wanted(hits: Array, misses: Array, wanted: int, floor: np.float32) -> np.float32:
    """A value that `wanted` of the hits and misses reach and, if it can be found, no more do; all
    of them reach the floor."""
    low, high = floor, float32(4.0)
    for _ in range(40):
        middle = (low + high) / float32(2.0)
        reached = int32(0)
        for k in range(hits.size):
            reached += int32(hits[k] >= middle)
        for k in range(misses.size):
            reached += int32(misses[k] >= middle)
        if reached < wanted:
            high = middle
        else:
            low = middle
        if reached == wanted:
            break
    return low


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
def similarities(
    queries: Array, query_rows: Array, gallery: Array, gallery_rows: Array, euclidean: bool
) -> Array:
    """Products, or minus squared distances, (M,) in float64 of the chosen rows of two tables, pair
    by pair."""
    out = np.empty(query_rows.size)
    for k in range(out.size):
        x, y = queries[query_rows[k]], gallery[gallery_rows[k]]
        total = 0.0
        if euclidean:
            for d in range(x.size):
                apart = float64(x[d]) - float64(y[d])
                total -= apart * apart
        else:
            for d in range(x.size):
                total += float64(x[d]) * float64(y[d])
        out[k] = total
    return out
