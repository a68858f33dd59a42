"""How runs differ on the same queries: which of them finds what, and what their lists share."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from bench.reporting.groups import identity, method_key
from bench.store.runs import Run
from demo.library import Shelf
from demo.retrieved import Retrieved

OPEN = 4  # results that stay in memory, with the runs that they are of


@lru_cache(maxsize=OPEN)
def sets_of(left: Retrieved, right: Retrieved) -> dict[str, np.ndarray]:
    """Set of `CHOICES["only"]` -> its queries: by which of two runs they are right at rank 1.

    Those of one run alone come in falling order of the difference in AP@R, those of none in rising
    order of the better AP@R, the others in order of position. A query without an image to find is
    in no set.
    """
    first, second = (run.queries["average_precision"] for run in (left, right))
    known, a, b = left.known, left.right, right.right
    return {
        "all": np.flatnonzero(known),
        "both": np.flatnonzero(known & a & b),
        "a": sorted_by(np.flatnonzero(known & a & ~b), second - first),
        "b": sorted_by(np.flatnonzero(known & b & ~a), first - second),
        "none": sorted_by(np.flatnonzero(known & ~a & ~b), np.maximum(first, second)),
    }


def sorted_by(positions: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Positions (P,) in rising order of their values (Q,)."""
    ordered: np.ndarray = positions[np.argsort(values[positions], kind="stable")]
    return ordered


@lru_cache(maxsize=OPEN)
def shared(left: Retrieved, right: Retrieved, k: int) -> float:
    """Share of the first k neighbors of all queries that both runs have, in any order."""
    a, b = (run.queries["neighbors"][:, :k] for run in (left, right))
    both = ((a[:, :, None] == b[:, None, :]) & (a >= 0)[:, :, None]).any(axis=2)
    return float(both.sum() / max(1, (a >= 0).sum()))


def seeds_of(shelf: Shelf, run: Run) -> tuple[str, ...]:
    """The runs of the same method on the same images that kept their neighbors."""
    own = method_key(run), identity(run)
    kept = [other for other in shelf.browsable if other.keeps_queries]
    return tuple(other.name for other in kept if (method_key(other), identity(other)) == own)


@lru_cache(maxsize=OPEN)
def flips(shelf: Shelf, names: Sequence[str]) -> float:
    """Share of the queries that some of several runs get at rank 1, and others do not."""
    opened = (Run(run.directory, run.record).queries for run in map(shelf.run, names))
    right = np.array([queries["first_hit"][queries["relevant"] > 0] == 1 for queries in opened])
    return float((right.any(axis=0) & ~right.all(axis=0)).mean())


def telling(runs: Sequence[Retrieved]) -> dict[str, int]:
    """A query that every run gets at rank 1, one that only the first gets, only the second, and
    one that none gets, each the clearest by AP@R; those that there are not are left out."""
    right = np.array([run.right & run.known for run in runs])
    scores = np.array([run.queries["average_precision"] for run in runs])
    known = runs[0].known
    alone = right.sum(axis=0) == 1
    candidates = {
        "every": (right.all(axis=0), scores.mean(axis=0)),
        "first": (alone & right[0], scores[0] - np.delete(scores, 0, 0).max(axis=0, initial=0)),
        "second": (alone & right[1], scores[1] - np.delete(scores, 1, 0).max(axis=0, initial=0)),
        "none": (known & ~right.any(axis=0), -scores.max(axis=0)),
    }
    return {
        name: int(np.where(mask, score, -np.inf).argmax())
        for name, (mask, score) in candidates.items()
        if mask.any()
    }
