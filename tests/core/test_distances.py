"""Similarities and distances against plain loops, and their behaviour at zero and in half."""

import math

import pytest
import torch
from torch import Tensor

from proxy_core.distances import (
    cosine_similarity,
    full_precision,
    inner_products,
    same_class,
    squared_distances,
    unit,
)


def random(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def plain_cosine(left: list[float], right: list[float]) -> float:
    dot = sum(a * b for a, b in zip(left, right, strict=True))
    return dot / (math.hypot(*left) * math.hypot(*right))


def test_cosine_similarity_is_that_of_plain_loops() -> None:
    left, right = random(5, 3), random(4, 3, seed=1)
    plain = [[plain_cosine(a, b) for b in right.tolist()] for a in left.tolist()]
    torch.testing.assert_close(cosine_similarity(left, right), torch.tensor(plain).double())


def test_squared_distances_are_those_between_directions() -> None:
    vectors = random(6, 3)
    directions = [[value / math.hypot(*row) for value in row] for row in vectors.tolist()]
    plain = [[math.dist(a, b) ** 2 for b in directions] for a in directions]
    expected = torch.tensor(plain, dtype=torch.float64)
    torch.testing.assert_close(squared_distances(vectors), expected, atol=1e-14, rtol=1e-12)


def test_squared_distances_are_never_negative() -> None:
    vectors = random(1, 7).float().repeat(50, 1) * random(50, 1, seed=1).abs().float()
    unclamped = 2 - 2 * cosine_similarity(vectors, vectors)
    assert unclamped.min() < 0  # otherwise this input does not test the cut
    assert squared_distances(vectors).min() == 0


def test_a_zero_row_stays_zero_and_keeps_a_moderate_gradient() -> None:
    vectors = random(3, 4)
    vectors[1] = 0
    vectors.requires_grad_()
    directions = unit(vectors)
    assert directions[1].tolist() == [0.0] * 4
    weights = random(3, 4, seed=1)
    (gradient,) = torch.autograd.grad((directions * weights).sum(), vectors)
    torch.testing.assert_close(gradient[1], weights[1])


def test_cosine_with_a_zero_row_is_zero() -> None:
    left, right = random(2, 4), random(3, 4, seed=1)
    right[2] = 0
    assert cosine_similarity(left, right)[:, 2].tolist() == [0.0, 0.0]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_single(dtype: torch.dtype) -> None:
    left, right = random(5, 30).to(dtype), random(4, 30, seed=1).to(dtype)
    assert full_precision(left).dtype == torch.float32
    similarities = cosine_similarity(left, right)
    assert similarities.dtype == torch.float32
    exact = cosine_similarity(left.double(), right.double())
    torch.testing.assert_close(similarities.double(), exact, atol=1e-6, rtol=0)


def test_autocast_does_not_reach_the_product() -> None:
    left, right = random(5, 30).float(), random(4, 30, seed=1).float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert (left @ right.T).dtype == torch.bfloat16
        inside = inner_products(left, right)
    assert torch.equal(inside, left @ right.T)


def test_types_are_promoted_to_the_wider_one() -> None:
    assert inner_products(random(2, 3), random(2, 3).float()).dtype == torch.float64


def test_same_class_compares_every_pair() -> None:
    labels = [2, 0, 2, 1]
    expected = [[a == b for b in labels] for a in labels]
    assert same_class(torch.tensor(labels)).tolist() == expected
