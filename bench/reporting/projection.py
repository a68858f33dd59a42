"""Embeddings as points of a plane: at once (PCA), or well (scikit-learn's t-SNE).

On 7,464 test embeddings of glyphs with 64 dimensions (semi-hard triplet loss, one core), PCA keeps
5 % of the 10 nearest images, t-SNE takes 37 s and keeps 67 %, UMAP takes 77 s and keeps 55 %.
"""

from collections.abc import Callable

import numpy as np
from scipy.spatial import KDTree

from bench.store.maps import Map

NEAREST = 10  # images, of which a map keeps some
COUNTED, BLOCK = 1000, 100  # images, spread evenly, over which it is counted how many; at a time
PERPLEXITY = 30


def pca_map(embeddings: np.ndarray) -> Map:
    """The two directions of the largest variance of the normalised embeddings (N, D)."""
    unit = directions(embeddings)
    points, variance = pca(lambda _: unit, 1)
    kept = kept_share(unit, points[0])
    return Map(points[0], "principal components (PCA)", kept, float(variance[0]))


def tsne_map(embeddings: np.ndarray) -> Map:
    """t-SNE of the normalised embeddings (N, D): van der Maaten and Hinton, JMLR 2008, with the
    Barnes-Hut approximation, begun at the principal components. The same machine gives the same
    map."""
    from sklearn.manifold import TSNE

    unit = directions(embeddings)
    perplexity = min(PERPLEXITY, (len(unit) - 1) / 3)
    model = TSNE(2, init="pca", perplexity=perplexity, random_state=0, n_jobs=1)
    points = np.asarray(model.fit_transform(unit), dtype=np.float32)
    return Map(points, "t-SNE", kept_share(unit, points))


def pca(step: Callable[[int], np.ndarray], steps: int) -> tuple[np.ndarray, np.ndarray]:
    """One linear projection for several steps, so that points move and do not jump.

    Arguments: step, from the number of a step to its normalised embeddings (N, D), which are read
    twice and not kept; steps, S. Returns: points (S, N, 2) float32, and the share (S,) of each
    step's variance that both axes have.
    """
    mean, moments = np.zeros(()), np.zeros(())
    for number in range(steps):
        rows = step(number)
        mean = mean + rows.mean(axis=0, dtype=np.float64) / steps
        moments = moments + (rows.T @ rows / len(rows)).astype(np.float64) / steps
    _, axes = np.linalg.eigh(moments - np.outer(mean, mean))  # the largest come last
    plane = axes[:, :-3:-1]
    points, shares = [], []
    for number in range(steps):
        rows = step(number)
        found = np.zeros((len(rows), 2))
        found[:, : plane.shape[1]] = rows @ plane.astype(rows.dtype) - mean @ plane
        whole = rows.var(axis=0, dtype=np.float64).sum()
        points.append(found.astype(np.float32))
        shares.append(found.var(axis=0).sum() / max(whole, np.finfo(float).tiny))
    return np.stack(points), np.array(shares)


def directions(embeddings: np.ndarray) -> np.ndarray:
    """Embeddings (..., D) divided by their lengths; zero vectors stay."""
    lengths = np.linalg.norm(embeddings, axis=-1, keepdims=True)
    unit: np.ndarray = embeddings / np.where(lengths > 0, lengths, 1)
    return unit


def kept_share(unit: np.ndarray, points: np.ndarray) -> float:
    """The share of the nearest images, by cosine, that are among the nearest points: unit (N, D),
    points (N, 2)."""
    count = min(NEAREST, len(unit) - 1)
    rows = np.unique(np.linspace(0, len(unit) - 1, COUNTED).round().astype(int))
    near = iter(nearest_points(points, rows, count))
    shared = 0
    for block in np.split(rows, range(BLOCK, len(rows), BLOCK)):
        similarity = unit[block] @ unit.T
        similarity[np.arange(len(block)), block] = -np.inf
        true = np.argpartition(-similarity, count - 1, axis=1)[:, :count]
        shared += sum(len(np.intersect1d(found, next(near))) for found in true)
    return shared / (count * len(rows))


def nearest_points(points: np.ndarray, rows: np.ndarray, count: int) -> list[np.ndarray]:
    """The nearest of the other points (N, 2) to each of some rows (M,), `count` of them."""
    found = np.asarray(KDTree(points).query(points[rows], min(count + 1, len(points)))[1])
    return [near[near != row][:count] for row, near in zip(rows, found, strict=True)]
