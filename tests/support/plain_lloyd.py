"""Data for k-means, and Lloyd's iterations in plain loops and double precision."""

import numpy as np
import torch
from hypothesis import strategies as st
from torch import Tensor

from proxy_core.metrics.kmeans import on_grid


def clouds(size: int, centers: int, *, dim: int, noise: float = 0.3, seed: int = 5) -> Tensor:
    """Unit vectors (size, dim) in float32 around random directions, some tight and some wide."""
    generator = np.random.default_rng(seed)
    middles = generator.standard_normal((centers, dim))
    width = noise * np.exp(0.5 * generator.standard_normal((size, 1)))
    points = middles[np.arange(size) % centers] + width * generator.standard_normal((size, dim))
    return torch.from_numpy(points / np.linalg.norm(points, axis=1, keepdims=True)).float()


def objective(points: Tensor, of_point: Tensor) -> float:
    """Sum of squared distances of points to the means of their clusters, by differences."""
    clusters, sizes = torch.unique(of_point, return_inverse=True, return_counts=True)[1:]
    sums = torch.zeros(len(sizes), points.shape[1], dtype=torch.float64)
    means = sums.index_add(0, clusters, points.double()) / sizes[:, None]
    return float((points.double() - means[clusters]).square().sum())


def plain_lloyd(points: Tensor, centers: Tensor) -> list[int]:
    """Clusters of the points once no point changes its own; no cluster is ever empty."""
    rows, middles = points.double().numpy(), centers.double().numpy().copy()
    before: list[int] = []
    while True:
        distances = [[float(((row - middle) ** 2).sum()) for middle in middles] for row in rows]
        of_point = [min(range(len(middles)), key=each.__getitem__) for each in distances]
        if of_point == before:
            return of_point
        before = of_point
        for cluster in range(len(middles)):
            members = [place for place, own in enumerate(of_point) if own == cluster]
            assert members, "an empty cluster: choose other points"
            middles[cluster] = rows[members].sum(axis=0) / len(members)


@st.composite
def problems(draw: st.DrawFn) -> tuple[Tensor, Tensor]:
    """Points and centers, generic or on a lattice, where many are equal or equally near."""
    size, k, dim = draw(st.integers(1, 90)), draw(st.integers(1, 70)), draw(st.integers(1, 6))
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    if draw(st.booleans()):
        drawn = generator.integers(-2, 3, (size + k, dim)) / 8
    else:
        drawn = generator.uniform(-0.4, 0.4, (size + k, dim))
    both = on_grid(torch.from_numpy(drawn))
    return both[:size].float(), both[size:]


def first_nearest(points: Tensor, centers: Tensor) -> Tensor:
    """The first of the nearest centers, by differences, which are exact on the grid."""
    gaps = (points.double()[:, None] - centers[None]).square().sum(dim=2)
    return (gaps == gaps.amin(dim=1, keepdim=True)).byte().argmax(dim=1)
