"""Compiled loops over the misses that a filter let through, one query at a time.

In loops over many events, tables are taken out of their tuples first: that takes its time.
"""

import numpy as np

from proxy_core.exact.tables import Array, Rule, Sought, compiled


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
    return float(values[place])


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
    size = sought.room_from[p + 1] - room
    sought.due[p] = min(size, kept + 16 + rule.neighbors // 2)


@compiled
def keep(count: int, events: tuple[Array, Array, Array], sought: Sought, rule: Rule) -> None:
    """Take misses into the rooms of their queries; give up a query whose room stays full."""
    floor, room_from, filled, due = sought.floor, sought.room_from, sought.filled, sought.due
    items, kept = sought.items, sought.products
    queries, places, products = events
    for k in range(count):
        p, product = queries[k], products[k]
        if product >= floor[p]:
            if filled[p] == due[p]:
                tighten(sought, p, rule)
                if filled[p] == room_from[p + 1] - room_from[p]:
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
def tighten_all(sought: Sought, rule: Rule) -> None:
    """Tighten the rooms of all queries."""
    for p in range(sought.filled.size):
        tighten(sought, p, rule)


@compiled
def decide(unclear: Array, similarities: Array, queries: Array, sought: Sought, limit: int) -> None:
    """Count the unclear misses (M,) of queries by their similarities (M,) in float64.

    A query with more than `limit` of them is given up.
    """
    for k in range(unclear.size):
        p, first = queries[unclear[k]], 0
        start = sought.hits_from[p]
        while first < sought.relevant[p] and similarities[k] < sought.edges[start + first]:
            first += 1
        if first == 0:
            sought.ahead[p] += 1
        elif first < sought.relevant[p]:
            sought.counts[start + first] += 1
        sought.close[p] += 1
        if sought.close[p] > limit:
            give_up(sought, p)
