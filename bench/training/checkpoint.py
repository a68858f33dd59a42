"""Checkpoints: everything from which a run resumes exactly, and what it was made from.

A checkpoint file is a line with the SHA-256 of all that follows, a line of JSON with the origin,
and what `torch.save` writes. A single changed, lost or added byte is noticed, and then the
checkpoint before it is used, which is kept for that.
"""

import io
import json
import math
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from bench.datasets.types import Dataset
from bench.spec import NAMES, NO_LOSS, RunSpec
from bench.store.chain import Chain, linked
from bench.store.contents import read_points
from bench.store.environment import PACKAGES, current_pins, installed_version, place
from bench.store.runs import RunDir
from bench.suites.loss_source import loss_source
from bench.temporary import atomic
from bench.training.batches import Batches
from bench.training.device import device_name

SHOWN = 16  # digits of a digest, which a message still shows and no accident repeats
UNFIT = (  # errors of restoring what was made by other source code, or by hand
    *(AttributeError, EOFError, LookupError, RuntimeError, TypeError, ValueError),
    UnpicklingError,
)
Origin = dict[str, object]  # what the numbers of a run depend on, by its name


@dataclass
class Progress:
    """Counters of a run.

    Attributes: step, steps done; seconds, time spent training; loss_sum and loss_count, of the
    losses since the last validation; moved, whether any step gave the network a gradient other than
    0; curve, the lines of the curve file up to the last validation; losses, of the last steps,
    which a GPU may still be computing; kept, what the history has of each validation image, by the
    step of its validation; chain, the digests up to now; places, where a process trained the run.
    """

    step: int = 0
    seconds: float = 0.0
    loss_sum: float = 0.0
    loss_count: int = 0
    moved: bool = False
    curve: str = ""
    losses: list[Tensor] = field(default_factory=list)
    kept: dict[int, dict[str, Tensor]] = field(default_factory=dict)
    chain: Chain = field(default_factory=Chain)
    places: list[dict[str, str]] = field(default_factory=list)

    def add_place(self) -> None:
        """Note where this process trains the run, unless that is known."""
        if (here := place()) not in self.places:
            self.places.append(here)

    def settle(self) -> None:
        """Wait for the losses of the last steps and count them.

        Raises: FloatingPointError naming the first step whose loss is not finite.
        """
        values = torch.stack(self.losses).tolist() if self.losses else []
        for step, value in enumerate(values, self.step - len(values) + 1):
            if not math.isfinite(value):
                raise FloatingPointError(
                    f"the loss became {value} at step {step}; "
                    "lower the learning rates or the scale of the loss"
                )
            self.chain.note("losses", repr(value))
            self.loss_sum += value
            self.loss_count += 1
        self.losses.clear()


class CheckpointError(ValueError):
    """A checkpoint that cannot be resumed: damaged, or of a run on something else."""


def origin_of(spec: RunSpec, dataset: Dataset, device: torch.device) -> Origin:
    """Specification, split, data, versions, code of the loss and kind of device: with others, the
    numbers differ."""
    fields = spec.model_dump(exclude=NAMES)
    versions = {f"version of {package}": installed_version(package) for package in PACKAGES}
    source = {} if spec.loss == NO_LOSS else {"code of the loss": loss_source(spec.loss)[:SHOWN]}
    return {
        **fields,
        **source,
        "draws in a step": "by seed and step",  # earlier versions kept the state of a generator
        "split fingerprint": dataset.fingerprint[:SHOWN],
        "data checksum": dataset.checksum[:SHOWN],
        **versions,
        "device": kind_of(device),
    }


def kind_of(device: torch.device) -> str:
    """A device's type, with the vector instructions and pins of a CPU or the name of a GPU."""
    if device.type != "cpu":
        return device_name(str(device))
    parts = torch.backends.cpu.get_cpu_capability(), current_pins()
    return f"cpu ({', '.join(filter(None, parts))})"


