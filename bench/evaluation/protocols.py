"""Other scores than retrieval: classification, verification, few-shot episodes, one-shot runs."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from bench.datasets.types import Dataset
from proxy_core.distances import directions
from proxy_core.losses import HasClassVectors
from proxy_core.metrics.classification import (
    class_mean_accuracy,
    nearest_neighbor_accuracy,
    own_class_wins,
)
from proxy_core.metrics.few_shot import draw_episodes, episode_accuracy, one_shot_error
from proxy_core.metrics.verification import verification

FARS = (1e-2, 1e-3, 1e-4)
MAX_PAIRS = 5_000_000  # pairs of images of one class; each takes about 100 bytes
EPISODES = ((5, 1), (5, 5), (20, 1), (20, 5))  # ways and shots
ROUNDING = 2e-7  # above that of a cosine to float32
BLOCK = 512  # queries at a time
QUERIES, COUNT = 5, 1000  # queries per class of an episode; episodes


def accuracies(
    queries: Tensor, labels: Tensor, train: Tensor, dataset: Dataset, loss: nn.Module | None
) -> dict[str, float]:
    """Accuracy on the test images (Q, D) with labels (Q,) by the nearest training image (T, D), the
    nearest mean of a training class and, if the loss has any, the nearest proxy or center."""
    train_labels = torch.from_numpy(dataset.labels[dataset.split.train])
    scores = {
        "accuracy_neighbor": nearest_neighbor_accuracy(queries, labels, train, train_labels),
        "accuracy_mean": class_mean_accuracy(queries, labels, train, train_labels),
    }
    if (found := class_vectors(loss)) is not None:
        vectors, classes = found
        known = torch.unique(train_labels)  # ascending: class c of the loss is known[c]
        accuracy = nearest_neighbor_accuracy(queries, labels, vectors, known[classes])
        scores["accuracy_proxy"] = accuracy
    return scores


def class_vectors(loss: nn.Module | None) -> tuple[Tensor, Tensor] | None:
    """The proxies or centers (P, D) of a loss, and the class (P,) of each.

    None if the loss has no class vectors, if classes share them, or if they are classifier weights.
    """
    if not isinstance(loss, HasClassVectors):
        return None
    vectors, classes, compared = loss.class_vectors()
    return (vectors.cpu(), classes.cpu()) if compared and (classes >= 0).all() else None


def verify(embeddings: Tensor, labels: Tensor) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """TAR at each FAR, EER, and the ROC, over all pairs of queries (Q, D) of unseen classes.

    Empty if no two queries or all of them share a class, and for more than 5 million positive
    pairs, which would not fit into memory.
    """
    counts = torch.unique(labels, return_counts=True)[1]
    pairs = int((counts * (counts - 1)).sum()) // 2
    if len(counts) < 2 or not 0 < pairs <= MAX_PAIRS:
        return {}, {}
    found = verification(embeddings, labels, fars=FARS)
    tars = {
        f"tar@{far:g}": tar
        for far, tar in zip(FARS, found.tars, strict=True)
        if far * found.impostors >= 1  # with fewer pairs, no rate is this low
    }
    roc = {"far": found.roc_far.numpy(), "tar": found.roc_tar.numpy()}
    return tars | {"eer": found.eer}, roc


def few_shot(embeddings: Tensor, labels: Tensor) -> dict[str, float]:
    """Mean accuracy over 1,000 episodes for each of `EPISODES` for which enough classes have enough
    of the queries (Q, D). All runs on a split have the same episodes."""
    classes, counts = torch.unique(labels, return_counts=True)
    scores = {}
    for ways, shots in EPISODES:
        enough = classes[counts >= shots + QUERIES]
        if len(enough) < ways:
            continue
        kept = torch.isin(labels, enough)
        sizes = {"ways": ways, "shots": shots, "queries": QUERIES, "count": COUNT}
        support, query = draw_episodes(labels[kept], **sizes, seed=0)
        accuracy = episode_accuracy(embeddings[kept], support, query)
        scores[f"{ways}-way {shots}-shot"] = float(accuracy.mean())
    return scores


def coarse_recall(
    embeddings: Tensor, dataset: Dataset, positions: np.ndarray, queries: Mapping[str, np.ndarray]
) -> dict[str, float]:
    """Share of queries whose nearest neighbor has their coarse class; empty without coarse classes.

    As elsewhere, an image of another coarse class that is as similar comes first. embeddings
    (N, D): of the test images at `positions` (N,), Q queries first; queries: their neighbors and
    similarities, as `Run.queries` has them.
    """
    if dataset.coarse is None:
        return {}
    coarse = np.unique(np.array(dataset.coarse), return_inverse=True)[1][dataset.labels[positions]]
    neighbors, similarities = queries["neighbors"], queries["similarities"]
    right = coarse[neighbors[:, 0]] == coarse[: len(neighbors)]
    # float32 does not show which of the first two are equal: those queries are searched again.
    unclear = np.flatnonzero(similarities[:, 1] >= similarities[:, 0] - ROUNDING)
    gallery = np.flatnonzero(np.isin(positions, dataset.split.gallery))
    vectors, classes = directions(embeddings), torch.from_numpy(coarse)
    for block in torch.split(torch.from_numpy(unclear), BLOCK):
        cosines = vectors[block] @ vectors[gallery].T
        cosines[block[:, None] == torch.from_numpy(gallery)] = -torch.inf  # the query itself
        own = classes[block, None] == classes[gallery]
        right[block.numpy()] = own_class_wins(cosines, own).numpy()
    return {"coarse_recall@1": float(right.mean())}


def one_shot(embeddings: Tensor, positions: np.ndarray, dataset: Dataset) -> dict[str, float]:
    """Share of errors in the data set's one-shot runs on the test images, with embeddings (N, D) at
    `positions` (N,); empty without such runs."""
    runs = dataset.one_shot
    if runs is None:
        return {}
    index = np.zeros(len(dataset.items), dtype=np.int64)
    index[positions] = np.arange(len(positions))
    support, query = torch.from_numpy(index[runs.support]), torch.from_numpy(index[runs.query])
    errors = one_shot_error(embeddings, support, query, torch.from_numpy(runs.truth))
    return {"one_shot_error": float(errors.mean())}
