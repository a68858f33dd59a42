"""The nearest of few centers, on a CPU: bounds rule out most pairs before their product is taken.

One lower bound for each point and center, as in Elkan, Using the Triangle Inequality to Accelerate
k-Means, ICML 2003, but of the value |c|^2 / 2 - x c instead of the distance: if the center moves by
d, its value changes by that of |c|^2 / 2, which is known, and by x d, at most |x| |d|.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from proxy_core.metrics.nearest import TIE, rounding, squared_lengths

FEW = 300  # below so many centers, each pair of point and center may have a bound of its own
SMALL = 2**25  # products of numbers in points by centers that take less time than to load numba
MANY = 0.25  # share of pairs in doubt from which on one product of all is faster
ROWS = 1024  # points of one product
LOST = 2.0**-19  # above what float32 loses where a bound is moved: bounds stay within -8..8
CLOSE = np.float32(2.0**-22)  # above ties, and above what a value loses in float32
LONGER = 1 + 2.0**-20  # a length times this is rounded to a float32 that is not below it


@dataclass(frozen=True, eq=False)
class Bounds:
    """Of N points and k centers: lengths (N,) float32, none below |x|; halves (k,) float64 of
    |c|^2; least (N, k) float32, none above the value of its point and center."""

    lengths: Tensor
    halves: Tensor
    least: Tensor


def pays(points: Tensor, k: int) -> bool:
    """Do compiled loops over pairs of points (N, D) and k centers save time?"""
    return points.device.type == "cpu" and k < FEW and k * points.numel() > SMALL


def assign_few(points: Tensor, centers: Tensor) -> tuple[Tensor, Tensor, Bounds]:
    """Number (N,) of the center (k, D) nearest to each point (N, D), its value (N,), and bounds.

    The answer is that of `proxy_core.metrics.nearest.nearest`.
    """
    lengths = squared_lengths(points).sqrt() * LONGER
    halves = centers.square().sum(dim=1) / 2
    bounds = Bounds(lengths.float(), halves, points.new_empty(len(points), len(centers)))
    fill(bounds.least, points, centers, halves)
    of_point, values = bounds.least.argmin(dim=1), torch.empty_like(lengths)
    renew(points, centers, halves, halves >= 0, of_point, values)
    settle(points, centers, bounds, of_point, values)
    return of_point, values, bounds


def reassign_few(
    points: Tensor,
    centers: Tensor,
    before: Tensor,
    of_point: Tensor,
    values: Tensor,
    bounds: Bounds,
) -> tuple[Tensor, Tensor, Bounds]:
    """As `assign_few`, knowing its answer for the centers before (k, D); overwrites the bounds."""
    from proxy_core.metrics import pair_loops  # numba takes its time to import

    steps = torch.linalg.vector_norm(centers - before, dim=1) * LONGER
    halves = centers.square().sum(dim=1) / 2
    shifts = torch.where(steps > 0, halves - bounds.halves - LOST, 0.0)
    of_point, values = of_point.clone(), values.clone()
    renew(points, centers, halves, steps > 0, of_point, values)
    parts = (bounds.least, bounds.lengths, shifts.float(), steps.float(), values)
    doubtful = pair_loops.loosen(CLOSE, *arrays(parts))
    if doubtful > MANY * bounds.least.numel():
        fill(bounds.least, points, centers, halves)
    bounds = Bounds(bounds.lengths, halves, bounds.least)
    settle(points, centers, bounds, of_point, values)
    return of_point, values, bounds


def fill(least: Tensor, points: Tensor, centers: Tensor, halves: Tensor) -> None:
    """Set bounds (N, k) anew, by the products of all."""
    rounded, lowest = centers.float(), floors(centers, halves)
    for some, block in zip(torch.split(points, ROWS), torch.split(least, ROWS), strict=True):
        torch.addmm(lowest, some, rounded.T, alpha=-1, out=block)


def floors(centers: Tensor, halves: Tensor) -> Tensor:
    """Halves (k,) in float32, less what a product in float32 may lose."""
    return (halves - rounding(centers)).float()


def renew(
    points: Tensor, centers: Tensor, halves: Tensor, moved: Tensor, of_point: Tensor, values: Tensor
) -> None:
    """Take anew the values (N,) of those points whose own center is among the moved ones (k,)."""
    from proxy_core.metrics import pair_loops

    parts = (points, centers, halves, of_point, moved, values)
    pair_loops.own_values(*arrays(parts))


def settle(
    points: Tensor, centers: Tensor, bounds: Bounds, of_point: Tensor, values: Tensor
) -> None:
    """Bring numbers (N,) and values (N,) up to date by the pairs that bounds leave in doubt."""
    from proxy_core.metrics import pair_loops

    halves = bounds.halves
    lowest = floors(centers, halves)
    parts = (points, centers, halves, centers.float(), lowest, bounds.least, of_point, values)
    pair_loops.settle(CLOSE, TIE, *arrays(parts))


def arrays(tensors: tuple[Tensor, ...]) -> list[Any]:
    """The same memory for numpy."""
    return [tensor.numpy() for tensor in tensors]
