"""Embed, score, keep neighbours: the same code for validation classes and for the test split."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from bench.datasets.base import Dataset
from bench.training.loading import to_input
from proxy_core.clustering import cluster_scores
from proxy_core.retrieval import Ranking, rank, summary

RECALLS = (1, 2, 4, 8)
NEIGHBORS = 20  # kept per query for the browser
KMEANS_SEEDS = (0, 1, 2)  # k-means is run once per seed; NMI and AMI are means over them
EMBED_BATCH = 256


@torch.inference_mode()
def embed(model: nn.Module, dataset: Dataset, positions: np.ndarray) -> Tensor:
    """Embeddings (N, D) float32 on the CPU of the images at `positions`, in evaluation mode."""
    model.eval()
    device = next(model.parameters()).device
    parts = [
        model(to_input(dataset.images[part]).to(device)).float().cpu()
        for part in np.array_split(positions, max(1, -(-len(positions) // EMBED_BATCH)))
    ]
    return torch.cat(parts)


def validate(model: nn.Module, dataset: Dataset) -> dict[str, float]:
    """Retrieval scores within the validation images: what choices may look at."""
    positions = dataset.split.validation
    labels = torch.from_numpy(dataset.labels[positions])
    scores = summary(rank(embed(model, dataset, positions), labels), ks=RECALLS)
    return {name: scores[name] for name in ("recall@1", "map@r", "r_precision")}


def score_test(embeddings: Tensor, dataset: Dataset) -> tuple[dict[str, float], Ranking]:
    """All scores of the test split, each query searching among the others, and their ranks.

    Raises: ValueError if the split keeps its gallery apart from its queries.
    """
    split = dataset.split
    if not np.array_equal(split.query, split.gallery):
        raise ValueError(
            f"split {split.protocol!r} of {dataset.name} has a gallery apart from its queries; "
            "runs score retrieval within one set only"
        )
    labels = torch.from_numpy(dataset.labels[split.query])
    ranking = rank(embeddings, labels, neighbors=NEIGHBORS)
    scores = summary(ranking, ks=RECALLS)
    return scores | cluster_scores(embeddings, labels, seeds=KMEANS_SEEDS), ranking


def query_arrays(ranking: Ranking) -> Mapping[str, np.ndarray]:
    """What is stored per query, in the smallest types that lose nothing a person could see."""
    small = len(ranking.neighbors) <= np.iinfo(np.int16).max
    return {
        "neighbors": ranking.neighbors.numpy().astype(np.int16 if small else np.int32),
        "similarities": ranking.similarities.numpy(),
        "first_hit": ranking.first_hit.numpy().astype(np.int32),
        "average_precision": ranking.average_precision.numpy().astype(np.float32),
        "r_precision": ranking.r_precision.numpy().astype(np.float32),
    }
