"""The training loop: a generator, so that its caller decides what happens between steps."""

import time
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from bench.datasets.base import Dataset
from bench.spec import RunSpec
from bench.training.checkpoint import Progress
from bench.training.loading import augment, to_input
from bench.training.sampling import batch_positions, positions_by_class


def make_optimizer(spec: RunSpec, model: nn.Module, loss: nn.Module) -> Optimizer:
    """AdamW over the network and, at its own rate and without decay, the loss's parameters."""
    groups = [
        {
            "params": list(model.parameters()),
            "lr": spec.learning_rate,
            "weight_decay": spec.weight_decay,
        },
        {"params": list(loss.parameters()), "lr": spec.loss_learning_rate, "weight_decay": 0.0},
    ]
    return AdamW([group for group in groups if group["params"]])


def train(
    spec: RunSpec,
    dataset: Dataset,
    model: nn.Module,
    loss: nn.Module,
    optimizer: Optimizer,
    progress: Progress,
    device: torch.device,
) -> Iterator[None]:
    """Take the steps that are left, counting them in `progress`, and yield after each.

    Raises: FloatingPointError naming the step when the loss is not finite, since from there on
    every parameter would be lost.
    """
    by_class = positions_by_class(dataset.labels, dataset.split.train)
    index_of_class = {label: index for index, label in enumerate(by_class)}
    while progress.step < spec.steps:
        started = time.perf_counter()
        images, labels = load_batch(spec, dataset, by_class, index_of_class, progress.step)
        value = train_step(model, loss, optimizer, images.to(device), labels.to(device))
        if not torch.isfinite(value):
            raise FloatingPointError(
                f"the loss became {value.item()} at step {progress.step + 1} of {spec.steps}; "
                "lower the learning rates or the scale of the loss"
            )
        progress.step += 1
        progress.loss_sum += value.item()
        progress.loss_count += 1
        progress.seconds += time.perf_counter() - started
        yield


def load_batch(
    spec: RunSpec,
    dataset: Dataset,
    by_class: dict[int, np.ndarray],
    index_of_class: dict[int, int],
    step: int,
) -> tuple[Tensor, Tensor]:
    """Images (B, C, H, W) and labels (B,) in 0..training classes-1 of batch `step`."""
    positions = batch_positions(
        by_class,
        seed=spec.seed,
        step=step,
        batch_size=spec.batch_size,
        samples_per_class=spec.samples_per_class,
    )
    images = to_input(dataset.images[positions])
    labels = torch.tensor([index_of_class[int(label)] for label in dataset.labels[positions]])
    return augment(images, spec.augmentation, seed=spec.seed, step=step), labels


def train_step(
    model: nn.Module, loss: nn.Module, optimizer: Optimizer, images: Tensor, labels: Tensor
) -> Tensor:
    """One step of gradient descent; returns the loss before it."""
    model.train()
    loss.train()
    optimizer.zero_grad(set_to_none=True)
    value: Tensor = loss(model(images), labels)
    torch.autograd.backward(value)
    optimizer.step()
    return value.detach()
