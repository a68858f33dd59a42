"""When a pair of methods may be judged again with more seeds: alpha spending.

A test that is repeated at 5 % after every further seed is wrong in far more than 5 % of cases. So
the level is spent over the looks: up to a share t of the most seeds, level * t^3 (Kim and DeMets
1987; early looks are strict, as with O'Brien and Fleming). The limits follow from the joint
distribution of the looks at a random walk (Armitage, McPherson and Rowe 1969). They are applied to
the p of t tests, for which they are an approximation; the tests simulate how often it is wrong.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

POWER = 3  # of the share of seeds
GRID = 500  # points of the random walk's density
TAIL = 8  # standard deviations, below which the walk is not followed


@dataclass(frozen=True)
class Looks:
    """A look after each seed, from the `first` number of seeds to the `last`; both fixed before."""

    first: int
    last: int

    def limits(self, level: float) -> np.ndarray:
        """Of each look, the one-sided p at which a hypothesis is rejected, so that a true one is
        rejected at any of them with a probability of `level`."""
        return np.array(nominal_levels(self.first, self.last, level))


@cache
def nominal_levels(first: int, last: int, level: float) -> tuple[float, ...]:
    """`Looks.limits` by numerical integration over the walk that has not crossed a limit yet."""
    times = np.arange(first, last + 1) / last
    spent = np.diff(level * times**POWER, prepend=0)
    bound = -ndtri(spent[0]) * np.sqrt(times[0])
    walk, weights = grid(times[0], bound)
    density = weights * np.exp(-(walk**2) / 2 / times[0]) / np.sqrt(2 * np.pi * times[0])
    bounds = [bound]
    for before, now, share in zip(times, times[1:], spent[1:], strict=False):
        step = np.sqrt(now - before)

        bound = brentq(excess, 0, TAIL * np.sqrt(now), (walk, density, step, share))
        bounds.append(bound)
        after, weights = grid(now, bound)
        moves = np.exp(-((after[:, None] - walk) ** 2) / 2 / step**2)
        density = weights * (moves @ density) / np.sqrt(2 * np.pi) / step
        walk = after
    return tuple(ndtr(-np.array(bounds) / np.sqrt(times)).tolist())


def excess(bound: float, walk: np.ndarray, density: np.ndarray, step: float, share: float) -> float:
    """By how much the chance to be above the bound after a step (standard deviation) is more than
    a share; from the points of the walk and their probabilities."""
    return float(density @ ndtr((walk - bound) / step)) - share


def grid(time: float, bound: float) -> tuple[np.ndarray, np.ndarray]:
    """Points from far below to the bound, and their weights in an integral (trapezoids)."""
    points = np.linspace(-TAIL * np.sqrt(time), bound, GRID)
    weights = np.full(GRID, points[1] - points[0])
    weights[[0, -1]] /= 2
    return points, weights
