"""Embeddings as points of a plane: at once (PCA), or well (scikit-learn's t-SNE).

On 7,464 test embeddings of glyphs with 64 dimensions (semi-hard triplet loss, one core), PCA keeps
5 % of the 10 nearest images, t-SNE takes 37 s and keeps 67 %, UMAP takes 77 s and keeps 55 %.
"""

from collections.abc import Callable, Iterable

import numpy as np
from scipy.spatial import KDTree

from bench.store.mapped import give_back, in_blocks
from bench.store.maps import Map

NEAREST = 10  # images, of which a map keeps some
COUNTED = 1000  # images, spread evenly, over which it is counted how many
PERPLEXITY = 30


def pca_map(embeddings: np.ndarray) -> Map:
    """The two directions of the largest variance of the normalised embeddings (N, D)."""
    points, variance = pca(lambda _: map(directions, in_blocks(embeddings)), 1)
    kept = kept_share(embeddings, points[0])
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


def pca(step: Callable[[int], Iterable[np.ndarray]], steps: int) -> tuple[np.ndarray, np.ndarray]:
    """One linear projection for several steps, so that points move and do not jump.

    Arguments: step, from the number of a step to its normalised embeddings (N, D) in blocks of
    rows, which are read twice and not kept; steps, S. Returns: points (S, N, 2) float32, and the
    share (S,) of each step's variance that both axes have.
    """
    means, moments = [], np.zeros(())
    for number in range(steps):
        mean, products = mean_and_products(step(number))
        means.append(mean)
        moments = moments + products / steps
    center = np.mean(means, axis=0)
    _, axes = np.linalg.eigh(moments - np.outer(center, center))  # the largest come last
    plane = axes[:, :-3:-1]
    points, shares = [], []
    for number, mean in enumerate(means):
        found, whole = [], 0.0
        for rows in step(number):
            found.append(rows @ plane.astype(rows.dtype) - center @ plane)
            whole += float(np.square(rows - mean).sum())
        places = np.concatenate(found)
        spread = float(np.square(places - places.mean(axis=0)).sum())
        points.append(np.pad(places, ((0, 0), (0, 2 - plane.shape[1]))).astype(np.float32))
        shares.append(spread / max(whole, np.finfo(float).tiny))
    return np.stack(points), np.array(shares)


def mean_and_products(blocks: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Mean (D,) and mean outer product (D, D) of all rows, in double precision."""
    count, total, products = 0, np.zeros(()), np.zeros(())
    for rows in blocks:
        count += len(rows)
        total = total + rows.sum(axis=0, dtype=np.float64)
        products = products + (rows.T @ rows).astype(np.float64)
    return total / count, products / count


def directions(embeddings: np.ndarray) -> np.ndarray:
    """Embeddings (..., D) divided by their lengths; zero vectors stay."""
    lengths = np.linalg.norm(embeddings, axis=-1, keepdims=True)
    unit: np.ndarray = embeddings / np.where(lengths > 0, lengths, 1)
    return unit


def kept_share(embeddings: np.ndarray, points: np.ndarray) -> float:
    """The share of the nearest images, by cosine, that are among the nearest points, as a mean over
    the images that `counted_text` names: embeddings (N, D), points (N, 2)."""
    count = min(NEAREST, len(embeddings) - 1)
    rows = np.unique(np.linspace(0, len(embeddings) - 1, COUNTED).round().astype(int))
    true = nearest_by_cosine(embeddings, rows, count)
    near = nearest_points(points, rows, count)
    shared = sum(len(np.intersect1d(*both)) for both in zip(true, near, strict=True))
    return shared / (count * len(rows))


def counted_text(images: int) -> str:
    """The images, of so many, over which `kept_share` is the mean."""
    return "all images" if images <= COUNTED else f"{COUNTED:,} of {images:,} images, spread evenly"


def nearest_by_cosine(embeddings: np.ndarray, rows: np.ndarray, count: int) -> np.ndarray:
    """The most similar of the other embeddings (N, D) to each of some rows (M,), (M, count)."""
    own, start = directions(taken(embeddings, rows)), 0
    best, found = (np.empty((len(rows), 0), kind) for kind in (own.dtype, np.int64))
    for unit in map(directions, in_blocks(embeddings)):
        positions = np.arange(start, start + len(unit))
        similarity = np.where(positions == rows[:, None], -np.inf, own @ unit.T)
        best = np.hstack([best, similarity])
        found = np.hstack([found, np.broadcast_to(positions, similarity.shape)])
        if best.shape[1] > count:
            top = np.argpartition(-best, count - 1, axis=1)[:, :count]
            best, found = (np.take_along_axis(each, top, axis=1) for each in (best, found))
        start += len(unit)
    return found


def taken(embeddings: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Some rows (M,) of embeddings (N, D), which may be on disk, in order."""
    found = []
    for row in rows:
        found.append(np.array(embeddings[row]))
        give_back(embeddings)
    return np.stack(found)


def nearest_points(
    points: np.ndarray, rows: np.ndarray, count: int, gallery: np.ndarray | None = None
) -> list[np.ndarray]:
    """The nearest of the other points (N, 2) to each of some rows (M,), `count` of them; gallery
    (G,): among which they are, all points without it."""
    among = np.arange(len(points)) if gallery is None else gallery
    tree, wanted = KDTree(points[among]), min(count + 1, len(among))
    found = among[np.asarray(tree.query(points[rows], wanted)[1]).reshape(len(rows), wanted)]
    return [near[near != row][:count] for row, near in zip(rows, found, strict=True)]
