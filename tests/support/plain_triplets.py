"""Every mining rule by plain loops over Python floats, from the papers' formulas."""

import math

import torch
from torch import Tensor

MINING = ["random", "all", "semi-hard", "hard", "distance-weighted"]
LABELS = {
    "balanced": [0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3],
    "unbalanced": [1, 0, 0, 0, 0, 1, 1, 0, 2, 2, 3, 3],
    "with classes of one image": [0, 1, 1, 1, 2, 2, 2, 2, 3, 0, 4, 5],
}
Triplets = list[tuple[int, int, int]]
Table = list[list[float]]


def points(size: int = 12, dim: int = 5, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(size, dim, generator=generator, dtype=torch.float64)


def uniforms(size: int = 12, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(size, size, generator=generator, dtype=torch.float64)


def unit_rows(embeddings: Tensor) -> Table:
    return [[value / math.hypot(*row) for value in row] for row in embeddings.tolist()]


def distance_table(embeddings: Tensor) -> Table:
    """Distances of unit vectors, not squared."""
    rows = unit_rows(embeddings)
    return [[math.dist(one, other) for other in rows] for one in rows]


def squared_table(embeddings: Tensor) -> Table:
    return [[value**2 for value in row] for row in distance_table(embeddings)]


def all_triplets(labels: list[int]) -> Triplets:
    size = range(len(labels))
    return [
        (a, p, n)
        for a in size
        for p in size
        for n in size
        if a != p and labels[a] == labels[p] and labels[a] != labels[n]
    ]


def semi_hard_triplets(distances: Table, labels: list[int], margin: float) -> Triplets:
    return [
        (a, p, n)
        for a, p, n in all_triplets(labels)
        if distances[a][p] < distances[a][n] < distances[a][p] + margin
    ]


def hard_triplets(distances: Table, labels: list[int]) -> Triplets:
    best: dict[int, tuple[float, int, int]] = {}
    for a, p, n in all_triplets(labels):
        candidate = (distances[a][p] - distances[a][n], p, n)
        best[a] = max(best.get(a, candidate), candidate)
    return [(a, p, n) for a, (_, p, n) in best.items()]


def plain_weight(distance: float, dim: int) -> float:
    """Wu et al., section 4: min(lambda, 1 / q(d)) with lambda = 1 / q(0.5), nothing from 1.4 on."""
    if distance >= 1.4:
        return 0.0
    d = max(distance, 0.5)
    return math.pow(d, 2 - dim) * math.pow(1 - d**2 / 4, (3 - dim) / 2)


def plain_order(embeddings: Tensor, labels: list[int]) -> list[int]:
    """Images by label, and within one by the sum of their cosines to the batch."""
    rows = unit_rows(embeddings)
    cosines = [[sum(x * y for x, y in zip(u, v, strict=True)) for v in rows] for u in rows]
    sums = [sum(row) for row in cosines]
    return sorted(range(len(labels)), key=lambda i: (labels[i], sums[i]))


def drawn_triplets(embeddings: Tensor, labels: list[int], numbers: Tensor, mining: str) -> Triplets:
    """For each positive pair the first negative at which a running sum of weights reaches 1 - u of
    the whole, everything in canonical order."""
    order, d = plain_order(embeddings, labels), distance_table(embeddings)
    dim, found = embeddings.shape[1], []
    for i, a in enumerate(order):
        others = [n for n in order if labels[n] != labels[a]]
        weights = [1.0 if mining == "random" else plain_weight(d[a][n], dim) for n in others]
        for j, p in enumerate(order):
            if a == p or labels[a] != labels[p] or sum(weights) == 0:
                continue
            target, running = (1 - numbers[i, j].item()) * sum(weights), 0.0
            for n, weight in zip(others, weights, strict=True):
                running += weight
                if running >= target:
                    found.append((a, p, n))
                    break
    return found


def mined_triplets(
    embeddings: Tensor, labels: list[int], numbers: Tensor, *, mining: str, margin: float
) -> Triplets:
    if mining == "all":
        return all_triplets(labels)
    if mining == "semi-hard":
        return semi_hard_triplets(squared_table(embeddings), labels, margin)
    if mining == "hard":
        return hard_triplets(squared_table(embeddings), labels)
    return drawn_triplets(embeddings, labels, numbers, mining)
