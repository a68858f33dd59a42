"""The training loop: a generator, so that its caller decides what happens between steps."""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from bench.spec import RunSpec
from bench.training.batches import Batches
from bench.training.checkpoint import Progress


@contextmanager
def deterministic() -> Iterator[None]:
    """Within it torch gives the same bits each time, on a GPU too.

    Operations without a deterministic form raise RuntimeError. Enter it before the first matrix
    product on a GPU: cuBLAS reads the environment only once.
    """
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"  # whatever the shell sets
    before = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0])
        torch.backends.cudnn.benchmark = before[1]


def make_optimizer(spec: RunSpec, model: nn.Module, loss: nn.Module) -> Optimizer:
    """AdamW over the network and, at their own rate and without decay, the loss's parameters."""
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
    batches: Batches, model: nn.Module, loss: nn.Module, optimizer: Optimizer, progress: Progress
) -> Iterator[None]:
    """Take the remaining steps, count them in `progress`, and yield after each.

    Gradients are looked at until one is not 0: a loss may have nothing to compare in its batches.

    Raises: FloatingPointError naming the step if the loss is not finite, because the next step
    would make every parameter NaN.
    """
    device, steps = next(model.parameters()).device, batches.spec.steps
    while progress.step < steps:
        started = time.perf_counter()
        batches.refresh(model, progress.step)  # a cost of the method, so it is timed too
        images, targets = batches.load(progress.step)
        targets = tuple(target.to(device) for target in targets)
        value = train_step(model, loss, optimizer, images.to(device), targets)
        if not torch.isfinite(value):
            raise FloatingPointError(
                f"the loss became {value.item()} at step {progress.step + 1} of {steps}; "
                "lower the learning rates or the scale of the loss"
            )
        progress.moved = progress.moved or has_gradient(model)
        progress.step += 1
        progress.loss_sum += value.item()
        progress.loss_count += 1
        progress.seconds += time.perf_counter() - started
        yield


def train_step(
    model: nn.Module,
    loss: nn.Module,
    optimizer: Optimizer,
    images: Tensor,
    targets: Sequence[Tensor],
) -> Tensor:
    """One step of gradient descent on loss(embeddings, *targets); returns the loss before it."""
    model.train()
    loss.train()
    optimizer.zero_grad(set_to_none=True)
    value: Tensor = loss(model(images), *targets)
    torch.autograd.backward(value)
    optimizer.step()
    return value.detach()


def has_gradient(model: nn.Module) -> bool:
    """Whether the last step gave any parameter a gradient other than 0."""
    gradients = (parameter.grad for parameter in model.parameters())
    return any(bool(gradient.any()) for gradient in gradients if gradient is not None)
