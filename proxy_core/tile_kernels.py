"""Compiled loops of `proxy_core.tile_search`: float32 products filter, float64 decides.

All in one file, because what numba keeps on disk does not notice a change in another file.
Similarities are summed in one fixed order, so that they have the same bits wherever they are used.
"""

import numpy as np

from proxy_core.compiling import Array, Rows, Rule, Sought, compiled

BLOCK = 128  # products that are looked at together, and rows that are multiplied together
SHARE = 16  # a query is given up when float64 had to decide more than this part of its pairs


@compiled
def term(left: float, right: float, euclidean: bool) -> float:
    """What one dimension adds to a similarity."""
    if euclidean:
        return -(left - right) * (left - right)
    return left * right


@compiled
def similarity(left: Rows, i: int, right: Rows, j: int, euclidean: bool) -> float:
    """Cosine or minus squared distance of two rows: dimension d is added to partial sum d % 4."""
    x, y = left.values[i], right.values[j]
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
    total = (a + b) + (c + d)
    return total if euclidean else total / (left.lengths[i] * right.lengths[j])


@compiled
def exact_rows(queries: Rows, chosen: Array, gallery: Rows, euclidean: bool, out: Array) -> None:
    """Similarities (T, G) of queries (T,), given by item, with the same bits as `similarity`."""
    size, dim = gallery.values.shape
    turned = np.empty((dim, BLOCK))
    for start in range(0, size, BLOCK):
        width = min(BLOCK, size - start)
        for j in range(width):
            for k in range(dim):
                turned[k, j] = gallery.values[start + j, k]
        for t in range(chosen.size):
            sums = np.zeros((4, BLOCK))
            for k in range(dim):
                value, part, column = np.float64(queries.values[chosen[t], k]), sums[k % 4], turned[k]
                for j in range(BLOCK):
                    part[j] += term(value, column[j], euclidean)
            for j in range(width):
                total = (sums[0, j] + sums[1, j]) + (sums[2, j] + sums[3, j])
                length = queries.lengths[chosen[t]] * gallery.lengths[start + j]
                out[t, start + j] = total if euclidean else total / length


@compiled
def own_class(sought: Sought, queries: Rows, gallery: Rows, alike: bool, euclidean: bool) -> None:
    """Fill in `hits`; with queries and gallery alike, each pair is computed once."""
    for p in range(sought.wanted.size):
        first, last = sought.own[p]
        start = sought.hits_from[p] - first
        for j in range(first, last):
            if queries.ids[p] == gallery.ids[j]:
                sought.hits[start + j] = -np.inf
            elif alike and j < p:
                sought.hits[start + j] = sought.hits[sought.hits_from[j] + p - first]
            else:
                i, item = queries.order[p], gallery.order[j]
                sought.hits[start + j] = similarity(queries, i, gallery, item, euclidean)


@compiled
def operand(rows: Rows, first: int, rule: Rule, left: bool, out: Array) -> None:
    """The rows from a place on as the filter multiplies them, float32 (T, D).

    For squared distances, two more dimensions: u.v - |u|^2 / 2 - |v|^2 / 2 = -|u - v|^2 / 2.
    """
    dim = rows.values.shape[1]
    for t in range(len(out)):
        item = rows.order[first + t]
        values, line, inverse = rows.values[item], out[t], 1.0 / rows.lengths[item]
        for k in range(dim):
            line[k] = np.float32((np.float64(values[k]) - rule.center[k]) * inverse)
        if rule.euclidean:
            half = 0.0
            for k in range(dim):
                half += ((np.float64(values[k]) - rule.center[k]) * inverse) ** 2 / 2
            line[dim] = -half if left else 1.0
            line[dim + 1] = 1.0 if left else -half


@compiled
def hide_own(products: Array, own: Array, first_column: int) -> None:
    """Set the own class (T, 2) of each row's query to -inf in products (T, U)."""
    for t in range(len(products)):
        start = max(own[t, 0] - first_column, 0)
        products[t, start : max(own[t, 1] - first_column, start)] = -np.inf


@compiled
def hide_equal(products: Array, row_ids: Array, column_ids: Array) -> None:
    """Set products (T, U) of items with the same id to -inf."""
    for t in range(len(products)):
        for u in range(column_ids.size):
            if row_ids[t] == column_ids[u]:
                products[t, u] = -np.inf


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
    known = np.empty(hits.size + filled, np.float32)
    for k in range(hits.size):
        known[k] = np.float32(hits[k] * rule.scale)
    known[hits.size :] = sought.products[start : start + filled]
    if wanted == 0 or wanted > known.size:
        return
    place = known.size - wanted
    worst = np.partition(known, place)[place]
    if rule.neighbors == 0 and worst - 2 * rule.width > sought.edge[p] * rule.scale:
        sought.least[p], sought.filled[p] = np.inf, 0  # no hit is among the first R
        return
    sought.least[p] = max(sought.least[p], np.float32(worst - 2 * rule.width - rule.margin))
    kept = start
    for k in range(start, start + filled):
        if sought.products[k] >= sought.least[p]:
            sought.items[kept], sought.products[kept] = sought.items[k], sought.products[k]
            kept += 1
    sought.filled[p] = kept - start


