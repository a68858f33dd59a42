"""Which queries a run gets wrong, which classes it confuses, and where the labels may be to blame.

Where a query and its nearest neighbor are the same picture but have two labels, one of these is
probably wrong. That is compared in the thumbnails, as `data verify` compares files: nearly equal is
what saving again as JPEG may have changed.
"""

import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image

from bench.datasets.files.looks import SIDE, nearly_equal
from demo.retrieved import Retrieved

MOST_COMPARED = 2000  # failures whose pictures are compared, the most confident ones
OPEN = 8  # results that stay in memory


@dataclass(frozen=True)
class Confusion:
    """Two classes: how many queries of the first have the second as nearest neighbor (`there`), of
    the second the first (`back`); how many of these are wrong in all of several runs
    (`everywhere`), and how many have nearly equal pictures (`same`)."""

    label: int
    rival: int
    there: int
    back: int
    everywhere: int
    same: int

    @property
    def count(self) -> int:
        return self.there + self.back

    def points_to(self, compared: bool) -> str:
        """What most of its failures point to; compared: whether `everywhere` is of several runs."""
        if 2 * self.same >= self.count:
            return "labels"
        if not compared:
            return "unknown"
        return "images" if 2 * self.everywhere >= self.count else "this run"


@lru_cache(maxsize=OPEN)
def by_confidence(retrieved: Retrieved) -> np.ndarray:
    """The failures, those with the most similar wrong neighbor first."""
    failures = retrieved.failures
    nearest = retrieved.queries["similarities"][failures, 0].astype(np.float64)
    ordered: np.ndarray = failures[np.argsort(-nearest, kind="stable")]
    return ordered


@lru_cache(maxsize=OPEN)
def same_pictures(retrieved: Retrieved) -> np.ndarray:
    """The failures whose nearest neighbor is nearly the same picture, most confident first; only
    the first `MOST_COMPARED` failures are compared."""
    compared = by_confidence(retrieved)[:MOST_COMPARED]
    if not compared.size:
        return compared
    nearest = retrieved.queries["neighbors"][compared, 0]
    looks = [np.stack([grey(retrieved, int(p)) for p in side]) for side in (compared, nearest)]
    same: np.ndarray = compared[nearly_equal(*looks)]
    return same


def grey(retrieved: Retrieved, position: int) -> np.ndarray:
    """A thumbnail as a grey picture (32, 32)."""
    data, _ = retrieved.pictures.encoded(position)
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX))


def ordered(retrieved: Retrieved, sort: str) -> np.ndarray:
    """Queries in an order of `CHOICES["sort"]`; "confident" and "deep" without `same_pictures`."""
    same, failures = same_pictures(retrieved), by_confidence(retrieved)
    if sort == "same":
        return same
    if sort == "low":
        known = np.flatnonzero(retrieved.known)
        scores = retrieved.queries["average_precision"][known]
        return np.asarray(known[np.argsort(scores, kind="stable")])
    failures = failures[~np.isin(failures, same)]
    if sort == "deep":
        ranks = retrieved.queries["first_hit"][failures]
        failures = failures[np.argsort(-ranks, kind="stable")]
    return failures


def between(retrieved: Retrieved, queries: np.ndarray, label: int, rival: int) -> np.ndarray:
    """Those of some queries that are of a class, or with a rival of the pair in either direction;
    all for -1."""
    labels = retrieved.pictures.labels
    own, found = labels[queries], labels[retrieved.queries["neighbors"][queries, 0]]
    if label < 0:
        return queries
    if rival < 0:
        return np.asarray(queries[own == label])
    there = (own == label) & (found == rival)
    return np.asarray(queries[there | ((own == rival) & (found == label))])


def confusions(retrieved: Retrieved, others: Sequence[Retrieved]) -> list[Confusion]:
    """Pairs of classes, those first that are confused in most queries.

    others: the runs that `Confusion.everywhere` is of, beside this one.
    """
    failures = retrieved.failures
    wrong = np.all([~run.right[failures] for run in [retrieved, *others]], axis=0)
    there, everywhere = pairs(retrieved, failures), pairs(retrieved, failures[wrong])
    same = pairs(retrieved, same_pictures(retrieved))
    merged = [
        Confusion(a, b, there[a, b], there[b, a], *(c[a, b] + c[b, a] for c in (everywhere, same)))
        for a, b in list(there)
        if (there[a, b], b) > (there[b, a], a)  # each pair once, the more frequent way first
    ]
    return sorted(merged, key=lambda pair: (-pair.count, pair.label, pair.rival))


def pairs(retrieved: Retrieved, queries: np.ndarray) -> Counter[tuple[int, int]]:
    """Labels of queries and of their nearest neighbors -> how many queries have them."""
    labels, nearest = retrieved.pictures.labels, retrieved.queries["neighbors"][queries, 0]
    return Counter(zip(labels[queries].tolist(), labels[nearest].tolist(), strict=True))
