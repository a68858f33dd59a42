"""Sums over a part of a matrix of pairs, exact, with finite gradients of empty sums."""

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

from proxy_core.checks import refuse_second_derivative


def log_sum_exp(values: Tensor, mask: Tensor, scale: float = 1.0) -> Tensor:
    """Log of the sum of e^{scale value} over the true entries of each row.

    values (N, M), mask (N, M), scale > 0 -> (N,). A row without a true entry gives -inf, the log of
    an empty sum, and a gradient of 0. Differentiable once.
    """
    sums: Tensor = MaskedLogSumExp.apply(values, mask, scale)
    return sums


class MaskedLogSumExp(torch.autograd.Function):
    """`log_sum_exp` in half the passes over its matrix that separate operations need."""

    @staticmethod
    def forward(ctx: FunctionCtx, values: Tensor, mask: Tensor, scale: float) -> Tensor:
        terms = torch.where(mask, values, -torch.inf)
        top = terms.amax(dim=1, keepdim=True)
        top.masked_fill_(top == -torch.inf, 0.0)
        sums = terms.sub_(top).mul_(scale).exp_().sum(dim=1)
        ctx.save_for_backward(terms, sums)
        ctx.scale = scale  # type: ignore[attr-defined]
        return sums.log().add_(top.squeeze(1), alpha=scale)

    @staticmethod
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor, None, None]:
        refuse_second_derivative("a masked log-sum-exp")
        terms, sums = ctx.saved_tensors  # type: ignore[attr-defined]
        shares = ctx.scale * gradient / sums  # type: ignore[attr-defined]
        return terms * shares.masked_fill_(sums == 0, 0.0)[:, None], None, None


def log_one_plus(log_values: Tensor) -> Tensor:
    """log(1 + v) from log v of any size, also -inf; `softplus` drops the 1 above log v = 20."""
    return torch.logaddexp(log_values, torch.zeros_like(log_values))


def mean_over(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of the values at the true entries of a mask of the same shape -> scalar; 0 without any.

    Entries outside the mask get no gradient; they may be infinite.
    """
    return values.masked_fill(~mask, 0.0).sum() / mask.sum().clamp(min=1)
