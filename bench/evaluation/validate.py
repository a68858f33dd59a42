"""Embed images, and score the validation part: what curves and choices may look at."""

import numpy as np
import torch
from torch import Tensor, nn

from bench.datasets.types import Dataset
from bench.training.inputs import plain_input
from proxy_core.metrics.reid import rank_reid, reid_summary
from proxy_core.metrics.retrieval import rank, summary

EMBED_BATCH = 256
EMBED_PHOTOGRAPHS = 32  # at a time: their feature maps are a hundred times larger


@torch.inference_mode()
def embed(model: nn.Module, dataset: Dataset, positions: np.ndarray, crop: int | None) -> Tensor:
    """Embeddings (N, D) float32 on the CPU of the images at `positions`, in evaluation mode; of
    photographs the centre of `crop` pixels each way is seen."""
    model.eval()
    device = next(model.parameters()).device
    batch = EMBED_BATCH if crop is None else EMBED_PHOTOGRAPHS
    parts = [
        model(plain_input(dataset, part, crop).to(device)).float().cpu()
        for part in np.array_split(positions, max(1, -(-len(positions) // batch)))
    ]
    return torch.cat(parts)


def validate(model: nn.Module, dataset: Dataset, crop: int | None) -> dict[str, float]:
    """Retrieval scores within the validation images, under the camera rule of re-identification
    where it leaves something to find: next frames of one camera would be found too easily."""
    positions = dataset.split.validation
    embeddings = embed(model, dataset, positions, crop)
    labels = torch.from_numpy(dataset.labels[positions])
    scores = camera_scores(embeddings, labels, dataset, positions)
    scores = scores or summary(rank(embeddings, labels), ks=(1,))
    return {name: scores[name] for name in ("recall@1", "map@r", "r_precision")}


def camera_scores(
    embeddings: Tensor, labels: Tensor, dataset: Dataset, positions: np.ndarray
) -> dict[str, float]:
    """Scores of the images (N,) at `positions` among themselves under the camera rule, by which
    each is left out for itself; nothing where a camera is unknown or nobody is seen by two."""
    if dataset.cameras is None or (dataset.cameras[positions] < 0).any():
        return {}
    side = embeddings, labels, torch.from_numpy(dataset.cameras[positions])
    ranking = rank_reid(*side, *side)
    return reid_summary(ranking, ks=(1,)) if (ranking.relevant > 0).any() else {}
