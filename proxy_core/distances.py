"""Similarities and distances between rows of two matrices, in at least single precision."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor


def full_precision(values: Tensor) -> Tensor:
    """The tensor in float32 if it has half precision, otherwise unchanged."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


@contextmanager
def full_precision_products() -> Iterator[None]:
    """Multiply float32 in full precision whatever PyTorch's settings allow; restore them."""
    backends: list[Any] = [torch.backends.cuda, torch.backends.mkldnn]
    kinds = [backend.matmul for backend in backends]
    before = [kind.fp32_precision for kind in kinds]
    try:
        for kind in kinds:
            kind.fp32_precision = "ieee"
        yield
    finally:
        for kind, precision in zip(kinds, before, strict=True):
            kind.fp32_precision = precision


def unit(vectors: Tensor) -> Tensor:
    """Rows (N, D) scaled to length one, by `divisors`; a zero row stays zero.

    `torch.nn.functional.normalize` multiplies the gradient of a zero row by 1e12. Here such a row
    is divided by one, so its gradient is unchanged.
    """
    return vectors / divisors(vectors)


def divisors(vectors: Tensor) -> Tensor:
    """The length of each row (N, D) as a column, (N, 1): 1 for a row of length zero, or so short
    that its squares are not exact (below 1e-19 in single precision); NaN for one so long that they
    are infinite (above 1e19), which would otherwise look like a zero row."""
    lengths: Tensor = torch.linalg.vector_norm(vectors, dim=1, keepdim=True)
    short = lengths < torch.finfo(lengths.dtype).tiny ** 0.5
    return lengths.masked_fill(short, 1.0).masked_fill(lengths.isinf(), torch.nan)


def directions(vectors: Tensor) -> Tensor:
    """Unit vectors (N, D) in float64, also of rows whose squares float64 cannot hold."""
    vectors = vectors.double()
    largest = vectors.abs().amax(dim=1, keepdim=True)
    if ((largest > 1e100) | ((largest < 1e-100) & (largest > 0))).any():
        vectors = vectors / largest.masked_fill(largest == 0, 1.0)
    return unit(vectors)


def inner_products(left: Tensor, right: Tensor) -> Tensor:
    """Products (B, P) of rows (B, D) with rows (P, D), never in half precision.

    Automatic mixed precision is switched off: a product in bfloat16 has an error of up to 2**-9,
    which a scale of 18 turns into a visible error of the loss.
    """
    dtype = torch.promote_types(full_precision(left).dtype, full_precision(right).dtype)
    with torch.autocast(left.device.type, enabled=False):
        products: Tensor = left.to(dtype) @ right.to(dtype).T
    return products


def cosine_similarity(left: Tensor, right: Tensor) -> Tensor:
    """Cosines (B, P) in [-1, 1] up to rounding of rows (B, D) and (P, D); zero rows give 0."""
    return inner_products(unit(full_precision(left)), unit(full_precision(right)))


def squared_distances(vectors: Tensor) -> Tensor:
    """Squared Euclidean distances (B, B) in [0, 4] between the directions of rows (B, D).

    For unit vectors u and v, |u - v|^2 = 2 - 2 cos(u, v). Rounding can make it negative, which is
    cut to 0. A zero row is at a right angle to every row.
    """
    return (2.0 - 2.0 * cosine_similarity(vectors, vectors)).clamp(min=0.0)


def root(squares: Tensor) -> Tensor:
    """Square roots, of any shape; 0 with a gradient of 0 instead of infinity where squares <= 0."""
    flat = squares <= 0  # below 0 by rounding only
    return squares.masked_fill(flat, 1.0).sqrt().masked_fill(flat, 0.0)


def same_class(labels: Tensor) -> Tensor:
    """Mask (B, B), true where two labels (B,) are equal; true on the diagonal."""
    return labels[:, None] == labels[None, :]
