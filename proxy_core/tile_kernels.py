"""Compiled loops around the filter of `proxy_core.tile_search`: what float64 decides.

All in one file, because what numba keeps on disk does not notice a change in another file.
Similarities are summed in one fixed order, so that they have the same bits wherever they are used.
"""

import numpy as np

from proxy_core.compiling import Array, Rows, Rule, Sought, compiled

BLOCK = 128  # rows that are multiplied together in float64
SHARE = 16  # a query is given up when float64 had to decide more than this part of its pairs


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
                value, part, column = np.float64(queries.values[chosen[t], k]), sums[k % 4], turned[k]
                for j in range(BLOCK):
                    part[j] += term(value, column[j], euclidean)
            for j in range(width):
                whole = (sums[0, j] + sums[1, j]) + (sums[2, j] + sums[3, j])
                length = queries.lengths[chosen[t]] * gallery.lengths[start + j]
                out[t, start + j] = whole if euclidean else whole / length


@compiled
def own_class(sought: Sought, queries: Rows, gallery: Rows, alike: bool, euclidean: bool) -> None:
    """Fill in `hits`; with queries and gallery alike, each pair is computed once."""
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
def give_up(sought: Sought, p: int) -> None:
    """Leave a query, most of whose pairs float32 cannot tell apart, to float64 altogether."""
    sought.least[p] = sought.rough_edge[p] = np.inf
    sought.filled[p] = -1


@compiled
def tighten(sought: Sought, p: int, rule: Rule) -> None:
    """Raise the query's `least` as far as what is known allows, and drop the misses below it."""
    hits = sought.hits[sought.hits_from[p] : sought.hits_from[p + 1]]
    start, filled, wanted = sought.room_from[p], sought.filled[p], sought.wanted[p]
    items, products = sought.items[start:], sought.products[start:]
    known = np.empty(hits.size + filled, np.float32)
    for k in range(hits.size):
        known[k] = hits[k] * rule.scale
    for k in range(filled):
        known[hits.size + k] = products[k]
    if wanted == 0 or wanted > known.size:
        return
    place = known.size - wanted
    worst = np.partition(known, place)[place]
    if rule.neighbors == 0 and worst - 2 * rule.width > sought.edge[p] * rule.scale:
        sought.least[p], sought.filled[p] = np.inf, 0  # no hit is among the first R
        return
    least = max(sought.least[p], np.float32(worst - 2 * rule.width - rule.margin))
    kept = 0
    for k in range(filled):
        if products[k] >= least:
            items[kept], products[kept] = items[k], products[k]
            kept += 1
    sought.least[p], sought.filled[p] = least, kept


@compiled
def tighten_all(sought: Sought, rule: Rule) -> None:
    """Tighten every query that has not been given up."""
    for p in range(sought.filled.size):
        if sought.filled[p] >= 0:
            tighten(sought, p, rule)


@compiled
def absorb(
    count: int, events: tuple[Array, Array, Array], sought: Sought,
    queries: Rows, gallery: Rows, rule: Rule,
) -> None:
    """Show queries the misses of some events: keep the best, and decide those near an edge."""
    least, filled, room_from, edge = sought.least, sought.filled, sought.room_from, sought.edge
    for k in range(count):
        p, item, product = events[0][k], events[1][k], events[2][k]
        if product >= least[p]:
            room = room_from[p + 1] - room_from[p]
            if filled[p] == room:
                tighten(sought, p, rule)
                if filled[p] > room - 8:
                    give_up(sought, p)
            if product >= least[p]:
                sought.items[room_from[p] + filled[p]] = item
                sought.products[room_from[p] + filled[p]] = product
                filled[p] += 1
        if abs(product - sought.rough_edge[p]) <= rule.width:
            i, j = queries.order[p], gallery.order[item]
            similarity = total(queries.values[i], gallery.values[j], rule.euclidean)
            length = 1.0 if rule.euclidean else queries.lengths[i] * gallery.lengths[j]
            precedes = np.int32(similarity / length >= edge[p])
            sought.ahead[p] += precedes - np.int32(product >= sought.rough_edge[p])
            sought.close[p] += 1
            if sought.close[p] > 32 + gallery.order.size // SHARE:
                give_up(sought, p)


@compiled
def exact_misses(
    sought: Sought, first: int, starts: Array, queries: Rows, gallery: Rows, euclidean: bool,
    misses: Array, positions: Array,
) -> None:
    """Fill in the items of the queries from `first` on and their similarities, by item; the misses
    of query `first` + t go to `starts`[t] and on."""
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
