"""The first element in which the tensors of two runs differ."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from safetensors import safe_open

from bench.store.runs import Run
from bench.verification.outcome import Difference


def in_networks(one: Run, other: Run) -> Difference | None:
    """The first element of the trained networks that differs; None if it is not known."""
    if any(run.files.model.name not in run.digests for run in (one, other)):
        return None
    return first_element(*(network_of(run) for run in (one, other)))


def network_of(run: Run) -> dict[str, np.ndarray]:
    with safe_open(run.files.model, "numpy") as tensors:
        return {name: tensors.get_tensor(name) for name in tensors.keys()}  # noqa: SIM118


def first_element(
    one: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray]
) -> Difference | None:
    """The first element whose bits differ, of the tensors that both have with the same shape."""
    for name, before in one.items():
        now = other.get(name)
        if now is None or (before.shape, before.dtype) != (now.shape, now.dtype):
            continue
        places = np.argwhere(bits_of(before) != bits_of(now))
        if len(places):
            place = tuple(places[0].tolist())
            where = f"{name}{[*place]} ({len(places):,} of {before.size:,} differ)"
            return Difference(where, written(before[place]), written(now[place]))
    return None


def bits_of(array: np.ndarray) -> np.ndarray:
    bits: np.ndarray = np.ascontiguousarray(array).view(f"u{array.itemsize}").reshape(array.shape)
    return bits


def written(value: Any) -> str:
    """A number with all of its digits, and its bits if it is a float."""
    if not isinstance(value, np.floating):
        return str(value)
    return f"{value!s} (0x{bits_of(np.array(value)):0{2 * value.itemsize}x})"
