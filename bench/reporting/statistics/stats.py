"""Statistics over seeds: t-based intervals and differences paired by seed.

With three seeds a t interval covers its nominal 95 %; one standard error covers 58 % and a
percentile bootstrap 76 % (simulated), so neither is offered here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr, stdtrit

LEVEL = 0.95  # of every interval
ROUNDING = 1e-12  # values that differ by less are equal
SIGN_FLIP_PAIRS = 20  # 2^20 sums take 8 MB; more pairs have the t test only


@dataclass(frozen=True)
class Interval:
    """A mean over n seeds; `half` is the half-width of its 95 % t interval, None for one seed."""

    mean: float
    half: float | None
    n: int

    def excludes_zero(self) -> bool:
        """Whether 0 lies outside; False without variation, as the interval then has no width."""
        return self.half is not None and 0 < self.half < abs(self.mean)

    def is_steady(self) -> bool:
        """Whether all of several values are equal, so that they do not show what is chance."""
        return self.half == 0


@dataclass(frozen=True)
class PairedDifference:
    """Differences of two methods on the same seeds.

    Attributes: interval, mean difference with its t interval; p_t, two-sided paired t test, None
    if undefined (one pair, or all differences equal); p_sign, exact two-sided sign-flip test, None
    beyond `SIGN_FLIP_PAIRS` pairs.
    """

    interval: Interval
    p_t: float | None
    p_sign: float | None


def mean_interval(values: Sequence[float]) -> Interval:
    """Mean and half-width of the two-sided 95 % interval from Student's t with n - 1 degrees.

    Differs from common practice: many papers print one standard deviation after "±".
    Raises: ValueError if there is no value or one is not finite.
    """
    sample = np.asarray(values, dtype=np.float64)
    if sample.size == 0 or not np.isfinite(sample).all():
        raise ValueError(f"an interval needs at least one value, all finite; found {list(values)}")
    if not has_spread(sample):  # also without the rounding of a mean over equal values
        return Interval(float(sample[0]), None if sample.size == 1 else 0.0, int(sample.size))
    error = sample.std(ddof=1) / np.sqrt(sample.size)
    half = float(stdtrit(sample.size - 1, (1 + LEVEL) / 2)) * float(error)
    return Interval(float(sample.mean()), half, int(sample.size))


def paired_difference(differences: Sequence[float]) -> PairedDifference:
    """Mean of the differences, one for each seed, with its interval and tests.

    Runs of one seed share initial weights and draws; pairing removes that common part.
    """
    tests = paired_t_p(differences), sign_flip_p(differences)
    return PairedDifference(mean_interval(differences), *tests)


def paired_t_p(differences: Sequence[float]) -> float | None:
    """Two-sided p of the paired t test; None for one pair or when all differences are equal."""
    sample = np.asarray(differences, dtype=np.float64)
    return float(two_sided_p(sample)) if has_spread(sample) else None


def has_spread(values: np.ndarray) -> np.ndarray:
    """Whether values (..., n) differ by more than rounding."""
    spread: np.ndarray = np.ptp(values, axis=-1) > ROUNDING
    return spread


def two_sided_p(differences: np.ndarray) -> np.ndarray:
    """p of the hypothesis that the mean of differences (..., n) is 0, as `p_above` tests it."""
    less: np.ndarray = np.minimum(p_above(differences, 0), p_above(-differences, 0))
    both: np.ndarray = np.minimum(1, 2 * less)
    return both


def p_above(differences: np.ndarray, bound: float) -> np.ndarray:
    """One-sided p of the hypothesis that the mean of differences (..., n) is at most `bound`.

    By the paired t test; where all differences are equal by the sign-flip test, whose p is then
    2^-n above the bound and 1 otherwise.
    """
    n = differences.shape[-1]
    rise = differences.mean(axis=-1) - bound
    if n < 2:
        return np.ones_like(rise)
    error = differences.std(axis=-1, ddof=1) / np.sqrt(n)
    with np.errstate(divide="ignore", invalid="ignore"):
        by_t = stdtr(n - 1, -rise / error)
    by_sign = np.where(rise > ROUNDING, 0.5**n, 1.0)
    return np.where(has_spread(differences), by_t, by_sign)


def sign_flip_p(differences: Sequence[float]) -> float | None:
    """Exact two-sided p: share of the 2^n sign patterns whose sum is at least as far from 0.

    With n pairs it is never below `least_sign_flip_p`: 0.25 for three seeds, 0.03 for six.
    """
    if len(differences) > SIGN_FLIP_PAIRS:
        return None
    sums = np.zeros(1)
    for difference in differences:
        sums = np.concatenate([sums + difference, sums - difference])
    slack = 1e-12 * float(np.abs(differences).sum())  # sums that differ by rounding only are equal
    return float(np.mean(np.abs(sums) >= abs(sum(differences)) - slack))


def least_sign_flip_p(n: int) -> float:
    """The smallest p that the sign-flip test of n pairs can reach."""
    return float(0.5 ** (n - 1))
