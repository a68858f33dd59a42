"""What `proxy_core.tile_search` compares, from tensors that were checked."""

import numpy as np
import torch
from torch import Tensor

from proxy_core import tile_kernels as kernels
from proxy_core.compiling import Array, Outcome, Rows, Rule
from proxy_core.ranking import TIE
from proxy_core.tile_compare import Sides
from proxy_core.tile_search import search

Side = tuple[Tensor, Tensor, Tensor]  # vectors (N, D), labels (N,), ids (N,)


def rank_on_cpu(queries: Side, gallery: Side, neighbors: int, tile: int) -> Outcome:
    """The outcome for every query; sides that are one object are searched among themselves."""
    dtype = torch.promote_types(exact_type(queries[0].dtype), exact_type(gallery[0].dtype))
    items, labels = arranged(*gallery, dtype)
    asked, asked_labels = (items, labels) if queries is gallery else arranged(*queries, dtype)
    own = [np.searchsorted(labels, asked_labels, side=side) for side in ("left", "right")]
    rule = cosine_rule(gallery[0].shape[1], len(labels), neighbors)
    sides = Sides(asked, items, rule, queries is gallery, ids_clash(queries, gallery))
    return search(sides, np.stack(own, axis=1), tile)


def exact_type(dtype: torch.dtype) -> torch.dtype:
    """float32 for half precision, which it holds exactly; float64 for integers."""
    return torch.promote_types(dtype, torch.float32) if dtype.is_floating_point else torch.float64


def arranged(
    vectors: Tensor, labels: Tensor, ids: Tensor, dtype: torch.dtype
) -> tuple[Rows, Array]:
    """The items as rows that stand in the order of their labels, and these labels (N,)."""
    ordered, order = labels.sort(stable=True)
    values = in_range(vectors.detach().to(dtype)).contiguous().numpy()
    rows = Rows(values, np.ones(len(values)), order.numpy(), ids[order].numpy())
    return rows._replace(lengths=kernels.row_lengths(values)), ordered.numpy()


def in_range(vectors: Tensor) -> Tensor:
    """Rows of the same directions whose squares float64 can hold; the same tensor as a rule.

    A row is multiplied by a power of two, which is exact.
    """
    if vectors.dtype != torch.float64:
        return vectors
    largest = vectors.abs().amax(dim=1, keepdim=True)
    if ((largest < 1e100) & ((largest > 1e-100) | (largest == 0))).all():
        return vectors
    exponent = torch.frexp(largest).exponent
    half = exponent.div(2, rounding_mode="floor")
    return torch.ldexp(torch.ldexp(vectors, -half), half - exponent)


def ids_clash(queries: Side, gallery: Side) -> bool:
    """Has one id several labels, so that an item may have to be left out among the misses?"""
    labels = torch.cat([queries[1], gallery[1]]).numpy()
    ids = torch.cat([queries[2], gallery[2]]).numpy()
    order = np.lexsort((labels, ids))
    same = np.diff(ids[order]) == 0
    return bool((same & (np.diff(labels[order]) != 0)).any())


def cosine_rule(dim: int, gallery: int, neighbors: int) -> Rule:
    """The bound of `proxy_core.tile_search` for unit vectors."""
    width = 1.01 * (dim + 8) * 2.0**-24 / (1 - dim * 2.0**-24) + dim * 2.0**-100
    margin = 2 * width + 1.01 * (gallery + 2) * TIE
    return Rule(False, TIE, np.zeros(dim), 1.0, np.float32(width), np.float32(margin), neighbors)
