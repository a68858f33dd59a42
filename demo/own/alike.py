"""What is alike in a folder of images without labels: the nearest, clusters, near duplicates."""

from functools import lru_cache

import numpy as np

from bench.reporting.projection import directions
from demo.nearest import nearest
from demo.own.folder import Folder

ALIKE = 0.98  # the cosine from which two images are near duplicates
MOST_CLUSTERS = 30
BLOCK = 256  # images that are compared with all at a time: 61 MB for 60,000


def neighbors(folder: Folder, position: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions and cosines of the k other images nearest to one, best first."""
    found, cosines = nearest(folder.vectors, folder.vectors[position], k + 1)
    others = found != position
    return found[others][:k], cosines[others][:k]


@lru_cache(maxsize=1)
def clusters(folder: Folder) -> list[np.ndarray]:
    """Positions of the images of each cluster by k-means, the largest first, and in each those
    nearest to its center first. k is the root of half the number of images, at most 30."""
    from sklearn.cluster import KMeans

    unit = directions(folder.vectors)
    distinct = len(np.unique(unit, axis=0))
    k = min(max(1, round((len(unit) / 2) ** 0.5)), MOST_CLUSTERS, distinct)
    means = KMeans(k, n_init=4, random_state=0).fit(unit)
    to_center = np.linalg.norm(unit - means.cluster_centers_[means.labels_], axis=1)
    order = np.argsort(to_center, kind="stable")
    found = [order[means.labels_[order] == label] for label in range(k)]
    return sorted(found, key=len, reverse=True)


@lru_cache(maxsize=1)
def near_duplicates(folder: Folder) -> list[tuple[int, int, float]]:
    """Pairs of an image with its nearest one and their cosine, if that is at least `ALIKE`."""
    pairs, unit = {}, directions(folder.vectors)
    for start in range(0, len(unit), BLOCK):
        block = unit[start : start + BLOCK]
        cosines = block @ unit.T
        rows = np.arange(len(block))
        cosines[rows, start + rows] = -np.inf
        other = cosines.argmax(axis=1)
        for row in np.flatnonzero(cosines[rows, other] >= ALIKE).tolist():
            first, second = sorted((start + row, int(other[row])))
            pairs[first, second] = float(cosines[row, other[row]])
    return sorted(((*pair, cosine) for pair, cosine in pairs.items()), key=lambda p: (-p[2], p))
