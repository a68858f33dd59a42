"""All pairs of queries and gallery items, cut into tiles, and the memory that a tile takes."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from proxy_core.compiled import Array

Task = tuple[slice, slice]  # places of queries and of gallery items


@dataclass(frozen=True, eq=False)
class Area:
    """Memory of one thread for a tile of T queries and U items, used again for the next."""

    products: Tensor  # (T * U,) float32
    found: Array  # (T * U,) int32
    ends: Array  # (T,) int64
    flags: Array  # (U,) uint8, and some more
    counts: Array  # (4, T) int32
    nothing: Array  # (U,) float32: infinity


def area_of(tile: int) -> Area:
    """Memory for the tiles of `tasks_of`."""
    width = narrow(tile)
    return Area(
        products=torch.empty(tile * width, dtype=torch.float32),
        found=np.empty(tile * width, np.int32),
        ends=np.empty(tile, np.int64),
        flags=np.zeros(-(-width // 8) * 8, np.uint8),
        counts=np.empty((4, tile), np.int32),
        nothing=np.full(width, np.inf, np.float32),
    )


def narrow(tile: int) -> int:
    """How many items are shown to `tile` queries at a time: a fourth, for the products to stay in
    the cache. Fewer queries instead would slow the product down."""
    return -(-tile // 4)


def tasks_of(queries: int, gallery: int, tile: int, *, alike: bool) -> Iterator[Task]:
    """All tiles; with queries and gallery alike, squares on the diagonal, and of the others those
    whose queries stand before the items; what is near the diagonal comes first."""
    blocks = list(pieces(slice(0, gallery), tile))
    asked = list(pieces(slice(0, queries), tile))
    if alike:
        for block in blocks:
            yield from near_diagonal(block, narrow(tile))
    for i, block in enumerate(blocks):
        for some in asked[:i] if alike else asked:
            yield from ((some, items) for items in pieces(block, narrow(tile)))


def near_diagonal(block: slice, width: int) -> Iterator[Task]:
    """The tiles of a block of places with itself: each square, and all that stands before it."""
    for items in pieces(block, width):
        if items.start > block.start:
            yield slice(block.start, items.start), items
        yield items, items


def pieces(whole: slice, size: int) -> Iterator[slice]:
    """Slices of at most `size` that cover the whole."""
    starts = range(whole.start, whole.stop, size)
    return (slice(first, min(first + size, whole.stop)) for first in starts)
