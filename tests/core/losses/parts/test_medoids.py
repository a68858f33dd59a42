"""The search for medoids against the same rules in plain Python, brute force, and scikit-learn."""

import itertools
import math

import numpy as np
import pytest
from sklearn.metrics import normalized_mutual_info_score

from proxy_core.losses.parts.medoids import Indices, Reals, nmi, unmoved_nmi, worst_medoids
from tests.support.plain_medoids import (
    plain_nmi,
    plain_score,
    plain_search,
)

LABELS = {
    "pairs": [0, 1, 2, 3, 0, 1, 2, 3],
    "unbalanced": [7, 7, 7, 7, 7, 2, 2, 4],
    "images of their own": [0, 1, 2, 3, 3, 3, 4, 5],
    "one class": [1] * 8,
}
every_batch = pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)


def distances(seed: int, size: int = 8) -> Reals:
    points = np.random.default_rng(seed).normal(size=(size, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    return np.array([[math.dist(a, b) for b in points] for a in points])


def steps(seed: int, size: int = 8) -> Reals:
    """Distances 1, 2 or 3: equal ones everywhere, and images that repeat others at distance 0."""
    upper = np.triu(np.random.default_rng(seed).integers(0, 4, (size, size)), 1)
    return (upper + upper.T).astype(float)


def value(table: Reals, to: Indices, agreement: float, margin: float) -> float:
    return float(margin * (1 - agreement) - table[np.arange(len(to)), to].mean())


@every_batch
@pytest.mark.parametrize("passes", [0, 1, 5])
@pytest.mark.parametrize("margin", [0.0, 0.3, 2.0])
@pytest.mark.parametrize("table", [distances, steps])
def test_the_search_is_that_of_plain_loops(
    table: type[Reals], margin: float, passes: int, labels: list[int]
) -> None:
    for seed in range(8):
        d = table(seed)
        own, to, agreement = worst_medoids(d, np.array(labels), margin=margin, passes=passes)
        expected_own, _, expected = plain_search(d.tolist(), labels, margin, passes)
        assert own.tolist() == expected_own
        assert agreement == pytest.approx(plain_nmi(to.tolist(), labels), abs=1e-12)
        plain = value(d, np.array(expected), plain_nmi(expected, labels), margin)
        assert value(d, to, agreement, margin) == pytest.approx(plain, abs=1e-9)
        assert to.tolist() == expected


@pytest.mark.parametrize("margin", [0.0, 0.3])
def test_no_set_of_medoids_scores_higher_than_the_best_and_most_often_it_is_found(
    margin: float,
) -> None:
    labels, hits = LABELS["unbalanced"], 0
    for seed in range(40):
        d = distances(seed)
        _, to, agreement = worst_medoids(d, np.array(labels), margin=margin, passes=5)
        sets = itertools.combinations(range(8), 3)
        exact = max(plain_score(d.tolist(), labels, list(s), margin, list(range(8))) for s in sets)
        found = value(d, to, agreement, margin)
        assert found <= exact + 1e-12
        hits += found > exact - 1e-12
    assert 25 < hits < 40  # an approximation: not always


def test_swaps_never_lower_the_score_and_help_often() -> None:
    labels, gains = np.arange(20) % 5, 0
    for seed in range(20):
        d = distances(seed, 20)
        results = [worst_medoids(d, labels, margin=0.5, passes=p) for p in (0, 1, 2, 9)]
        values = [value(d, to, agreement, 0.5) for _, to, agreement in results]
        assert (np.diff(values) > -1e-9).all()
        gains += values[-1] > values[0] + 1e-9
    assert gains > 5


def test_the_medoids_of_the_classes_are_a_candidate() -> None:
    """On a line greed takes an inner point first, -1 or 1, and without swaps keeps it."""
    line = np.array([-3.0, -2.0, -1.0, 1.0, 2.0, 3.0])
    d, labels = abs(line[:, None] - line), np.array([0, 0, 0, 1, 1, 1])
    own, to, _ = worst_medoids(d, labels, margin=0.0, passes=0)
    assert own.tolist() == to.tolist() == [1, 1, 1, 4, 4, 4]


@pytest.mark.parametrize("size", [8, 12])
def test_the_order_of_the_batch_does_not_matter(size: int) -> None:
    """Clusters of two have two equal medoids, of which a later choice would see a difference."""
    labels = np.arange(size) % (size // 2)
    for seed in range(20):
        d, order = distances(seed, size), np.random.default_rng(seed).permutation(size)
        one = worst_medoids(d, labels, margin=0.5, passes=2)
        other = worst_medoids(d[order][:, order], labels[order], margin=0.5, passes=2)
        assert one[2] == pytest.approx(other[2], abs=1e-12)
        for mine, theirs in zip(one[:2], other[:2], strict=True):
            assert mine[order].tolist() == order[theirs].tolist()


def test_rounding_that_differs_between_d_ij_and_d_ji_does_not_matter() -> None:
    labels = np.arange(12) % 6
    for seed in range(10):
        d = distances(seed, 12) + 1e-7 * np.random.default_rng(seed).random((12, 12))
        one, other = (worst_medoids(t, labels, margin=0.5, passes=2) for t in (d, d.T))
        assert one[0].tolist() == other[0].tolist()
        assert one[1].tolist() == other[1].tolist()


def test_nmi_is_that_of_scikit_learn() -> None:
    generator = np.random.default_rng(3)
    for classes in (1, 2, 5):
        labels, owner = generator.integers(0, classes, (2, 12))
        moved = generator.random((30, 12)) < generator.random((30, 1))
        moved[:2] = [[False], [True]]
        after = np.where(moved, 99, owner)
        expected = [
            normalized_mutual_info_score(labels, row, average_method="geometric") for row in after
        ]
        np.testing.assert_allclose(nmi(moved, owner, labels), expected, atol=1e-12)


@pytest.mark.parametrize(
    ("owner", "labels", "expected"),
    [
        ([3, 3, 3], [0, 0, 0], 1.0),
        ([3, 3, 3], [0, 1, 0], 0.0),
        ([3, 1, 3], [0, 0, 0], 0.0),
        ([2, 0, 2], [0, 1, 0], 1.0),
        ([0, 0, 2, 2], [0, 1, 0, 1], 0.0),
        ([0, 0, 2, 2], [0, 0, 1, 2], math.sqrt(2 / 3)),  # I = log 2, H(labels) = 1.5 log 2
    ],
)
def test_nmi_at_its_ends_and_in_a_known_case(
    owner: list[int], labels: list[int], expected: float
) -> None:
    assert unmoved_nmi(np.array(owner), np.array(labels)) == pytest.approx(expected, abs=1e-12)
