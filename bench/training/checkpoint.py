"""Checkpoints: parameters, optimizer, batches and counters, from which a run resumes exactly."""

from dataclasses import asdict, dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from bench.store.runs import atomic
from bench.training.batches import Batches


@dataclass
class Progress:
    """Counters of a run.

    Attributes: step, steps done; seconds, time spent training; loss_sum and loss_count, of the
    losses since the last validation; curve_bytes, the length of the curve file at the checkpoint,
    beyond which a killed process may have written.
    """

    step: int = 0
    seconds: float = 0.0
    loss_sum: float = 0.0
    loss_count: int = 0
    curve_bytes: int = 0


def save_checkpoint(
    path: Path,
    model: nn.Module,
    loss: nn.Module,
    optimizer: Optimizer,
    batches: Batches,
    progress: Progress,
) -> None:
    """Write a checkpoint and rename it into place, so that a kill leaves the previous one."""
    content = {
        "model": model.state_dict(),
        "loss": loss.state_dict(),
        "optimizer": optimizer.state_dict(),
        "batches": batches.state_dict(),
        "progress": asdict(progress),
        "rng": torch.get_rng_state(),
    }
    with atomic(path) as temporary:
        torch.save(content, temporary)


def load_checkpoint(
    path: Path, model: nn.Module, loss: nn.Module, optimizer: Optimizer, batches: Batches
) -> Progress:
    """Restore everything in place and return the counters; without a file, a fresh start.

    Raises: ValueError naming the file if it is damaged.
    """
    if not path.exists():
        return Progress()
    try:
        content: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
    except (RuntimeError, UnpicklingError, EOFError) as error:
        raise ValueError(f"{path} is damaged; delete it to start this run again") from error
    model.load_state_dict(content["model"])
    loss.load_state_dict(content["loss"])
    optimizer.load_state_dict(content["optimizer"])
    batches.load_state_dict(content.get("batches"))
    torch.set_rng_state(content["rng"])
    return Progress(**content["progress"])
