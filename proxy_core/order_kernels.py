"""Compiled loops that put a query's hits and best misses in order, from exact similarities."""

import numpy as np

from proxy_core.compiling import Array, Outcome, Rows, Rule, Sought, compiled


@compiled
def slack(value: float, rule: Rule) -> float:
    """How much less similar than `value` an item may be and still count as equal to it."""
    return rule.tie * abs(value) if rule.euclidean else rule.tie


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
def largest(values: Array, count: int) -> Array:
    """The `count` largest of values, or all, best first."""
    if values.size > count:
        values = np.partition(values, values.size - count)[values.size - count :]
    return np.sort(values)[::-1]


@compiled
def first_misses(values: Array, positions: Array, best: Array, rule: Rule) -> tuple[Array, Array]:
    """The first K of misses (M,), which are given by position; `best` are the K best values.

    Runs of equal ones may go on below them, by one tie for each item at most.
    """
    if values.size == 0:
        return values, positions
    worst = best[-1]
    floor = worst - (values.size + 1) * slack(worst, rule)
    chosen = values >= floor
    values, positions = values[chosen], positions[chosen]
    if values.max() - values.min() > slack(values.max(), rule):
        order = np.argsort(-values, kind="mergesort")
        values, positions = values[order], positions[order]
        order_runs(values, positions, rule)
    return values[: rule.neighbors], positions[: rule.neighbors]


@compiled
def merge(
    hits: Array,
    hit_positions: Array,
    ahead: Array,
    misses: Array,
    positions: Array,
    outcome: Outcome,
    item: int,
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
def misses_ahead(hits: Array, best: Array, rule: Rule) -> Array:
    """How many of the best misses (M,) precede each hit (R,); both come best first."""
    ahead, reached = np.empty(hits.size, np.int64), 0
    for k in range(hits.size):
        edge = hits[k] - slack(hits[k], rule)
        while reached < best.size and best[reached] >= edge:
            reached += 1
        ahead[k] = reached
    return ahead


@compiled
def list_neighbors(
    hits: Array,
    hit_positions: Array,
    misses: Array,
    positions: Array,
    rule: Rule,
    outcome: Outcome,
    item: int,
) -> None:
    """Write down the first K of hits, best first, and of misses, by position."""
    best = largest(misses, rule.neighbors)
    ahead = misses_ahead(hits, best, rule)
    hits, hit_positions = hits.copy(), hit_positions.copy()
    order_runs(hits, hit_positions, rule)
    misses, positions = first_misses(misses, positions, best, rule)
    merge(hits, hit_positions, ahead, misses, positions, outcome, item)


@compiled
def score(sought: Sought, p: int, item: int, outcome: Outcome) -> None:
    """Write down the scores of query p, which is `item`.

    AP@R is 1/R * sum over the hits within the first R of the precision there (Musgrave et al.,
    A Metric Learning Reality Check, https://arxiv.org/abs/2003.08505).
    """
    relevant, place = sought.relevant[p], sought.ahead[p]
    within, precisions = 0, 0.0
    for k in range(sought.alive[p]):
        place += sought.counts[sought.hits_from[p] + k] + 1
        if place <= relevant:
            within += 1
            precisions += (k + 1) / place
    if relevant:
        outcome.scores[item, 0], outcome.scores[item, 1] = 1 + sought.ahead[p], relevant
        outcome.scores[item, 2] = within / relevant
        outcome.scores[item, 3] = precisions / relevant


@compiled
def settle_kept(
    sought: Sought,
    first: int,
    starts: Array,
    misses: Array,
    positions: Array,
    queries: Rows,
    gallery: Rows,
    rule: Rule,
    outcome: Outcome,
) -> None:
    """Write down the outcome of the queries from `first` on that were not given up; the misses of
    query `first` + t start at `starts`[t]."""
    for t in range(starts.size - 1):
        p, item = first + t, queries.order[first + t]
        if not sought.given_up[p]:
            score(sought, p, item, outcome)
            if rule.neighbors:
                some = slice(starts[t], starts[t + 1])
                own = slice(sought.hits_from[p], sought.hits_from[p] + sought.relevant[p])
                list_neighbors(
                    sought.hits[own],
                    sought.hit_items[own],
                    misses[some],
                    positions[some],
                    rule,
                    outcome,
                    item,
                )


@compiled
def settle_rows(
    rows: Array,
    chosen: Array,
    sought: Sought,
    queries: Rows,
    gallery: Rows,
    rule: Rule,
    outcome: Outcome,
) -> None:
    """Write down the outcome of queries p in chosen (T,) from their similarities (T, G)."""
    for t in range(chosen.size):
        p, row, item = chosen[t], rows[t], queries.order[chosen[t]]
        row[gallery.order[sought.own[p, 0] : sought.own[p, 1]]] = -np.inf
        row[gallery.order[gallery.ids == queries.ids[p]]] = -np.inf
        positions = np.nonzero(row > -np.inf)[0]
        misses, relevant = row[positions], sought.relevant[p]
        own = slice(sought.hits_from[p], sought.hits_from[p] + relevant)
        hits = sought.hits[own]
        ahead = misses_ahead(hits, largest(misses, relevant), rule)
        for k in range(1, relevant):
            sought.counts[own.start + k] = ahead[k] - ahead[k - 1]
        if relevant:
            sought.counts[own.start] = 0
            sought.ahead[p] = (misses >= hits[0] - slack(hits[0], rule)).sum()
        sought.alive[p] = relevant
        score(sought, p, item, outcome)
        if rule.neighbors:
            list_neighbors(hits, sought.hit_items[own], misses, positions, rule, outcome, item)