def save_checkpoint(
    files: RunDir,
    origin: Origin,
    model: nn.Module,
    loss: nn.Module,
    optimizer: Optimizer,
    batches: Batches,
    progress: Progress,
) -> None:
    """Write a checkpoint and rename it into place; the one that is there becomes the one before it.
    A kill leaves one of them or both."""
    progress.settle()
    content = {
        "model": model.state_dict(),
        "loss": loss.state_dict(),
        "optimizer": optimizer.state_dict(),
        "batches": batches.state_dict(),
        "progress": asdict(progress),
    }
    buffer = io.BytesIO()
    torch.save(content, buffer)
    body = json.dumps(origin).encode() + b"\n" + buffer.getvalue()
    with atomic(files.checkpoint) as temporary:
        temporary.write_bytes(sha256(body).hexdigest().encode() + b"\n" + body)
        if files.checkpoint.exists():
            files.checkpoint.replace(files.checkpoint_before)


def load_checkpoint(
    files: RunDir,
    origin: Origin,
    model: nn.Module,
    loss: nn.Module,
    optimizer: Optimizer,
    batches: Batches,
) -> Progress:
    """Restore everything in place and return the counters; without a file, a fresh start. A last
    checkpoint that cannot be resumed is replaced by the one before it.

    Raises: CheckpointError as `read_checkpoint`, or if the parts of the run have other shapes, or
    steps and validations contradict each other.
    """
    saved = read_checkpoint(files, origin)
    if saved is None:
        return Progress()
    if saved.later:
        files.checkpoint_before.replace(files.checkpoint)
    try:
        content = torch.load(io.BytesIO(saved.content), weights_only=True, map_location="cpu")
        model.load_state_dict(content["model"])
        loss.load_state_dict(content["loss"])
        restore_optimizer(optimizer, content["optimizer"])
        batches.load_state_dict(content["batches"])
        saved_progress = content["progress"]
        progress = Progress(**{**saved_progress, "chain": Chain(**saved_progress["chain"])})
        check_progress(progress, batches.spec)
        check_state(optimizer, progress.step)
    except UNFIT as error:
        raise CheckpointError(
            f"{files.checkpoint} does not fit the network, the loss or the optimizer as this "
            f"version of the code makes them; {to_start_again(files.path)}"
        ) from error
    return progress


def restore_optimizer(optimizer: Optimizer, state: dict[str, Any]) -> None:
    """Restore an optimizer. Raises: ValueError if its settings were others."""
    before = settings_of(optimizer)
    optimizer.load_state_dict(state)
    if settings_of(optimizer) != before:
        raise ValueError("the optimizer had other settings")


def check_state(optimizer: Optimizer, step: int) -> None:
    """Raises: ValueError for averages of another shape, kind or number of steps than the
    parameters have, or that are missing, which torch would notice later or not at all."""
    names = averages_of(optimizer)
    if any(set(state) != names for state in optimizer.state.values()) or (
        names and not optimizer.state
    ):
        raise ValueError("the optimizer lacks averages of some parameters")
    for parameter, state in optimizer.state.items():
        for name, value in state.items():
            if name == "step":
                fits = value.ndim == 0 and 0 < float(value) <= step
            else:
                fits = (value.shape, value.dtype) == (parameter.shape, parameter.dtype)
            if not fits or not torch.isfinite(torch.as_tensor(value)).all():
                raise ValueError(f"the optimizer has {name} that does not fit its parameter")


def averages_of(optimizer: Optimizer) -> set[str]:
    """What an optimizer of this kind and with these settings keeps of each parameter that had a
    gradient."""
    group = optimizer.param_groups[0]
    parameter = nn.Parameter(torch.zeros(1, device=group["params"][0].device))
    parameter.grad = torch.zeros_like(parameter)
    kind: Any = type(optimizer)
    other = kind([{**group, "params": [parameter]}])
    other.step()
    return set(other.state[parameter])


