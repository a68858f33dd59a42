"""Sums over mined triplets against a triple loop, on random distances and on ties at borders."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from proxy_core.distances import squared_distances
from proxy_core.losses.parts.mining import count_triplets, hardest, sum_of_nca
from tests.support.plain_triplets import all_triplets

Rows = list[list[float]]
both_rules = pytest.mark.parametrize("semi_hard", [True, False], ids=["semi-hard", "all"])
every_margin = pytest.mark.parametrize("margin", [0.05, 0.5, 4.0])
every_batch = pytest.mark.parametrize(
    "labels", [[0, 0, 1, 1, 2, 2, 3], [0, 0, 0, 0, 0, 1, 1], [1, 0, 1, 0, 2, 1]]
)


def mined(d: Rows, labels: list[int], margin: float, semi_hard: bool) -> list[tuple[int, int, int]]:
    return [
        (a, p, n)
        for a, p, n in all_triplets(labels)
        if d[a][n] < d[a][p] + margin and not (semi_hard and d[a][n] <= d[a][p])
    ]


def plain_counts(d: Rows, labels: list[int], margin: float, semi_hard: bool) -> Rows:
    """Every triplet looked at on its own: +1 for its positive pair, -1 for its negative pair."""
    counts = [[0.0 for _ in labels] for _ in labels]
    for a, p, n in mined(d, labels, margin, semi_hard):
        counts[a][p] += 1
        counts[a][n] -= 1
    return counts


def random_distances(size: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return squared_distances(torch.randn(size, 4, generator=generator, dtype=torch.float64))


@every_batch
@every_margin
@both_rules
def test_counts_are_those_of_a_triple_loop(
    labels: list[int], margin: float, semi_hard: bool
) -> None:
    distances = random_distances(len(labels), seed=len(labels))
    expected = plain_counts(distances.tolist(), labels, margin, semi_hard)
    counts = count_triplets(distances, torch.tensor(labels), margin=margin, semi_hard=semi_hard)
    assert counts.dtype == torch.float64
    assert counts.tolist() == expected


@both_rules
def test_a_class_of_half_a_large_batch_is_counted_in_several_blocks(semi_hard: bool) -> None:
    labels = [0] * 20 + [1] * 15 + [2] * 5
    distances = random_distances(40, seed=4)
    expected = plain_counts(distances.tolist(), labels, 0.3, semi_hard)
    counts = count_triplets(distances, torch.tensor(labels), margin=0.3, semi_hard=semi_hard)
    assert counts.tolist() == expected


@st.composite
def tied_batches(draw: st.DrawFn) -> tuple[Rows, list[int]]:
    size = draw(st.integers(1, 7))
    row = st.lists(st.integers(0, 4).map(float), min_size=size, max_size=size)
    return draw(st.lists(row, min_size=size, max_size=size)), draw(
        st.lists(st.integers(0, 2), min_size=size, max_size=size)
    )


@given(tied_batches(), st.integers(1, 3), st.booleans())
def test_all_borders_are_strict(batch: tuple[Rows, list[int]], margin: int, semi: bool) -> None:
    distances, labels = batch
    numbers = torch.tensor(labels)
    counts = count_triplets(torch.tensor(distances), numbers, margin=margin, semi_hard=semi)
    assert counts.tolist() == plain_counts(distances, labels, margin, semi)


@pytest.mark.parametrize("margin", [0.1, 0.3, 0.7])
def test_the_counts_of_a_row_cancel_where_rounding_decides(margin: float) -> None:
    """d(a, p) + margin rounds: both counts must take the same side, or they would not cancel."""
    generator = torch.Generator().manual_seed(3)
    distances = torch.randint(0, 12, (40, 40), generator=generator) * 0.1
    labels = torch.randint(0, 5, (40,), generator=generator)
    counts = count_triplets(distances, labels, margin=margin, semi_hard=True)
    assert counts.abs().sum() > 0
    assert counts.sum(dim=1).tolist() == [0] * 40


@both_rules
def test_one_class_or_one_image_has_no_triplets(semi_hard: bool) -> None:
    distances, alike = random_distances(5, seed=1), torch.zeros(5, dtype=torch.int64)
    for d, labels in [(distances, alike), (distances[:1, :1], torch.tensor([3]))]:
        counts = count_triplets(d, labels, margin=torch.inf, semi_hard=semi_hard)
        assert counts.tolist() == torch.zeros_like(d).tolist()
        total, slopes, number = sum_of_nca(d, labels, margin=torch.inf, semi_hard=semi_hard)
        assert (total.item(), number.item(), slopes.count_nonzero().item()) == (0, 0, 0)


@every_batch
@pytest.mark.parametrize("margin", [0.5, math.inf])
@both_rules
def test_sums_of_nca_are_those_of_a_triple_loop(
    labels: list[int], margin: float, semi_hard: bool
) -> None:
    distances = random_distances(len(labels), seed=len(labels))
    d, total, slopes = distances.tolist(), 0.0, torch.zeros_like(distances)
    triplets = mined(d, labels, margin, semi_hard)
    for a, p, n in triplets:
        gap = d[a][p] - d[a][n]
        total += math.log(1 + math.exp(gap))
        slopes[a, p] += 1 / (1 + math.exp(-gap))
        slopes[a, n] -= 1 / (1 + math.exp(-gap))
    sums = sum_of_nca(distances, torch.tensor(labels), margin=margin, semi_hard=semi_hard)
    assert len(triplets) > 0
    assert sums[0].item() == pytest.approx(total, rel=1e-12)
    torch.testing.assert_close(sums[1], slopes, rtol=1e-12, atol=1e-15)
    assert sums[2].item() == len(triplets)


@every_batch
def test_the_hardest_pairs_are_those_of_a_loop_over_anchors(labels: list[int]) -> None:
    distances, size = random_distances(len(labels), seed=2), range(len(labels))
    d, expected = distances.tolist(), []
    for a in size:
        positives = [d[a][p] for p in size if p != a and labels[p] == labels[a]]
        negatives = [d[a][n] for n in size if labels[n] != labels[a]]
        if positives and negatives:
            expected.append((max(positives), min(negatives)))
    near, far = hardest(distances, torch.tensor(labels))
    assert list(zip(near.tolist(), far.tolist(), strict=True)) == expected


def test_equally_hard_pairs_share_the_gradient() -> None:
    distances = torch.tensor([[0.0, 2.0, 2.0, 1.0, 1.0, 3.0]]).repeat(6, 1).requires_grad_()
    near, far = hardest(distances, torch.tensor([0, 0, 0, 1, 2, 3]))
    (gradient,) = torch.autograd.grad(near[0] - far[0], distances)
    assert gradient[0].tolist() == [0.0, 0.5, 0.5, -0.5, -0.5, 0.0]


def test_anchors_without_a_positive_or_a_negative_have_no_hardest_pair() -> None:
    distances = random_distances(4, seed=0)
    for labels in ([0, 1, 2, 3], [1, 1, 1, 1]):
        near, far = hardest(distances, torch.tensor(labels))
        assert near.shape == far.shape == (0,)
