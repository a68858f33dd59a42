"""Whether a loss has anything to compare in the batches of a run, found by trying it."""

from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from bench.datasets.types import Dataset
from bench.spec import RunSpec
from bench.training.batches import Batches
from bench.training.magnet_batches import Clusters
from proxy_core.losses import LOSSES

BATCHES = 8
SPREADS = (1.0, 0.1, 0.001)  # of random embeddings: any direction, near each other, nearly equal
TOLERANCE = 1e-3  # relative difference of two gradients that is not rounding
Targets = tuple[Tensor, ...]  # labels (B,) and, in a clustered batch, clusters (B,)


def nothing_to_compare(spec: RunSpec, dataset: Dataset) -> str:
    """Why the loss of a run cannot learn from its batches, and what to change; empty if it can.

    The loss is called on random embeddings of the batches that the run would begin with. It learns
    from labels if other labels give the directions of some embedding another gradient, or vectors
    of its own: if these start at zero, embeddings turn from the second step on. It need not declare
    anything, so this holds for a user's own loss too.
    """
    classes = dataset.training_classes
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(spec.seed)
        loss = LOSSES[spec.loss](classes, dimensions(spec), **spec.loss_args).train()
        try:
            batches = Batches(spec, dataset, loss)
        except ValueError as error:
            return str(error)
        batches.clusters = made_up_clusters(batches)
        composed = [batches.compose(step) for step in range(BATCHES)]
        shifts = [1 + step % max(classes - 1, 1) for step in range(BATCHES)]
        try:
            if any(map(partial(learns, loss, spec, classes), shifts, composed)):
                return ""
        except Exception:  # of a user's own loss; the run reports it with its origin
            return ""
    return explain(spec, *composed[0], classes)


def dimensions(spec: RunSpec) -> int:
    """Dimensions of the random embeddings; without a head, how many the network has is not known
    here and does not matter."""
    return spec.embedding_dim or 64


def made_up_clusters(batches: Batches) -> Clusters | None:
    """Clusters of any images of each class, for a loss with clustered batches."""
    if batches.clustered is None:
        return None
    per_class = batches.clustered.clusters_per_class
    labels = batches.labels(batches.dataset.split.train)
    count = len(batches.classes) * per_class
    of_image = labels * per_class + torch.arange(len(labels)) % per_class
    centroids = torch.randn(count, 2, dtype=torch.float64)
    return Clusters(of_image, centroids, torch.zeros(count, dtype=torch.float64), per_class)


def learns(
    loss: nn.Module, spec: RunSpec, classes: int, shift: int, batch: tuple[np.ndarray, Targets]
) -> bool:
    """Whether other labels give the embeddings of a batch, or the loss's vectors, another gradient.

    True also if a gradient is not finite: then the run itself will end with an error.
    """
    positions, targets = batch
    images = distinct(spec, positions)
    others = other_targets(images, targets)
    if (others[0] == others[0][0]).all():  # one class, which may share its proxy with some others
        others = ((others[0] + shift) % classes, *others[1:])
    for spread in SPREADS:
        vectors = spread * torch.randn(images.max() + 1, dimensions(spec))
        vectors += (1 - spread) * torch.randn(dimensions(spec))
        gradients = [turn(loss, vectors, images, found) for found in (targets, others)]
        if any(map(differ, *gradients)):
            return True
    return False


def differ(left: Tensor, right: Tensor) -> bool:
    """Whether two gradients differ by more than rounding, or one is not finite."""
    largest = max(torch.linalg.norm(left), torch.linalg.norm(right))
    return not torch.linalg.norm(left - right) <= TOLERANCE * largest < torch.inf


def distinct(spec: RunSpec, positions: np.ndarray) -> np.ndarray:
    """The number (B,) of each image in a batch: without augmentation, equal images have equal
    embeddings."""
    if spec.augmentation == "none":
        return np.unique(positions, return_inverse=True)[1]
    return np.arange(len(positions))


def other_targets(images: np.ndarray, targets: Targets) -> Targets:
    """Targets (B,) after each image took those of the next one in the order of their classes.

    images (B,) are their numbers. Which images share a class changes whenever there are positive
    and negative pairs.
    """
    firsts = np.unique(images, return_index=True)[1]
    ordered = firsts[targets[0][firsts].argsort(stable=True)]
    source = np.empty(len(firsts), dtype=np.int64)
    source[images[ordered]] = np.roll(ordered, 1)
    return tuple(target[source[images]] for target in targets)


def turn(loss: nn.Module, vectors: Tensor, images: np.ndarray, targets: Targets) -> list[Tensor]:
    """The gradients of the loss by the directions of the embeddings (I, D) of I images, whose
    numbers in the batch are given (B,), and by each of its own matrices.

    Directions alone count for retrieval: a penalty of lengths compares nothing, and neither does a
    number for each class, such as a margin. Matrices count only beside a gradient of embeddings.
    The loss is left as it is.
    """
    torch.manual_seed(0)  # equal draws, should a loss draw
    vectors = vectors.clone().requires_grad_()
    state = {name: buffer.clone() for name, buffer in loss.named_buffers()}
    value: Tensor = torch.func.functional_call(loss, state, (vectors[images], *targets))
    if not value.requires_grad:
        return [torch.zeros_like(vectors)]
    turning = vectors.shape[1] > 1  # one dimension has two directions only
    learned = [own for own in loss.parameters() if own.ndim > 1 and own.requires_grad and turning]
    gradient, *others = torch.autograd.grad(value, [vectors, *learned], allow_unused=True)
    if gradient is None:
        return [torch.zeros_like(vectors)]
    directions = nn.functional.normalize(vectors.detach())
    turned = gradient - (gradient * directions).sum(dim=1, keepdim=True) * directions
    return [turned, *(torch.zeros(1) if other is None else other for other in others)]


def explain(spec: RunSpec, positions: np.ndarray, targets: Targets, classes: int) -> str:
    """What is missing in a batch, and what to change."""
    images = np.unique(distinct(spec, positions), return_index=True)[1]
    counts = targets[0][images].bincount()
    pairs = len(images) * (len(images) - 1) // 2
    positive = int((counts * (counts - 1)).sum()) // 2
    return (
        f"{spec.loss} has nothing to compare: batch_size = {spec.batch_size} and samples_per_class "
        f"= {spec.samples_per_class} leave {positive:,} positive and {pairs - positive:,} negative "
        f"pairs in a batch; {advice(spec, classes, positive, pairs - positive)}"
    )


def advice(spec: RunSpec, classes: int, positive: int, negative: int) -> str:
    if classes == 1:
        return "the training images need a second class"
    if spec.embedding_dim == 1:
        return "one dimension has two directions only; choose embedding_dim = 2 or more"
    if positive and negative and spec.samples_per_class != 1:
        return "its gradient does not depend on the labels; change its hyper-parameters"
    if not positive and spec.samples_per_class not in (1, "random"):
        return "give classes more training images, or set augmentation"
    fitting = [n for n in range(2, spec.batch_size // 2 + 1) if spec.batch_size % n == 0]
    if not fitting:
        return "choose a batch_size that samples_per_class = 2 divides, from 4 on"
    return f"choose samples_per_class = {' or '.join(map(str, fitting))}"
