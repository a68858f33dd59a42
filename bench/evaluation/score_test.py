"""The scores of the test split: every evaluation that a data set and its protocol allow."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from bench.datasets.splits import JUNK
from bench.datasets.types import Dataset
from bench.evaluation.protocols import accuracies, coarse_recall, few_shot, one_shot, verify
from bench.evaluation.validate import embed
from proxy_core.metrics.clustering import cluster_scores
from proxy_core.metrics.reid import ReidRanking, rank_reid, reid_summary
from proxy_core.metrics.retrieval import Ranking, rank, summary

RECALLS = (1, 2, 4, 8)
RANKS = (5, 10)  # of CMC, beside those; CMC at 1 is Recall@1
NEIGHBORS = 20  # kept per query for the browser
KMEANS_SEEDS = (0, 1, 2)  # k-means is run once per seed; NMI and AMI are means over them


@dataclass(frozen=True, eq=False)
class Tested:
    """The test images of a network, Q queries first.

    Attributes: positions (N,), theirs in the data set; embeddings (N, D); scores by name, in 0..1;
    queries, what is kept of each (`Run.queries`); roc, of their pairs (`Run.roc`) or empty.
    """

    positions: np.ndarray
    embeddings: Tensor
    scores: dict[str, float]
    queries: Mapping[str, np.ndarray]
    roc: Mapping[str, np.ndarray]


def score_test(model: nn.Module, dataset: Dataset, loss: nn.Module | None) -> Tested:
    """Embed and score the test images.

    Where test classes were trained, the training images classify them too; `loss`, whose proxies or
    centers may do so, is None for an untrained network. Unseen classes are verified and told apart
    in episodes.
    """
    positions = shown_positions(dataset)
    embeddings = embed(model, dataset.images, positions)
    scores, queries = retrieval_scores(embeddings, dataset, positions)
    asked = embeddings[: len(dataset.split.query)]
    labels = torch.from_numpy(dataset.labels[dataset.split.query])
    if np.isin(labels.numpy(), dataset.labels[dataset.split.train]).any():
        train = embed(model, dataset.images, dataset.split.train)
        scores |= accuracies(asked, labels, train, dataset, loss)
        roc: dict[str, np.ndarray] = {}
    else:
        verified, roc = verify(asked, labels)
        scores |= verified | few_shot(asked, labels)
    scores |= coarse_recall(dataset, positions, queries["neighbors"])
    scores |= one_shot(embeddings, positions, dataset)
    return Tested(positions, embeddings, scores, queries, roc)


def shown_positions(dataset: Dataset) -> np.ndarray:
    """Positions (N,) of the queries, then of what else the gallery holds, but for junk."""
    split = dataset.split
    rest = split.gallery[~np.isin(split.gallery, split.query)]
    return np.concatenate([split.query, rest[dataset.labels[rest] != JUNK]])


def retrieval_scores(
    embeddings: Tensor, dataset: Dataset, positions: np.ndarray
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Scores of searching the gallery, and per query what is kept: neighbours are places among the
    test images (N,) at `positions`, whose embeddings are (N, D)."""
    labels = torch.from_numpy(dataset.labels[positions])
    if not dataset.has_own_gallery:
        ranking = rank(embeddings, labels, neighbors=NEIGHBORS)
        scores = summary(ranking, ks=RECALLS)
        scores |= cluster_scores(embeddings, labels, seeds=KMEANS_SEEDS)
        return scores, arrays(ranking, np.arange(len(positions)))
    return gallery_scores(embeddings, labels, dataset, positions)


def gallery_scores(
    embeddings: Tensor, labels: Tensor, dataset: Dataset, positions: np.ndarray
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """As `retrieval_scores`, with a gallery apart and, where cameras are known, their rules."""
    asked = np.arange(len(dataset.split.query))
    gallery = np.flatnonzero(np.isin(positions, dataset.split.gallery))
    both = (embeddings[asked], labels[asked]), (embeddings[gallery], labels[gallery])
    if dataset.cameras is None:
        ids = torch.from_numpy(positions)
        ranking = rank(
            *both[0],
            *both[1],
            query_ids=ids[asked],
            gallery_ids=ids[gallery],
            neighbors=NEIGHBORS,
        )
        return summary(ranking, ks=RECALLS), arrays(ranking, gallery)
    cameras = torch.from_numpy(dataset.cameras[positions])
    seen = rank_reid(*both[0], cameras[asked], *both[1], cameras[gallery], neighbors=NEIGHBORS)
    return reid_summary(seen, ks=RECALLS + RANKS), arrays(seen, gallery)


def arrays(ranking: Ranking | ReidRanking, places: np.ndarray) -> dict[str, np.ndarray]:
    """What is stored per query, in the smallest types that lose nothing a person could see;
    `places` (G,) are the gallery's places among the test images."""
    found = ranking.neighbors.numpy()
    neighbors = np.where(found < 0, -1, places[found])
    small = places.max() <= np.iinfo(np.int16).max
    return {
        "neighbors": neighbors.astype(np.int16 if small else np.int32),
        "similarities": ranking.similarities.numpy(),
        "relevant": ranking.relevant.numpy().astype(np.int32),
        "first_hit": ranking.first_hit.numpy().astype(np.int32),
        "average_precision": ranking.average_precision.numpy().astype(np.float32),
        "r_precision": ranking.r_precision.numpy().astype(np.float32),
    }
