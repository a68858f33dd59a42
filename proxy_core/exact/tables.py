"""Compilation of plain loops by numba, and the tables that such loops share."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, cast

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
    """What is known of P queries in the order of their classes.

    Hits come best first. A miss counts for the first of them that it precedes. Hits that cannot be
    among the first R places any more are dead, and misses that only precede those do not count; but
    the misses ahead of the best hit do, whether it is dead or not.
    """

    own: Array  # (P, 2) int64: the first place of the class in the gallery, and that past its end
    relevant: Array  # (P,) int64: R
    hits_from: Array  # (P + 1,) int64: where the query's own class starts in the next five
    hits: Array  # float64: similarities, best first; -inf for the query itself, at the end
    hit_items: Array  # int64: theirs
    edges: Array  # float64: the least similarity of a miss that precedes the hit
    rough_edges: Array  # float32: the product that this is
    counts: Array  # int32: misses that count for the hit, but for the best one
    alive: Array  # (P,) int64: hits that are not dead
    ahead: Array  # (P,) int32: misses that count for the best hit
    high: Array  # (P,) float32: products above are of misses that surely do so
    low: Array  # (P,) float32: products below are of misses that do not count
    pending: Array  # (P,) int32: misses counted since `alive` was found
    room_from: Array  # (P + 1,) int64: where the query's room starts in the next two
    items: Array  # int32: places in the gallery of misses that may be among the first K
    products: Array  # float32: theirs
    filled: Array  # (P,) int64: how many these are
    due: Array  # (P,) int64: how many it may be before the floor is raised
    floor: Array  # (P,) float32: products below are not among the first K
    close: Array  # (P,) int32: misses that float64 had to decide
    given_up: Array  # (P,) bool: too many of them, so the filter left the query to float64


class Outcome(NamedTuple):
    """The fields of `Ranking`, by query; scores are first hit, R, R-Precision and AP@R."""

    scores: Array  # (Q, 4) float64
    neighbors: Array  # (Q, K) int64
    similarities: Array  # (Q, K) float32


def compiled(function: Function) -> Function:
    """The function compiled by numba, and kept on disk where a folder for that can be written.

    What is kept does not notice a change of a function in another file, so a compiled function
    calls those of its own file only.
    """
    try:
        return cast(Function, njit(cache=True)(function))
    except RuntimeError:
        return cast(Function, njit(function))
