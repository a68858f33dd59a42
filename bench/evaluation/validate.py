"""Scores on the validation images, for curves and the choice of hyper-parameters."""

import torch
from torch import nn

from bench.datasets.types import Dataset
from bench.training.inputs import embed
from proxy_core.metrics.reid import rank_reid, reid_summary
from proxy_core.metrics.retrieval import rank, summary


def validate(model: nn.Module, dataset: Dataset) -> dict[str, float]:
    """Recall@1, MAP@R and R-Precision of the validation images among themselves.

    Under the camera rule of re-identification, which also excludes the query itself, if all cameras
    are known and some class has two: images by the query's camera are found too easily.
    """
    positions = dataset.split.validation
    side = embed(model, dataset.images, positions), torch.from_numpy(dataset.labels[positions])
    scores = {}
    if dataset.cameras is not None and (dataset.cameras[positions] >= 0).all():
        cameras = torch.from_numpy(dataset.cameras[positions])
        ranking = rank_reid(*side, cameras, *side, cameras)
        if (ranking.relevant > 0).any():
            scores = reid_summary(ranking, ks=(1,))
    scores = scores or summary(rank(*side), ks=(1,))
    return {name: scores[name] for name in ("recall@1", "map@r", "r_precision")}
