"""A training repeated up to a step."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from bench.running.run import set_up
from bench.spec import RunSpec
from bench.store.chain import StoredChain
from bench.training.batches import Batches
from bench.training.chain import state_of
from bench.training.checkpoint import Progress
from bench.training.loop import deterministic, make_optimizer, train


class State(NamedTuple):
    """A training up to a step: its chain, and every tensor by the name of its digest."""

    chain: StoredChain
    tensors: dict[str, np.ndarray]


@deterministic()
def train_to(spec: RunSpec, step: int, data_root: Path | None, device: str) -> State:
    """Train a specification up to a step, counted from 1; the first one if it is 0."""
    model, loss, _, dataset = set_up(spec, data_root, torch.device(device))
    optimizer, progress = make_optimizer(spec, model, loss), Progress()
    at_start = {name: tensor.clone() for name, tensor in state_of(model, loss, optimizer)}
    for _ in train(Batches(spec, dataset, loss), model, loss, optimizer, progress):
        if progress.step >= step:
            break
    found = dict(state_of(model, loss, optimizer)) if step else at_start
    tensors = {name: tensor.detach().cpu().numpy() for name, tensor in found.items()}
    chain = progress.chain
    return State(StoredChain.of(chain.header(), chain.arrays()), tensors)
