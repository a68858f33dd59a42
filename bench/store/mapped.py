"""Arrays that stay on disk: their parts are read when they are used, and can be given back."""

import json
import mmap
from collections.abc import Iterator
from pathlib import Path

import numpy as np

BLOCK = 1024  # rows at a time


def map_tensor(path: Path, name: str) -> np.ndarray:
    """A float32 tensor of a .safetensors file, without a copy of it in memory.

    Raises: KeyError if there is none of that name, ValueError if it has another type or the file
    is too short.
    """
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        entry = json.loads(file.read(size))[name]
        if entry["dtype"] != "F32":
            raise ValueError(f"holds {name} of type {entry['dtype']} and not F32")
        start = 8 + size + entry["data_offsets"][0]
        return np.memmap(file, "<f4", "r", start, tuple(entry["shape"]))


def in_blocks(array: np.ndarray) -> Iterator[np.ndarray]:
    """The rows of an array, some at a time; of one on disk no others take memory meanwhile."""
    for start in range(0, max(1, len(array)), BLOCK):
        yield np.asarray(array[start : start + BLOCK])
        give_back(array)


def give_back(array: np.ndarray) -> None:
    """Free the memory of what was read of an array on disk; it is read again when it is used."""
    if isinstance(array, np.memmap) and hasattr(mmap, "MADV_DONTNEED"):
        array._mmap.madvise(mmap.MADV_DONTNEED)  # type: ignore[attr-defined]