def settings_of(optimizer: Optimizer) -> list[dict[str, Any]]:
    """Everything of the groups but parameters and the rate, which the schedule sets."""
    return [
        {name: value for name, value in group.items() if name not in ("params", "lr")}
        for group in optimizer.param_groups
    ]


def check_progress(progress: Progress, spec: RunSpec) -> None:
    """Raises: ValueError if the steps and the validations that were done contradict each other, or
    for scores that no run has."""
    done = range(0, progress.step + 1, spec.evaluate_every)
    expected = {*done, spec.steps} if progress.step == spec.steps else set(done)
    points = read_points(list(map(json.loads, progress.curve.splitlines())), spec.batch_size)
    found = [point.step for point in points]
    if not 0 < progress.step <= spec.steps or found != sorted(expected):
        raise ValueError(f"validations at {found}, after {progress.step} of {spec.steps} steps")
    if not progress.kept.keys() <= set(found):
        raise ValueError(f"embeddings of the steps {[*progress.kept]}, validations at {found}")
    if progress.losses or not (progress.seconds >= 0 and math.isfinite(progress.loss_sum)):
        raise ValueError("losses or seconds that no run has")
    chain = progress.chain
    if chain.every < 1 or chain.steps != linked(progress.step, chain.every, spec.steps):
        raise ValueError(f"a chain with {len(chain.steps)} links, one every {chain.every} steps")


class Saved(NamedTuple):
    """What `torch.save` wrote, and whether a later checkpoint is there that cannot be resumed."""

    content: bytes
    later: bool = False


def read_checkpoint(files: RunDir, origin: Origin) -> Saved | None:
    """The last checkpoint of a run, or the one before it if the last one cannot be resumed; None
    without any.

    Raises: CheckpointError as `read_file` of the last one if neither can be resumed, or if a folder
    has the name of one.
    """
    for path in (files.checkpoint, files.checkpoint_before):
        if path.is_dir():  # neither can be renamed over it
            raise CheckpointError(f"{path} is a folder, not a checkpoint; delete it")
    try:
        content = read_file(files.checkpoint, origin)
    except CheckpointError:
        try:
            before = read_file(files.checkpoint_before, origin)
        except CheckpointError:
            before = None
        if before is None:
            raise
        return Saved(before, later=True)
    if content is None:  # a kill between two renames leaves only the one before
        content = read_file(files.checkpoint_before, origin)
    return None if content is None else Saved(content)


def to_start_again(folder: Path) -> str:
    return f"delete {folder / 'checkpoint*.pt'} to start this run again"


def read_file(path: Path, origin: Origin) -> bytes | None:
    """What `torch.save` wrote, or None without a file.

    Raises: CheckpointError naming the file if its bytes are not those that were written, or do not
    say what the run began with, or with every difference if that is something else than `origin`.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    digest, _, body = content.partition(b"\n")
    if digest != sha256(body).hexdigest().encode():
        raise CheckpointError(
            f"{path} is damaged, or was written by another version of proxy-bench; "
            + to_start_again(path.parent)
        )
    first, _, saved = body.partition(b"\n")
    try:
        differences = compare(json.loads(first), json.loads(json.dumps(origin)))
    except (AttributeError, RecursionError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{path} does not say what it was made from; {to_start_again(path.parent)}"
        ) from error
    if differences:
        raise CheckpointError(
            f"{path} cannot be resumed, because the run began with something else: "
            f"{'; '.join(differences)}. Restore what it was, or {to_start_again(path.parent)}, "
            "or choose another folder with --results"
        )
    return saved


def compare(before: Origin, now: Origin) -> list[str]:
    """What differs between two origins, in words."""
    return [
        f"{name} was {before.get(name)}, is {now.get(name)}"
        for name in before | now
        if before.get(name) != now.get(name)
    ]
