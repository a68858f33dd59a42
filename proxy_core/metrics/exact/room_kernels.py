"""Compiled loops over what is kept for each query: misses that may be among the wanted."""

from typing import NamedTuple

import numpy as np

from proxy_core.metrics.compiled import Array, compiled

int32, int64, float32 = np.int32, np.int64, np.float32


class Rooms(NamedTuple):
    """What is kept for each of P queries, of which M hits and misses are wanted."""

    margin: np.float32  # how far a product may be below the M-th best one and still matter
    wanted: Array  # (P,) int64: M
    hits: Array  # float32 products of the filter that the similarities of the hits are
    hits_from: Array  # (P + 1,) int64: where those of a query start, best first
    starts: Array  # (P + 1,) int64: where a query's room starts in the next two
    places: Array  # int32: places in the gallery of misses that may be wanted
    kept: Array  # float32: their products
    filled: Array  # (P,) int64: how many these are
    floor: Array  # (P,) float32: products below are not wanted; infinite if given up, or M is 0


@compiled
def add(
    counts: Array, first: int, past: int, most: int, ahead: Array, close: Array, limits: Array
) -> None:
    """Add what `tile_kernels.look` counted (2, >= T) for queries at places from the first on: what
    is above `high` to `ahead`, and what else reaches `low` to what is `close`. A query with more
    than `most` of this is given up."""
    for query in range(first, past):
        above, reached = counts[0, query - first], counts[1, query - first]
        ahead[query] += above
        close[query] += reached - above
        if close[query] > most:
            limits[:, query] = np.inf


@compiled
def keep(found: Array, values: Array, rooms: Rooms) -> None:
    """Take misses into the rooms of their queries: found (2, F) by query and place, and values, at
    least as many, by product.

    A room that is full is cleared of what cannot be among the wanted; if nothing can go, its query
    is given up: its floor becomes infinite.
    """
    starts, filled, floor = rooms.starts, rooms.filled, rooms.floor
    for k in range(found.shape[1]):
        query, place, product = int64(found[0, k]), found[1, k], values[k]
        if product < floor[query]:
            continue
        if filled[query] == starts[query + 1] - starts[query]:
            clear(query, rooms)
            if filled[query] == starts[query + 1] - starts[query]:
                floor[query] = np.inf
            if product < floor[query]:
                continue
        rooms.places[starts[query] + filled[query]] = place
        rooms.kept[starts[query] + filled[query]] = product
        filled[query] += 1


@compiled
def clear_all(rooms: Rooms) -> None:
    """Clear the rooms of all queries."""
    for query in range(rooms.filled.size):
        clear(query, rooms)


@compiled
def clear(query: int | np.int64, rooms: Rooms) -> None:
    """Raise a query's floor to its last wanted product of hits and misses, less the margin, and
    drop the misses below it."""
    wanted, filled, floor = rooms.wanted[query], rooms.filled[query], rooms.floor[query]
    first = rooms.starts[query]
    places, kept = rooms.places[first : first + filled], rooms.kept[first : first + filled]
    hits = rooms.hits[rooms.hits_from[query] : rooms.hits_from[query + 1]][:wanted]
    if wanted == 0 or hits.size + filled < wanted or floor == np.inf:
        return
    floor = max(floor, last_wanted(hits, kept, wanted, floor) - rooms.margin)
    left = 0
    for k in range(filled):
        places[left], kept[left] = places[k], kept[k]  # in any case: sooner done than asked
        left += kept[k] >= floor
    rooms.filled[query], rooms.floor[query] = left, floor


@compiled
def last_wanted(hits: Array, misses: Array, wanted: int, floor: np.float32) -> np.float32:
    """A value that `wanted` of the hits and misses reach and, if it can be found, no more do; the
    floor, where fewer reach that."""
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
