"""The batches of a run, and the one part of them that is not a function of (seed, step)."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bench.datasets.base import Dataset
from bench.evaluation import embed
from bench.spec import RunSpec
from bench.training.clusters import Clusters, cluster_batch, find_clusters
from bench.training.loading import augment, to_input
from bench.training.sampling import batch_positions, derive, positions_by_class
from proxy_core.losses.magnet import Magnet


class Batches:
    """Class-balanced batches or, for Magnet loss, neighbourhoods of clusters."""

    def __init__(self, spec: RunSpec, dataset: Dataset, loss: nn.Module) -> None:
        self.spec = spec
        self.dataset = dataset
        self.by_class = positions_by_class(dataset.labels, dataset.split.train)
        self.magnet = loss if isinstance(loss, Magnet) else None
        self.clusters: Clusters | None = None

    def refresh(self, model: nn.Module, step: int) -> None:
        if self.magnet is None or step % self.magnet.refresh_every:
            return
        train = self.dataset.split.train
        self.clusters = find_clusters(
            embed(model, self.dataset, train),
            self.labels(train),
            per_class=self.magnet.clusters_per_class,
            groups=self.spec.batch_size // self.spec.samples_per_class,
            alpha=self.magnet.alpha,
            generator=derive(self.spec.seed, "clusters", step // self.magnet.refresh_every),
        )

    def load(self, step: int) -> tuple[Tensor, tuple[Tensor, ...]]:
        spec = self.spec
        sizes = {"batch_size": spec.batch_size, "samples_per_class": spec.samples_per_class}
        if self.clusters is None:
            positions = batch_positions(self.by_class, seed=spec.seed, step=step, **sizes)
            targets: tuple[Tensor, ...] = (self.labels(positions),)
        else:
            rows = cluster_batch(self.clusters, seed=spec.seed, step=step, **sizes)
            positions = self.dataset.split.train[rows]
            targets = (self.labels(positions), self.clusters.of_image[rows])
        images = to_input(self.dataset.images[positions])
        return augment(images, spec.augmentation, seed=spec.seed, step=step), targets

    def labels(self, positions: np.ndarray) -> Tensor:
        """Class indices (B,) in 0..training classes-1."""
        return torch.from_numpy(np.searchsorted(list(self.by_class), self.dataset.labels[positions]))

    def state_dict(self) -> dict[str, Any] | None:
        return None if self.clusters is None else vars(self.clusters)

    def load_state_dict(self, state: dict[str, Any] | None) -> None:
        self.clusters = None if state is None else Clusters(**state)
