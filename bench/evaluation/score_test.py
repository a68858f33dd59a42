"""Scores on the validation images, and on the test split all that a data set and protocol allow."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from bench.datasets.types import Dataset
from bench.evaluation.protocols import accuracies, coarse_recall, few_shot, one_shot, verify
from bench.training.inputs import embed
from proxy_core.metrics.clustering import cluster_scores
from proxy_core.metrics.reid import ReidRanking, rank_reid, reid_summary
from proxy_core.metrics.retrieval import Ranking, rank, summary

RECALLS = (1, 2, 4, 8)
RANKS = (5, 10)  # additional ranks of CMC; CMC at 1 is Recall@1
NEIGHBORS = 20  # of each query, stored for the browser
KMEANS_SEEDS = (0, 1, 2)  # NMI and AMI are means over these seeds


@dataclass(frozen=True, eq=False)
class TestResult:
    """Embeddings and scores of the test images, Q queries first.

    Attributes: positions (N,) in the data set; embeddings (N, D); scores by name, in 0..1; queries,
    arrays per query (`Run.queries`); roc, of all pairs of queries (`Run.roc`), or empty.
    """

    __test__ = False  # to pytest

    positions: np.ndarray
    embeddings: Tensor
    scores: dict[str, float]
    queries: Mapping[str, np.ndarray]
    roc: Mapping[str, np.ndarray]


class Validation(NamedTuple):
    """Scores of the validation images by name, and what a history keeps of each image: embeddings
    (V, D), first_hit (V,) and average_precision (V,), on the CPU."""

    scores: dict[str, float]
    images: dict[str, Tensor]


def validate(model: nn.Module, dataset: Dataset) -> Validation:
    """Recall@1, MAP@R and R-Precision of the validation images among themselves.

    Under the camera rule of re-identification, which also excludes the query itself, where
    `Dataset.validation_cameras` has it: images by the query's camera are found too easily.
    Raises: FloatingPointError if the network gives embeddings that are not finite.
    """
    positions = dataset.split.validation
    side = embed(model, dataset.images, positions), torch.from_numpy(dataset.labels[positions])
    if not side[0].isfinite().all():
        raise FloatingPointError(
            "embeddings of validation images are not finite; lower the learning rates"
        )
    ranking: Ranking | ReidRanking
    if (ruled := dataset.validation_cameras) is not None:
        cameras = torch.from_numpy(ruled)
        ranking = rank_reid(*side, cameras, *side, cameras)
        scores = reid_summary(ranking, ks=(1,))
    else:
        ranking = rank(*side)
        scores = summary(ranking, ks=(1,))
    images = {
        "embeddings": side[0],
        "first_hit": ranking.first_hit.to(torch.int32),
        "average_precision": ranking.average_precision.float(),
    }
    kept = ("recall@1", "map@r", "r_precision")
    return Validation({name: scores[name] for name in kept}, images)


def score_test(model: nn.Module, dataset: Dataset, loss: nn.Module | None) -> TestResult:
    """Embed and score the test images.

    If test classes were trained, they are also classified, by training images and by the proxies
    or centers of `loss`, which is None for an untrained network. Unseen classes are verified and
    classified in few-shot episodes.
    """
    positions = dataset.test_positions
    embeddings = embed(model, dataset.images, positions)
    scores, queries, roc = score_embeddings(embeddings, dataset, positions)
    if dataset.trained_queries.any():
        query = embeddings[: len(dataset.split.query)]
        labels = torch.from_numpy(dataset.labels[dataset.split.query])
        train = embed(model, dataset.images, dataset.split.train)
        scores |= accuracies(query, labels, train, dataset, loss)
    return TestResult(positions, embeddings, scores, queries, roc)


def score_embeddings(
    embeddings: Tensor, dataset: Dataset, positions: np.ndarray
) -> tuple[dict[str, float], dict[str, np.ndarray], dict[str, np.ndarray]]:
    """What follows from the embeddings (N, D) of the test images at `positions` (N,) alone: scores,
    arrays per query and ROC, as in `TestResult`. Accuracies need the training images too."""
    scores, queries = retrieval_scores(embeddings, dataset, positions)
    roc: dict[str, np.ndarray] = {}
    if not dataset.trained_queries.any():
        query = embeddings[: len(dataset.split.query)]
        labels = torch.from_numpy(dataset.labels[dataset.split.query])
        verified, roc = verify(query, labels)
        scores |= verified | few_shot(query, labels)
    scores |= coarse_recall(embeddings, dataset, positions, queries)
    scores |= one_shot(embeddings, positions, dataset)
    return scores, queries, roc


def retrieval_scores(
    embeddings: Tensor, dataset: Dataset, positions: np.ndarray
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Retrieval scores of the test images at `positions` (N,) with embeddings (N, D), and arrays
    per query, whose neighbors are indices into `positions`. If cameras are known, their rule holds.
    """
    ranking, gallery = rank_test(embeddings, dataset, positions)
    if isinstance(ranking, ReidRanking):
        return reid_summary(ranking, ks=RECALLS + RANKS), arrays(ranking, gallery)
    scores = summary(ranking, ks=RECALLS)
    if not dataset.has_own_gallery:
        labels = torch.from_numpy(dataset.labels[positions])
        scores |= cluster_scores(embeddings, labels, seeds=KMEANS_SEEDS)
    return scores, arrays(ranking, gallery)


