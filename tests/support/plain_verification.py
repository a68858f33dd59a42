"""Verification by plain loops over all pairs and all thresholds."""

import itertools
import math
from dataclasses import dataclass

from torch import Tensor

from tests.support.plain_cosines import plain_cosine


@dataclass(frozen=True)
class Pairs:
    """Rounded cosines of all pairs."""

    genuine: list[float]
    impostors: list[float]

    def thresholds(self) -> list[float]:
        """All that make a difference, highest first."""
        return [math.inf, *sorted({*self.genuine, *self.impostors}, reverse=True)]

    def far(self, threshold: float) -> float:
        return sum(value >= threshold for value in self.impostors) / len(self.impostors)

    def tar(self, threshold: float) -> float:
        return sum(value >= threshold for value in self.genuine) / len(self.genuine)

    def tar_at(self, far: float) -> float:
        return max(self.tar(t) for t in self.thresholds() if self.far(t) <= far)

    def eer(self) -> float:
        """Where the straight lines from threshold to threshold meet FAR = FRR, by bisection."""
        points = [(self.far(t), 1 - self.tar(t)) for t in self.thresholds()]
        for (far, frr), (next_far, next_frr) in itertools.pairwise(points):
            if next_far >= next_frr:
                low, high = 0.0, 1.0
                for _ in range(60):
                    middle = (low + high) / 2
                    below = far + middle * (next_far - far) < frr + middle * (next_frr - frr)
                    low, high = (middle, high) if below else (low, middle)
                return far + high * (next_far - far)
        raise AssertionError("everything is accepted at the last threshold")


def plain_pairs(embeddings: Tensor, labels: Tensor) -> Pairs:
    rows, names = embeddings.double().tolist(), labels.tolist()
    pairs = [(i, j) for i in range(len(rows)) for j in range(i)]
    cosines = {(i, j): plain_cosine(rows[i], rows[j]) for i, j in pairs}
    genuine = [cosines[i, j] for i, j in pairs if names[i] == names[j]]
    return Pairs(genuine, [cosines[i, j] for i, j in pairs if names[i] != names[j]])
