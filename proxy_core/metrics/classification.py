"""Accuracy under an official protocol: a test image gets the class of the nearest labelled vector.

Similarity is the cosine in float64. Ties are wrong: a query is correct if the best vector of its
class is more than 1e-12 more similar than every vector of another class. So the number of threads
and the device change no result. A query whose class has no vector counts as wrong, as in published
accuracies; `proxy_core.metrics.retrieval` leaves such queries out. A zero vector has cosine 0 to
everything.
"""

import torch
from torch import Tensor

from proxy_core.distances import unit
from proxy_core.metrics.ranking import TIE
from proxy_core.metrics.retrieval import checked

TILE = 512  # queries at a time, so that memory is a few float64 matrices (TILE, G)


def nearest_neighbor_accuracy(
    queries: Tensor, query_labels: Tensor, gallery: Tensor, gallery_labels: Tensor
) -> float:
    """Share in [0, 1] of the queries whose nearest gallery item has their label.

    queries (Q, D), gallery (G, D): vectors of any length and floating type. labels (Q,), (G,):
    integers. Queries and gallery are two sets: each query is compared with the whole gallery, which
    holds images, or learned proxies, of which only the directions count.

    Raises ValueError for shapes that do not fit and for empty or non-finite input.
    """
    vectors, labels, _ = checked("queries", queries, query_labels, query_labels, queries)
    items, classes, _ = checked("gallery", gallery, gallery_labels, gallery_labels, queries)
    tiles = zip(torch.split(vectors, TILE), torch.split(labels, TILE), strict=True)
    correct = [own_class_wins(v @ items.T, own[:, None] == classes) for v, own in tiles]
    return float(torch.cat(correct).double().mean())


def class_mean_accuracy(
    queries: Tensor, query_labels: Tensor, gallery: Tensor, gallery_labels: Tensor
) -> float:
    """Share in [0, 1] of the queries whose nearest class mean is that of their class.

    A class mean is the mean of the directions of the class's gallery items. It is compared by
    cosine, so its length does not matter. Differs from scikit-learn's NearestCentroid, which uses
    the distance to the mean and so prefers classes that are spread out. Arguments and errors as in
    `nearest_neighbor_accuracy`.
    """
    items, labels, _ = checked("gallery", gallery, gallery_labels, gallery_labels, gallery)
    classes, index = torch.unique(labels, return_inverse=True)
    sums = items.new_zeros(len(classes), items.shape[1]).index_add_(0, index, items)
    means = mean_directions(sums / index.bincount()[:, None])
    return nearest_neighbor_accuracy(queries, query_labels, means, classes)


def own_class_wins(similarities: Tensor, own: Tensor) -> Tensor:
    """Mask (...): whether the best of the own class is more than `TIE` above all other classes.

    similarities (..., G); own, a mask of the own class's items that broadcasts to that shape. False
    without an item of the own class, true without an item of another class.
    """
    best_own = similarities.masked_fill(~own, -torch.inf).amax(dim=-1)
    best_other = similarities.masked_fill(own, -torch.inf).amax(dim=-1)
    return best_other < best_own - TIE


def mean_directions(means: Tensor) -> Tensor:
    """Directions (C, D) of means of unit vectors; zero for a mean no longer than `TIE`, which is
    what rounding leaves of vectors that cancel out."""
    lengths = torch.linalg.vector_norm(means, dim=1, keepdim=True)
    return unit(means.masked_fill(lengths <= TIE, 0.0))
