"""Scores of the validation images, on which curves and choices of hyper-parameters are based."""

import numpy as np
import torch
from torch import Tensor, nn

from bench.datasets.types import Dataset
from bench.training.inputs import embed
from proxy_core.metrics.reid import rank_reid, reid_summary
from proxy_core.metrics.retrieval import rank, summary


def validate(model: nn.Module, dataset: Dataset) -> dict[str, float]:
    """Recall@1, MAP@R and R-Precision within the validation images; under the camera rule of
    re-identification if it leaves positives, since frames of one camera are found too easily."""
    positions = dataset.split.validation
    embeddings = embed(model, dataset.images, positions)
    labels = torch.from_numpy(dataset.labels[positions])
    scores = camera_scores(embeddings, labels, dataset, positions)
    scores = scores or summary(rank(embeddings, labels), ks=(1,))
    return {name: scores[name] for name in ("recall@1", "map@r", "r_precision")}


def camera_scores(
    embeddings: Tensor, labels: Tensor, dataset: Dataset, positions: np.ndarray
) -> dict[str, float]:
    """Scores of the images at `positions` (N,) among themselves under the camera rule, which also
    excludes the query itself; nothing if a camera is unknown or no class has two cameras."""
    if dataset.cameras is None or (dataset.cameras[positions] < 0).any():
        return {}
    side = embeddings, labels, torch.from_numpy(dataset.cameras[positions])
    ranking = rank_reid(*side, *side)
    return reid_summary(ranking, ks=(1,)) if (ranking.relevant > 0).any() else {}
