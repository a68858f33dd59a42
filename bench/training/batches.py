"""The batches of a run, and their only state: the clusters of losses with clustered batches."""

from hashlib import sha256
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from bench.datasets.types import Dataset
from bench.spec import RunSpec
from bench.training.chain import digest_of
from bench.training.inputs import draw_batch, embed, to_input
from bench.training.magnet_batches import Clusters, find_clusters, neighborhood
from bench.training.sampling import (
    batch_positions,
    derive,
    positions_by_class,
    random_positions,
)
from proxy_core.losses import ClusteredBatches


class Drawn(NamedTuple):
    """A batch: images (B, C, H, W), perhaps as bytes; the arguments of the loss after the
    embeddings; digests of which images they are, and of their values."""

    images: Tensor
    targets: tuple[Tensor, ...]
    ids: str
    pixels: str


class Batches:
    """Class-balanced or random batches, or clustered ones for a loss with `ClusteredBatches`.

    A class-balanced or random batch is a function of (seed, step). A clustered one is a function of
    (clusters, seed, step); the clusters depend on the network at their last refresh, so they are
    the state that a checkpoint must keep.
    """

    def __init__(self, spec: RunSpec, dataset: Dataset, loss: nn.Module) -> None:
        self.clustered = loss if isinstance(loss, ClusteredBatches) else None
        if self.clustered and spec.samples_per_class == "random":
            raise ValueError(
                f'samples_per_class is "random": {spec.loss} composes batches of clusters; give a '
                "number of images"
            )
        if self.clustered and spec.batch_size < 2 * int(spec.samples_per_class):
            raise ValueError(
                f"samples_per_class is {spec.samples_per_class} of {spec.batch_size} images: "
                f"{spec.loss} needs two clusters in a batch or more; lower samples_per_class"
            )
        self.spec = spec
        self.dataset = dataset
        self.by_class = positions_by_class(dataset.labels, dataset.split.train)
        self.classes = np.array(list(self.by_class))  # ascending labels of the data set
        self.clusters: Clusters | None = None

    def refresh(self, model: nn.Module, step: int) -> None:
        """Cluster the training images if the loss wants it before this step.

        Leaves the network in evaluation mode. Raises: FloatingPointError naming the step if the
        network gives embeddings that are not finite.
        """
        if self.clustered is None or step % self.clustered.refresh_every:
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
            per_class=self.clustered.clusters_per_class,
            groups=self.spec.batch_size // int(self.spec.samples_per_class),
            alpha=self.clustered.alpha,
            generator=derive(
                self.spec.seed_of("batches"), "clusters", step // self.clustered.refresh_every
            ),
        )

    def load(self, step: int) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Images (B, C, H, W) of batch `step`, and the arguments of the loss after the embeddings:
        labels (B,) in 0..training classes-1 and, in a clustered batch, clusters (B,)."""
        drawn = self.draw(step)
        return to_input(drawn.images), drawn.targets

    def draw(self, step: int) -> Drawn:
        """What `load` gives, with bytes where the augmentation leaves them, and digests."""
        positions, targets = self.compose(step)
        spec = self.spec
        images = draw_batch(
            self.dataset.images,
            positions,
            spec.augmentation,
            seed=spec.seed_of("augmentation"),
            step=step,
            interpolation=spec.interpolation,
        )
        ids = sha256(b"".join(array.tobytes() for array in (positions, *map(np.asarray, targets))))
        return Drawn(images, targets, ids.hexdigest(), digest_of(images))

    def compose(self, step: int) -> tuple[np.ndarray, tuple[Tensor, ...]]:
        """Positions (B,) of the images of batch `step`, and what `load` returns beside them."""
        spec, seed = self.spec, self.spec.seed_of("batches")
        if spec.samples_per_class == "random":
            positions = random_positions(
                self.dataset.split.train, seed=seed, step=step, batch_size=spec.batch_size
            )
            return positions, (self.labels(positions),)
        sizes = {"batch_size": spec.batch_size, "samples_per_class": spec.samples_per_class}
        if self.clusters is None:
            positions = batch_positions(self.by_class, seed=seed, step=step, **sizes)
            return positions, (self.labels(positions),)
        rows = neighborhood(self.clusters, seed=seed, step=step, **sizes)
        positions = self.dataset.split.train[rows]
        return positions, (self.labels(positions), self.clusters.of_image[rows])

    def labels(self, positions: np.ndarray) -> Tensor:
        """Classes (B,) in 0..training classes-1, by ascending label, of the images at positions."""
        found = np.searchsorted(self.classes, self.dataset.labels[positions])
        return torch.from_numpy(found)

    def state_dict(self) -> dict[str, Any] | None:
        """The state for a checkpoint; None without clusters."""
        return None if self.clusters is None else vars(self.clusters)

    def load_state_dict(self, state: dict[str, Any] | None) -> None:
        """Restore what `state_dict` returned."""
        self.clusters = None if state is None else Clusters(**state)
