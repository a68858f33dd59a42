"""The images nearest to a vector: exact, and equal ones in the order of the gallery."""

import numpy as np

from demo.missed import CLOSE, lengths_of, precise

DIGITS = 12  # of a cosine; those that differ by less are equal, as in the store


def nearest(vectors: np.ndarray, own: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions and cosines (K,) of the k vectors (N, D) most similar to one (D,), best first.

    Single precision finds candidates, and double precision orders them.
    """
    lengths = lengths_of(vectors) * lengths_of(own[None])
    cosines = vectors @ own / lengths
    k = min(k, len(vectors))
    least = np.partition(cosines, len(vectors) - k)[len(vectors) - k]
    candidates = np.flatnonzero(cosines >= least - CLOSE)
    exact = precise(vectors[candidates], own)
    order = np.lexsort((candidates, -exact.round(DIGITS)))[:k]
    return candidates[order], exact[order]