@compiled
def keep(sought: Sought, p: int, item: int, product: np.float32, rule: Rule) -> None:
    """Put a miss down for the query; a full room is tightened, or the query given up."""
    room = sought.room_from[p + 1] - sought.room_from[p]
    if sought.filled[p] == room:
        tighten(sought, p, rule)
        if sought.filled[p] > room - 8:
            give_up(sought, p)
        if product < sought.least[p]:
            return
    place = sought.room_from[p] + sought.filled[p]
    sought.items[place], sought.products[place] = item, product
    sought.filled[p] += 1


@compiled
def meet(
    sought: Sought, p: int, item: int, product: np.float32, queries: Rows, gallery: Rows, rule: Rule
) -> None:
    """Show the query a miss: is it one of the best, and does it precede the best hit?"""
    if product >= sought.least[p]:
        keep(sought, p, item, product, rule)
    lead = product - sought.rough_edge[p]
    if abs(lead) <= rule.width:
        i, j = queries.order[p], gallery.order[item]
        precedes = similarity(queries, i, gallery, j, rule.euclidean) >= sought.edge[p]
        sought.ahead[p] += np.int32(precedes) - np.int32(lead >= 0)  # correct the count
        sought.close[p] += 1
        if sought.close[p] > 32 + gallery.order.size // SHARE:
            give_up(sought, p)


@compiled
def scan(
    products: Array, first: int, column: int, both: bool,
    columns: tuple[Array, Array, Array], sought: Sought, queries: Rows, gallery: Rows, rule: Rule,
) -> None:
    """Count the misses ahead in products (T, U) of the queries from `first` and the items from
    `column` on, and keep the best ones; with `both`, for the items as queries too.

    `columns` are the rough edges, the leasts and the counts of the items. A block of products is
    looked at one by one only if one of them is close to an edge, or not below a least.
    """
    edges, leasts, counts = columns
    for t in range(len(products)):
        p = first + t
        edge, least = sought.rough_edge[p], sought.least[p]
        for start in range(0, products.shape[1], BLOCK):
            block = products[t, start : start + BLOCK]
            others, lowest = edges[start : start + BLOCK], leasts[start : start + BLOCK]
            counted = counts[start : start + BLOCK]
            ahead, found = np.int32(0), np.int32(0)
            for u in range(block.size):
                lead, other = block[u] - edge, block[u] - others[u]
                ahead += np.int32(lead >= 0)
                counted[u] += np.int32(other >= 0)
                near = (abs(lead) <= rule.width) | (abs(other) <= rule.width)
                found |= np.int32(near | (block[u] >= least) | (block[u] >= lowest[u]))
            sought.ahead[p] += ahead
            if found:
                for u in range(block.size):
                    value, item = block[u], column + start + u
                    if value >= least or abs(value - edge) <= rule.width:
                        meet(sought, p, item, value, queries, gallery, rule)
                    if both and (value >= lowest[u] or abs(value - others[u]) <= rule.width):
                        meet(sought, item, p, value, gallery, queries, rule)


@compiled
def tighten_all(sought: Sought, rule: Rule) -> None:
    """Tighten every query that has not been given up."""
    for p in range(sought.filled.size):
        if sought.filled[p] >= 0:
            tighten(sought, p, rule)


@compiled
def exact_misses(
    sought: Sought, first: int, starts: Array, queries: Rows, gallery: Rows, euclidean: bool,
    misses: Array, positions: Array,
) -> None:
    """Fill in the items of the queries from `first` on and their similarities, by item; the misses
    of query `first` + t go to `starts`[t] and on."""
    for t in range(starts.size - 1):
        room = sought.room_from[first + t]
        found = gallery.order[sought.items[room : room + starts[t + 1] - starts[t]]]
        found.sort()
        for k in range(found.size):
            positions[starts[t] + k] = found[k]
            i = queries.order[first + t]
            misses[starts[t] + k] = similarity(queries, i, gallery, found[k], euclidean)


@compiled
def row_lengths(rows: Rows) -> Array:
    """Lengths (N,) of the rows, whose `lengths` are 1; a zero row has length one."""
    lengths = np.empty(len(rows.values))
    for i in range(lengths.size):
        lengths[i] = np.sqrt(similarity(rows, i, rows, i, False)) or 1.0
    return lengths
