"""Ratios of two running times, taken in alternation so that a busy machine slows both alike."""

import statistics
import time
from collections.abc import Callable


def times_faster(ours: Callable[[], object], theirs: Callable[[], object], rounds: int) -> float:
    """Median over the rounds of their time divided by ours, after one call of each to warm up."""
    seconds(ours), seconds(theirs)
    return statistics.median(seconds(theirs) / seconds(ours) for _ in range(rounds))


def seconds(call: Callable[[], object]) -> float:
    """CPU time of this process for one call."""
    start = time.process_time()
    call()
    return time.process_time() - start
