"""Drawn negatives: numbers, order and probabilities, against plain loops and a peer."""

import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from torch import Tensor

from proxy_core.distances import same_class
from proxy_core.losses.pair_distance import plain_distances
from proxy_core.losses.parts.negative_sampling import (
    Draws,
    canonical_order,
    distance_weights,
    draw_negatives,
)
from tests.support.plain_triplets import (
    LABELS,
    distance_table,
    plain_order,
    plain_weight,
    points,
    uniforms,
)

every_batch = pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)


def seeded() -> Draws:
    torch.manual_seed(7)
    return Draws()


def test_numbers_are_those_of_seed_and_step() -> None:
    draws = seeded()
    seed = int(draws.seed)
    for step in range(3):
        expected = np.random.default_rng([seed, step]).random((4, 4))
        assert draws(4).tolist() == expected.tolist()
    assert (seed, draws.step.item()) == (int(seeded().seed), 3)
    assert int(Draws().seed) != seed  # the next one of the generator


def test_evaluation_mode_draws_the_numbers_of_the_next_step_and_does_not_advance() -> None:
    draws = seeded()
    draws(4)
    ahead = draws.eval()(4)
    assert torch.equal(ahead, draws(4))
    assert torch.equal(ahead, draws.train()(4))
    assert not torch.equal(ahead, draws(4))


def test_drawing_leaves_the_global_streams_alone() -> None:
    draws = seeded()
    state, legacy = torch.get_rng_state(), str(np.random.get_state())
    draws(4)
    assert torch.equal(state, torch.get_rng_state())
    assert legacy == str(np.random.get_state())


@every_batch
def test_the_canonical_order_is_that_of_a_loop_and_belongs_to_the_images(labels: list[int]) -> None:
    embeddings, numbers = points(), torch.tensor(labels)
    order = canonical_order(embeddings, numbers)
    assert order.tolist() == plain_order(embeddings, labels)
    shuffled = torch.randperm(12, generator=torch.Generator().manual_seed(1))
    again = canonical_order(embeddings[shuffled], numbers[shuffled])
    assert shuffled[again].tolist() == order.tolist()


def test_the_canonical_order_tells_images_apart_that_single_precision_cannot() -> None:
    """A large batch of single precision whose cosines differ in the ninth digit."""
    embeddings = (1.0 + 1e-4 * points(200)).float()
    labels = [i % 3 for i in range(200)]
    order = canonical_order(embeddings, torch.tensor(labels))
    assert order.tolist() == plain_order(embeddings, labels)


@every_batch
@pytest.mark.parametrize("dim", [1, 2, 3, 4, 5, 16])
def test_distance_weights_are_the_inverse_density(labels: list[int], dim: int) -> None:
    embeddings = points(dim=max(dim, 3))  # the formula may be of another dimension
    d, size = distance_table(embeddings), range(12)
    weights = distance_weights(plain_distances(embeddings), torch.tensor(labels), dim=dim)
    for a in size:
        row = [plain_weight(d[a][n], dim) * (labels[a] != labels[n]) for n in size]
        expected = [weight / sum(row) for weight in row]
        assert weights[a].tolist() == pytest.approx(expected, rel=1e-9)


