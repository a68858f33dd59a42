"""The links of a run's chain: digests of network, class vectors and the optimizer's averages."""

import math
from collections.abc import Iterator
from hashlib import sha256

import numpy as np
from torch import Tensor, nn
from torch.optim import Optimizer

from bench.spec import RunSpec
from bench.store.chain import DIGITS, RUNNING, Chain

# Bytes of the state that are hashed for each step: so many for each number of a batch of images,
# as long steps have large batches, within limits. conv4 takes 100 ms for 100,000 numbers, and
# 500 kB are hashed in less than half a millisecond.
BYTES_PER_NUMBER, FEWEST_BYTES, MOST_BYTES = 5, 2**16, 2**19
GPU_STEPS = 100  # between two links, each of which waits for the GPU
LARGEST = 80_000  # bytes of the stored digests


def begin(
    chain: Chain,
    spec: RunSpec,
    model: nn.Module,
    loss: nn.Module,
    optimizer: Optimizer,
    averages: set[str],
    images: Tensor,
) -> None:
    """Decide how often the chain has a link, and add that of the start.

    averages, what the optimizer keeps of a parameter; images, a batch.
    """
    tensors = dict(state_of(model, loss, optimizer))
    names = parameter_names(model, loss)
    kept = [
        (f"{kind} of {names[id(parameter)]}", parameter)
        for group in optimizer.param_groups
        for parameter in group["params"]
        for kind in sorted(averages - {"step"})
    ]
    every = steps_between(spec, [*tensors.values(), *(one for _, one in kept)], images)
    chain.every = every
    chain.names = [*RUNNING, *tensors, *(name for name, _ in kept)]
    link(chain, 0, model, loss, optimizer)


def steps_between(spec: RunSpec, state: list[Tensor], images: Tensor) -> int:
    """Steps from one link to the next: a function of specification, network and kind of device."""
    size = sum(tensor.numel() * tensor.element_size() for tensor in state)
    budget = min(max(BYTES_PER_NUMBER * images.numel(), FEWEST_BYTES), MOST_BYTES)
    in_time = math.ceil(size / budget)
    row = (len(RUNNING) + len(state)) * DIGITS // 2
    in_size = math.ceil(spec.steps * row / LARGEST)
    return max(in_time, in_size, GPU_STEPS if images.is_cuda else 1)


def link(chain: Chain, step: int, model: nn.Module, loss: nn.Module, optimizer: Optimizer) -> None:
    """Add the link of a step. Waits for a GPU."""
    state = state_of(model, loss, optimizer)
    chain.add(step, {name: digest_of(tensor) for name, tensor in state})


def state_of(
    model: nn.Module, loss: nn.Module, optimizer: Optimizer
) -> Iterator[tuple[str, Tensor]]:
    """Every tensor that a step changes, with its name."""
    for name, tensor in model.state_dict().items():
        yield f"parameters {name}", tensor
    for name, tensor in loss.state_dict().items():
        yield f"class vectors {name}", tensor
    names = parameter_names(model, loss)
    for parameter, state in optimizer.state.items():
        for kind, tensor in state.items():
            if kind != "step":
                yield f"{kind} of {names[id(parameter)]}", tensor


def parameter_names(model: nn.Module, loss: nn.Module) -> dict[int, str]:
    """Names of the parameters of network and loss, by their identity."""
    named = [
        *model.named_parameters(),
        *((f"class vectors {name}", one) for name, one in loss.named_parameters()),
    ]
    return {id(parameter): name for name, parameter in named}


def digest_of(tensor: Tensor) -> str:
    """SHA-256 of the values, in the order in which they lie in memory."""
    array = tensor.detach().cpu().numpy()
    if array.ndim == 4 and not array.flags.c_contiguous:  # channels-last
        array = array.transpose(0, 2, 3, 1)
    return sha256(np.ascontiguousarray(array).data).hexdigest()
