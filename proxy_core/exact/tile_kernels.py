"""Compiled loops over a tile of products: counts, and what is not below a floor."""

import numpy as np

from proxy_core.compiled import Array, compiled

int32 = np.int32


@compiled
def hide(products: Array, own: Array, first_column: int) -> None:
    """Set products (T, U) with the own class (T, 2) of each row, given by place, to -inf."""
    for t in range(products.shape[0]):
        start = max(own[t, 0] - first_column, 0)
        for u in range(start, min(own[t, 1] - first_column, products.shape[1])):
            products[t, u] = -np.inf


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

    flags are uint8, as many as U rounded up to eights at least; `found` has room for all products.
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
def add(
    products: Array, first_row: int, first_column: int, both: bool, counts: Array, ahead: Array
) -> bool:
    """Add what `look` counted above `high` in products (T, U) to `ahead` (P,), by rows and, if
    `both`, by columns; whether any count from `low` on differs from that."""
    rows, width = products.shape
    differ = False
    for t in range(rows):
        ahead[first_row + t] += counts[0, t]
        differ |= counts[0, t] != counts[1, t]
    for u in range(width if both else 0):
        ahead[first_column + u] += counts[2, u]
        differ |= counts[2, u] != counts[3, u]
    return differ
