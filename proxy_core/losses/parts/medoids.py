"""Search for medoids whose clusters fit a batch well and disagree with its labels."""

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.float64]
Indices = NDArray[np.int64]
Mask = NDArray[np.bool_]

TIE = 1e-9  # scores this near are equal, as those of the two images of a cluster of two are


def worst_medoids(
    distances: Reals, labels: Indices, *, margin: float, passes: int
) -> tuple[Indices, Indices, float]:
    """The medoid (B,) of each image's class, that (B,) of its cluster, and NMI of the clustering.

    distances (B, B) with a diagonal of zeros, made symmetric; labels (B,) in 0..C-1; margin >= 0.
    The medoid of a class has the smallest sum of distances to it. The clusters belong to as many
    medoids as there are classes, chosen to maximise `score`: greedily, then by at most `passes`
    passes of swaps; if the medoids of the classes score higher, they are taken. Of equal images the
    one nearest to the middle of the batch is taken, so that the order of the batch only decides
    between images that coincide or mirror each other.
    """
    table = 0.5 * (distances + distances.T)
    order = table.sum(axis=1).argsort(kind="stable")
    table, labels = table[order][:, order], np.unique(labels[order], return_inverse=True)[1]
    own = class_medoids(table, labels)
    found = greedy(table, labels, labels.max() + 1, margin)
    found = swapped(table, labels, found, margin, passes)
    chosen = max(np.unique(own).tolist(), found, key=lambda s: score(table, labels, s, margin))
    _, nearest = clusters(table, chosen)
    back = order.argsort()
    return order[own][back], order[nearest][back], unmoved_nmi(nearest, labels)


def class_medoids(table: Reals, labels: Indices) -> Indices:
    """For each image (B,) the image of its class with the smallest sum of distances to it."""
    same = labels[:, None] == labels[None, :]
    sums = np.where(same, np.where(same, table, 0.0).sum(axis=1), np.inf)
    least: Indices = sums.argmin(axis=1)
    return least


def greedy(table: Reals, labels: Indices, count: int, margin: float) -> list[int]:
    """`count` medoids, each the one that scores highest together with those before it."""
    chosen: list[int] = []
    for _ in range(count):
        free = np.delete(np.arange(len(table)), chosen)
        chosen.append(best_addition(table, labels, chosen, free, margin))
    return chosen


def swapped(
    table: Reals, labels: Indices, chosen: list[int], margin: float, passes: int
) -> list[int]:
    """Medoids after swaps with an image of their cluster; no swap lowers the score."""
    for _ in range(passes):
        before = sorted(chosen)
        for medoid in before:
            members = np.flatnonzero(clusters(table, chosen)[1] == medoid)
            chosen = [other for other in chosen if other != medoid]
            # Repeated images may lie in the cluster of another: it may be empty or hold a medoid.
            free = np.setdiff1d([*members, medoid], chosen)
            chosen.append(best_addition(table, labels, chosen, free, margin))
        if sorted(chosen) == before:
            break
    return chosen


def best_addition(
    table: Reals, labels: Indices, chosen: list[int], free: Indices, margin: float
) -> int:
    """The first of the free images whose addition to the chosen ones scores highest."""
    near, owner = clusters(table, chosen)
    nearness = -np.minimum(table[free], near).mean(axis=1)
    # These cannot win, whatever their NMI between 0 and 1. (NaN compares as false and stays.)
    hopeless = nearness + margin < nearness.max() - TIE
    free, nearness = free[~hopeless], nearness[~hopeless]
    reach = table[free]
    moved = (reach < near) | ((reach == near) & (free[:, None] < owner))
    scores = nearness + margin * (1.0 - nmi(moved, owner, labels))
    return int(free[(scores >= scores.max() - TIE).argmax()])


def score(table: Reals, labels: Indices, chosen: list[int], margin: float) -> float:
    """Minus the mean distance to the nearest medoid, plus margin * (1 - NMI)."""
    near, owner = clusters(table, chosen)
    return float(margin * (1.0 - unmoved_nmi(owner, labels)) - near.mean())


def clusters(table: Reals, chosen: list[int]) -> tuple[Reals, Indices]:
    """Distance (B,) of each image to its nearest medoid, and the index (B,) of that medoid, the
    first if equal. Without a medoid: infinity, and B, an invalid index.
    """
    if not chosen:
        return np.full(len(table), np.inf), np.full(len(table), len(table))
    medoids = np.sort(chosen)
    reach = table[:, medoids]
    place = reach.argmin(axis=1)
    return reach[np.arange(len(table)), place], medoids[place]


def nmi(moved: Mask, owner: Indices, labels: Indices) -> Reals:
    """Agreement (R,) in [0, 1] of R clusterings with labels: I / sqrt(H(clusters) H(labels)).

    Clustering r is `owner` (B,), numbers in 0..B, after the items in row r of `moved` (R, B) left
    for a new cluster. labels (B,) from 0. With one cluster or one class it is 0, with one of each
    1.
    """
    size = len(labels)
    cells = np.unique(owner * size + labels, return_inverse=True)[1]
    joint = entropy(np.where(moved, cells.max() + 1 + labels, cells))
    found = entropy(np.where(moved, size + 1, owner))
    true = entropy(labels[None])
    scale = np.sqrt(found * true)
    agreement = np.divide(found + true - joint, scale, out=np.zeros_like(scale), where=scale > 0)
    return np.where(found + true == 0, 1.0, agreement)


def unmoved_nmi(owner: Indices, labels: Indices) -> float:
    """NMI of one clustering (B,) with labels (B,)."""
    return float(nmi(np.zeros((1, len(labels)), dtype=bool), owner, labels)[0])


def entropy(parts: Indices) -> Reals:
    """Entropies (R,) in nats of R partitions (R, B) of B items; exactly 0 for a single part."""
    rows, items = parts.shape
    width = parts.max() + 1
    places = parts + width * np.arange(rows)[:, None]
    counts = np.bincount(places.ravel(), minlength=rows * width).reshape(rows, width)
    shares = np.arange(1, items + 1) / items
    terms = np.concatenate([[0.0], -shares * np.log(shares)])
    entropies: Reals = terms[counts].sum(axis=1)
    return entropies
