"""Clustering scores: formulas in plain Python, chance, perfection, and the seeds."""

import math
from collections import Counter

import pytest
import torch
from torch import Tensor

from proxy_core.distances import unit
from proxy_core.metrics.clustering import cluster_scores
from proxy_core.metrics.kmeans import k_means


def clouds(noise: float, classes: int = 5, size: int = 60) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(8)
    labels = torch.arange(size) % classes
    centers = torch.randn(classes, 6, generator=generator)
    return centers[labels] + noise * torch.randn(size, 6, generator=generator), labels


def plain_nmi(left: list[int], right: list[int]) -> float:
    """2 I / (H + H), from counts."""
    size = len(left)

    def entropy(counts: Counter[int]) -> float:
        return -sum(n / size * math.log(n / size) for n in counts.values())

    ones, others = Counter(left), Counter(right)
    both = Counter(zip(left, right, strict=True))
    shared = sum(
        n / size * math.log(n * size / (ones[a] * others[b])) for (a, b), n in both.items()
    )
    return 2 * shared / (entropy(ones) + entropy(others))


def test_nmi_is_that_of_counts_with_k_the_number_of_classes() -> None:
    embeddings, labels = clouds(noise=1.0)
    found = k_means(unit(embeddings.double()), 5, seed=3).of_point
    assert len(set(found.tolist())) == 5
    expected = plain_nmi(labels.tolist(), found.tolist())
    scores = cluster_scores(embeddings, labels, seeds=[3])
    assert scores["nmi"] == pytest.approx(expected, rel=1e-9)
    assert 0.05 < scores["ami"] < scores["nmi"] < 0.95


def test_separated_classes_score_one() -> None:
    scores = cluster_scores(*clouds(noise=0.01), seeds=[0, 1], n_init=5)
    assert all(value == pytest.approx(1.0) for value in scores.values())


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


def test_seeds_decide_everything_and_lengths_nothing() -> None:
    embeddings, labels = clouds(noise=1.0)
    lengths = torch.rand(60, 1, generator=torch.Generator().manual_seed(1)) + 0.1
    first = cluster_scores(embeddings, labels, seeds=[5, 6])
    assert first == cluster_scores(embeddings, labels, seeds=[5, 6])
    scaled = cluster_scores(embeddings.double() * lengths, labels, seeds=[5, 6])
    assert scaled == pytest.approx(first, abs=1e-12)
    for power in (-900, 900):  # whose squares float64 cannot hold
        far = torch.ldexp(embeddings.double(), torch.tensor(power))
        assert cluster_scores(far, labels, seeds=[5, 6]) == pytest.approx(first, abs=1e-12)


def test_label_numbers_do_not_matter() -> None:
    embeddings, labels = clouds(noise=1.0)
    first = cluster_scores(embeddings, labels, seeds=[2])
    assert cluster_scores(embeddings, 100 - 7 * labels, seeds=[2]) == pytest.approx(first)


def test_a_collapsed_embedding_scores_nothing() -> None:
    _, labels = clouds(noise=1.0)
    scores = cluster_scores(torch.ones(60, 6), labels, seeds=[0, 1], n_init=2)
    assert all(value == pytest.approx(0.0, abs=1e-12) for value in scores.values())


def test_every_item_of_its_own_class() -> None:
    embeddings, _ = clouds(noise=1.0)
    scores = cluster_scores(embeddings, torch.arange(60), seeds=[0])
    assert all(value == pytest.approx(1.0) for value in scores.values())


def test_bad_input_is_refused() -> None:
    embeddings, labels = clouds(noise=1.0)
    with pytest.raises(ValueError, match=r"shape \(60, 6\) and labels \(59,\)"):
        cluster_scores(embeddings, labels[1:], seeds=[0])
    with pytest.raises(ValueError, match="labels hold 1 distinct classes"):
        cluster_scores(embeddings, labels * 0, seeds=[0])
    with pytest.raises(ValueError, match=r"seeds are \[\], n_init is 1"):
        cluster_scores(embeddings, labels, seeds=[])
    with pytest.raises(ValueError, match="n_init is 0"):
        cluster_scores(embeddings, labels, seeds=[0], n_init=0)
    with pytest.raises(ValueError, match="NaN or infinity"):
        cluster_scores(embeddings * torch.nan, labels, seeds=[0])


@pytest.mark.parametrize("classes", [5, 300])  # centers one by one, and several at a time
def test_progress_rises_to_all(classes: int) -> None:
    told: list[tuple[int, int]] = []
    sides = clouds(noise=1.0, classes=classes, size=900)
    cluster_scores(*sides, seeds=[0, 1], progress=lambda *step: told.append(step))
    done = [step[0] for step in told]
    assert done == sorted(done)
    assert {total for _, total in told} == {1800}
    assert done[-1] == 1800
    assert sum(0 < step < 450 for step in done) > 1, "while starts are chosen"
    assert sum(450 < step < 900 for step in done) > 1, "while centers move"
