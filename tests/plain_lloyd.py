"""k-means data, and Lloyd's iterations in plain numpy and double precision."""

import numpy as np
import torch
from torch import Tensor


def clouds(size: int, centers: int, *, dim: int, noise: float = 0.3, seed: int = 5) -> Tensor:
    """Unit vectors (size, dim) in float32 around random directions, some tight and some wide."""
    generator = np.random.default_rng(seed)
    middles = generator.standard_normal((centers, dim))
    width = noise * np.exp(0.5 * generator.standard_normal((size, 1)))
    points = middles[np.arange(size) % centers] + width * generator.standard_normal((size, dim))
    return torch.from_numpy(points / np.linalg.norm(points, axis=1, keepdims=True)).float()


def objective(points: Tensor, of_point: Tensor, centers: Tensor) -> float:
    """Sum of squared distances, by differences."""
    return float((points.double() - centers.double()[of_point]).square().sum())


def plain_lloyd(points: Tensor, centers: Tensor, iterations: int) -> tuple[list[int], list[float]]:
    """Clusters of the points, and the objective after each assignment; no cluster is ever empty."""
    rows, middles = points.double().numpy(), centers.double().numpy().copy()
    objectives: list[float] = []
    before: list[int] = []
    for _ in range(iterations + 1):
        distances = [[float(((row - middle) ** 2).sum()) for middle in middles] for row in rows]
        of_point = [min(range(len(middles)), key=each.__getitem__) for each in distances]
        objectives.append(sum(map(min, distances)))
        if of_point == before:
            break
        before = of_point
        for cluster in range(len(middles)):
            members = [place for place, own in enumerate(of_point) if own == cluster]
            assert members, "an empty cluster: choose other points"
            middles[cluster] = rows[members].sum(axis=0) / len(members)
    return of_point, objectives
