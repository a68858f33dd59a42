"""Compiled loops over a tile of float32 products, for `proxy_core.tile_search`."""

import numpy as np

from proxy_core.compiling import Array, Rows, Rule, compiled

Numbers = tuple[Array, Array, Array]


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
def scan(
    products: Array, rows: Numbers, columns: Numbers, places: tuple[int, int], width: np.float32,
    flags: Array, events: Numbers,
) -> int:
    """Count the misses surely ahead in products (T, U), and list the events (query, item, product).

    rows and columns are the rough edges, the leasts, and the counts `ahead` that are added to.
    `places` are those of the first row and column. An event is a product no further than `width`
    from an edge, or not below a least. flags (V,) are bytes for at least U, all zero and all used
    again; events have room for two of each product.
    """
    words, count = flags.view(np.uint64), 0
    edges, leasts, ahead = columns
    for t in range(len(products)):
        row, edge, least, passed = products[t], rows[0][t], rows[1][t], np.int32(0)
        for u in range(row.size):  # three loops, each of which becomes vector instructions
            ahead[u] += np.int32(row[u] - edges[u] > width)
        for u in range(row.size):
            passed += np.int32(row[u] - edge > width)
        for u in range(row.size):
            near = (abs(row[u] - edge) <= width) | (abs(row[u] - edges[u]) <= width)
            flags[u] = np.uint8(near | (row[u] >= least) | (row[u] >= leasts[u]))
        rows[2][t] += passed
        for k in range(words.size):
            if words[k]:
                for u in range(8 * k, min(8 * k + 8, row.size)):
                    if row[u] >= least or abs(row[u] - edge) <= width:
                        events[0][count], events[1][count] = places[0] + t, places[1] + u
                        events[2][count] = row[u]
                        count += 1
                    if row[u] >= leasts[u] or abs(row[u] - edges[u]) <= width:
                        events[0][count], events[1][count] = places[1] + u, places[0] + t
                        events[2][count] = row[u]
                        count += 1
    return count
