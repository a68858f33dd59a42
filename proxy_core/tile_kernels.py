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
def sort_hits(sought: Sought, items: Array) -> None:
    """Put hits in order, and fill in what they are; items (G,) stand at the gallery's places."""
    for p in range(sought.relevant.size):
        start, end = sought.hits_from[p], sought.hits_from[p + 1]
        order = np.argsort(-sought.hits[start:end], kind="mergesort")
        sought.hits[start:end] = sought.hits[start:end][order]
        sought.hit_items[start:end] = items[sought.own[p, 0] + order]
        while end > start and sought.hits[end - 1] == -np.inf:
            end -= 1
        sought.relevant[p] = end - start


@compiled
def set_bounds(sought: Sought, rule: Rule) -> None:
    """Fill in what follows from the hits and their edges."""
    for p in range(sought.relevant.size):
        sought.alive[p] = sought.relevant[p]
        if sought.relevant[p]:
            sought.high[p] = sought.rough_edges[sought.hits_from[p]] + rule.width
        narrow(sought, p, rule)
        tighten(sought, p, rule)


@compiled
def give_up(sought: Sought, p: int) -> None:
    """Leave a query, many of whose pairs float32 cannot tell apart, to float64 altogether."""
    sought.given_up[p], sought.alive[p] = True, 0
    sought.high[p] = sought.low[p] = sought.floor[p] = np.inf


@compiled
def narrow(sought: Sought, p: int, rule: Rule) -> None:
    """Find out which hits are still alive."""
    start, ahead = sought.hits_from[p], sought.ahead[p]
    for k in range(sought.alive[p]):
        ahead += sought.counts[start + k]
        if ahead + k + 1 > sought.relevant[p]:
            sought.alive[p] = k
            break
    if sought.relevant[p]:
        sought.low[p] = sought.rough_edges[start + max(sought.alive[p] - 1, 0)] - rule.width
    sought.pending[p] = 0


@compiled
def nth_largest(values: Array, n: int) -> float:
    """The n-th largest of values (M,), which are put in another order; many may be equal."""
    start, end, place = 0, values.size - 1, n - 1
    while start < end:
        pivot, above, below, k = values[(start + end) // 2], start, end, start
        while k <= below:
            value = values[k]
            if value > pivot:
                values[k], values[above] = values[above], value
                above, k = above + 1, k + 1
            elif value < pivot:
                values[k], values[below] = values[below], value
                below -= 1
            else:
                k += 1
        if above <= place <= below:
            break
        start, end = (start, above - 1) if place < above else (below + 1, end)
    return values[place]


@compiled
def tighten(sought: Sought, p: int, rule: Rule) -> None:
    """Raise the floor to what may still be among the first K, and drop the misses below it."""
    room, filled = sought.room_from[p], sought.filled[p]
    items, products = sought.items[room:], sought.products[room:]
    hits = min(sought.relevant[p], rule.neighbors)
    if hits + filled < rule.neighbors or rule.neighbors == 0:
        return
    known = np.empty(hits + filled, np.float32)
    for k in range(hits):
        known[k] = sought.hits[sought.hits_from[p] + k] * rule.scale
    for k in range(filled):
        known[hits + k] = products[k]
    floor = np.float32(nth_largest(known, rule.neighbors) - rule.margin)
    kept = 0
    for k in range(filled):
        if products[k] >= floor:
            items[kept], products[kept] = items[k], products[k]
            kept += 1
    sought.floor[p], sought.filled[p] = max(floor, sought.floor[p]), kept


@compiled
def keep(count: int, events: tuple[Array, Array, Array], sought: Sought, rule: Rule) -> None:
    """Take misses into the rooms of their queries; a full room is tightened, or its query given up.

    In loops over many events, tables are taken out of their tuples first: that takes its time.
    """
    floor, room_from, filled = sought.floor, sought.room_from, sought.filled
    items, kept = sought.items, sought.products
    queries, places, products = events
    for k in range(count):
        p, product = queries[k], products[k]
        if product >= floor[p]:
            room = room_from[p + 1] - room_from[p]
            if filled[p] == room:
                tighten(sought, p, rule)
                if filled[p] > room - 8:
                    give_up(sought, p)
            if product >= floor[p]:
                items[room_from[p] + filled[p]] = places[k]
                kept[room_from[p] + filled[p]] = product
                filled[p] += 1


@compiled
def count_misses(
    count: int, events: tuple[Array, Array, Array], sought: Sought, rule: Rule, unclear: Array
) -> int:
    """Count misses for the first hits that they precede; list those that float32 leaves unclear."""
    low, high, pending, relevant = sought.low, sought.high, sought.pending, sought.relevant
    hits_from, counts, alive, edges = (
        sought.hits_from,
        sought.counts,
        sought.alive,
        sought.rough_edges,
    )
    queries, _, products = events
    left, width = 0, rule.width
    for k in range(count):
        p, product = queries[k], products[k]
        if low[p] <= product <= high[p]:
            start, end = hits_from[p], hits_from[p] + max(alive[p], 1)
            first = first_reached(edges, start, end, product + width)
            if first == start or (first < end and edges[first] > product - width):
                unclear[left] = k
                left += 1
            elif first < end:
                counts[first] += 1
            pending[p] += 1
            if alive[p] and pending[p] > 2 + relevant[p] // 8:
                narrow(sought, p, rule)
    return left


@compiled
def first_reached(edges: Array, start: int, end: int, product: np.float32) -> int:
    """The first place in start..end - 1 whose edge is not above the product, or end; edges fall."""
    while start < end:
        middle = (start + end) // 2
        if edges[middle] <= product:
            end = middle
        else:
            start = middle + 1
    return start


@compiled
def decide(
    unclear: Array,
    events: tuple[Array, Array, Array],
    sought: Sought,
    queries: Rows,
    gallery: Rows,
    rule: Rule,
) -> None:
    """Count the unclear misses by their similarities; a query with many of them is given up."""
    limit = 32 + gallery.order.size // SHARE
    for k in unclear:
        p = events[0][k]
        if sought.given_up[p]:
            continue
        i, j = queries.order[p], gallery.order[events[1][k]]
        similarity = total(queries.values[i], gallery.values[j], rule.euclidean)
        if not rule.euclidean:
            similarity /= queries.lengths[i] * gallery.lengths[j]
        start, first = sought.hits_from[p], 0
        while first < sought.relevant[p]:
            if similarity >= sought.edges[start + first]:
                break
            first += 1
        if first == 0:
            sought.ahead[p] += 1
        elif first < sought.relevant[p]:
            sought.counts[start + first] += 1
        sought.close[p] += 1
        if sought.close[p] > limit:
            give_up(sought, p)


@compiled
def tighten_all(sought: Sought, rule: Rule) -> None:
    """Tighten the rooms of all queries."""
    for p in range(sought.filled.size):
        tighten(sought, p, rule)


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
