"""What `metrics.exact.search` compares: items in the order of their classes, and the filter."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from proxy_core.metrics.compiled import Array
from proxy_core.metrics.exact.pair_kernel import similarities
from proxy_core.metrics.exact.rows import Side, center_and_reach, directions
from proxy_core.metrics.ranking import TIE

UNIT = 2.0**-24  # largest relative error of rounding to float32
CHUNK = 1024  # rows that are converted together


@dataclass(frozen=True, eq=False)
class Items:
    """N items; their places are in the order of their classes, and of the input within a class."""

    values: Tensor  # (N, D) float32 or float64, by position
    lengths: Tensor  # (N,) float64, by position: what the values are divided by
    order: Tensor  # (N,) int64: the position of the item at each place
    labels: Tensor  # (N,) int64, by place, ascending
    ids: Tensor  # (N,) int64, by place

    def exact(self, places: slice) -> Tensor:
        """Rows (T, D) in float64, of unit length where cosines are compared."""
        some = self.order[places]
        return self.values[some].double() / self.lengths[some, None]


@dataclass(frozen=True, eq=False)
class Filter:
    """How a float32 product of two operands is to be understood.

    It is `scale` times the similarity, give or take `width`.
    """

    queries: Array  # (Q, D) float32 operands, by place; of D + 2 dimensions for distances
    gallery: Array  # (G, D) float32, the same array where the queries are the gallery
    scale: float
    width: float
    margin: float  # how far a product may be below the M-th best one and still matter


@dataclass(frozen=True, eq=False)
class Sides:
    """What is compared with what, and how."""

    queries: Items
    gallery: Items
    rule: Filter
    own: Array  # (Q, 2) int64: the first place of each query's class, and that past its end
    euclidean: bool
    clashing: bool  # may items with one id have different labels?

    def similarities(self, queries: Array, items: Array) -> Array:
        """Those (M,) of queries and items, given by place, in float64."""
        asked, found = self.queries.order.numpy()[queries], self.gallery.order.numpy()[items]
        left, right = self.queries.values.numpy(), self.gallery.values.numpy()
        products = similarities(left, asked, right, found, self.euclidean)
        lengths = self.queries.lengths.numpy()[asked], self.gallery.lengths.numpy()[found]
        exact: Array = products / (lengths[0] * lengths[1])
        return exact


def arranged(side: Side, *, euclidean: bool) -> Items:
    """The items of a checked side."""
    vectors, labels, ids = side
    labels, order = labels.sort(stable=True)
    lengths = torch.ones(len(vectors), dtype=torch.float64)
    if vectors.is_floating_point() and vectors.dtype != torch.float64:
        values = vectors.float().contiguous()  # holds half precision exactly
        if not euclidean:
            fill_lengths(values, lengths)
    else:
        values = (vectors.double() if euclidean else directions(vectors)).contiguous()
    return Items(values, lengths, order, labels, ids[order])


def fill_lengths(values: Tensor, lengths: Tensor) -> None:
    """Set lengths (N,) to those of rows (N, D); of a zero row to one."""
    for rows, out in zip(torch.split(values, CHUNK), torch.split(lengths, CHUNK), strict=True):
        torch.linalg.vector_norm(rows, dim=1, dtype=torch.float64, out=out)
    lengths.masked_fill_(lengths == 0, 1.0)


def by_cosine(queries: Items, gallery: Items) -> Filter:
    """The filter by cosine; how wide it must be is explained in `metrics.exact.search`."""
    size, dim = gallery.values.shape
    items = operands(gallery)
    asked = items if queries is gallery else operands(queries)
    width = 1.01 * (dim + 8) * UNIT / (1 - dim * UNIT) + dim * 2.0**-100
    return Filter(asked, items, 1.0, width, 2 * width + 1.01 * (size + 2) * TIE)


def operands(items: Items) -> Array:
    """Unit vectors (N, D) in float32, by place."""
    out = torch.empty(items.values.shape, dtype=torch.float32)
    for start in range(0, len(out), CHUNK):
        part = slice(start, start + CHUNK)
        out[part] = items.exact(part)
    return out.numpy()


def by_distance(queries: Items, gallery: Items) -> Filter:
    """The filter by distance, which is taken between rows that are centered and divided by the
    largest length: what is lost to float32 is relative to that."""
    size, dim = gallery.values.shape
    center, reach = center_and_reach(queries.values, gallery.values)
    items = distance_operands(gallery, center, reach, left=False)
    asked = distance_operands(queries, center, reach, left=True)
    width = 2.02 * (dim + 10) * UNIT / (1 - (dim + 2) * UNIT) + dim * 2.0**-100
    return Filter(asked, items, 0.5 / reach**2, width, 2 * width + 2.02 * (size + 2) * TIE)


def distance_operands(items: Items, center: Tensor, reach: float, *, left: bool) -> Array:
    """Rows (N, D + 2) in float32, by place, whose products are minus half a squared distance.

    u.v - |u|^2 / 2 - |v|^2 / 2 = -|u - v|^2 / 2, with two more dimensions for the two squares.
    """
    out = torch.ones(len(items.order), items.values.shape[1] + 2, dtype=torch.float32)
    for start in range(0, len(out), CHUNK):
        part = slice(start, start + CHUNK)
        rows = (items.exact(part) - center) / reach
        out[part, :-2] = rows
        out[part, -2 if left else -1] = -rows.square().sum(dim=1) / 2
    return out.numpy()


def own_places(queries: Items, gallery: Items) -> Array:
    """The first place (Q,) of each query's class in the gallery, and that past its end: (Q, 2)."""
    sides = (
        torch.searchsorted(gallery.labels, queries.labels, side=side) for side in ("left", "right")
    )
    return torch.stack(tuple(sides), dim=1).numpy()


def ids_clash(queries: Items, gallery: Items) -> bool:
    """Has one id several labels, so that an item may have to be left out among the misses?"""
    labels = torch.cat([queries.labels, gallery.labels]).numpy()
    ids = torch.cat([queries.ids, gallery.ids]).numpy()
    order = np.lexsort((labels, ids))
    same = np.diff(ids[order]) == 0
    return bool((same & (np.diff(labels[order]) != 0)).any())
