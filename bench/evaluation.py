"""Embed images, and score the validation part: what curves and choices may look at."""

import numpy as np
import torch
from torch import Tensor, nn

from bench.datasets.base import Dataset
from bench.training.loading import plain_input
from proxy_core.retrieval import rank, summary

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
    """Retrieval scores within the validation images."""
    positions = dataset.split.validation
    labels = torch.from_numpy(dataset.labels[positions])
    scores = summary(rank(embed(model, dataset, positions, crop), labels), ks=(1,))
    return {name: scores[name] for name in ("recall@1", "map@r", "r_precision")}
