"""Accuracy under an official protocol: classes of test images by their nearest labelled vector.

Similarity is the cosine in float64. Ties are pessimistic: a query is classified rightly if the best
vector of its class is more than 1e-12 more similar than every vector of another class, hence
`tile`, threads and device change no result. A query whose class has no vector at all counts as
wrong, unlike in `proxy_core.metrics.retrieval`, which leaves it out: these numbers stand beside
published classification accuracies. A zero vector has cosine 0 to everything.
"""

import torch
from torch import Tensor

from proxy_core.distances import unit
from proxy_core.metrics.ranking import TIE
from proxy_core.metrics.retrieval import checked


def nearest_neighbor_accuracy(
    queries: Tensor,
    query_labels: Tensor,
    gallery: Tensor,
    gallery_labels: Tensor,
    *,
    tile: int = 512,
) -> float:
    """Share in [0, 1] of the queries whose nearest gallery item has their label.

    queries (Q, D) and gallery (G, D) of any length and floating type, labels (Q,) and (G,)
    integers. `tile` is how many queries are compared at a time: memory is some float64 matrices
    (tile, G).
    Queries and gallery are two sets: no query is left out of the gallery.
    ValueError for shapes that do not fit, empty or non-finite input and tile < 1.
    """
    sides = checked_sides(queries, query_labels, "gallery", gallery, gallery_labels, tile)
    return share_right(*sides, tile)


def class_mean_accuracy(
    queries: Tensor,
    query_labels: Tensor,
    gallery: Tensor,
    gallery_labels: Tensor,
    *,
    tile: int = 512,
) -> float:
    """Share in [0, 1] of the queries whose nearest class mean is that of their class.

    A class mean is the mean of the directions of the class's gallery items; it is compared by
    cosine, so its length does not matter. (scikit-learn's NearestCentroid takes the distance to
    the mean, which prefers short means, those of classes that are spread out.)
    Arguments and errors as for `nearest_neighbor_accuracy`.
    """
    sides = checked_sides(queries, query_labels, "gallery", gallery, gallery_labels, tile)
    vectors, labels, items, item_labels = sides
    classes, place = torch.unique(item_labels, return_inverse=True)
    sums = items.new_zeros(len(classes), items.shape[1]).index_add_(0, place, items)
    means = sums / place.bincount()[:, None]
    return share_right(vectors, labels, mean_directions(means), classes, tile)


def proxy_accuracy(
    queries: Tensor,
    query_labels: Tensor,
    proxies: Tensor,
    proxy_labels: Tensor,
    *,
    tile: int = 512,
) -> float:
    """Share in [0, 1] of the queries whose nearest proxy has their label.

    proxies (P, D) are learned vectors of any length: proxies, class centers or class weights, as
    many of a class as there are; proxy_labels (P,) integers. Only their directions count, also for
    a loss that trains with their lengths. Else as for `nearest_neighbor_accuracy`.
    """
    sides = checked_sides(queries, query_labels, "proxies", proxies, proxy_labels, tile)
    return share_right(*sides, tile)


def checked_sides(
    queries: Tensor, query_labels: Tensor, name: str, items: Tensor, item_labels: Tensor, tile: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Directions (Q, D) and labels (Q,) of queries, then of items (G, D); ValueError as said."""
    if tile < 1:
        raise ValueError(f"tile is {tile}: expected 1 or more queries at a time")
    vectors, labels, _ = checked("queries", queries, query_labels, query_labels, queries)
    others, other_labels, _ = checked(name, items, item_labels, item_labels, queries)
    return vectors, labels, others, other_labels


def share_right(
    vectors: Tensor, labels: Tensor, items: Tensor, item_labels: Tensor, tile: int
) -> float:
    """Share of queries whose nearest item is of their class; unit vectors (Q, D) and (G, D)."""
    tiles = zip(torch.split(vectors, tile), torch.split(labels, tile), strict=True)
    right = [own_class_wins(v @ items.T, own[:, None] == item_labels) for v, own in tiles]
    return float(torch.cat(right).double().mean())


def own_class_wins(similarities: Tensor, own: Tensor) -> Tensor:
    """Mask (...): is the best of the own class more than `TIE` above the best of all others?

    similarities (..., G) and a mask `own` of the own class's items, of a shape that broadcasts to
    it. False without an item of the own class, true with nothing else.
    """
    best_own = similarities.masked_fill(~own, -torch.inf).amax(dim=-1)
    best_other = similarities.masked_fill(own, -torch.inf).amax(dim=-1)
    return best_other < best_own - TIE


def mean_directions(means: Tensor) -> Tensor:
    """Directions (C, D) of means of unit vectors; zero where they cancel each other out.

    A mean no longer than `TIE` is what rounding left of zero, and its direction means nothing.
    """
    lengths = torch.linalg.vector_norm(means, dim=1, keepdim=True)
    return unit(means.masked_fill(lengths <= TIE, 0.0))
