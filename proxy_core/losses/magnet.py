"""Magnet loss: images are pulled to the mean of their cluster and away from other classes'."""

import torch
from torch import Tensor, nn

from proxy_core.checks import check_batch
from proxy_core.distances import full_precision, same_class, unit
from proxy_core.hyper_parameters import Count, CountPerClass, NonNegative, checked
from proxy_core.losses.parts.masked_sums import log_sum_exp

LEAST_VARIANCE = 1e-12  # of unit vectors; below it the rounding of float32 embeddings shows


def magnet(embeddings: Tensor, labels: Tensor, clusters: Tensor, *, alpha: float) -> Tensor:
    """Mean over the batch of [alpha + |r - mu(r)|^2 / 2v + log sum over m of e^{-|r - m|^2 / 2v}]_+
    with m the means of all clusters of other classes and v = sum of |r - mu(r)|^2 / (B - 1).

    embeddings (B, D) of any length, r their directions; labels (B,) and clusters (B,) of any
    integers, a cluster within one class; mu(r) is the mean over the batch's images of r's cluster.
    alpha is in units of 2v. Nothing is larger than (B, B): there, column j is the cluster of image
    j, so a cluster of n images is there n times over with a weight of 1 / n.
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
    """Rows (N, D) at unit length in float64; rows of length zero stay as they are.

    Clusters may be thousands of times smaller than the distances between them, and the distances
    are inner products whose rounding must be small beside the variance. Zero is what the type of
    the embeddings cannot tell from it, as the gradient must have a place in that type.
    """
    rows = full_precision(embeddings)
    zero = torch.linalg.vector_norm(rows, dim=1, keepdim=True) == 0
    return torch.where(zero, rows.double(), unit(rows.double()))


def variance(squared: Tensor) -> Tensor:
    """Sum of squared distances (N,) to the own mean by N - 1, at least `LEAST_VARIANCE` -> scalar.

    With the least value, images that all lie on their means have a loss of 0, as in the limit,
    unless they lie on the mean of another class too.
    """
    return (squared.sum() / max(len(squared) - 1, 1)).clamp(min=LEAST_VARIANCE)


class Magnet(nn.Module):
    """Magnet loss: clusters of a class are pulled together and away from those of other classes.

    Rippel et al., Metric Learning with Adaptive Density Discrimination, ICLR 2016,
    https://arxiv.org/abs/1511.05939, equation 4 over a batch, as in section 3.2: means of clusters
    and the one variance are those of the batch, and gradients flow through both. The variance makes
    the loss blind to the scale of the embeddings. The paper draws a batch as a neighbourhood: a
    cluster, its nearest ones of other classes, and some images of each; k-means finds the clusters
    anew every `refresh_every` steps, `clusters_per_class` for each class. These two say how batches
    are to be drawn, which is not done here; only `alpha`, the gap between clusters in units of
    twice the variance, is a part of the formula.

    Differs from the paper, whose formula does not normalise: here distances are those of unit
    vectors, as retrieval ranks by cosine. Differs from common code, where the variance is squared
    once more or other clusters of the own class stand in the denominator. A batch whose images all
    lie on the means of their clusters has a loss of 0, as in the limit, unless clusters of two
    classes coincide: the variance counts as at least 1e-12. Without a second class the loss is 0.

    forward: embeddings (B, D), labels (B,) in 0..C-1 and clusters (B,), any int64 numbers, without
    which each class is one cluster -> scalar >= 0; ValueError for any other batch, or for a cluster
    with images of two classes. Learns nothing itself: C and D serve to check the batch. ValueError
    when built with C < 1, D < 1, alpha outside [0, inf), clusters_per_class outside [1, 1000]
    or refresh_every < 1.
    """

    @checked
    def __init__(
        self,
        num_classes: Count,
        embedding_dim: Count,
        *,
        alpha: NonNegative = 1.0,
        clusters_per_class: CountPerClass = 3,
        refresh_every: Count = 100,
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.embedding_dim = embedding_dim
        self.alpha = alpha
        self.clusters_per_class = clusters_per_class
        self.refresh_every = refresh_every

    def forward(self, embeddings: Tensor, labels: Tensor, clusters: Tensor | None = None) -> Tensor:
        check_batch(embeddings, labels, self.num_classes, self.embedding_dim)
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
            "number the clusters of each class apart"
        )