def row_of_weights(distances: list[float], dim: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """Weights of negatives at these distances from an anchor of their own class."""
    size = len(distances) + 1
    table = torch.zeros(size, size, dtype=dtype)
    table[0, 1:] = torch.tensor(distances, dtype=dtype)
    labels = torch.tensor([0] + [1] * len(distances))
    return distance_weights(table, labels, dim=dim)[0, 1:]


def test_smaller_distances_count_as_one_half_and_those_from_14_on_not_at_all() -> None:
    weights = row_of_weights([0.0, 0.2, 0.5, 0.6, 1.39, 1.4, 2.0], dim=8)
    assert weights[0] == weights[1] == weights[2] > weights[3] > weights[4] > 0
    assert weights[5:].tolist() == [0.0, 0.0]
    assert weights.sum().item() == pytest.approx(1)
    ratio = (0.6 / 0.5) ** 6 * ((1 - 0.09) / (1 - 0.0625)) ** 2.5
    assert (weights[2] / weights[3]).item() == pytest.approx(ratio)


@pytest.mark.parametrize("dim", [1, 2, 3, 4, 2048])
def test_weights_are_finite_in_every_dimension(dim: int) -> None:
    """Antipodal images, for whom the density has a logarithm of zero, and huge exponents."""
    weights = row_of_weights([2.0, 0.4, 1.0, 2.0000002], dim, torch.float32)
    assert weights.isfinite().all()
    assert weights.sum().item() == pytest.approx(1)
    assert weights[0] == weights[3] == 0


def test_each_anchor_is_scaled_on_its_own() -> None:
    """Relative to the nearest pair of the batch, these weights would all round to zero."""
    far = row_of_weights([1.2, 1.3], 512, torch.float32)
    assert far.sum().item() == pytest.approx(1)


def test_an_anchor_whose_negatives_are_all_too_far_draws_none() -> None:
    table = torch.full((5, 5), 1.5)
    table[0, 3] = 1.0
    labels = torch.tensor([0, 0, 0, 1, 1])
    weights = distance_weights(table, labels, dim=4)
    assert weights[1:].count_nonzero() == 0
    a, p, n = draw_negatives(weights, labels, torch.zeros(5, 5))
    assert list(zip(a.tolist(), p.tolist(), n.tolist(), strict=True)) == [(0, 1, 3), (0, 2, 3)]


@pytest.mark.parametrize("number", [0.0, 2.0**-53, 0.5, 1 - 2.0**-53])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_weight_of_zero_is_never_drawn(number: float, dtype: torch.dtype) -> None:
    """At both ends, in between, and where 1 - u rounds to zero or one."""
    row = torch.tensor([0, 0, 0, 0.3, 0, 0.7, 0], dtype=dtype)
    labels = torch.tensor([0, 0, 1, 1, 1, 1, 1])
    weights = row.repeat(7, 1) * ~same_class(labels)
    numbers = torch.full((7, 7), number, dtype=torch.float64)
    a, p, n = draw_negatives(weights, labels, numbers)
    assert list(zip(a.tolist(), p.tolist(), strict=True)) == [(0, 1), (1, 0)]
    assert n.tolist() == ([3, 3] if number > 0.7 else [5, 5])


@every_batch
def test_each_positive_pair_draws_by_its_own_number(labels: list[int]) -> None:
    weights = uniforms(seed=1) * ~same_class(torch.tensor(labels))
    numbers, rows, size = uniforms(seed=2), weights.tolist(), range(12)
    expected = []
    for a, p in ((a, p) for a in size for p in size if a != p and labels[a] == labels[p]):
        target, running = (1 - numbers[a, p].item()) * sum(rows[a]), np.cumsum(rows[a])
        expected.append((a, p, next(n for n in size if running[n] >= target)))
    drawn = draw_negatives(weights, torch.tensor(labels), numbers)
    assert list(zip(*(part.tolist() for part in drawn), strict=True)) == expected


@pytest.mark.parametrize("dim", [None, 4, 16])
def test_the_drawn_frequencies_are_those_of_the_weights(dim: int | None) -> None:
    """Twenty images of one class at one place: each step draws 380 times by the same weights."""
    labels = torch.tensor([0] * 20 + [1, 2, 3, 4])
    table = torch.tensor([0.0] * 20 + [0.3, 0.7, 0.8, 0.9]).repeat(24, 1)
    weights = (
        (~same_class(labels)).float() if dim is None else distance_weights(table, labels, dim=dim)
    )
    draws, counts = seeded(), torch.zeros(24)
    for _ in range(100):
        counts += torch.bincount(draw_negatives(weights, labels, draws(24))[2], minlength=24)
    expected = weights[0, 20:].double() / weights[0, 20:].double().sum() * 38000
    assert counts.sum() == 38000
    assert counts[:20].sum() == 0
    assert expected.min() > 5
    assert chisquare(counts[20:].double(), expected).pvalue > 1e-3


@every_batch
@pytest.mark.parametrize("dim", [3, 4, 8])
def test_probabilities_equal_those_of_pytorch_metric_learning(
    labels: list[int], dim: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its miner hands them on to a function that draws. A row without a negative to draw is NaN."""
    miners = pytest.importorskip("pytorch_metric_learning.miners", reason="no peer installed")
    from pytorch_metric_learning.utils import loss_and_miner_utils

    seen: dict[str, Tensor] = {}

    def keep(*args: Tensor, **named: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        seen.update(named)
        return 3 * (torch.zeros(0, dtype=torch.int64),)

    monkeypatch.setattr(loss_and_miner_utils, "get_random_triplet_indices", keep)
    embeddings, numbers = points(dim=dim), torch.tensor(labels)
    miners.DistanceWeightedMiner()(embeddings, numbers)
    ours = distance_weights(plain_distances(embeddings), numbers, dim=dim)
    torch.testing.assert_close(ours, seen["weights"].nan_to_num(0.0), rtol=1e-9, atol=1e-15)
    assert ours.sum() > 8  # one for each anchor that has a negative to draw
