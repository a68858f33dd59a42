"""Compiled loops over the products of a tile: they are made, counted and searched in a cache.

`multiply_block` keeps its sums in registers, which compilers do not find by themselves, near the
limit of a core. Products of libraries take half as long again at 64 dimensions, and are read back.
"""

from functools import partial
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.codegen import get_host_cpu_features
from numba.extending import intrinsic

from proxy_core.metrics.compiled import Array, compiled

LANES = 16 if "+avx512f" in get_host_cpu_features() else 8  # type: ignore[no-untyped-call]
PANEL = 2 * LANES  # columns of a block: two registers of float32, or more that are smaller
ROWS = 6  # of a block: 12 registers of sums, 3 of operands
STRIP = 8 * ROWS  # rows whose products are looked at together

Counts = tuple[Array, Array]  # above the first limit, and not below the second: (T,) int32


@intrinsic
def multiply_block(
    typing: Any, left: Any, stride: Any, last: Any, panel: Any, depth: Any, out: Any, width: Any
) -> Any:
    """Write the products of `ROWS` rows with the columns of a panel.

    All are addresses and sizes: `left` of float32 rows, `stride` apart; `last` of them is read, and
    its products are written, in place of those after it; `panel` of (depth, PANEL) float32; `out`
    of the products, whose rows are `width` apart.
    """
    return types.void(*[types.intp] * 7), emit_block


