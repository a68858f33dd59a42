"""Clustering quality: do k-means clusters of the embeddings agree with the classes?"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from proxy_core.metrics.agreement import adjusted_mutual_information, normalized_mutual_information
from proxy_core.metrics.exact.rows import directions
from proxy_core.metrics.kmeans import k_means


def cluster_scores(
    embeddings: Tensor,
    labels: Tensor,
    *,
    seeds: Sequence[int],
    n_init: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, float]:
    """NMI and AMI of k-means clusters with the labels: means over the seeds, least and largest.

    embeddings (N, D) of any length, taken at unit length; labels (N,) integers. k is the number of
    distinct labels. One clustering for each seed, `k_means` on the device of the embeddings: from
    greedy k-means++ to convergence, the best of `n_init` runs. `progress` is called now and then
    with how much is done and how much there is, in points of all clusterings. Keys: `nmi`, `ami`
    (means), `nmi_min`, `nmi_max`, `ami_min`, `ami_max`. A collapsed embedding is one cluster and
    scores 0.

    NMI in [0, 1] is normalised by the arithmetic mean of the entropies and is far above 0 for
    random labels when classes are many and small; AMI (Vinh et al. 2010,
    https://jmlr.org/papers/v11/vinh10a.html) subtracts that chance value, so random labels give
    about 0. Differs from much published code in the clustering, which moves NMI by some points:
    20 iterations of faiss from random starts there.

    ValueError for shapes that do not fit, non-finite embeddings, fewer than two classes, no seeds,
    negative seeds.
    """
    check(embeddings, labels, seeds, n_init)
    points = directions(embeddings.detach())
    truth = labels.cpu().numpy()
    classes = len(np.unique(truth))
    nmi: list[float] = []
    ami: list[float] = []

    def told(share: float) -> None:
        if progress:
            progress(int(len(points) * (len(ami) + share)), len(points) * len(seeds))

    for seed in seeds:
        clusters = k_means(points, classes, seed=seed, n_init=n_init, progress=told)
        found = clusters.of_point.cpu().numpy()
        nmi.append(normalized_mutual_information(truth, found))
        ami.append(adjusted_mutual_information(truth, found))
    return spread("nmi", nmi) | spread("ami", ami)


def spread(name: str, values: Sequence[float]) -> dict[str, float]:
    """Mean, least and largest value under `name`, `name_min` and `name_max`."""
    return {
        name: sum(values) / len(values),
        f"{name}_min": min(values),
        f"{name}_max": max(values),
    }


def check(embeddings: Tensor, labels: Tensor, seeds: Sequence[int], n_init: int) -> None:
    """Raise ValueError for what `cluster_scores` refuses."""
    if embeddings.ndim != 2 or labels.shape != embeddings.shape[:1]:
        raise ValueError(
            f"embeddings have shape {tuple(embeddings.shape)} and labels {tuple(labels.shape)}: "
            "expected (N, D) and (N,)"
        )
    if not torch.isfinite(embeddings).all():
        raise ValueError("embeddings hold NaN or infinity: has the training diverged?")
    classes = len(np.unique(labels.cpu().numpy()))
    if classes < 2:
        raise ValueError(f"labels hold {classes} distinct classes: expected at least 2")
    if len(seeds) == 0 or n_init < 1:
        raise ValueError(f"seeds are {list(seeds)}, n_init is {n_init}: expected at least one each")
