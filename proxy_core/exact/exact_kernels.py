"""Compiled loops that compute similarities in float64.

They are summed in one fixed order, so that they have the same bits wherever they are used.
"""

import numpy as np

from proxy_core.exact.tables import Array, Rows, Sought, compiled

BLOCK = 128  # rows that are multiplied together


@compiled
def term(left: float, right: float, euclidean: bool) -> float:
    """What one dimension adds to a similarity."""
    if euclidean:
        return -(left - right) * (left - right)
    return left * right


@compiled
def total(x: Array, y: Array, euclidean: bool) -> float:
    """Sum of the terms of two rows (D,): that of dimension d is added to partial sum d % 4."""
    a = b = c = d = 0.0
    whole = x.size - x.size % 4
    for k in range(0, whole, 4):
        a += term(np.float64(x[k]), np.float64(y[k]), euclidean)
        b += term(np.float64(x[k + 1]), np.float64(y[k + 1]), euclidean)
        c += term(np.float64(x[k + 2]), np.float64(y[k + 2]), euclidean)
        d += term(np.float64(x[k + 3]), np.float64(y[k + 3]), euclidean)
    if x.size > whole:
        a += term(np.float64(x[whole]), np.float64(y[whole]), euclidean)
    if x.size > whole + 1:
        b += term(np.float64(x[whole + 1]), np.float64(y[whole + 1]), euclidean)
    if x.size > whole + 2:
        c += term(np.float64(x[whole + 2]), np.float64(y[whole + 2]), euclidean)
    return (a + b) + (c + d)


@compiled
def row_lengths(values: Array) -> Array:
    """Lengths (N,) of rows (N, D); a zero row has length one."""
    lengths = np.empty(len(values))
    for i in range(lengths.size):
        lengths[i] = np.sqrt(total(values[i], values[i], False)) or 1.0
    return lengths


@compiled
def farthest(values: Array, center: Array) -> float:
    """The largest distance of rows (N, D) from the center (D,)."""
    largest = 0.0
    for i in range(len(values)):
        largest = max(largest, -total(values[i], center, True))
    return float(np.sqrt(largest))


@compiled
def own_class(sought: Sought, queries: Rows, gallery: Rows, alike: bool, euclidean: bool) -> None:
    """Fill in `hits`, by place; with queries and gallery alike, each pair is computed once."""
    hits, hits_from, own, order = sought.hits, sought.hits_from, sought.own, gallery.order
    vectors, values, lengths = queries.values, gallery.values, gallery.lengths
    for p in range(own.shape[0]):
        i, first = queries.order[p], own[p, 0]
        for j in range(first, own[p, 1]):
            place = hits_from[p] + j - first
            if queries.ids[p] == gallery.ids[j]:
                hits[place] = -np.inf
            elif alike and j < p:
                hits[place] = hits[hits_from[j] + p - first]
            else:
                similarity = total(vectors[i], values[order[j]], euclidean)
                length = 1.0 if euclidean else queries.lengths[i] * lengths[order[j]]
                hits[place] = similarity / length


@compiled
def exact_misses(
    sought: Sought,
    first: int,
    starts: Array,
    queries: Rows,
    gallery: Rows,
    euclidean: bool,
    misses: Array,
    positions: Array,
) -> None:
    """Fill in the items in the rooms of the queries from `first` on and their similarities, by
    item; those of query `first` + t go to `starts`[t] and on."""
    values, lengths = gallery.values, gallery.lengths
    for t in range(starts.size - 1):
        i, room, start = queries.order[first + t], sought.room_from[first + t], starts[t]
        found = gallery.order[sought.items[room : room + starts[t + 1] - start]]
        found.sort()
        for k in range(found.size):
            j = found[k]
            length = 1.0 if euclidean else queries.lengths[i] * lengths[j]
            positions[start + k] = j
            misses[start + k] = total(queries.values[i], values[j], euclidean) / length


@compiled
def exact_rows(queries: Rows, chosen: Array, gallery: Rows, euclidean: bool, out: Array) -> None:
    """Similarities (T, G) of queries (T,), given by item, with the same bits as elsewhere."""
    size, dim = gallery.values.shape
    turned, sums = np.empty((dim, BLOCK)), np.empty((4, BLOCK))
    for start in range(0, size, BLOCK):
        width = min(BLOCK, size - start)
        for j in range(width):
            for k in range(dim):
                turned[k, j] = gallery.values[start + j, k]
        for t in range(chosen.size):
            sums[:] = 0.0
            for k in range(dim):
                value, part, column = (
                    np.float64(queries.values[chosen[t], k]),
                    sums[k % 4],
                    turned[k],
                )
                for j in range(BLOCK):
                    part[j] += term(value, column[j], euclidean)
            for j in range(width):
                whole = (sums[0, j] + sums[1, j]) + (sums[2, j] + sums[3, j])
                length = queries.lengths[chosen[t]] * gallery.lengths[start + j]
                out[t, start + j] = whole if euclidean else whole / length


@compiled
def exact_pairs(
    unclear: Array,
    events: tuple[Array, Array, Array],
    queries: Rows,
    gallery: Rows,
    euclidean: bool,
) -> Array:
    """Similarities (M,) of the query and the item of unclear (M,) events."""
    similarities = np.empty(unclear.size)
    for k in range(unclear.size):
        i, j = queries.order[events[0][unclear[k]]], gallery.order[events[1][unclear[k]]]
        length = 1.0 if euclidean else queries.lengths[i] * gallery.lengths[j]
        similarities[k] = total(queries.values[i], gallery.values[j], euclidean) / length
    return similarities
