"""Magnet loss: images are pulled to the mean of their cluster and away from other classes."""

from typing import Annotated

import torch
from torch import Tensor, nn

from proxy_core.checks import check_batch
from proxy_core.distances import full_precision, same_class, unit
from proxy_core.hyper_parameters import Count, CountPerClass, NonNegative, Search, checked
from proxy_core.losses.parts.masked_sums import log_sum_exp

LEAST_VARIANCE = 1e-12  # of unit vectors; below it rounding of float32 embeddings dominates


def magnet(embeddings: Tensor, labels: Tensor, clusters: Tensor, *, alpha: float) -> Tensor:
    """Mean over the batch of [alpha + |r - mu(r)|^2 / 2v + log sum over m of e^{-|r - m|^2 / 2v}]_+
    with m the means of all clusters of other classes and v = sum of |r - mu(r)|^2 / (B - 1).

    embeddings (B, D) of any length, r their directions; labels (B,) and clusters (B,), any
    integers, a cluster within one class -> scalar. mu(r) is the mean of the batch's images in r's
    cluster. alpha is in units of 2v. No tensor is larger than (B, B): its column j is the cluster
    of image j, so a cluster of n images occurs n times, each with a weight of 1 / n.
    """
    points = directions(embeddings)
    same = same_class(clusters)
    shares = same / same.sum(dim=1, keepdim=True, dtype=points.dtype)
    means = shares @ points
    own = (points - means).square().sum(dim=1)
    twice = 2 * variance(own)
    distances = points.square().sum(dim=1, keepdim=True) + means.square().sum(dim=1)
    nearness = (2 * points @ means.T - distances) / twice + shares.diagonal().log()
    overlap = own / twice + log_sum_exp(nearness, ~same_class(labels))
    loss = (alpha + overlap).clamp(min=0.0).mean()
    return loss.to(full_precision(embeddings).dtype)


def directions(embeddings: Tensor) -> Tensor:
    """Rows (N, D) at unit length in float64; rows of length zero are unchanged.

    Clusters may be thousands of times smaller than the distances between them. These distances come
    from inner products, whose rounding must be small beside the variance. A row counts as zero if
    its own type cannot tell it from zero, because the gradient must be finite in that type.
    """
    rows = full_precision(embeddings)
    zero = torch.linalg.vector_norm(rows, dim=1, keepdim=True) == 0
    return torch.where(zero, rows.double(), unit(rows.double()))


def variance(squared: Tensor) -> Tensor:
    """Sum of squared distances (N,) to the own mean by N - 1, at least `LEAST_VARIANCE` -> scalar.

    With this minimum, images that all coincide with their means have a loss of 0, as in the limit,
    unless they coincide with the mean of another class too.
    """
    return (squared.sum() / max(len(squared) - 1, 1)).clamp(min=LEAST_VARIANCE)


class Magnet(nn.Module):
    """Magnet loss: clusters of a class are pulled together and away from those of other classes.

    Rippel et al., Metric Learning with Adaptive Density Discrimination, ICLR 2016,
    https://arxiv.org/abs/1511.05939, equation 4 over a batch, as in section 3.2: the means of
    clusters and the variance are those of the batch, and gradients flow through both. The variance
    makes the loss independent of the scale of the embeddings. `alpha` is the gap between clusters
    in units of twice the variance.

    The paper draws a batch as a neighborhood: a cluster, its nearest clusters of other classes, and
    some images of each. The training loop does this (hook `ClusteredBatches`): k-means finds
    `clusters_per_class` clusters of each class every `refresh_every` steps.

    Differs from the paper, whose formula does not normalise. Differs from common code, which
    squares the variance once more or has other clusters of the own class in the denominator. A
    batch whose images all coincide with the means of their clusters has a loss of 0, as in the
    limit, unless clusters of two classes coincide: the variance is at least 1e-12.

    forward: embeddings (B, D), labels (B,), clusters (B,) int64, by default the labels -> scalar.
    ValueError for a cluster with images of two classes.
    """

    @checked
    def __init__(
        self,
        num_classes: Count,
        embedding_dim: Count,
        *,
        alpha: Annotated[NonNegative, Search(0.01, 10, log=True)] = 1.0,
        clusters_per_class: CountPerClass = 3,
        refresh_every: Count = 100,
    ) -> None:
        super().__init__()
        self.sizes = num_classes, embedding_dim
        self.alpha = alpha
        self.clusters_per_class = clusters_per_class
        self.refresh_every = refresh_every

    def forward(self, embeddings: Tensor, labels: Tensor, clusters: Tensor | None = None) -> Tensor:
        check_batch(embeddings, labels, *self.sizes)
        if clusters is None:
            clusters = labels
        check_clusters(clusters, labels)
        return magnet(embeddings, labels, clusters, alpha=self.alpha)


def check_clusters(clusters: Tensor, labels: Tensor) -> None:
    """Raise ValueError unless clusters (B,) are int64 and each lies within one class."""
    if clusters.shape != labels.shape:
        raise ValueError(
            f"clusters have shape {tuple(clusters.shape)}: expected ({len(labels)},), "
            "one cluster for each embedding"
        )
    if clusters.dtype != torch.int64:
        raise ValueError(f"clusters are of type {clusters.dtype}: expected torch.int64")
    mixed = (same_class(clusters) & ~same_class(labels)).any(dim=1)
    if mixed.any():
        cluster = int(clusters[mixed][0])
        classes = sorted(set(labels[clusters == cluster].tolist()))
        raise ValueError(
            f"cluster {cluster} holds images of the classes {classes}: "
            "give the clusters of each class numbers of their own"
        )
