"""NMI and AMI against counts and scikit-learn; scores by chance, perfection and seeds."""

import itertools
import math
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from proxy_core.distances import unit
from proxy_core.metrics.clustering import (
    adjusted_mutual_information,
    cluster_scores,
    expected_information,
)
from proxy_core.metrics.kmeans import k_means


def clouds(noise: float, classes: int = 5, size: int = 60) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(8)
    labels = torch.arange(size) % classes
    centers = torch.randn(classes, 6, generator=generator)
    return centers[labels] + noise * torch.randn(size, 6, generator=generator), labels


groupings = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 4)), min_size=2, max_size=40)


def information(left: tuple[int, ...], right: tuple[int, ...]) -> float:
    """Mutual information in nats, from counts."""
    size, ones, others = len(left), Counter(left), Counter(right)
    both = Counter(zip(left, right, strict=True))
    return sum(n / size * math.log(n * size / (ones[a] * others[b])) for (a, b), n in both.items())


def test_nmi_is_that_of_counts_with_k_the_number_of_classes() -> None:
    embeddings, labels = clouds(noise=1.0)
    found = k_means(unit(embeddings.double()), 5, seed=3)
    assert len(set(found.tolist())) == 5
    sides = tuple(labels.tolist()), tuple(found.tolist())
    expected = 2 * information(*sides) / sum(information(side, side) for side in sides)
    scores = cluster_scores(embeddings, labels, seeds=[3])
    assert scores["nmi"] == pytest.approx(expected, rel=1e-9)
    assert 0.05 < scores["ami"] < scores["nmi"] < 0.95


def test_separated_classes_and_single_items_score_one_and_a_collapse_zero() -> None:
    vectors, labels = clouds(noise=0.01)
    for embeddings, classes, expected in (
        (vectors, labels, 1.0),
        (vectors, torch.arange(60), 1.0),
        (torch.ones(60, 6), labels, 0.0),
    ):
        scores = cluster_scores(embeddings, classes, seeds=[0, 1])
        assert list(scores.values()) == pytest.approx([expected] * 6, abs=1e-12)


def test_ami_of_random_labels_is_about_zero_and_nmi_is_not() -> None:
    embeddings, _ = clouds(noise=1.0, size=120)
    labels = torch.randperm(120, generator=torch.Generator().manual_seed(0)) % 40
    scores = cluster_scores(embeddings, labels, seeds=range(4))
    assert abs(scores["ami"]) < 0.06
    assert scores["nmi"] > 0.6


def test_the_spread_over_seeds_is_that_of_single_seeds() -> None:
    embeddings, labels = clouds(noise=1.0)
    single = [cluster_scores(embeddings, labels, seeds=[seed]) for seed in range(4)]
    scores = cluster_scores(embeddings, labels, seeds=range(4))
    for name in ("nmi", "ami"):
        values = [one[name] for one in single]
        assert scores[name] == pytest.approx(sum(values) / 4)
        assert scores[f"{name}_min"] == min(values) < max(values) == scores[f"{name}_max"]


def test_lengths_and_label_numbers_do_not_matter() -> None:
    embeddings, labels = clouds(noise=1.0)
    lengths = torch.rand(60, 1, generator=torch.Generator().manual_seed(1)) + 0.1
    first = cluster_scores(embeddings, labels, seeds=[5, 6])
    renamed = cluster_scores(embeddings, 100 - 7 * labels, seeds=[5, 6])
    assert renamed == pytest.approx(first, abs=1e-12)
    scaled = cluster_scores(embeddings.double() * lengths, labels, seeds=[5, 6])
    assert scaled == pytest.approx(first, abs=1e-12)
    for power in (-900, 900):  # whose squares float64 cannot hold
        far = torch.ldexp(embeddings.double(), torch.tensor(power))
        assert cluster_scores(far, labels, seeds=[5, 6]) == pytest.approx(first, abs=1e-12)


def test_bad_input_is_refused() -> None:
    embeddings, labels = clouds(noise=1.0)
    with pytest.raises(ValueError, match=r"labels of embeddings are torch.int64 of shape \(59,\)"):
        cluster_scores(embeddings, labels[1:], seeds=[0])
    with pytest.raises(ValueError, match="labels hold 1 distinct classes"):
        cluster_scores(embeddings, labels * 0, seeds=[0])
    with pytest.raises(ValueError, match="seeds are empty"):
        cluster_scores(embeddings, labels, seeds=[])
    with pytest.raises(ValueError, match="NaN or infinity"):
        cluster_scores(embeddings * torch.nan, labels, seeds=[0])


def test_progress_rises_to_all() -> None:
    steps: list[tuple[int, int]] = []
    sides = clouds(noise=1.0, classes=30, size=900)
    cluster_scores(*sides, seeds=[0, 1], progress=lambda *step: steps.append(step))
    done = [step[0] for step in steps]
    assert done == sorted(done)
    assert {total for _, total in steps} == {1800}
    assert {450, 900, 1350, 1800} < set(done)  # after each start and each clustering


def test_the_expectation_is_the_mean_over_all_permutations() -> None:
    left, right = (0, 0, 0, 1, 1, 2, 3), (0, 0, 1, 1, 1, 1, 2)
    values = [information(left, order) for order in itertools.permutations(right)]
    found = expected_information(np.array([3, 2, 1, 1]), np.array([2, 4, 1]))
    assert found == pytest.approx(sum(values) / len(values), rel=1e-12)


@settings(deadline=None)  # the first example loads scikit-learn
@given(groupings)
def test_ami_is_that_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    from sklearn.metrics import adjusted_mutual_info_score

    left, right = np.array(pairs).T
    if len(set(left)) < len(left) or len(set(right)) < len(right):  # otherwise it is not defined
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
    assert adjusted_mutual_information(single, np.array([0, 1, 2, 3, 3])) == pytest.approx(0.0)
