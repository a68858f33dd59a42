"""Compiled loops over a tile of float32 products, for `proxy_core.exact.search`."""

import numpy as np

from proxy_core.exact.tables import Array, Rows, Rule, compiled

Bounds = tuple[Array, Array, Array, Array]


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
    products: Array,
    rows: Bounds,
    columns: Bounds,
    places: tuple[int, int],
    listing: bool,
    flags: Array,
    events: tuple[Array, Array, Array],
) -> int:
    """Count the misses surely ahead in products (T, U), and list events (query, item, product).

    rows and columns are `high`, `low`, `floor`, and the counts `ahead` that are added to. `places`
    are those of the first row and column. An event is a product from low to high or, in `listing`,
    not below the floor. flags (V,) are bytes for at least U, all zero and all used again; events
    have room for two of each product.
    """
    words, count = flags.view(np.uint64), 0
    highs, lows, floors, ahead = columns
    queries, items, values = events
    for t in range(len(products)):
        row, high, low, floor, passed = products[t], rows[0][t], rows[1][t], rows[2][t], np.int32(0)
        for u in range(row.size):  # becomes vector instructions, like the loop for a list
            above, over = row[u] > high, row[u] > highs[u]
            passed += np.int32(above)
            ahead[u] += np.int32(over)
            flags[u] = np.uint8(
                ((row[u] >= low) & (not above)) | ((row[u] >= lows[u]) & (not over))
            )
        if listing:
            for u in range(row.size):
                flags[u] |= np.uint8((row[u] >= floor) | (row[u] >= floors[u]))
        rows[3][t] += passed
        for k in range(words.size):
            if words[k]:
                for u in range(8 * k, min(8 * k + 8, row.size)):
                    value = row[u]
                    if value >= floor or low <= value <= high:
                        queries[count], items[count] = places[0] + t, places[1] + u
                        values[count] = value
                        count += 1
                    if value >= floors[u] or lows[u] <= value <= highs[u]:
                        queries[count], items[count] = places[1] + u, places[0] + t
                        values[count] = value
                        count += 1
    return count
