"""Trainings of a few steps in which one bit changes, and their chains of digests."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor

from bench.datasets import load
from bench.store.chain import StoredChain
from bench.training import chain, loop
from bench.training.batches import Batches
from bench.training.checkpoint import Progress
from bench.training.inputs import draw_batch
from bench.training.network import build
from bench.training.sampling import batch_positions
from tests.support.short_runs import spec_for

STEPS = 8
KINDS = ("parameters", "class vectors", "optimizer", "batch ids", "images", "learning rates")
DIGITS = load("digits", None, "class-disjoint")
SPEC = spec_for("proxy_nca", steps=STEPS, augmentation="affine")


class Change(NamedTuple):
    """One bit: after which step; in which kind, and at which random place of it."""

    step: int
    kind: str
    place: int


def change_of(number: int) -> Change:
    """One of many changes; consecutive numbers have different kinds."""
    generator = np.random.default_rng(number)
    step = int(generator.integers(1, STEPS + 1))
    return Change(step, KINDS[number % len(KINDS)], int(generator.integers(2**31)))


def flip(tensor: Tensor, place: int) -> None:
    """Flip a bit of the fraction of one element of float32."""
    bits = tensor.detach().view(torch.int32)
    index = np.unravel_index(place % tensor.numel(), tensor.shape)
    bits[tuple(map(int, index))] ^= 1 << place % 23


def chain_with(
    change: Change | None, every: int, monkeypatch: pytest.MonkeyPatch
) -> tuple[StoredChain, str]:
    """The chain of a training with a link every so many steps, and what was changed in it, by the
    name of its digest."""
    model, loss, _ = build(SPEC, DIGITS, torch.device("cpu"))
    optimizer = loop.make_optimizer(SPEC, model, loss)
    progress, changed = Progress(), change.kind if change else ""

    def at_step(own: Callable[..., Any], alter: Callable[[Any], Any]) -> Callable[..., Any]:
        """Alter what a function returns in the step of the change."""

        def altered(*arguments: Any, **fields: Any) -> Any:
            found = own(*arguments, **fields)
            return alter(found) if change and progress.step + 1 == change.step else found

        return altered

    def alter_state(value: Tensor) -> Tensor:
        nonlocal changed
        assert change
        state = dict(chain.state_of(model, loss, optimizer))
        names = [
            name
            for name, tensor in state.items()
            if tensor.dtype == torch.float32
            and name.startswith({"optimizer": "exp_avg"}.get(change.kind, change.kind))
        ]
        changed = names[change.place % len(names)]
        flip(state[changed], change.place // len(names))
        return value

    def alter_images(images: Tensor) -> Tensor:
        assert change
        flip(images, change.place)
        return images

    def alter_ids(positions: np.ndarray) -> np.ndarray:
        assert change
        positions[change.place % len(positions)] = DIGITS.split.train[0]
        return positions

    with monkeypatch.context() as patch:
        patch.setattr(chain, "steps_between", lambda *_: every)
        kind = change.kind if change else None
        if kind in ("parameters", "class vectors", "optimizer"):
            patch.setattr(loop, "train_step", at_step(loop.train_step, alter_state))
        elif kind == "images":
            patch.setattr("bench.training.batches.draw_batch", at_step(draw_batch, alter_images))
        elif kind == "batch ids":
            patch.setattr(
                "bench.training.batches.batch_positions", at_step(batch_positions, alter_ids)
            )
        elif kind == "learning rates":
            upwards = at_step(loop.rate_factor, lambda factor: float(np.nextafter(factor, 2)))
            patch.setattr(loop, "rate_factor", upwards)
        drawn = Batches(SPEC, DIGITS, loss)
        for _ in loop.train(drawn, model, loss, optimizer, progress):
            pass
    kept = progress.chain
    return StoredChain.of(kept.header(), kept.arrays()), changed
