"""The search for medoids in plain Python, written from its rules."""

import math
from collections import Counter

Table = list[list[float]]


def entropy(parts: list[int]) -> float:
    return -sum(n / len(parts) * math.log(n / len(parts)) for n in Counter(parts).values())


def plain_nmi(clusters: list[int], labels: list[int]) -> float:
    mine, true = entropy(clusters), entropy(labels)
    if mine == 0 or true == 0:
        return float(mine == true)
    both = entropy([1000 * a + b for a, b in zip(clusters, labels, strict=True)])
    return (mine + true - both) / math.sqrt(mine * true)


def nearest(d: Table, chosen: list[int], ranks: list[int]) -> list[int]:
    return [min(chosen, key=lambda j: (d[i][j], ranks[j])) for i in range(len(d))]


def plain_score(d: Table, labels: list[int], chosen: list[int], m: float, r: list[int]) -> float:
    to = nearest(d, chosen, r)
    mean = sum(d[i][j] for i, j in enumerate(to)) / len(d)
    return m * (1 - plain_nmi(to, labels)) - mean


def plain_search(
    d: Table, labels: list[int], margin: float, passes: int
) -> tuple[list[int], list[int], list[int]]:
    """Medoid of each image's class, medoids found, medoid of each image; ties to the middle."""
    size = range(len(d))
    middle = sorted(size, key=lambda i: round(sum(d[i]), 9))
    ranks = [middle.index(i) for i in size]

    def best(chosen: list[int], free: list[int]) -> int:
        scores = {j: plain_score(d, labels, [*chosen, j], margin, ranks) for j in free}
        top = max(scores.values())
        return min((j for j in free if scores[j] > top - 1e-9), key=lambda j: ranks[j])

    found: list[int] = []
    for _ in set(labels):
        found.append(best(found, [j for j in size if j not in found]))
    for _ in range(passes):
        for medoid in sorted(found, key=lambda j: ranks[j]):
            rest = [j for j in found if j != medoid]
            cluster = [i for i, j in enumerate(nearest(d, found, ranks)) if j == medoid]
            found = [*rest, best(rest, [j for j in {*cluster, medoid} if j not in rest])]
    own = []
    for label in labels:
        members = [i for i in size if labels[i] == label]
        sums = {j: sum(d[i][j] for i in members) for j in members}
        near = [j for j in members if sums[j] < min(sums.values()) + 1e-9]
        own.append(min(near, key=lambda j: ranks[j]))
    rival = sorted(set(own))
    if plain_score(d, labels, rival, margin, ranks) >= (
        plain_score(d, labels, found, margin, ranks) - 1e-12
    ):
        found = rival
    return own, found, nearest(d, found, ranks)
