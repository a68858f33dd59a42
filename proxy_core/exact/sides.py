"""What `proxy_core.exact.search` compares, from tensors that were checked."""

import numpy as np
import torch
from torch import Tensor

from proxy_core.exact import exact_kernels as exact
from proxy_core.exact.compare import Sides
from proxy_core.exact.search import search
from proxy_core.exact.tables import Array, Outcome, Rows, Rule
from proxy_core.ranking import TIE

UNIT = 2.0**-24  # largest relative error of rounding to float32
Side = tuple[Tensor, Tensor, Tensor]  # vectors (N, D), labels (N,), ids (N,)


def rank_on_cpu(
    queries: Side, gallery: Side, neighbors: int, tile: int, *, euclidean: bool
) -> Outcome:
    """The outcome for every query; sides that are one object are searched among themselves."""
    dtype = torch.promote_types(exact_type(queries[0].dtype), exact_type(gallery[0].dtype))
    items, labels = arranged(*gallery, dtype)
    asked, asked_labels = (items, labels) if queries is gallery else arranged(*queries, dtype)
    own = [np.searchsorted(labels, asked_labels, side=side) for side in ("left", "right")]
    if euclidean:
        asked, items, rule = by_distance(asked, items, neighbors)
    else:
        asked, items, rule = by_cosine(asked, items, neighbors)
    alike = queries is gallery
    sides = Sides(items if alike else asked, items, rule, alike, ids_clash(queries, gallery))
    return search(sides, np.stack(own, axis=1), tile)


def exact_type(dtype: torch.dtype) -> torch.dtype:
    """float32 for half precision, which it holds exactly; float64 for integers."""
    return torch.promote_types(dtype, torch.float32) if dtype.is_floating_point else torch.float64


def arranged(
    vectors: Tensor, labels: Tensor, ids: Tensor, dtype: torch.dtype
) -> tuple[Rows, Array]:
    """The items as rows that stand in the order of their labels, and these labels (N,)."""
    ordered, order = labels.sort(stable=True)
    values = vectors.to(dtype).contiguous().numpy()
    return Rows(values, np.ones(len(values)), order.numpy(), ids[order].numpy()), ordered.numpy()


def ids_clash(queries: Side, gallery: Side) -> bool:
    """Has one id several labels, so that an item may have to be left out among the misses?"""
    labels = torch.cat([queries[1], gallery[1]]).numpy()
    ids = torch.cat([queries[2], gallery[2]]).numpy()
    order = np.lexsort((labels, ids))
    same = np.diff(ids[order]) == 0
    return bool((same & (np.diff(labels[order]) != 0)).any())


def by_cosine(queries: Rows, gallery: Rows, neighbors: int) -> tuple[Rows, Rows, Rule]:
    """Both sides with their rows' lengths, and the bound of `proxy_core.exact.search`."""
    size, dim = gallery.values.shape
    asked, items = with_lengths(queries), with_lengths(gallery)
    width = 1.01 * (dim + 8) * UNIT / (1 - dim * UNIT) + dim * 2.0**-100
    margin = np.float32(2 * width + 1.01 * (size + 2) * TIE)
    rule = Rule(False, TIE, np.zeros(dim), 1.0, np.float32(width), margin, neighbors)
    return asked, items, rule


def with_lengths(rows: Rows) -> Rows:
    """The same rows with their lengths, once float64 can hold their squares."""
    values = in_range(rows.values)
    return rows._replace(values=values, lengths=exact.row_lengths(values))


def in_range(values: Array) -> Array:
    """Rows (N, D) of the same directions with lengths near 1 if one is very large or very small.

    They are multiplied by powers of two, which is exact. As a rule the rows are returned as given.
    """
    if values.dtype != np.float64:
        return values
    largest = np.abs(values).max(axis=1)
    if ((largest < 1e100) & ((largest > 1e-100) | (largest == 0))).all():
        return values
    scaled: Array = np.ldexp(values, -np.frexp(largest)[1][:, None])
    return scaled


def by_distance(queries: Rows, gallery: Rows, neighbors: int) -> tuple[Rows, Rows, Rule]:
    """Both sides and the rule for distances, which the filter takes between rows that are centered
    and divided by the largest length: what is lost to float32 is relative to that."""
    size, dim = gallery.values.shape
    center = gallery.values.mean(axis=0, dtype=np.float64)
    reach = max(exact.farthest(rows.values, center) for rows in (queries, gallery)) or 1.0
    if not 1e-100 < reach < 1e100:
        raise ValueError(
            f"vectors are up to {reach:g} from their mean, and float64 must hold the square: "
            "scale them to between 1e-100 and 1e100"
        )
    width = 2.02 * (dim + 10) * UNIT / (1 - (dim + 2) * UNIT) + dim * 2.0**-100
    margin = np.float32(2 * width + 2.02 * (size + 2) * TIE)
    rule = Rule(True, TIE, center, 0.5 / reach**2, np.float32(width), margin, neighbors)
    asked = queries._replace(lengths=np.full(len(queries.values), reach))
    return asked, gallery._replace(lengths=np.full(size, reach)), rule
