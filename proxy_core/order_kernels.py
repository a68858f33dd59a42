"""Compiled loops that put a query's hits and best misses in order, from exact similarities."""

import numpy as np

from proxy_core.compiling import Array, Outcome, Rows, Rule, Sought, compiled


@compiled
def slack(value: float, rule: Rule) -> float:
    """How much less similar than `value` an item may be and still count as equal to it."""
    return rule.tie * abs(value) if rule.euclidean else rule.tie


@compiled
def set_edges(sought: Sought, rule: Rule) -> None:
    """Fill in `edge`, `rough_edge` and `wanted` from the hits."""
    for p in range(sought.wanted.size):
        hits = sought.hits[sought.hits_from[p] : sought.hits_from[p + 1]]
        relevant = (hits > -np.inf).sum()
        if relevant:
            sought.edge[p] = hits.max() - slack(hits.max(), rule)
            sought.rough_edge[p] = np.float32(sought.edge[p] * rule.scale)
        sought.wanted[p] = max(relevant, rule.neighbors)
        if sought.wanted[p] == 0:
            sought.least[p] = np.inf


@compiled
def order_runs(values: Array, positions: Array, rule: Rule) -> None:
    """Put runs of equal ones of descending values (M,) in the order of their positions (M,)."""
    start = 0
    for k in range(1, values.size + 1):
        if k == values.size or values[k - 1] - values[k] > slack(values[k], rule):
            if k - start > 1:
                order = start + np.argsort(positions[start:k])
                values[start:k], positions[start:k] = values[order], positions[order]
            start = k


@compiled
def descending(values: Array, positions: Array) -> tuple[Array, Array]:
    """Values (M,) with their positions (M,), best first, equal ones as they were."""
    order = np.argsort(-values, kind="mergesort")
    return values[order], positions[order]


@compiled
def largest(values: Array, count: int) -> Array:
    """The `count` largest of values, or all, best first."""
    if values.size > count:
        values = np.partition(values, values.size - count)[values.size - count :]
    return np.sort(values)[::-1]


@compiled
def first_misses(
    values: Array, positions: Array, worst: float, rule: Rule
) -> tuple[Array, Array]:
    """The first K of misses (M,), which are given by position; `worst` is the K-th best value.

    Runs of equal ones may go on below it, by one tie for each item at most.
    """
    floor = worst - (values.size + 1) * slack(worst, rule)
    chosen = values >= floor
    values, positions = values[chosen], positions[chosen]
    if values.size and values.max() - values.min() > slack(values.max(), rule):
        values, positions = descending(values, positions)
        order_runs(values, positions, rule)
    return values[: rule.neighbors], positions[: rule.neighbors]


@compiled
def scores_at_r(ahead: Array, relevant: int) -> tuple[float, float]:
    """R-Precision and AP@R of a query with R > 0, from the misses ahead of its hits, best first."""
    within, precisions = 0, 0.0
    for k in range(ahead.size):
        place = ahead[k] + k + 1
        if place <= relevant:
            within += 1
            precisions += (k + 1) / place
    return within / relevant, precisions / relevant


@compiled
def merge(
    hits: Array, hit_positions: Array, ahead: Array, misses: Array, positions: Array,
    outcome: Outcome, item: int,
) -> None:
    """Write down the first K of hits and misses: a hit follows as many misses as are ahead."""
    found, similarities = outcome.neighbors[item], outcome.similarities[item]
    i = j = 0
    for k in range(found.size):
        if i < hits.size and ahead[i] <= j:
            found[k], similarities[k] = hit_positions[i], hits[i]
            i += 1
        elif j < misses.size:
            found[k], similarities[k] = positions[j], misses[j]
            j += 1


@compiled
def settle(
    sought: Sought, p: int, item: int, misses: Array, positions: Array,
    gallery: Rows, rule: Rule, outcome: Outcome,
) -> None:
    """Write down the outcome of query p, which is `item`, from its misses (M,) by position.

    Misses that stand beyond the first max(R, K) places may be missing, or all of them if no score
    depends on them; `ahead` says how many are ahead of the best hit.
    """
    own = sought.hits[sought.hits_from[p] : sought.hits_from[p + 1]]
    items = gallery.order[sought.own[p, 0] : sought.own[p, 1]]
    real = own > -np.inf
    hits, hit_positions = descending(own[real], items[real])
    best = largest(misses, sought.wanted[p])
    ahead, reached = np.empty(hits.size, np.int64), 0
    for k in range(hits.size):
        edge = hits[k] - slack(hits[k], rule)
        while reached < best.size and best[reached] >= edge:
            reached += 1
        ahead[k] = max(reached, sought.ahead[p])
    if hits.size:
        outcome.scores[item, 0], outcome.scores[item, 1] = 1 + sought.ahead[p], hits.size
        outcome.scores[item, 2], outcome.scores[item, 3] = scores_at_r(ahead, hits.size)
    if rule.neighbors:
        order_runs(hits, hit_positions, rule)
        worst = best[min(rule.neighbors, best.size) - 1] if best.size else 0.0
        misses, positions = first_misses(misses, positions, worst, rule)
        merge(hits, hit_positions, ahead, misses, positions, outcome, item)


@compiled
def settle_kept(
    sought: Sought, first: int, starts: Array, misses: Array, positions: Array,
    queries: Rows, gallery: Rows, rule: Rule, outcome: Outcome,
) -> None:
    """`settle` the queries from `first` on; the misses of query `first` + t start at `starts`[t]."""
    for t in range(starts.size - 1):
        p, some = first + t, slice(starts[t], starts[t + 1])
        if sought.filled[p] >= 0:
            item = queries.order[p]
            settle(sought, p, item, misses[some], positions[some], gallery, rule, outcome)


@compiled
def settle_rows(
    rows: Array, chosen: Array, sought: Sought,
    queries: Rows, gallery: Rows, rule: Rule, outcome: Outcome,
) -> None:
    """`settle` the queries p of chosen (T,) from their similarities (T, G) to the whole gallery."""
    for t in range(chosen.size):
        p, row = chosen[t], rows[t]
        row[gallery.order[sought.own[p, 0] : sought.own[p, 1]]] = -np.inf
        row[gallery.order[gallery.ids == queries.ids[p]]] = -np.inf
        positions = np.nonzero(row > -np.inf)[0]
        misses = row[positions]
        sought.ahead[p] = (misses >= sought.edge[p]).sum()
        settle(sought, p, queries.order[p], misses, positions, gallery, rule, outcome)
