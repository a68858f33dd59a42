"""Clusters of the training images for Magnet loss, and the batches drawn from them."""

import warnings
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bench.training.sampling import derive
from proxy_core.losses.magnet import directions, variance


@dataclass(frozen=True, eq=False)
class Clusters:
    """Where the training images were at the last refresh, N images and C K clusters.

    Attributes: of_image (N,) int64, cluster of each training image, class index * K + k; centroids
    (C K, D) float64, zero for a cluster without images; losses (C K,) float64 >= 0, mean over each
    cluster's images, 0 without any; per_class, K.
    """

    of_image: Tensor
    centroids: Tensor
    losses: Tensor
    per_class: int

    @property
    def sizes(self) -> Tensor:
        """Images (C K,) in each cluster."""
        return torch.bincount(self.of_image, minlength=len(self.centroids))


def find_clusters(
    embeddings: Tensor,
    labels: Tensor,
    *,
    per_class: int,
    groups: int,
    alpha: float,
    generator: np.random.Generator,
) -> Clusters:
    points = directions(embeddings)
    of_image = torch.empty_like(labels)
    classes = int(labels.max()) + 1
    for label in range(classes):
        members = labels == label
        seed = int(generator.integers(2**32))
        of_image[members] = label * per_class + parts(points[members], per_class, seed)
    centroids = means(points, of_image, classes * per_class)
    losses = torch.zeros(len(centroids), dtype=points.dtype)
    found = Clusters(of_image, centroids, losses, per_class)
    own = (points - centroids[of_image]).square().sum(dim=1)
    twice = 2 * variance(own)
    for cluster in of_image.unique().tolist():
        members = of_image == cluster
        impostors = centroids[nearest_impostors(found, cluster, groups - 1)]
        others = torch.cdist(points[members], impostors).square() / twice
        overlap = own[members] / twice + (-others).logsumexp(dim=1)
        losses[cluster] = (alpha + overlap).clamp(min=0.0).mean()
    return found


def parts(points: Tensor, count: int, seed: int) -> Tensor:
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    count = min(count, len(points))
    k_means = KMeans(count, init="k-means++", n_init=1, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return torch.from_numpy(k_means.fit_predict(points.numpy())).long()


def means(points: Tensor, groups: Tensor, count: int) -> Tensor:
    sums = torch.zeros(count, points.shape[1], dtype=points.dtype).index_add(0, groups, points)
    return sums / torch.bincount(groups, minlength=count).clamp(min=1)[:, None]


def nearest_impostors(clusters: Clusters, cluster: int, count: int) -> Tensor:
    centroids = clusters.centroids
    distances = (centroids - centroids[cluster]).square().sum(dim=1)
    classes = torch.arange(len(centroids)) // clusters.per_class
    excluded = (classes == cluster // clusters.per_class) | (clusters.sizes == 0)
    order = distances.masked_fill(excluded, torch.inf).argsort(stable=True)
    return order[: min(count, int((~excluded).sum()))]


def cluster_batch(
    clusters: Clusters, *, seed: int, step: int, batch_size: int, samples_per_class: int
) -> np.ndarray:
    generator = derive(seed, "batch", step)
    groups = batch_size // samples_per_class
    start = draw_seed(clusters, generator)
    ring = [start, *nearest_impostors(clusters, start, groups - 1).tolist()]
    drawn = []
    for place, cluster in enumerate(ring):
        members = np.flatnonzero(clusters.of_image.numpy() == cluster)
        wanted = len(range(place, groups, len(ring))) * samples_per_class
        drawn.append(generator.choice(members, wanted, replace=len(members) < wanted))
    return np.concatenate(drawn)


def draw_seed(clusters: Clusters, generator: np.random.Generator) -> int:
    losses = clusters.losses
    weights = (losses if losses.any() else (clusters.sizes > 0).double()).numpy()
    return int(generator.choice(len(weights), p=weights / weights.sum()))
