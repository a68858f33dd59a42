"""The training loop: a generator, so that its caller decides what happens between steps."""

import math
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop
from torch.utils.data import DataLoader, Dataset

from bench.datasets.files.work import cores
from bench.spec import RunSpec
from bench.store.chain import has_link
from bench.training.batches import Batches, Drawn
from bench.training.chain import begin, link
from bench.training.checkpoint import Progress, averages_of
from bench.training.inputs import to_input
from bench.training.sampling import derive
from proxy_core.distances import full_precision_products
from proxy_core.models.embedding_model import EmbeddingModel

MOST_LOADERS = 12
UNCHECKED = 50  # losses of a GPU


@contextmanager
def deterministic() -> Iterator[None]:
    """Within it torch gives the same bits each time, on a GPU too.

    Operations without a deterministic form raise RuntimeError. Convolutions and matrix products of
    float32 keep its precision: on a GPU PyTorch rounds the inputs of the former to TF32 by default,
    and those of the latter where the environment has TORCH_ALLOW_TF32_CUBLAS_OVERRIDE=1, as in
    NVIDIA's containers. Enter it before the first matrix product on a GPU: cuBLAS reads the
    environment only once.
    """
    cudnn = torch.backends.cudnn
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"  # whatever the shell sets
    before = torch.get_deterministic_debug_mode(), cudnn.benchmark, cudnn.allow_tf32
    memory: Any = torch.utils.deterministic
    filled = memory.fill_uninitialized_memory
    # `use_deterministic_algorithms` also loads the compiler, which takes seconds and is not used
    torch.set_deterministic_debug_mode("error")
    memory.fill_uninitialized_memory = False  # takes time, changes no result
    cudnn.benchmark = cudnn.allow_tf32 = False
    try:
        with full_precision_products():
            yield
    finally:
        torch.set_deterministic_debug_mode(before[0])
        memory.fill_uninitialized_memory = filled
        cudnn.benchmark, cudnn.allow_tf32 = before[1:]


def make_optimizer(spec: RunSpec, model: EmbeddingModel, loss: nn.Module) -> Optimizer:
    """The optimiser over the network, its head if it has a rate of its own and, without decay, the
    loss's parameters. Each group keeps its rate before the schedule as `base_lr`."""
    head = [] if spec.head_learning_rate is None else list(model.head.parameters())
    of_head = {id(parameter) for parameter in head}
    network = [p for p in model.parameters() if p.requires_grad and id(p) not in of_head]
    decay = spec.weight_decay
    groups: list[dict[str, Any]] = [
        {"params": network, "base_lr": spec.learning_rate, "weight_decay": decay},
        {"params": head, "base_lr": spec.head_learning_rate, "weight_decay": decay},
        {
            "params": list(loss.parameters()),
            "base_lr": spec.loss_learning_rate,
            "weight_decay": 0.0,
        },
    ]
    groups = [group | {"lr": group["base_lr"]} for group in groups if group["params"]]
    epsilon, momentum = spec.epsilon, spec.momentum
    fused = True if next(model.parameters()).is_cuda else None  # one kernel instead of hundreds
    if spec.optimizer == "sgd":
        return SGD(groups, momentum=momentum, fused=fused)
    if spec.optimizer == "rmsprop":
        return RMSprop(groups, eps=epsilon, momentum=momentum)
    return (AdamW if spec.optimizer == "adamw" else Adam)(groups, eps=epsilon, fused=fused)


