"""Compilation of plain loops by numba, and the tables that such loops share."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numba import njit

Array = np.ndarray[Any, np.dtype[Any]]
Function = TypeVar("Function", bound=Callable[..., object])


class Rows(NamedTuple):
    """Items in the order in which they came, and their places in the order of their classes."""

    values: Array  # (N, D) float32 or float64
    lengths: Array  # (N,) float64, positive: what the filter divides each row by
    order: Array  # (N,) int64: which item stands at each place; columns below are by place too
    ids: Array  # (N,) int64


class Rule(NamedTuple):
    """How items are compared. A product of the filter is `scale` times the similarity +- width."""

    euclidean: bool  # similarity: minus the squared distance; otherwise the cosine
    tie: float  # difference of equal similarities; a share of them if euclidean
    center: Array  # (D,) float64: what the filter subtracts from each row
    scale: float
    width: np.float32
    margin: np.float32  # how far a product may be below the M-th best and still matter
    neighbors: int  # K


class Sought(NamedTuple):
    """What is known of P queries in the order of their classes. M is how many first places matter:
    the larger of R, the relevant items, and K."""

    edge: Array  # (P,) float64: least similarity of a miss that precedes the best hit
    rough_edge: Array  # (P,) float32: the product that this is
    least: Array  # (P,) float32: products below mean nothing to the query
    ahead: Array  # (P,) int32: misses that precede the best hit
    close: Array  # (P,) int32: pairs that float64 had to decide
    wanted: Array  # (P,) int64: M
    own: Array  # (P, 2) int64: the first place of the class in the gallery, and that past its end
    hits_from: Array  # (P + 1,) int64: where the query's own class starts in `hits`
    hits: Array  # float64: similarities of the class, by place; -inf for the query itself
    room_from: Array  # (P + 1,) int64: where the query's room starts in `items` and `products`
    items: Array  # int32: places in the gallery of misses that may matter
    products: Array  # float32: theirs
    filled: Array  # (P,) int32: how many these are; -1 if the query was given up


class Outcome(NamedTuple):
    """The fields of `Ranking`, by query; scores are first hit, R, R-Precision and AP@R."""

    scores: Array  # (Q, 4) float64
    neighbors: Array  # (Q, K) int64
    similarities: Array  # (Q, K) float32


def compiled(function: Function) -> Function:
    """The function compiled by numba, and kept on disk where a folder for that can be written."""
    try:
        kept: Function = njit(cache=True)(function)
    except RuntimeError:
        kept = njit(function)
    return kept
