"""The batches of a run, and the only thing that they remember: the clusters of Magnet loss."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bench.datasets.types import Dataset
from bench.evaluation.validate import embed
from bench.spec import RunSpec
from bench.training.inputs import training_batch
from bench.training.magnet_batches import Clusters, find_clusters, neighbourhood
from bench.training.sampling import batch_positions, derive, positions_by_class
from proxy_core.losses.magnet import Magnet


class Batches:
    """Class-balanced batches or, for Magnet loss, neighbourhoods of clusters.

    A class-balanced batch is a function of (seed, step). A neighbourhood is one of (clusters, seed,
    step), and the clusters depend on what the network was at their refresh, so they are the state
    that a checkpoint must keep.
    """

    def __init__(self, spec: RunSpec, dataset: Dataset, loss: nn.Module) -> None:
        groups = spec.batch_size // spec.samples_per_class
        if isinstance(loss, Magnet) and groups < 2:
            raise ValueError(
                f"samples_per_class is {spec.samples_per_class} of {spec.batch_size} images: "
                "Magnet loss needs two clusters in a batch or more; lower samples_per_class"
            )
        self.spec = spec
        self.dataset = dataset
        self.magnet = loss if isinstance(loss, Magnet) else None
        self.by_class = positions_by_class(dataset.labels, dataset.split.train)
        self.classes = np.array(list(self.by_class))  # ascending labels of the data set
        self.clusters: Clusters | None = None

    def refresh(self, model: nn.Module, step: int) -> None:
        """For Magnet loss, every `refresh_every` steps from step 0 on: cluster the training images.

        Leaves the network in evaluation mode. Raises: FloatingPointError naming the step if it
        gives embeddings that are not finite.
        """
        if self.magnet is None or step % self.magnet.refresh_every:
            return
        train = self.dataset.split.train
        embeddings = embed(model, self.dataset.images, train)
        if not embeddings.isfinite().all():
            raise FloatingPointError(
                f"embeddings of training images are not finite before step {step + 1} of "
                f"{self.spec.steps}; lower the learning rates"
            )
        self.clusters = find_clusters(
            embeddings,
            self.labels(train),
            per_class=self.magnet.clusters_per_class,
            groups=self.spec.batch_size // self.spec.samples_per_class,
            alpha=self.magnet.alpha,
            generator=derive(self.spec.seed, "clusters", step // self.magnet.refresh_every),
        )

    def load(self, step: int) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Images (B, C, H, W) of batch `step`, and what the loss takes after their embeddings:
        labels (B,) in 0..training classes-1 and, for Magnet loss, clusters (B,)."""
        spec = self.spec
        sizes = {"batch_size": spec.batch_size, "samples_per_class": spec.samples_per_class}
        if self.clusters is None:
            positions = batch_positions(self.by_class, seed=spec.seed, step=step, **sizes)
            more: tuple[Tensor, ...] = ()
        else:
            rows = neighbourhood(self.clusters, seed=spec.seed, step=step, **sizes)
            positions = self.dataset.split.train[rows]
            more = (self.clusters.of_image[rows],)
        images = training_batch(
            self.dataset.images, positions, spec.augmentation, seed=spec.seed, step=step
        )
        return images, (self.labels(positions), *more)

    def labels(self, positions: np.ndarray) -> Tensor:
        """Classes (B,) in 0..training classes-1, by ascending label, of the images at positions."""
        found = np.searchsorted(self.classes, self.dataset.labels[positions])
        return torch.from_numpy(found)

    def state_dict(self) -> dict[str, Any] | None:
        """What a checkpoint must keep; None without clusters."""
        return None if self.clusters is None else vars(self.clusters)

    def load_state_dict(self, state: dict[str, Any] | None) -> None:
        """Take back what `state_dict` gave."""
        self.clusters = None if state is None else Clusters(**state)
