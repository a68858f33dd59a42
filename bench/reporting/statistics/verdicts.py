"""Verdicts on pairs of methods: better, worse, the same within a margin, or undecided.

Which test decides: the paired t test over seeds. It takes differences for normal, and is then exact
for any number of seeds. The sign-flip test needs no such assumption, but with three seeds it cannot
fall below 0.25. It decides only where all differences are equal, as the t test is undefined there.

Which errors are bounded: a pair has two null hypotheses, "no difference" (two-sided) and "a
difference beyond the margin" (the larger p of two one-sided tests). At most one of them is true, so
a table of m pairs has at most m true ones, and each is rejected at 5 % / m. A pair with both
rejected has none left, and m falls: Holm's procedure (1979) with Shaffer's count (1986). The chance
that a table has any wrong verdict is then at most 5 %, whatever the truth.

Where seeds are added until pairs are decided, each hypothesis has 5 % / m over all looks
(`sequential.py`), and the first look that decides a pair is final.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import combinations
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.special import nctdtr, stdtrit

from bench.reporting.statistics.sequential import Looks
from bench.reporting.statistics.stats import (
    Interval,
    has_spread,
    mean_interval,
    p_above,
    two_sided_p,
)

if TYPE_CHECKING:
    import pandas as pd

Word = Literal["better", "worse", "same", "undecided"]
MARGIN = 0.005  # half a percentage point
ALPHA = 0.05  # chance of any wrong verdict in a table
POWER = 0.8  # with which the number of seeds that is named decides
MOST_SEEDS = 100  # up to which that number is computed


@dataclass(frozen=True)
class Rule:
    """How pairs are judged. margin: differences up to it count as the same, in the unit of the
    scores; looks: at how many seeds, if seeds are added until pairs are decided; pairs: of their
    plan, by no fewer of which the level is then divided."""

    margin: float = MARGIN
    looks: Looks | None = None
    pairs: int = 0


RULE = Rule()


@dataclass(frozen=True)
class Judged:
    """word, on the first method of a pair; p_different and p_same, not corrected; level, that of
    the pair; seeds, by which it was decided and the p are computed, or all."""

    word: Word
    p_different: float
    p_same: float
    level: float
    seeds: int


@dataclass(frozen=True)
class Verdict:
    """What the common seeds of two methods say of their difference.

    Attributes: differences, first minus second of each common seed; judged, by the rule.
    """

    first: str
    second: str
    differences: tuple[float, ...]
    judged: Judged
    rule: Rule = RULE

    @property
    def margin(self) -> float:
        return self.rule.margin

    @property
    def word(self) -> Word:
        return self.judged.word

    @cached_property
    def difference(self) -> Interval:
        return mean_interval(self.differences)

    @cached_property
    def needed(self) -> int | None:
        """`seeds_needed` of a pair that is undecided."""
        if self.word != "undecided":
            return None
        return seeds_needed(np.array(self.differences), self.rule, self.judged.level)


def table_verdicts(
    scores: "pd.DataFrame", rule: Rule = RULE, *, lower_is_better: bool = False
) -> list[Verdict]:
    """The verdict on every pair of methods with a common seed, in the order of their means.

    scores: seeds (rows, in the order in which they were run) x methods, NaN where a method lacks
    a seed.
    """
    order = scores.mean().sort_values(ascending=lower_is_better, kind="stable").index
    pairs = paired_differences(scores[order])
    rises = [-values if lower_is_better else values for values in pairs.values()]
    if (looks := rule.looks) is None:
        judged = judge_once(rises, rule.margin)
    else:
        count = max(len(rises), rule.pairs)  # of a part of the table, those of the whole
        judged = [judge_often(values, rule.margin, looks, count) for values in rises]
    return [
        Verdict(*pair, tuple(values.tolist()), found, rule)
        for (pair, values), found in zip(pairs.items(), judged, strict=True)
    ]


def paired_differences(scores: "pd.DataFrame") -> dict[tuple[str, str], np.ndarray]:
    """(first, second) -> their differences over the seeds that both have, if there is one."""
    columns = {str(name): scores[name].to_numpy(dtype=float) for name in scores}
    found = {
        (first, second): columns[first] - columns[second]
        for first, second in combinations(columns, 2)
    }
    common = {pair: values[~np.isnan(values)] for pair, values in found.items()}
    return {pair: values for pair, values in common.items() if len(values)}


def judge_once(samples: Sequence[np.ndarray], margin: float) -> list[Judged]:
    """The pairs of a table by all their differences; above 0 is better."""
    p_different = each(two_sided_p, samples)
    p_same = each(partial(equivalence_p, margin=margin), samples)
    tested = sum(len(values) > 1 for values in samples)
    level = float(ALPHA / open_pairs(p_different, p_same, tested))
    return [
        Judged(
            word_for(values.mean() > 0, different <= level, same <= level),
            float(different),
            float(same),
            level,
            len(values),
        )
        for values, different, same in zip(samples, p_different, p_same, strict=True)
    ]


def judge_often(values: np.ndarray, margin: float, looks: Looks, pairs: int) -> Judged:
    """One of the pairs of a table by the first look at its differences that decides it."""
    level = ALPHA / pairs
    limits = zip(looks.limits(level / 2), looks.limits(level), strict=True)
    judged = judge_once([values], margin)[0]
    judged = replace(judged, word="undecided", level=level)
    for seeds, (of_side, of_same) in enumerate(limits, start=looks.first):
        if seeds > len(values):
            break
        seen = values[:seeds]
        different, same = float(two_sided_p(seen)), float(equivalence_p(seen, margin))
        word = word_for(seen.mean() > 0, different / 2 <= of_side, same <= of_same)
        judged = Judged(word, different, same, level, seeds)
        if word != "undecided":
            break
    return judged


def each(test: Callable[[np.ndarray], np.ndarray], samples: Sequence[np.ndarray]) -> np.ndarray:
    """A test of each sample; those of one size at once."""
    sizes = np.array([len(sample) for sample in samples], dtype=int)
    results = np.ones(len(samples))
    for size in np.unique(sizes):
        same = np.flatnonzero(sizes == size)
        results[same] = test(np.stack([samples[int(number)] for number in same]))
    return results


def equivalence_p(differences: np.ndarray, margin: float) -> np.ndarray:
    """p of the two one-sided tests: that the mean of differences (..., n) is at least `margin` from
    0 is rejected only if both sides are (Schuirmann 1987)."""
    greater: np.ndarray = np.maximum(p_above(differences, -margin), p_above(-differences, -margin))
    return greater


def open_pairs(p_different: np.ndarray, p_same: np.ndarray, pairs: int) -> np.ndarray:
    """By how many pairs `ALPHA` is divided at the end of Holm's procedure.

    Arguments: p_different and p_same (..., P); pairs, how many of the P could be tested.
    """
    both = np.maximum(p_different, p_same)
    count = np.full(both.shape[:-1], max(1, pairs))
    for _ in range(pairs):
        closed = (both <= ALPHA / count[..., None]).sum(axis=-1)
        count = np.maximum(1, pairs - closed)
    return count


def word_for(rises: bool, different: bool, same: bool) -> Word:
    """The verdict; a difference that is certain, but certainly within the margin, is "same"."""
    if same:
        return "same"
    if different:
        return "better" if rises else "worse"
    return "undecided"


def seeds_needed(differences: np.ndarray, rule: Rule, level: float) -> int | None:
    """Seeds in all with which one of the two tests decides with probability `POWER`, if the next
    differences have the mean and the spread of these.

    Where the rule has looks, the look at that many seeds decides by its own limits; that an earlier
    one may decide as well is left out, so fewer seeds may do.
    Arguments: level, that of the pair. Returns: None for one seed, and where `most_seeds` of the
    rule do not suffice.
    """
    n, margin = len(differences), rule.margin
    counts = np.arange(max(n + 1, rule.looks.first if rule.looks else 0), most_seeds(rule) + 1)
    if n < 2 or not counts.size:
        return None
    of_side, of_same = levels(rule.looks, counts, level)
    mean = float(np.mean(differences))
    if has_spread(differences):
        spread = float(np.std(differences, ddof=1))
        power = np.maximum(
            power_different(mean, spread, counts, of_side),
            power_same(mean, spread, counts, of_same, margin),
        )
        enough = power >= POWER
    else:  # the sign-flip test decides
        enough = (0.5**counts <= (of_same if abs(mean) < margin else of_side)) & (
            abs(mean) != margin
        )
    return int(counts[enough.argmax()]) if enough.any() else None


def most_seeds(rule: Rule) -> int:
    """Up to how many seeds the number that would decide is computed."""
    return rule.looks.last if rule.looks else MOST_SEEDS


def levels(looks: Looks | None, counts: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """One-sided levels (n,) of both tests with these numbers of seeds (n,)."""
    if looks is None:
        return np.full(counts.shape, level / 2), np.full(counts.shape, level)
    positions = counts - looks.first
    return looks.limits(level / 2)[positions], looks.limits(level)[positions]


def power_different(mean: float, spread: float, n: np.ndarray, level: np.ndarray) -> np.ndarray:
    """Power of the paired t test of n seeds (n,) at these one-sided levels (n,), of differences
    with this mean and standard deviation; the wrong side is left out."""
    limit = stdtrit(n - 1, 1 - level)
    power: np.ndarray = 1 - noncentral(limit, n, abs(mean) / spread)
    return power


def power_same(
    mean: float, spread: float, n: np.ndarray, level: np.ndarray, margin: float
) -> np.ndarray:
    """A lower bound of the power of the two one-sided tests: the sum of their powers minus 1."""
    limit = stdtrit(n - 1, 1 - level)
    below = noncentral(limit, n, (margin + mean) / spread)
    above = noncentral(limit, n, (margin - mean) / spread)
    power: np.ndarray = np.maximum(0, 1 - below - above)
    return power


def noncentral(limit: np.ndarray, n: np.ndarray, effect: float) -> np.ndarray:
    """P(t <= limit) of n differences whose mean is `effect` standard deviations."""
    shares = nctdtr(n - 1, effect * np.sqrt(n), limit)
    return np.nan_to_num(shares)  # some that are below 1e-100 are not computed


def leaders(
    scores: "pd.DataFrame", rule: Rule = RULE, *, lower_is_better: bool = False
) -> set[str]:
    """The methods that may be the best: those that are not shown to be worse than another one.

    Empty if no pair of methods has two common seeds. Arguments as those of `table_verdicts`.
    """
    verdicts = table_verdicts(scores, rule, lower_is_better=lower_is_better)
    if not any(len(verdict.differences) > 1 for verdict in verdicts):
        return set()
    worse = {v.second for v in verdicts if v.word == "better"}
    worse |= {v.first for v in verdicts if v.word == "worse"}
    return {str(method) for method in scores if scores[method].notna().any()} - worse
