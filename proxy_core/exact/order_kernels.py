"""Compiled loops that put a query's hits and best misses in order, from exact similarities."""

import numpy as np

from proxy_core.exact.tables import Array, Outcome, Rule, Sought, compiled


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
def first_misses(values: Array, positions: Array, best: Array, rule: Rule) -> tuple[Array, Array]:
    """The first K of misses (M,), which are given by position; `best` are their best values.

    Runs of equal ones may go on below them, by one tie for each item at most.
    """
    if values.size == 0:
        return values, positions
    worst = best[min(rule.neighbors, best.size) - 1]
    floor = worst - (values.size + 1) * slack(worst, rule)
    chosen = values >= floor
    values, positions = values[chosen], positions[chosen]
    if values.max() - values.min() > slack(values.max(), rule):
        order = np.argsort(-values, kind="mergesort")
        values, positions = values[order], positions[order]
        order_runs(values, positions, rule)
    return values[: rule.neighbors], positions[: rule.neighbors]


@compiled
def shown(similarity: float, rule: Rule) -> float:
    """Cosine, or minus the distance instead of its square."""
    return -np.sqrt(-similarity) if rule.euclidean else similarity


@compiled
def merge(
    hits: Array,
    hit_positions: Array,
    ahead: Array,
    misses: Array,
    positions: Array,
    rule: Rule,
    outcome: Outcome,
    item: int,
) -> None:
    """Write down the first K of hits and misses: a hit follows as many misses as are ahead."""
    found, similarities = outcome.neighbors[item], outcome.similarities[item]
    i = j = 0
    for k in range(found.size):
        if i < hits.size and ahead[i] <= j:
            found[k], similarities[k] = hit_positions[i], shown(hits[i], rule)
            i += 1
        elif j < misses.size:
            found[k], similarities[k] = positions[j], shown(misses[j], rule)
            j += 1


@compiled
def misses_ahead(edges: Array, best: Array) -> Array:
    """How many of the best misses (M,) precede each hit (R,), given by its edge; best first."""
    ahead, reached = np.empty(edges.size, np.int64), 0
    for k in range(edges.size):
        while reached < best.size and best[reached] >= edges[k]:
            reached += 1
        ahead[k] = reached
    return ahead


@compiled
def list_neighbors(
    sought: Sought,
    p: int,
    item: int,
    misses: Array,
    items: Array,
    best: Array,
    rule: Rule,
    outcome: Outcome,
) -> None:
    """Write down the first K of the hits of query p, which is `item`, and of its misses (M,).

    Misses are given by item; those that cannot be among the first K may be missing. `best` are the
    K best of their similarities, or more, best first.
    """
    own = slice(sought.hits_from[p], sought.hits_from[p] + sought.relevant[p])
    hits, hit_items = sought.hits[own].copy(), sought.hit_items[own].copy()
    ahead = misses_ahead(sought.edges[own], best)
    order_runs(hits, hit_items, rule)
    misses, items = first_misses(misses, items, best, rule)
    merge(hits, hit_items, ahead, misses, items, rule, outcome, item)


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
    items: Array,
    order: Array,
    rule: Rule,
    outcome: Outcome,
) -> None:
    """Write down the outcome of the queries from `first` on that were not given up.

    The misses of query `first` + t start at `starts`[t]; order (P,) says which queries these are.
    """
    for t in range(starts.size - 1):
        p = first + t
        if not sought.given_up[p]:
            some = slice(starts[t], starts[t + 1])
            score(sought, p, order[p], outcome)
            if rule.neighbors:
                best = np.sort(misses[some])[::-1]
                list_neighbors(sought, p, order[p], misses[some], items[some], best, rule, outcome)


@compiled
def settle_rows(
    rows: Array,
    best: Array,
    chosen: Array,
    sought: Sought,
    order: Array,
    rule: Rule,
    outcome: Outcome,
) -> None:
    """Write down the outcome of the queries p in chosen (T,) from similarities (T, G) that are -inf
    where an item is no miss, and the max(R, K) best of each row, or more, best first."""
    for t in range(chosen.size):
        p, start, relevant = chosen[t], sought.hits_from[chosen[t]], sought.relevant[chosen[t]]
        edges = sought.edges[start : start + relevant]
        ahead = misses_ahead(edges, best[t])
        for k in range(1, relevant):
            sought.counts[start + k] = ahead[k] - ahead[k - 1]
        if relevant:
            sought.ahead[p] = (rows[t] >= edges[0]).sum()
        sought.alive[p] = relevant
        score(sought, p, order[p], outcome)
        if rule.neighbors:
            items = np.nonzero(rows[t] > -np.inf)[0]
            list_neighbors(sought, p, order[p], rows[t][items], items, best[t], rule, outcome)
