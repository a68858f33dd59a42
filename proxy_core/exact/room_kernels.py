"""Compiled loops over what is kept for each query: misses that may be among the wanted."""

import numpy as np

from proxy_core.compiled import Array, compiled

int32, float32 = np.int32, np.float32


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
def keep(
    found: Array,
    values: Array,
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
    """Take misses into the rooms of their queries: found (2, F) by query and place, and values, at
    least as many, by product. The last eight are those of `proxy_core.exact.tiles.Sought`.

    A room that is full is cleared of what cannot be among the wanted; if nothing can go, its query
    is given up: its floor becomes infinite.
    """
    for k in range(found.shape[1]):
        query, place, product = int(found[0, k]), found[1, k], values[k]
        if product < floor[query]:
            continue
        if filled[query] == room_from[query + 1] - room_from[query]:
            clear(query, margin, wanted, hits, hits_from, room_from, places, kept, filled, floor)
            if filled[query] == room_from[query + 1] - room_from[query]:
                floor[query] = np.inf
            if product < floor[query]:
                continue
        places[room_from[query] + filled[query]] = place
        kept[room_from[query] + filled[query]] = product
        filled[query] += 1


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
        places[left], kept[left] = (
            places[k],
            kept[k],
        )  # in any case, which is sooner done than asked
        left += kept[k] >= floor[query]
    filled[query] = left - first


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
