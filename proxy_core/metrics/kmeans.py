"""k-means: greedy k-means++, then Lloyd's iterations to their end, in bounded memory."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from proxy_core.metrics.lloyd import lloyd, on_grid, squared_distances
from proxy_core.metrics.nearest import blocks
from proxy_core.metrics.starts import spread_out

ITERATIONS = 300  # as in scikit-learn; some dozens are the rule
FARTHEST = 1e38  # about what float32 can hold


@dataclass(frozen=True, eq=False)
class Clustering:
    """N points in k clusters.

    Attributes: of_point (N,) int64 in 0..k-1; centers (k, D) float64; objective, the sum of squared
    distances of points to their centers; iterations, how often the centers were moved.
    """

    of_point: Tensor
    centers: Tensor
    objective: float
    iterations: int


def k_means(
    points: Tensor,
    k: int,
    *,
    seed: int,
    n_init: int = 1,
    progress: Callable[[float], None] | None = None,
) -> Clustering:
    """Cluster points (N, D) of any floating type, on their device; the best of `n_init` runs.

    Starts by `spread_out`, then `lloyd` until no point changes its center, at most 300 times; run r
    draws from the generator of (seed, r). Same seed, same bits, whatever the number of threads; a
    GPU's answer is the same but for the rare cases that `spread_out` names.

    Points are taken less their mean and rounded by `on_grid`; from there on every decision is that
    of float64. Equal points are in one cluster. Empty clusters take the farthest points, and stay
    empty only with fewer than k distinct points. Memory beside the points: a copy in float32, some
    120 bytes for each point and for each number in the centers, 4 bytes for each pair of both where
    k < 300, and 50 MB + 100 kB D. `progress` is called now and then with the share in [0, 1] that
    is done, an estimate: half of a run for the starts, half for the iterations.

    Differs from scikit-learn's KMeans in the draws, in the last iterations (that stops once centers
    hardly move) and for k > 256 in the start; from faiss, which starts at random points and stops
    after 20 iterations.

    ValueError for points that are no matrix, not finite or 1e38 from their mean, k outside 1..N, a
    negative seed and n_init < 1.
    """
    check(points, k, seed, n_init)
    points = points.detach()
    mean, scale = frame(points)
    scaled = within(points, mean, scale)

    def told(run: int, share: float) -> None:
        if progress:
            progress((run + share) / n_init)

    runs = (
        once(scaled, k, np.random.default_rng([seed, run]), partial(told, run))
        for run in range(n_init)
    )
    best = min(runs, key=lambda found: found.objective)
    return replace(best, centers=best.centers * scale + mean, objective=best.objective * scale**2)


def once(
    points: Tensor, k: int, generator: np.random.Generator, told: Callable[[float], None]
) -> Clustering:
    """Clusters of points (N, D) as `within` makes them."""
    rows = spread_out(points, k, generator, lambda share: told(share / 2))
    starts = points[rows].double()
    clusters, iterations = lloyd(points, starts, ITERATIONS, lambda share: told((1 + share) / 2))
    told(1.0)
    objective = float(squared_distances(points, clusters).sum())
    return Clustering(clusters.of_point, clusters.centers, objective, iterations)


def frame(points: Tensor) -> tuple[Tensor, float]:
    """Mean (D,) float64 of points, rounded to float32, and a power of two above their lengths."""
    total = points.new_zeros(points.shape[1], dtype=torch.float64)
    for part in blocks(points):
        total += part.double().sum(dim=0)
    mean = (total / len(points)).float().double()
    lengths = [torch.linalg.vector_norm(part.double() - mean, dim=1) for part in blocks(points)]
    longest = float(torch.cat(lengths).max())
    if not longest < FARTHEST:
        raise ValueError(
            f"points are up to {longest:g} from their mean, too far for their distances to be "
            f"held: scale them to below {FARTHEST:g}"
        )
    return mean, 2.0 ** math.frexp(longest)[1]


def within(points: Tensor, mean: Tensor, scale: float) -> Tensor:
    """Points less their mean, in units of the scale: (N, D) float32, rounded by `on_grid`."""
    scaled = torch.empty(points.shape, dtype=torch.float32, device=points.device)
    for part, place in zip(blocks(points), blocks(scaled), strict=True):
        place.copy_(on_grid((part.double() - mean).div_(scale)))
    return scaled


def check(points: Tensor, k: int, seed: int, n_init: int) -> None:
    """Raise ValueError for what `k_means` refuses."""
    if points.ndim != 2 or points.shape[1] == 0:
        raise ValueError(f"points have shape {tuple(points.shape)}: expected (N, D), not empty")
    if not 1 <= k <= len(points):
        raise ValueError(f"k is {k} with {len(points)} points: expected 1 to {len(points)}")
    if not all(torch.isfinite(part).all() for part in blocks(points)):
        raise ValueError("points hold NaN or infinity")
    if seed < 0 or n_init < 1:
        raise ValueError(f"seed is {seed} and n_init is {n_init}: expected >= 0 and >= 1")
