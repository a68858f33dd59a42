"""The rules of assignment in plain Python, for the slow references of all proxy losses."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from proxy_core.distances import cosine_similarity
from proxy_core.losses.parts.assignment import Assignment, dynamic_assignment, static_assignment

Table = list[list[float]]
LABELS = [3, 0, 3, 2, 0, 3, 3, 0, 4]  # class sizes 3, 0, 1, 4 and 1


@dataclass(frozen=True)
class Plain:
    """For each image: weight of each positive proxy, and the set of its negative proxies, of which
    a positive one is none where it is the positive one."""

    positives: list[dict[int, float]]
    negatives: list[set[int]]


def points(count: int, dim: int = 4, seed: int = 6) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, dim, generator=generator, dtype=torch.float64)


def cosine(left: list[float], right: list[float]) -> float:
    product = sum(a * b for a, b in zip(left, right, strict=True))
    return product / math.hypot(*left) / math.hypot(*right)


def table(embeddings: Tensor, proxies: Tensor) -> Table:
    return [[cosine(x, p) for p in proxies.tolist()] for x in embeddings.tolist()]


def plain_static(cosines: Table, labels: list[int], members: list[list[int]]) -> Plain:
    positives, negatives = [], []
    for row, label in zip(cosines, labels, strict=True):
        positives.append({max(members[label], key=lambda p: row[p]): 1.0})
        negatives.append({p for p in range(len(row)) if p not in members[label]})
    return Plain(positives, negatives)


def plain_dynamic(cosines: Table, labels: list[int]) -> Plain:
    nearest = [row.index(max(row)) for row in cosines]
    positives, negatives = [], []
    for x, label in enumerate(labels):
        similar = [y for y, other in enumerate(labels) if other == label and y != x] or [x]
        shares: dict[int, float] = {}
        for y in similar:
            shares[nearest[y]] = shares.get(nearest[y], 0.0) + 1 / len(similar)
        dissimilar = {nearest[z] for z, other in enumerate(labels) if other != label}
        positives.append(shares)
        negatives.append(dissimilar)
    return Plain(positives, negatives)


@dataclass(frozen=True)
class Case:
    """One rule with as many proxies as it needs, both ways."""

    proxies: int
    members: list[list[int]] | None  # None: dynamic

    def ours(self, embeddings: Tensor, proxies: Tensor) -> tuple[Tensor, Assignment]:
        cosines = cosine_similarity(embeddings, proxies)
        labels = torch.tensor(LABELS)
        if self.members is None:
            return cosines, dynamic_assignment(cosines, labels)
        return cosines, static_assignment(cosines, labels, torch.tensor(self.members))

    def plain(self, embeddings: Tensor, proxies: Tensor) -> tuple[Table, Plain]:
        cosines = table(embeddings, proxies)
        if self.members is None:
            return cosines, plain_dynamic(cosines, LABELS)
        return cosines, plain_static(cosines, LABELS, self.members)


CASES = {
    "one for each class": Case(5, [[0], [1], [2], [3], [4]]),
    "shared by classes": Case(3, [[1], [0], [2], [1], [0]]),
    "three for each class": Case(15, [[3 * c, 3 * c + 1, 3 * c + 2] for c in range(5)]),
    "dynamic, few": Case(4, None),
    "dynamic, many": Case(12, None),
    "dynamic, only two": Case(2, None),
}
