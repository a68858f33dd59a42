"""The score that a tuning budget buys: of the best of n trials, expected over all subsets of n.

Dodge et al., Show Your Work, EMNLP 2019, https://arxiv.org/abs/1909.03004, draw the n trials with
replacement, which is biased (Tang et al., Showing Your Work Doesn't Always Work, ACL 2020,
https://arxiv.org/abs/2004.13705); here subsets are without replacement, and the mean over all of
them is exact.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

import numpy as np

RESAMPLES = 2000
LEVEL = 0.95


@dataclass(frozen=True)
class BestOf:
    """The expected score of the best of n trials, for each n, with the ends of its band."""

    sizes: tuple[int, ...]
    means: np.ndarray
    lows: np.ndarray
    highs: np.ndarray


def sizes(trials: int) -> tuple[int, ...]:
    """1, 2, 4, ... and the number of all trials."""
    powers = [2**power for power in range(trials.bit_length()) if 2**power < trials]
    return (*powers, trials)


def weights(trials: int, size: int) -> np.ndarray:
    """Probability (N,) that the trial with the i-th lowest score is the best of `size` of N trials:
    the share of all subsets in which all others are below it."""
    ways = [comb(rank, size - 1) for rank in range(trials)]  # ranks below it
    return np.array([way / comb(trials, size) for way in ways])


def best_of(validation: Sequence[float], scores: Sequence[float]) -> BestOf:
    """What the trial with the best validation score among n trials scores, in expectation.

    Arguments: validation, by which a trial is chosen; scores, what is reported of it, which may be
    the same numbers. Of equal validation scores the earlier trial is chosen.
    The band is a 95 % percentile bootstrap over trials. Near n = N it is too narrow above, since no
    resample holds a better trial than the best one.
    """
    chosen_by, reported = np.asarray(validation), np.asarray(scores)
    count = len(chosen_by)
    table = np.stack([weights(count, size) for size in sizes(count)])  # (n, N)
    order = rising(chosen_by)
    ranks = np.empty(count, dtype=np.int64)
    ranks[order] = np.arange(count)
    drawn = np.random.default_rng(0).integers(count, size=(RESAMPLES, count))
    resampled = reported[order][np.sort(ranks[drawn], axis=1)] @ table.T  # (resamples, n)
    tail = 100 * (1 - LEVEL) / 2
    lows, highs = np.percentile(resampled, [tail, 100 - tail], axis=0)
    return BestOf(sizes(count), table @ reported[order], lows, highs)


def rising(validation: np.ndarray) -> np.ndarray:
    """The order (N,) of trials by their scores; of equal ones the earlier last."""
    return np.lexsort((-np.arange(len(validation)), validation))


def spread_of_best(validation: Sequence[float], scores: Sequence[float]) -> float:
    """Standard deviation of what the best of N trials scores, over searches of N trials that are
    drawn with replacement from these: the bootstrap, computed exactly.

    Arguments as those of `best_of`. The trials of a search are independent draws, so resampling
    them stands for searching again; with few trials it is too small, since it knows no others.
    """
    reported = np.asarray(scores)[rising(np.asarray(validation))]
    count = len(reported)
    chance = np.diff((np.arange(count + 1) / count) ** count)  # that the i-th lowest is the best
    mean = chance @ reported
    return float(np.sqrt(chance @ (reported - mean) ** 2))
