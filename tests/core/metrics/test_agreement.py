"""NMI and AMI against scikit-learn's, the expectation against all permutations, and the limits."""

import itertools
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy_core.metrics.agreement import (
    adjusted_mutual_information,
    expected_information,
    normalized_mutual_information,
)

groupings = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 4)), min_size=2, max_size=40)


def information(left: tuple[int, ...], right: tuple[int, ...]) -> float:
    """Mutual information in nats, from counts."""
    size, ones, others = len(left), Counter(left), Counter(right)
    both = Counter(zip(left, right, strict=True))
    return sum(n / size * math.log(n * size / (ones[a] * others[b])) for (a, b), n in both.items())


def test_the_expectation_is_the_mean_over_all_permutations() -> None:
    left, right = (0, 0, 0, 1, 1, 2, 3), (0, 0, 1, 1, 1, 1, 2)
    values = [information(left, order) for order in itertools.permutations(right)]
    found = expected_information(np.array([3, 2, 1, 1]), np.array([2, 4, 1]))
    assert found == pytest.approx(sum(values) / len(values), rel=1e-12)


@settings(deadline=None)  # the first example loads scikit-learn
@given(groupings)
def test_both_are_those_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    from sklearn.metrics import adjusted_mutual_info_score, normalized_mutual_info_score

    left, right = np.array(pairs).T
    found = normalized_mutual_information(left, right)
    assert found == pytest.approx(normalized_mutual_info_score(left, right), abs=1e-9)
    if len(set(left)) < len(left) or len(set(right)) < len(right):  # else there is no room
        expected = adjusted_mutual_info_score(left, right)
        assert adjusted_mutual_information(left, right) == pytest.approx(expected, abs=1e-9)


def test_many_small_groups_agree_with_scikit_learn() -> None:
    from sklearn.metrics import adjusted_mutual_info_score

    generator = np.random.default_rng(0)
    left = generator.integers(0, 700, 3000)
    right = np.where(generator.random(3000) < 0.5, left, generator.permutation(left))
    found = adjusted_mutual_information(left, right)
    assert 0.2 < found < 0.6
    assert found == pytest.approx(adjusted_mutual_info_score(left, right), abs=1e-9)


def test_groupings_without_a_choice() -> None:
    single, whole = np.arange(5), np.zeros(5, dtype=np.int64)
    assert adjusted_mutual_information(single, single) == 1.0
    assert adjusted_mutual_information(whole, whole) == 1.0
    assert adjusted_mutual_information(single, whole) == pytest.approx(0.0, abs=1e-12)
    assert normalized_mutual_information(single, whole) == 0.0
    assert adjusted_mutual_information(single, np.array([0, 1, 2, 3, 3])) == pytest.approx(0.0)
