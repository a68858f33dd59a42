"""The images nearest to a vector: exact, and equal ones in the order of the gallery."""

import numpy as np

from demo.missed import CLOSE, lengths_of, precise, products

DIGITS = 12  # of a cosine; those that differ by less are equal, as in the store


def nearest(vectors: np.ndarray, own: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions and cosines (K,) of the k vectors (N, D) most similar to one (D,), best first.

    Single precision finds candidates, and double precision orders them.
    """
    candidates = candidates_of(vectors, own, k)
    exact = precise(vectors[candidates], own)
    order = np.lexsort((candidates, -exact.round(DIGITS)))[:k]
    return candidates[order], exact[order]


def candidates_of(vectors: np.ndarray, own: np.ndarray, k: int) -> np.ndarray:
    """Rising positions of all vectors (N, D) that may be among the k most similar to one (D,)."""
    cosines = products(vectors, own) / (lengths_of(vectors) * lengths_of(own[None]))
    least = len(vectors) - min(k, len(vectors))
    return np.flatnonzero(cosines >= np.partition(cosines, least)[least] - CLOSE)
