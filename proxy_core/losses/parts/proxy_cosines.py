"""Cosines between a batch and a large table of learned vectors, with a fast gradient."""

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

from proxy_core.checks import refuse_second_derivative
from proxy_core.distances import divisors, full_precision


def proxy_cosines(embeddings: Tensor, proxies: Tensor, scale: float = 1.0) -> Tensor:
    """Cosines (B, P), times `scale`, of rows (B, D) and (P, D) of any length.

    The values of `cosine_similarity` as one operation of autograd, whose gradient needs fewer
    passes than that of separate operations. If B < D it divides the (B, P) products by the lengths
    of the proxies, which saves the passes over (P, D) of normalising them. Never in half precision.
    Differentiable once.
    """
    rows, table = full_precision(embeddings), full_precision(proxies)
    dtype = torch.promote_types(rows.dtype, table.dtype)
    cosines: Tensor = Cosines.apply(rows.to(dtype), table.to(dtype), scale)
    return cosines


class Cosines(torch.autograd.Function):
    """Products of the directions of rows (B, D), times a scale, and of a table (P, D).

    With x = r / |r|, the gradient g of x is (g - (g.x) x) / |r| for r; likewise for the table. The
    lengths are those of `divisors`, as in `unit`.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, rows: Tensor, table: Tensor, scale: float) -> Tensor:
        row_inverse, inverse = divisors(rows).reciprocal_(), divisors(table).reciprocal_()
        x = rows * row_inverse
        divide = len(rows) < rows.shape[1]
        w = table if divide else table * inverse
        with torch.autocast(rows.device.type, enabled=False):
            products = (scale * x) @ w.T
        if divide:
            products.mul_(inverse.T)
        kept = (x, row_inverse, w, inverse)
        ctx.save_for_backward(*kept, *([products] if divide else []))
        ctx.scale = scale  # type: ignore[attr-defined]
        return products

    @staticmethod
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        refuse_second_derivative("the cosine with proxies")
        x, row_inverse, w, inverse, *products = ctx.saved_tensors  # type: ignore[attr-defined]
        scale: float = ctx.scale  # type: ignore[attr-defined]
        for_rows, for_table, _ = ctx.needs_input_grad  # type: ignore[attr-defined]
        if products:
            along = (gradient * products[0]).sum(dim=0)[:, None] * inverse.square()
            gradient = gradient * inverse.T
        to_rows = to_table = None
        with torch.autocast(x.device.type, enabled=False):
            if for_rows:
                to_rows = perpendicular(gradient @ w, x).mul_(scale * row_inverse)
            if for_table:
                to_table = gradient.T @ (scale * x)
        if to_table is not None and products:
            to_table.addcmul_(w, along, value=-1)
        elif to_table is not None:
            to_table = perpendicular(to_table, w).mul_(inverse)
        return to_rows, to_table, None


def perpendicular(vectors: Tensor, directions: Tensor) -> Tensor:
    """Rows (N, D), changed in place, minus their component along unit or zero rows (N, D)."""
    along = (vectors * directions).sum(dim=1, keepdim=True)
    less: Tensor = vectors.addcmul_(directions, along, value=-1)
    return less
