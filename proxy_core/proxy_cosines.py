"""Cosines between a batch and a large table of learned vectors, with a gradient of few passes."""

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

from proxy_core.distances import full_precision


def proxy_cosines(embeddings: Tensor, proxies: Tensor, scale: float = 1.0) -> Tensor:
    """Cosines (B, P), times `scale`, of rows (B, D) and (P, D) of any length.

    They are those of `cosine_similarity`, but one operation to autograd, whose gradient takes fewer
    passes than that of separate ones. While B < D it divides the (B, P) products by the lengths of
    the proxies, which spares the passes over (P, D) that normalising them takes. Never in half
    precision.
    """
    rows, table = full_precision(embeddings), full_precision(proxies)
    dtype = torch.promote_types(rows.dtype, table.dtype)
    cosines: Tensor = Cosines.apply(rows.to(dtype), table.to(dtype), scale)
    return cosines


class Cosines(torch.autograd.Function):
    """Products of the directions of rows (B, D), times a scale, and of a table (P, D).

    With x = r / |r|, the gradient g of x is (g - (g.x) x) / |r| for r; likewise for the table. A
    row of length zero is divided by one, as in `unit`.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, rows: Tensor, table: Tensor, scale: float) -> Tensor:
        row_inverse, inverse = inverse_lengths(rows), inverse_lengths(table)
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
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        x, row_inverse, w, inverse, *products = ctx.saved_tensors  # type: ignore[attr-defined]
        scale: float = ctx.scale  # type: ignore[attr-defined]
        if products:
            along = (gradient * products[0]).sum(dim=0)[:, None] * inverse.square()
            gradient = gradient * inverse.T
        with torch.autocast(x.device.type, enabled=False):
            to_x, to_w = gradient @ w, gradient.T @ (scale * x)
        if products:
            to_w.addcmul_(w, along, value=-1)
        else:
            to_w = perpendicular(to_w, w).mul_(inverse)
        return perpendicular(to_x, x).mul_(scale * row_inverse), to_w, None


def inverse_lengths(vectors: Tensor) -> Tensor:
    """1 / length of each row as a column, (N, 1); 1 for a zero row."""
    lengths: Tensor = torch.linalg.vector_norm(vectors, dim=1, keepdim=True)
    return lengths.masked_fill_(lengths == 0, 1.0).reciprocal_()


def perpendicular(vectors: Tensor, directions: Tensor) -> Tensor:
    """Rows (N, D), changed in place, less their part along unit or zero rows (N, D)."""
    along = (vectors * directions).sum(dim=1, keepdim=True)
    less: Tensor = vectors.addcmul_(directions, along, value=-1)
    return less