def emit_block(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
    """The instructions of `multiply_block`."""
    left, stride, last, panel, depth, out, width = arguments
    whole, real, lanes = depth.type, ir.FloatType(), ir.VectorType(ir.IntType(32), LANES)
    vector = ir.VectorType(real, LANES)

    def at(start: Any, place: Any, kind: Any) -> Any:
        address = builder.add(start, builder.mul(place, whole(4)))
        return builder.inttoptr(address, kind.as_pointer())

    def in_all_lanes(value: Any) -> Any:
        one = builder.insert_element(vector(ir.Undefined), value, ir.IntType(32)(0))
        return builder.shuffle_vector(one, one, lanes([0] * LANES))

    rows = [whole(r) for r in range(ROWS)]
    rows = [builder.select(builder.icmp_signed("<", r, last), r, last) for r in rows]
    halves, new = (whole(0), whole(LANES)), partial(cgutils.alloca_once_value, builder)
    sums = [[new(vector([0.0] * LANES)) for _ in halves] for _ in rows]
    with cgutils.for_range(builder, depth, intp=whole) as loop:
        first = builder.mul(loop.index, whole(PANEL))
        items = [builder.load(at(panel, builder.add(first, h), vector), align=4) for h in halves]
        for row, totals in zip(rows, sums, strict=True):
            place = builder.add(builder.mul(row, stride), loop.index)
            factor = in_all_lanes(builder.load(at(left, place, real)))
            for item, total in zip(items, totals, strict=True):
                product = builder.fmul(factor, item, flags=["contract"])
                added = builder.fadd(builder.load(total), product, flags=["contract"])
                builder.store(added, total)
    for row, totals in zip(rows, sums, strict=True):
        for half, total in zip(halves, totals, strict=True):
            place = builder.add(builder.mul(row, width), half)
            builder.store(builder.load(total), at(out, place, vector), align=4)
    return context.get_dummy_value()


@compiled
def look(
    queries: Array,
    items: Array,
    own: Array,
    ids: Array,
    item_ids: Array,
    place: tuple[int, int],
    both: bool,
    limits: Array,
    counts: Array,
    panels: Array,
    products: Array,
    found: Array,
    values: Array,
    near: Array,
) -> Array:
    """Compare T queries (T, D) with U items (U, D) and, if `both`, the items with the queries.

    place: where the first query and the first item stand. limits (3, P) float32: the high, the low
    and the floor of each query. To be set: counts (4, N) int32, how many products of each query are
    above its high, and how many reach its low; then the same of the items. found (2, >= 2 T U)
    int32 and values, as many: who has a product that is not below the floor, with whom, and which.
    near, like found: who has a product from low to high, and with whom. Returns the sizes of both.

    A query sees nothing of its own class, at places own (T, 2), nor, if item_ids are given, of its
    id. panels (>= U / PANEL, D, PANEL) and products (STRIP, U) are memory. U is rounded up to whole
    panels, N is at least that and T + STRIP, and all arrays are contiguous.
    """
    width = products.shape[1]
    columns = limits_of(limits, place[1], len(items) if both else 0, width)
    theirs = counts[2, :width], counts[3, :width]
    counts[:] = 0
    column_seen = np.zeros(width, np.int32)
    sizes = np.zeros(2, np.int64)  # the literal 0 would be another type to compile for
    arrange(items, panels)
    for first in range(0, len(queries), STRIP):
        some = queries[first : first + STRIP]
        past = first + len(some)
        multiply(some, panels, products)
        hide(products, own[first:past], place[1], ids[first:past], item_ids, len(items))
        row_seen = np.zeros(STRIP, np.int32)
        rows = limits_of(limits, place[0] + first, len(some), row_seen.size)
        mine = counts[0, first : first + STRIP], counts[1, first : first + STRIP]
        count(products, rows, columns, mine, theirs)
        here, there = (place[0] + first, place[1]), (place[1], place[0] + first)
        sizes[0] = find(products, here, rows[2], columns[2], found, values, sizes[0])
        sizes[1] = list_near(products, here, rows, mine, row_seen, near, sizes[1])
        sizes[1] = list_near(products.T, there, columns, theirs, column_seen, near, sizes[1])
    return sizes


@compiled
def limits_of(limits: Array, place: int, size: int, room: int) -> Array:
    """A copy of so many limits (3, room), infinite after these. Another thread may give a query up
    meanwhile, so that some are infinite: what is counted and listed of that one does not matter."""
    found = np.full((3, room), np.inf, np.float32)
    for k in range(3):
        for t in range(size):
            found[k, t] = limits[k, place + t]
    return found


@compiled
def arrange(items: Array, panels: Array) -> None:
    """Copy items (U, D) to panels (>= U / PANEL, D, PANEL), and 0 to what is left of the last."""
    for p in range(-(-len(items) // PANEL)):
        some = items[p * PANEL : (p + 1) * PANEL]
        panels[p, :, len(some) :] = 0.0
        for u in range(len(some)):
            for d in range(items.shape[1]):
                panels[p, d, u] = some[u, d]


@compiled
def multiply(queries: Array, panels: Array, products: Array) -> None:
    """Write the products of queries (T, D) with the columns of the panels to (>= T, U)."""
    size, depth = queries.shape
    for p in range(products.shape[1] // PANEL):
        panel = panels[p].ctypes.data
        for t in range(0, size, ROWS):
            left, out = queries[t].ctypes.data, products[t, p * PANEL :].ctypes.data
            given = left, depth, min(ROWS, size - t) - 1, panel, depth, out, products.shape[1]
            multiply_block(*given)  # type: ignore[call-arg]


@compiled
def hide(products: Array, own: Array, start: int, ids: Array, item_ids: Array, items: int) -> None:
    """Set products to -inf where a row's own class (T, 2) or id is, and where nobody is."""
    products[len(own) :] = -np.inf
    for t in range(len(own)):
        products[t, items:] = -np.inf
        for u in range(max(own[t, 0] - start, 0), min(own[t, 1] - start, items)):
            products[t, u] = -np.inf
        for u in range(item_ids.size):
            if ids[t] == item_ids[u]:
                products[t, u] = -np.inf


@compiled
def count(products: Array, rows: Array, columns: Array, mine: Counts, theirs: Counts) -> None:
    """Count products (T, U), T a multiple of 8, by the limits (3, T) of rows, (3, U) of columns."""
    for t in range(products.shape[0]):
        row, high, low = products[t], rows[0, t], rows[1, t]
        above, reached = np.int32(0), np.int32(0)
        for u in range(row.size):  # branches or wider counters would keep it from being vectorised
            above += np.int32(row[u] > high)
            reached += np.int32(row[u] >= low)
        mine[0][t] += above
        mine[1][t] += reached
    highs, lows, aboves, reacheds = columns[0], columns[1], theirs[0], theirs[1]
    for t in range(0, products.shape[0], 8):  # eight rows for each step of the columns' counters
        block = products[t : t + 8]
        for u in range(block.shape[1]):
            above, reached = np.int32(0), np.int32(0)
            for i in range(8):
                above += np.int32(block[i, u] > highs[u])
                reached += np.int32(block[i, u] >= lows[u])
            aboves[u] += above
            reacheds[u] += reached


@compiled
def find(
    products: Array,
    place: tuple[int, int],
    floor: Array,
    column_floor: Array,
    found: Array,
    values: Array,
    size: int,
) -> int:
    """Add to the list `found` of some size what is not below the floor of its row or column in
    products (T, U); the size then."""
    flags = np.zeros(products.shape[1], np.uint8)
    words = flags.view(np.uint64)
    for t in range(products.shape[0]):
        row, lowest = products[t], floor[t]
        for u in range(row.size):
            flags[u] = np.uint8(row[u] >= min(lowest, column_floor[u]))
        for word in range(words.size):
            if words[word]:
                for u in range(8 * word, 8 * word + 8):
                    query, item = place[0] + t, place[1] + u
                    if row[u] >= lowest:
                        found[0, size], found[1, size], values[size] = query, item, row[u]
                        size += 1
                    if row[u] >= column_floor[u]:
                        found[0, size], found[1, size], values[size] = item, query, row[u]
                        size += 1
    return size


@compiled
def list_near(
    products: Array,
    place: tuple[int, int],
    limits: Array,
    counts: Counts,
    seen: Array,
    near: Array,
    size: int,
) -> int:
    """Add to the list `near` of some size the products (T, U) from low to high of rows of which
    there are more, by the counts, than were seen before; the size then."""
    more = np.int32(0)
    for t in range(seen.size):  # a difference may be negative: see `limits_of`
        more += np.int32(seen[t] < counts[1][t] - counts[0][t])
    for t in range(seen.size if more else 0):
        if seen[t] < counts[1][t] - counts[0][t]:
            seen[t] = counts[1][t] - counts[0][t]
            for u in range(products.shape[1]):
                if limits[1, t] <= products[t, u] <= limits[0, t]:
                    near[0, size], near[1, size] = place[0] + t, place[1] + u
                    size += 1
    return size
