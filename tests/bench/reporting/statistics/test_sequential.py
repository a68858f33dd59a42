"""Alpha spending: its limits against repeated t tests, and how often simulated tables are wrong.

A simulated table has three methods. All are equal, or one differs, or all do, by 0.75 to 3 points;
the differences of a pair vary over seeds with a standard deviation of 0.3 to 1.2 points.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy.special import stdtrit
from scipy.stats import zscore

from bench.reporting.findings import verdict_cell
from bench.reporting.statistics.sequential import Looks
from bench.reporting.statistics.stats import two_sided_p
from bench.reporting.statistics.verdicts import (
    ALPHA,
    MARGIN,
    Rule,
    equivalence_p,
    seeds_needed,
    table_verdicts,
)

PAIRS = ((0, 1), (0, 2), (1, 2))
LOOKS = Looks(3, 30)
Truth = Callable[[np.random.Generator, int], np.ndarray]  # means (tables, 3)


def mixed(generator: np.random.Generator, tables: int) -> np.ndarray:
    kind = generator.integers(3, size=tables)
    shifts = generator.uniform(0.0075, 0.03, (tables, 2))
    zero = np.zeros(tables)
    low, high = np.where(kind == 2, -shifts[:, 0], 0), np.where(kind >= 1, shifts[:, 1], 0)
    return np.stack([zero, low, high], axis=1)


def constant(*means: float) -> Truth:
    return lambda generator, tables: np.tile(np.array(means), (tables, 1))


class Simulated:
    """p of both tests (tables, pairs, looks) of tables that grow from 3 to 30 seeds."""

    def __init__(self, tables: int, truth: Truth, spread: tuple[float, float]) -> None:
        generator = np.random.default_rng(0)
        means = truth(generator, tables)
        spreads = generator.uniform(*spread, tables)[:, None, None] / np.sqrt(2)
        noise = generator.normal(size=(tables, 3, LOOKS.last))
        scores = means[:, :, None] + spreads * noise
        paired = np.stack([scores[:, i] - scores[:, j] for i, j in PAIRS], axis=1)
        self.truth = np.stack([means[:, i] - means[:, j] for i, j in PAIRS], axis=1)
        seen = [paired[..., :n] for n in range(LOOKS.first, LOOKS.last + 1)]
        self.different = np.stack([two_sided_p(part) for part in seen], axis=-1)
        self.same = np.stack([equivalence_p(part, MARGIN) for part in seen], axis=-1)
        self.rises = np.stack([part.mean(axis=-1) > 0 for part in seen], axis=-1)

    def outcome(self, different: np.ndarray, same: np.ndarray, look: np.ndarray) -> list[float]:
        """Share of tables with a wrong verdict and of pairs with the right one, at a look."""

        def at(values: np.ndarray) -> np.ndarray:
            found: np.ndarray = np.take_along_axis(values, look[..., None], axis=-1)[..., 0]
            return found

        equal = at(same)
        up, down = [at(different) & ~equal & (at(self.rises) == rises) for rises in (True, False)]
        small, zero = np.abs(self.truth) <= MARGIN, self.truth == 0
        wrong = (equal & ~small) | (up & (self.truth <= 0)) | (down & (self.truth >= 0))
        right = (equal & small) | ((up | down) & ~zero & ~wrong)
        return [float(wrong.any(axis=1).mean()), float(right.mean())]

    def sequential(self) -> tuple[float, float, float]:
        """Wrong tables, right pairs and runs of a table, when seeds are added until decided."""
        level = ALPHA / len(PAIRS)
        different = self.different / 2 <= LOOKS.limits(level / 2)
        same = self.same <= LOOKS.limits(level)
        decided = different | same
        last = decided.shape[-1] - 1
        look = np.where(decided.any(axis=-1), decided.argmax(axis=-1), last)
        seeds = look + LOOKS.first
        of_method = [
            np.maximum(*[seeds[:, n] for n, pair in enumerate(PAIRS) if method in pair])
            for method in range(3)
        ]
        wrong, right = self.outcome(different, same, look)
        return wrong, right, float(sum(of_method).mean())

    def fixed(self) -> np.ndarray:
        """Right pairs of tables with a fixed number of seeds, for each look."""
        level = ALPHA / len(PAIRS)
        different, same = self.different <= level, self.same <= level
        looks = range(different.shape[-1])
        shape = different.shape[:2]
        return np.array([self.outcome(different, same, np.full(shape, n))[1] for n in looks])


def check_simulation(tables: int) -> str:
    slack = 2 * np.sqrt(ALPHA * (1 - ALPHA) / tables)
    wrongs = {
        "mixed": Simulated(tables, mixed, (0.003, 0.012)).sequential()[0],
        "equal": Simulated(tables, constant(0, 0, 0), (0.006, 0.006)).sequential()[0],
        "just beyond the margin": Simulated(
            tables, constant(0, 0, 1.01 * MARGIN), (0.004, 0.004)
        ).sequential()[0],
    }
    assert max(wrongs.values()) <= ALPHA + slack, wrongs
    simulated = Simulated(tables, mixed, (0.003, 0.012))
    _, right, runs = simulated.sequential()
    needed = np.interp(right, simulated.fixed(), np.arange(LOOKS.first, LOOKS.last + 1))
    saved = 1 - runs / (3 * needed)
    assert saved >= 0.3
    return (
        f"wrong {wrongs}; power {right:.3f}; {runs:.1f} runs, fixed {3 * needed:.1f}; {saved:.1%}"
    )


def test_few_tables_are_wrong_and_a_third_of_the_runs_is_saved() -> None:
    check_simulation(800)


@pytest.mark.slow
def test_the_same_of_ten_thousand_tables() -> None:
    print(check_simulation(10_000))


def test_the_first_look_spends_its_share_and_later_ones_are_less_strict() -> None:
    """The power family with exponent 3 (Jennison and Turnbull 2000, chapter 7)."""
    limits = Looks(2, 5).limits(0.025)
    assert limits[0] == pytest.approx(0.025 * (2 / 5) ** 3)
    assert np.all(np.diff(limits) > 0)
    assert limits[-1] < 0.025


def test_one_look_has_the_whole_level() -> None:
    assert Looks(7, 7).limits(0.05) == pytest.approx([0.05])


@pytest.mark.parametrize(("first", "last", "level"), [(2, 6, 0.025), (3, 10, 0.0025)])
def test_repeated_t_tests_cross_the_limits_as_often_as_the_level_says(
    first: int, last: int, level: float
) -> None:
    """With the limits of a random walk they cross 1.18 and 1.28 times as often."""
    tables = 200_000
    values = np.random.default_rng(1).normal(size=(tables, last))
    seeds = np.arange(1, last + 1)
    means = values.cumsum(axis=1) / seeds
    squares = (values**2).cumsum(axis=1) - seeds * means**2
    counts = slice(first - 1, None)
    t = (means * np.sqrt(seeds * (seeds - 1) / squares.clip(1e-12)))[:, counts]
    limits = stdtrit(seeds[counts] - 1, 1 - Looks(first, last).limits(level))
    crossed = [(sign * t >= limits).any(axis=1).mean() for sign in (1, -1)]
    assert np.mean(crossed) == pytest.approx(level, abs=4 * np.sqrt(level / tables / 2))


def make_scores(differences: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"a": [0.5 + d for d in differences], "b": [0.5] * len(differences)})


def test_the_first_look_that_decides_is_final() -> None:
    clear = [0.1, 0.11, 0.1, 0.11, 0.1, 0.11]
    rule = Rule(looks=Looks(3, 20))
    first = table_verdicts(make_scores(clear), rule)[0].judged
    assert first.word == "better"
    assert first.seeds <= 6
    (later,) = table_verdicts(make_scores([*clear, -0.2, 0.3, -0.2]), rule)
    assert later.judged == first
    assert len(later.differences) == 9
    assert table_verdicts(make_scores([*clear, -0.2, 0.3, -0.2]))[0].word == "undecided"


def test_an_early_look_is_stricter_than_a_single_one() -> None:
    differences = [0.1, 0.12, 0.11]
    assert table_verdicts(make_scores(differences))[0].word == "better"
    (verdict,) = table_verdicts(make_scores(differences), Rule(looks=Looks(3, 30)))
    assert verdict.word == "undecided"
    assert verdict.needed is not None


@pytest.mark.parametrize(("mean", "spread"), [(0.02, 0.02), (0.0005, 0.006)])
def test_the_seeds_that_are_named_decide_at_the_limits_of_the_looks(
    mean: float, spread: float
) -> None:
    generator = np.random.default_rng(3)
    sample = zscore(generator.normal(size=4), ddof=1) * spread + mean
    level = ALPHA / 3
    needed = seeds_needed(sample, Rule(looks=LOOKS), level)
    assert needed is not None
    assert needed > (seeds_needed(sample, Rule(), level) or 0)
    draws = generator.normal(mean, spread, (20_000, needed))
    look = needed - LOOKS.first
    different = two_sided_p(draws) / 2 <= LOOKS.limits(level / 2)[look]
    same = equivalence_p(draws, MARGIN) <= LOOKS.limits(level)[look]
    assert 0.78 < np.mean(different | same) < 0.9


def test_no_seeds_are_named_beyond_the_last_look() -> None:
    wild = [0.1, -0.1, 0.12, -0.08]
    (verdict,) = table_verdicts(make_scores(wild), Rule(looks=Looks(3, 10)))
    assert verdict.needed is None
    assert verdict_cell(verdict) == "undecided: more than 10 seeds would be needed for R@1"
    (verdict,) = table_verdicts(make_scores(wild), Rule(looks=Looks(3, 4)))
    assert verdict_cell(verdict) == "undecided: the most seeds, 4, did not decide R@1"
    (verdict,) = table_verdicts(make_scores([0.1, 0.1, 0.1]), Rule(looks=Looks(3, 30)))
    limits = Looks(3, 30).limits(ALPHA / 2)
    expected = next(n for n in range(4, 31) if 0.5**n <= limits[n - 3])
    assert verdict.needed == expected


def test_before_the_first_look_and_after_the_last_nothing_is_decided() -> None:
    rule = Rule(looks=Looks(4, 5))
    assert table_verdicts(make_scores([0.1, 0.1001, 0.1]), rule)[0].word == "undecided"
    wild = [0.1, -0.1, 0.1, -0.1, 0.1]
    later = make_scores([*wild, *[0.1, 0.11] * 30])
    assert table_verdicts(later, rule)[0].word == "undecided"
    assert table_verdicts(later)[0].word == "better"