def recall_at_one(embeddings: Tensor, dataset: Dataset, positions: np.ndarray) -> float:
    """Recall@1 as `retrieval_scores` has it, without the rest."""
    ranking, _ = rank_test(embeddings, dataset, positions)
    if isinstance(ranking, ReidRanking):
        return reid_summary(ranking, ks=(1,))["recall@1"]
    return summary(ranking, ks=(1,))["recall@1"]


def rank_test(
    embeddings: Tensor, dataset: Dataset, positions: np.ndarray
) -> tuple[Ranking | ReidRanking, np.ndarray]:
    """Ranks of the test images at `positions` (N,), and the indices (G,) of the gallery in them."""
    labels = torch.from_numpy(dataset.labels[positions])
    if not dataset.has_own_gallery and dataset.cameras is None:
        return rank(embeddings, labels, neighbors=NEIGHBORS), np.arange(len(positions))
    query = np.arange(len(dataset.split.query))
    gallery = np.flatnonzero(np.isin(positions, dataset.split.gallery))
    sides = embeddings[query], labels[query], embeddings[gallery], labels[gallery]
    if dataset.cameras is None:
        ids = torch.from_numpy(positions)
        ranking = rank(*sides, query_ids=ids[query], gallery_ids=ids[gallery], neighbors=NEIGHBORS)
        return ranking, gallery
    cameras = torch.from_numpy(dataset.cameras[positions])
    camera_ranking = rank_reid(
        *sides[:2], cameras[query], *sides[2:], cameras[gallery], neighbors=NEIGHBORS
    )
    return camera_ranking, gallery


def arrays(ranking: Ranking | ReidRanking, gallery: np.ndarray) -> dict[str, np.ndarray]:
    """`Run.queries` of a ranking, in small types; gallery (G,): its indices among test images."""
    found = ranking.neighbors.numpy()
    neighbors = np.where(found < 0, -1, gallery[found])
    small = gallery.max() <= np.iinfo(np.int16).max
    return {
        "neighbors": neighbors.astype(np.int16 if small else np.int32),
        "similarities": ranking.similarities.numpy(),
        "relevant": ranking.relevant.numpy().astype(np.int32),
        "first_hit": ranking.first_hit.numpy().astype(np.int32),
        "average_precision": ranking.average_precision.numpy().astype(np.float32),
        "r_precision": ranking.r_precision.numpy().astype(np.float32),
    }
