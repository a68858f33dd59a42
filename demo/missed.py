"""What a query should also have found: images of its class that are not among those shown.

Where the run kept its embeddings, their ranks are computed as the store's are: in single precision,
and those too close for it in double; a miss as similar as a hit ranks before it. Elsewhere the
saved neighbors have their ranks, and all others rank somewhere behind the last of these.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from bench.store.mapped import give_back, in_blocks
from demo.retrieved import Retrieved

CLOSE = 1e-5  # difference of cosines up to which single precision does not order them
TIE = 1e-12  # up to which two cosines are equal, as in the store
OPEN = 8  # runs whose lengths of embeddings stay in memory


@dataclass(frozen=True)
class Missed:
    """An image of the query's class; rank from 1 and cosine, or None where they are not known."""

    position: int
    rank: int | None
    similarity: float | None


def missed(retrieved: Retrieved, query: int, shown: int, *, exact: bool = True) -> list[Missed]:
    """Images of the query's class beyond the first `shown` neighbors, those of unknown rank last;
    not `exact`: without computing ranks from embeddings.

    Where the camera rule removes images of a query, those of unknown rank are left out: which were
    removed is not stored.
    """
    labels, saved = retrieved.pictures.labels, retrieved.queries["neighbors"][query]
    stored, gallery = retrieved.queries["similarities"][query], gallery_of(retrieved)
    if exact and gallery is not None and retrieved.keeps_embeddings:
        rivals = gallery[gallery != query]
        positions = rivals[labels[rivals] == labels[query]]
        ranks, cosines = exact_ranks(retrieved, query, rivals)
        # A saved cosine is rounded, and shown as it is among the neighbors.
        known = dict(zip(saved.tolist(), stored.tolist(), strict=True))
        found = [
            Missed(position, rank, known.get(position, cosine))
            for position, rank, cosine in zip(
                positions.tolist(), ranks.tolist(), cosines, strict=True
            )
        ]
        return sorted((m for m in found if m.rank and m.rank > shown), key=lambda m: m.rank or 0)
    found = [
        Missed(int(saved[column]), int(column) + 1, float(stored[column]))
        for column in np.flatnonzero(retrieved.hits[query])
        if column >= shown
    ]
    if gallery is None:
        return found
    others = gallery[(labels[gallery] == labels[query]) & (gallery != query)]
    return found + [Missed(p, None, None) for p in others[~np.isin(others, saved)].tolist()]


def gallery_of(retrieved: Retrieved) -> np.ndarray | None:
    """Positions that every query is compared with, itself excepted; None if they are not stored:
    they differ from query to query by their cameras, or only some queries are in the gallery."""
    split, images = retrieved.run.record["split"], len(retrieved.pictures)
    count, separate = len(retrieved.hits), split.get("searched_images", split.get("gallery_images"))
    if retrieved.by_cameras:
        return None
    if separate in (None, images):
        return np.arange(images)
    if count + separate != images:
        return None
    return np.arange(count, images)


def exact_ranks(
    retrieved: Retrieved, query: int, rivals: np.ndarray
) -> tuple[np.ndarray, list[float]]:
    """Ranks (M,) and cosines of the M images of the query's class among rivals (G,)."""
    vectors, lengths = embeddings_of(retrieved)
    cosines = (products(vectors, vectors[query]) / (lengths * lengths[query]))[rivals]
    hit = retrieved.pictures.labels[rivals] == retrieved.pictures.labels[query]
    ranks = []
    for index in np.flatnonzero(hit).tolist():
        gap = cosines - cosines[index]
        close = np.abs(gap) <= CLOSE
        exact = precise(vectors[rivals[close]], vectors[query])
        gap = np.where(close, 0, gap)
        gap[close] = exact - precise(vectors[rivals[[index]]], vectors[query])
        first = ~hit | (rivals < rivals[index])  # of equal ones
        ranks.append(1 + int(np.where(np.abs(gap) <= TIE, first, gap > 0).sum()))
        give_back(vectors)
    return np.array(ranks), [float(cosine) for cosine in cosines[hit]]


def precise(others: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Cosines (G,) in double precision of vectors (G, D) with one (D,)."""
    others, own = others.astype(np.float64), own.astype(np.float64)
    cosines: np.ndarray = others @ own / lengths_of(others) / lengths_of(own[None])
    return cosines


def lengths_of(vectors: np.ndarray) -> np.ndarray:
    """Lengths (N,) of vectors (N, D); 1 for those without length."""
    squares = [np.einsum("ij,ij->i", rows, rows) for rows in in_blocks(vectors)]
    lengths = np.sqrt(np.concatenate(squares))
    return np.where(lengths > 0, lengths, 1)


def products(vectors: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Inner products (N,) of vectors (N, D), which may be on disk, with one (D,)."""
    return np.concatenate([rows @ own for rows in in_blocks(vectors)])


@lru_cache(maxsize=OPEN)
def embeddings_of(retrieved: Retrieved) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings (N, D) of the test images, which stay on disk, and their lengths (N,)."""
    vectors = retrieved.run.embeddings_on_disk
    return vectors, lengths_of(vectors)
