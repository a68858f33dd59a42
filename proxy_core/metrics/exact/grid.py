"""All pairs of queries and gallery items, cut into tiles, and the memory that a tile takes."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from proxy_core.metrics.compiled import Array
from proxy_core.metrics.exact.tile_kernels import PANEL, STRIP

Task = tuple[slice, slice]  # places of queries and of gallery items


@dataclass(frozen=True, eq=False)
class Area:
    """Memory of one thread for what `tile_kernels.look` makes of up to T queries and T items.

    Lists have room for each item of each query, and the reverse. They take memory only as far as
    they were ever written to.
    """

    counts: Array  # (4, T + STRIP + PANEL) int32
    panels: Array  # (T / PANEL, rounded up, D, PANEL) float32
    products: Array  # (STRIP * T, rounded up,) float32
    found: Array  # (2, 2 T T) int32
    values: Array  # (2 T T,) float32
    near: Array  # (2, 2 T T) int32

    def memory(self, items: int) -> tuple[Array, ...]:
        """What `tile_kernels.look` takes for so many items, in its order."""
        products = self.products[: STRIP * padded(items)].reshape(STRIP, -1)
        return self.counts, self.panels, products, self.found, self.values, self.near


def area_of(tile: int, dim: int) -> Area:
    """Memory for the tiles of `tasks_of`."""
    pairs = 2 * tile * tile
    return Area(
        counts=np.empty((4, tile + STRIP + PANEL), np.int32),
        panels=np.empty((padded(tile) // PANEL, dim, PANEL), np.float32),
        products=np.empty(STRIP * padded(tile), np.float32),
        found=np.empty((2, pairs), np.int32),
        values=np.empty(pairs, np.float32),
        near=np.empty((2, pairs), np.int32),
    )


def padded(items: int) -> int:
    """So many, rounded up to whole panels."""
    return -(-items // PANEL) * PANEL


def tasks_of(queries: int, gallery: int, tile: int, *, alike: bool) -> Iterator[Task]:
    """All tiles; with queries and gallery alike, squares on the diagonal, and of the others those
    whose queries stand before the items; what is near the diagonal comes first."""
    blocks = list(pieces(slice(0, gallery), tile))
    asked = list(pieces(slice(0, queries), tile))
    if alike:
        for block in blocks:
            yield from near_diagonal(block, -(-tile // 4))
    for i, block in enumerate(blocks):
        yield from ((some, block) for some in (asked[:i] if alike else asked))


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
