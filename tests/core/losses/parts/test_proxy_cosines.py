"""Cosines with a table of proxies: both ways of computing them, their gradients, their edges."""

import pytest
import torch
from torch import Tensor

from proxy_core.distances import cosine_similarity
from proxy_core.losses.parts.proxy_cosines import proxy_cosines
from tests.support.plain_proxies import points, table

NARROW, WIDE = (3, 8), (9, 4)  # B < D divides the products, B >= D normalises the proxies


@pytest.mark.parametrize("shape", [NARROW, WIDE, (4, 4)])
def test_values_are_those_of_plain_loops(shape: tuple[int, int]) -> None:
    embeddings, proxies = points(*shape), points(5, shape[1], seed=1)
    expected = torch.tensor(table(embeddings, proxies), dtype=torch.float64)
    torch.testing.assert_close(proxy_cosines(embeddings, proxies), expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("shape", [NARROW, WIDE])
def test_gradients_match_finite_differences(shape: tuple[int, int]) -> None:
    inputs = (points(*shape).requires_grad_(), points(5, shape[1], seed=1).requires_grad_())
    for scale in (1.0, 7.0):
        assert torch.autograd.gradcheck(lambda x, p, s=scale: proxy_cosines(x, p, s), inputs)
    torch.testing.assert_close(proxy_cosines(*inputs, 7.0), 7.0 * proxy_cosines(*inputs))


def gradients(cosines: Tensor, *inputs: Tensor) -> tuple[Tensor, ...]:
    rows, columns = cosines.shape
    weights = points(rows, columns, seed=2).to(cosines.dtype)
    return torch.autograd.grad((weights * cosines).sum(), inputs)


def test_both_ways_agree_also_for_zero_rows_and_at_extreme_lengths() -> None:
    embeddings, proxies = points(3, 8).float(), points(6, 8, seed=1).float()
    factors = torch.tensor([1.0, 0.0, 1e-25, 1e-6, 1e6, 1e15])
    proxies = (factors[:, None] * proxies).requires_grad_()
    embeddings = (factors[:3, None] * embeddings).requires_grad_()
    ours, plain = proxy_cosines(embeddings, proxies), cosine_similarity(embeddings, proxies)
    torch.testing.assert_close(ours, plain)
    torch.testing.assert_close(
        gradients(ours, embeddings, proxies), gradients(plain, embeddings, proxies)
    )


@pytest.mark.parametrize("dim", [1, 8])
def test_lengths_at_the_end_of_the_range_are_finite(dim: int) -> None:
    embeddings = points(3, dim).float()
    for exponent in range(-45, 18):
        proxies = (10.0**exponent * points(5, dim, seed=1)).float().requires_grad_()
        cosines = proxy_cosines(embeddings, proxies)
        assert cosines.abs().max() < 1.001
        assert gradients(cosines, proxies)[0].isfinite().all()


def test_only_required_gradients_are_computed_and_a_second_derivative_refused() -> None:
    for shape in (NARROW, WIDE):
        embeddings, proxies = points(*shape), points(5, shape[1], seed=1)
        for leaf in (embeddings, proxies):
            leaf.requires_grad_()
            cosines = proxy_cosines(embeddings, proxies)
            assert gradients(cosines, leaf)[0].shape == leaf.shape
            with pytest.raises(RuntimeError, match="proxies can be differentiated once"):
                torch.autograd.grad(cosines.square().sum(), leaf, create_graph=True)
            leaf.requires_grad_(False)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_single_also_backwards(dtype: torch.dtype) -> None:
    half, proxies = points(3, 8).to(dtype), points(5, 8, seed=1).float().requires_grad_()
    single = half.float().requires_grad_()
    expected = gradients(proxy_cosines(single, proxies), proxies)[0]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cosines = proxy_cosines(half, proxies)
        found = gradients(cosines, proxies)[0]
    assert cosines.dtype == torch.float32
    assert torch.equal(found, expected)


def test_mixed_types_take_the_larger() -> None:
    embeddings, proxies = points(3, 8), points(5, 8, seed=1).float().requires_grad_()
    cosines = proxy_cosines(embeddings, proxies)
    assert cosines.dtype == torch.float64
    assert gradients(cosines, proxies)[0].dtype == torch.float32