def rate_factor(spec: RunSpec, step: int) -> float:
    """By what the schedule multiplies every learning rate at a step, counted from 0."""
    if step < spec.warmup_steps:
        return (step + 1) / spec.warmup_steps
    if spec.schedule == "step":
        assert spec.decay_every is not None
        return float(spec.decay_factor ** (step // spec.decay_every))
    if spec.schedule == "cosine":
        share = (step - spec.warmup_steps) / max(spec.steps - spec.warmup_steps, 1)
        return 0.5 * (1 + math.cos(math.pi * share))
    return 1.0


def train(
    batches: Batches,
    model: EmbeddingModel,
    loss: nn.Module,
    optimizer: Optimizer,
    progress: Progress,
) -> Iterator[None]:
    """Take the remaining steps, count them in `progress`, and yield after each.

    Gradients are looked at until one is not 0: a loss may have nothing to compare in its batches.
    A CPU's losses are checked at each step, those of a GPU now and then, because it would have to
    wait for them. The chain of digests is not part of the seconds.

    Raises: FloatingPointError naming the step if the loss is not finite, because the next step
    would make every parameter NaN.
    """
    spec = batches.spec
    device, steps = next(model.parameters()).device, spec.steps
    backbone = [parameter for parameter in model.backbone.parameters() if parameter.requires_grad]
    loaded = loaded_ahead(batches, progress.step, device)
    chain = progress.chain
    while progress.step < steps:
        started = time.perf_counter()
        batches.refresh(model, progress.step)  # a cost of the method, so it is timed too
        drawn = next(loaded)
        progress.seconds += time.perf_counter() - started
        if not chain.names:
            begin(chain, spec, model, loss, optimizer, averages_of(optimizer), drawn.images)
        started = time.perf_counter()
        if progress.step <= spec.head_only_steps:
            for parameter in backbone:
                parameter.requires_grad_(progress.step == spec.head_only_steps)
        for group in optimizer.param_groups:
            group["lr"] = group["base_lr"] * rate_factor(spec, progress.step)
        seed_masks(spec, progress.step)
        value = train_step(
            model,
            loss,
            optimizer,
            drawn.images,
            drawn.targets,
            precision=spec.precision,
            clip_norm=spec.clip_norm,
        )
        progress.moved = progress.moved or has_gradient(model)
        progress.step += 1
        progress.losses.append(value)
        validating = progress.step % spec.evaluate_every == 0 or progress.step == steps
        due = has_link(progress.step, chain.every, steps)
        if device.type == "cpu" or validating or due or len(progress.losses) >= UNCHECKED:
            progress.settle()
        progress.seconds += time.perf_counter() - started
        chain.note("batch ids", drawn.ids)
        chain.note("images", drawn.pixels)
        chain.note("learning rates", repr([group["lr"] for group in optimizer.param_groups]))
        if due:
            link(chain, progress.step, model, loss, optimizer)
        yield


def seed_masks(spec: RunSpec, step: int) -> None:
    """Seed torch, on every device, for what network and loss draw in a step, such as dropout. A
    resumed run so draws what a whole one does, whatever was drawn before."""
    torch.manual_seed(int(derive(spec.seed_of("batches"), "masks", step).integers(2**63)))


def loaded_ahead(batches: Batches, first: int, device: torch.device) -> Iterator[Drawn]:
    """The batches of the steps from `first` on, on the device.

    For a GPU, processes make batches ahead of their steps, unless clusters change between these.
    """
    steps = range(first, batches.spec.steps)
    made: Iterable[Drawn] = map(batches.draw, steps)
    if device.type != "cpu" and batches.clustered is None:
        made = DataLoader(
            Steps(batches, steps), batch_size=None, num_workers=loaders(), pin_memory=True
        )
    for drawn in made:
        targets = tuple(part.to(device, non_blocking=True) for part in drawn.targets)
        yield drawn._replace(images=to_input(drawn.images, device), targets=targets)


def loaders() -> int:
    """Processes that make batches: all cores but that of the training loop."""
    return max(1, min(MOST_LOADERS, cores() - 1))


class Steps(Dataset[Drawn]):
    """The batches of some steps, as `DataLoader` takes a data set."""

    def __init__(self, batches: Batches, steps: range) -> None:
        self.batches, self.steps = batches, steps

    def __len__(self) -> int:
        return len(self.steps)

    def __getitem__(self, index: int) -> Drawn:
        return self.batches.draw(self.steps[index])


def train_step(
    model: nn.Module,
    loss: nn.Module,
    optimizer: Optimizer,
    images: Tensor,
    targets: Sequence[Tensor],
    *,
    precision: str = "float32",
    clip_norm: float | None = None,
) -> Tensor:
    """One step of gradient descent on loss(embeddings, *targets); returns the loss before it.

    precision: "float32" or "bf16", which runs the network under autocast and the loss in float32;
    clip_norm: largest norm of the network's gradient.
    """
    for module in (model, loss):
        if not module.training:
            module.train()
    optimizer.zero_grad(set_to_none=True)
    with torch.autocast(images.device.type, torch.bfloat16, enabled=precision == "bf16"):
        embeddings = model(images)
    value: Tensor = loss(embeddings.float(), *targets)
    torch.autograd.backward(value)
    if clip_norm is not None:
        nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
    optimizer.step()
    return value.detach()


def has_gradient(model: nn.Module) -> bool:
    """Whether the last step gave any parameter a gradient other than 0."""
    gradients = (parameter.grad for parameter in model.parameters())
    return any(bool(gradient.any()) for gradient in gradients if gradient is not None)
