"""The modified Hausdorff distance (Dubuisson and Jain, ICPR 1994), as Lake's demo computes it."""

import numpy as np
from scipy.spatial import KDTree


def modified_hausdorff(one: KDTree, other: KDTree) -> float:
    """The larger of the two mean distances from a point to the other set's nearest point.

    Trees of coordinates (n, 2) and (m, 2), since all n * m distances take thrice the time.
    """
    there, _ = other.query(one.data)
    back, _ = one.query(other.data)
    return float(max(np.mean(there), np.mean(back)))


def inked(paper: np.ndarray) -> np.ndarray:
    """Coordinates (n, 2) of the inked pixels of (H, W) bool white paper, centred by their mean."""
    points = np.argwhere(~paper).astype(np.float64)
    centred: np.ndarray = points - points.mean(axis=0)
    return centred
