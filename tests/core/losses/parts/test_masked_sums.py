"""Sums over a part of the pairs, and the memory that the losses built on them take."""

import math

import pytest
import torch

from proxy_core.losses.parts.masked_sums import log_one_plus, log_sum_exp, mean_over


def test_masked_sums_by_hand() -> None:
    values = torch.tensor([[1.0, 2.0, 4.0], [5.0, 6.0, 7.0]], requires_grad=True)
    mask = torch.tensor([[True, False, True], [False, False, False]])
    sums = log_sum_exp(values, mask)
    assert sums[0].item() == pytest.approx(math.log(math.exp(1) + math.exp(4)))
    assert sums[1].item() == -math.inf
    (gradient,) = torch.autograd.grad(log_one_plus(sums).sum(), values)
    assert gradient.isfinite().all()
    assert (gradient != 0).tolist() == mask.tolist()
    assert mean_over(values, mask).item() == 2.5
    assert mean_over(values, torch.zeros_like(mask)).item() == 0.0
    assert mean_over(values, torch.tensor([[False, True, False], [False] * 3])).item() == 2.0
    assert log_one_plus(torch.tensor(25.0).double()).item() - 25.0 > 1e-12


@pytest.mark.parametrize("scale", [1.0, 7.0])
def test_scaled_sums_and_their_gradient(scale: float) -> None:
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(4, 5, generator=generator, dtype=torch.float64).requires_grad_()
    mask = torch.rand(4, 5, generator=generator) < 0.6
    mask[2] = torch.arange(5) == 3
    assert mask.any(dim=1).all()
    assert torch.autograd.gradcheck(lambda rows: log_sum_exp(rows, mask, scale), [values])
    expected = torch.stack(
        [
            torch.tensor(sum(math.exp(scale * v) for v in row[kept].tolist())).log()
            for row, kept in zip(values, mask, strict=True)
        ]
    )
    torch.testing.assert_close(log_sum_exp(values, mask, scale), expected, check_dtype=False)
    assert log_sum_exp(1e4 * values, mask, scale).isfinite().all()
