"""Sums over a part of a matrix of pairs, exact and with finite gradients when nothing is left."""

import torch
from torch import Tensor


def log_sum_exp(values: Tensor, mask: Tensor) -> Tensor:
    """Log of the sum of e^value over the true entries of each row: (N, M) and mask (N, M) -> (N,).

    A row without a true entry gives -inf, the log of an empty sum, and a gradient of zero, where
    `torch.logsumexp` over a row of -inf has none in some releases.
    """
    present = mask.any(dim=1)
    terms = values.masked_fill(~mask & present[:, None], -torch.inf)
    return terms.logsumexp(dim=1).masked_fill(~present, -torch.inf)


def log_one_plus(log_values: Tensor) -> Tensor:
    """log(1 + v) from log v of any size, -inf too; `softplus` drops the 1 from log v = 20 on."""
    return torch.logaddexp(log_values, torch.zeros_like(log_values))


def mean_over(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of the values at the true entries of a mask of the same shape -> scalar; 0 without any.

    Entries outside the mask pass on no gradient; they may be infinite.
    """
    return values.masked_fill(~mask, 0.0).sum() / mask.sum().clamp(min=1)
