"""The expected score of the best of n trials, against every subset."""

from itertools import combinations

import numpy as np
import pytest

from bench.tuning.best_of import best_of, sizes, weights


@pytest.mark.parametrize("trials", [1, 2, 5, 8])
@pytest.mark.parametrize("ties", [False, True])
def test_means_are_those_over_all_subsets(trials: int, ties: bool) -> None:
    generator = np.random.default_rng(trials)
    validation = generator.random(trials).round(1 if ties else 9)
    test = generator.random(trials)
    found = best_of(list(validation), list(test))
    for size, mean in zip(found.sizes, found.means, strict=True):
        chosen = [
            max(subset, key=lambda i: (validation[i], -i))
            for subset in combinations(range(trials), size)
        ]
        assert mean == pytest.approx(np.mean(test[chosen]))


def test_sizes_double_and_end_with_all_trials() -> None:
    assert sizes(1) == (1,)
    assert sizes(16) == (1, 2, 4, 8, 16)
    assert sizes(20) == (1, 2, 4, 8, 16, 20)
    for size in sizes(200):
        assert weights(200, size).sum() == pytest.approx(1)


def test_bands_hold_the_mean_and_are_those_of_a_plain_bootstrap() -> None:
    validation = np.random.default_rng(1).random(12)
    found = best_of(list(validation), list(validation))
    assert (found.lows <= found.means).all()
    assert (found.means <= found.highs).all()
    again = best_of(list(validation), list(validation))
    np.testing.assert_array_equal(found.lows, again.lows)
    generator = np.random.default_rng(2)
    for size, low, high in zip(found.sizes, found.lows, found.highs, strict=True):
        plain = []
        for _ in range(4000):
            drawn = np.sort(generator.choice(validation, 12))
            plain.append(weights(12, size) @ drawn)
        np.testing.assert_allclose(np.percentile(plain, [2.5, 97.5]), [low, high], atol=0.03)


def test_equal_scores_have_no_band() -> None:
    found = best_of([0.5] * 4, [0.5] * 4)
    np.testing.assert_allclose(found.lows, 0.5)
    np.testing.assert_allclose(found.highs, 0.5)
