"""Clustering quality: how well k-means clusters of the embeddings agree with the classes."""

from collections.abc import Callable, Sequence

import numpy as np
from torch import Tensor

from proxy_core.metrics.kmeans import k_means
from proxy_core.metrics.retrieval import checked

Groups = np.ndarray[tuple[int], np.dtype[np.int64]]
ROUNDING = 1e-12  # nats: above rounding, below what one item in another group can change


def cluster_scores(
    embeddings: Tensor,
    labels: Tensor,
    *,
    seeds: Sequence[int],
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, float]:
    """NMI and AMI of k-means clusters with the labels, over several seeds.

    embeddings (N, D): of any length; their directions are clustered. labels (N,): integers; k is
    the number of distinct ones. seeds: one clustering by `k_means` for each. progress: called with
    (done, total) in points of all clusterings.

    Returns `nmi` and `ami`, means over the seeds, with `nmi_min`, `nmi_max`, `ami_min`, `ami_max`.
    A collapsed embedding is one cluster and scores 0.

    Raises ValueError for shapes that do not fit, non-finite embeddings, fewer than two classes, no
    seeds, and negative seeds.

    NMI in [0, 1], normalised by the mean entropy, is far above 0 for random labels if classes are
    many and small. AMI subtracts that chance value, so random labels give about 0. Much published
    code starts k-means at random points and stops after 20 iterations of faiss, which moves NMI by
    some points.
    """
    from sklearn.metrics import normalized_mutual_info_score

    points, labels, _ = checked("embeddings", embeddings, labels, labels, embeddings)
    truth = labels.cpu().numpy()
    classes = len(np.unique(truth))
    if classes < 2:
        raise ValueError(f"labels hold {classes} distinct classes: expected at least 2")
    if len(seeds) == 0:
        raise ValueError("seeds are empty: give at least one seed of k-means")
    values: dict[str, list[float]] = {"nmi": [], "ami": []}

    def report(done: int, total: int) -> None:
        if progress:
            progress(total * len(values["ami"]) + done, total * len(seeds))

    for seed in seeds:
        found = k_means(points, classes, seed=seed, progress=report).cpu().numpy()
        values["nmi"].append(float(normalized_mutual_info_score(truth, found)))
        values["ami"].append(adjusted_mutual_information(truth, found))
    scores = {name: sum(found) / len(found) for name, found in values.items()}
    scores |= {f"{name}_min": min(found) for name, found in values.items()}
    return scores | {f"{name}_max": max(found) for name, found in values.items()}


def adjusted_mutual_information(left: Groups, right: Groups) -> float:
    """AMI, at most 1, of two groupings (N,): about 0 for independent groupings.

    (I - E) / ((H + H') / 2 - E), with E the expectation of I over all groupings of the same sizes.
    1 where the sizes leave no choice: one group only, or groups of one item only, on both sides.

    Vinh et al., Information Theoretic Measures for Clusterings Comparison, JMLR 2010,
    https://jmlr.org/papers/v11/vinh10a.html. The same value as scikit-learn's
    adjusted_mutual_info_score, which takes half a minute for 11,316 classes because it computes a
    term for all pairs of groups; here pairs of equal sizes share one term.
    """
    from scipy.stats import entropy
    from sklearn.metrics import mutual_info_score

    sizes = np.unique_counts(left).counts, np.unique_counts(right).counts
    expected = expected_information(*sizes)
    gain = float(mutual_info_score(left, right)) - expected
    largest = float(entropy(sizes[0]) + entropy(sizes[1])) / 2 - expected
    return gain / largest if largest > ROUNDING else 1.0


def expected_information(left: Groups, right: Groups) -> float:
    """Expected mutual information, in nats, of random groupings into groups of sizes (A,), (B,)."""
    from scipy.special import gammaln

    items = int(left.sum())
    logs = gammaln(np.arange(items + 1) + 1.0)  # of factorials
    others, times_other = np.unique_counts(right)
    total = 0.0
    for size, times in zip(*np.unique_counts(left), strict=True):
        both = np.arange(1, min(size, others.max()) + 1)[:, None]  # items in both groups
        rests = size - both, others - both, items - size - others + both
        possible = (rests[1] >= 0) & (rests[2] >= 0)
        ways = sum(logs[np.where(possible, rest, 0)] for rest in (both, *rests))
        whole = logs[size] + logs[others] + logs[items - size] + logs[items - others] - logs[items]
        chances = np.exp(np.where(possible, whole - ways, -np.inf))
        terms = both / items * np.log(items * both / (size * others))
        total += float(times * ((chances * terms).sum(axis=0) @ times_other))
    return total
