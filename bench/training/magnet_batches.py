"""Batches of clusters that lie near each other, for losses with the hook `ClusteredBatches`."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from bench.training.sampling import derive
from proxy_core.losses.magnet import directions, variance
from proxy_core.metrics.kmeans import k_means


@dataclass(frozen=True, eq=False)
class Clusters:
    """The C K clusters of the N training images at the last refresh.

    Attributes: of_image (N,) int64, each image's cluster, which is k of 0..K-1 plus K times its
    class; centroids (C K, D) float64, zero for a cluster without images; losses (C K,) float64, the
    mean over each cluster's images, 0 for a cluster without images; per_class, K.
    """

    of_image: Tensor
    centroids: Tensor
    losses: Tensor
    per_class: int

    @property
    def filled(self) -> Tensor:
        """Mask (C K,) of the clusters that have images."""
        return torch.bincount(self.of_image, minlength=len(self.centroids)) > 0


def find_clusters(
    embeddings: Tensor,
    labels: Tensor,
    *,
    per_class: int,
    groups: int,
    alpha: float,
    generator: np.random.Generator,
) -> Clusters:
    """Cluster each class's images and rate the clusters by the loss of their images.

    embeddings (N, D) of any length; labels (N,) in 0..C-1, every class present; per_class, the
    number of clusters of each class, at most one for each image; groups, the number of clusters in
    a batch; alpha, the gap of the loss. Distances are those of Magnet loss. Images that coincide
    may leave some clusters empty.
    """
    points = directions(embeddings)
    of_image = torch.empty_like(labels)
    for label in range(int(labels.max()) + 1):
        members = labels == label
        seed = int(generator.integers(2**32))
        found = k_means(points[members], min(per_class, int(members.sum())), seed=seed)
        of_image[members] = label * per_class + found
    count = (int(labels.max()) + 1) * per_class
    sums = points.new_zeros(count, points.shape[1]).index_add(0, of_image, points)
    centroids = sums / torch.bincount(of_image, minlength=count).clamp(min=1)[:, None]
    clusters = Clusters(of_image, centroids, points.new_zeros(count), per_class)
    return replace(clusters, losses=mean_losses(clusters, points, groups=groups, alpha=alpha))


def mean_losses(clusters: Clusters, points: Tensor, *, groups: int, alpha: float) -> Tensor:
    """Mean Magnet loss (C K,) of the images (N, D) of each cluster in the batch that it would seed.

    Its impostors are those of that batch, because among thousands of others the nearest would
    hardly count. Its variance is that of all N images, which puts dense and sparse regions on one
    scale.
    """
    own = (points - clusters.centroids[clusters.of_image]).square().sum(dim=1)
    twice = 2 * variance(own)
    losses = torch.zeros_like(clusters.losses)
    for cluster in clusters.filled.nonzero().flatten().tolist():
        members = clusters.of_image == cluster
        impostors = nearest_impostors(clusters, cluster, groups - 1)
        # Differences, because inner products would lose digits by cancellation.
        gaps = points[members][:, None] - clusters.centroids[impostors]  # (n, I, D)
        nearness = -gaps.square().sum(dim=2) / twice
        overlap = own[members] / twice + nearness.logsumexp(dim=1)
        losses[cluster] = (alpha + overlap).clamp(min=0.0).mean()
    return losses


def nearest_impostors(clusters: Clusters, cluster: int, count: int) -> Tensor:
    """The `count` nearest clusters (I,) of other classes, or all of them if there are fewer.

    Nearest first, and the first of equally near ones first.
    """
    classes = torch.arange(len(clusters.centroids)) // clusters.per_class
    others = clusters.filled & (classes != classes[cluster])
    # Differences, so that centroids that coincide are exactly equally far.
    distances = torch.cdist(
        clusters.centroids[[cluster]],
        clusters.centroids,
        compute_mode="donot_use_mm_for_euclid_dist",
    )
    order = distances[0].masked_fill_(~others, torch.inf).argsort(stable=True)
    return order[: min(count, int(others.sum()))]


def neighborhood(
    clusters: Clusters, *, seed: int, step: int, batch_size: int, samples_per_class: int
) -> np.ndarray:
    """Rows (B,) among the training images of batch `step`: a drawn cluster, then its nearest
    impostors, `samples_per_class` images of each.

    If there are too few impostors for the batch, the clusters are used again in the same order.
    Images of a cluster are drawn without replacement, unless it has too few.
    """
    generator = derive(seed, "batch", step)
    groups = batch_size // samples_per_class
    first = draw_seed(clusters, generator)
    ring = [first, *nearest_impostors(clusters, first, groups - 1).tolist()]
    drawn = []
    for index, cluster in enumerate(ring):
        members = np.flatnonzero(clusters.of_image.numpy() == cluster)
        needed = len(range(index, groups, len(ring))) * samples_per_class
        drawn.append(generator.choice(members, needed, replace=len(members) < needed))
    return np.concatenate(drawn)


def draw_seed(clusters: Clusters, generator: np.random.Generator) -> int:
    """A cluster, drawn with probability proportional to its loss; uniformly if all losses are 0."""
    weights = clusters.losses if clusters.losses.any() else clusters.filled.double()
    shares = (weights / weights.sum()).numpy()
    return int(generator.choice(len(shares), p=shares))
