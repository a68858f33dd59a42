"""The relevant items of each query, which are found in float64 before anything else."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch

from proxy_core.metrics.compiled import Array
from proxy_core.metrics.exact.sides import Sides

CELLS = 2**18  # values of a table that is sorted at a time
LARGE = 64  # items of a class from which products of matrices are faster than loops over pairs


@dataclass(frozen=True, eq=False)
class Hits:
    """Relevant items of P queries, best first, one query after the other; -inf for itself, last."""

    starts: Array  # (P + 1,) int64: where each query's own class starts in the next two
    values: Array  # float64 similarities
    places: Array  # int32 places in the gallery
    relevant: Array  # (P,) int64: R

    def rows(self, part: slice) -> tuple[Array, Array]:
        """Similarities (T, M) of some queries, filled up with -inf, and places (T, M)."""
        return padded(self.starts[part.start : part.stop + 1], self.values, self.places)


def own_class(sides: Sides, part: slice) -> Hits:
    """The hits of the queries at some places."""
    own = sides.own[part]
    sizes = own[:, 1] - own[:, 0]
    starts = np.concatenate([[0], np.cumsum(sizes)])
    values, places = np.empty(starts[-1]), np.empty(starts[-1], np.int32)
    relevant = np.zeros(len(own), np.int64)
    for some in batches(sizes):
        classes, first = own[some], part.start + some.start
        queries, items = pairs(classes, first)
        if sizes[some].mean() < LARGE or len(classes) < LARGE or sides.euclidean:
            found = sides.similarities(queries, items)
        else:
            found = products(sides, classes, first)
        found[sides.queries.ids.numpy()[queries] == sides.gallery.ids.numpy()[items]] = -np.inf
        ends = starts[some.start : some.stop + 1] - starts[some.start]
        rows, where = best_first(*padded(ends, found, items))
        valid = np.arange(rows.shape[1]) < sizes[some, None]
        whole = slice(starts[some.start], starts[some.stop])
        values[whole], places[whole] = rows[valid], where[valid]
        relevant[some] = (rows > -np.inf).sum(axis=1)
    return Hits(starts, values, places, relevant)


def products(sides: Sides, own: Array, first: int) -> Array:
    """Cosines (M,) in float64 of the `pairs` of the same arguments, class by class."""
    bounds = [0, *(np.flatnonzero(np.diff(own, axis=0).any(axis=1)) + 1), len(own)]
    found = [
        sides.queries.exact(slice(first + start, first + past))
        @ sides.gallery.exact(slice(*own[start])).T
        for start, past in pairwise(bounds)
    ]
    return torch.cat([rows.flatten() for rows in found]).numpy()


def pairs(own: Array, first: int) -> tuple[Array, Array]:
    """Places (M,) of queries from the first on, and of all items between the two of own (T, 2)."""
    sizes = own[:, 1] - own[:, 0]
    before = np.cumsum(sizes) - sizes
    items = np.arange(sizes.sum()) + np.repeat(own[:, 0] - before, sizes)
    return np.repeat(np.arange(first, first + len(own)), sizes), items


def batches(sizes: Array) -> Iterator[slice]:
    """Slices of rows of some sizes (P,) that take at most `CELLS` when filled up to the longest;
    each holds one row at least."""
    first = 0
    while first < len(sizes):
        ahead = np.maximum.accumulate(sizes[first : first + CELLS] + 1)
        cells = ahead * np.arange(1, len(ahead) + 1)
        last = first + max(1, int(np.searchsorted(cells, CELLS, side="right")))
        yield slice(first, last)
        first = last


def padded(starts: Array, values: Array, places: Array) -> tuple[Array, Array]:
    """Rows (T, M) of values, filled up with -inf, and of places; row t starts at starts[t]."""
    index = starts[:-1, None] + np.arange(np.diff(starts).max(initial=0))
    valid = index < starts[1:, None]
    index = np.where(valid, index, 0)
    return np.where(valid, values[index], -np.inf), places[index].astype(np.int64)


def best_first(values: Array, places: Array) -> tuple[Array, Array]:
    """Rows (T, M) of values in descending order, and of the places beside them."""
    order = np.argsort(-values, axis=1)  # NumPy's sort, as PyTorch's takes three times as long
    return np.take_along_axis(values, order, 1), np.take_along_axis(places, order, 1)
