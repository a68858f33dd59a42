"""How loops over arrays are compiled."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from llvmlite.binding import get_host_cpu_features
from numba import njit

Array = np.ndarray[Any, np.dtype[Any]]
Function = TypeVar("Function", bound=Callable[..., object])
SUMS = {"reassoc", "contract"}  # what else fastmath stands for would forbid infinities


def compiled(function: Function) -> Function:
    """The function compiled by numba, and kept on disk where a folder for that can be written.

    It runs without Python's lock, and adds up sums in the order that is best for the processor.
    What is kept does not notice a change in another file, of a function or of this one, so compiled
    functions that call each other stand in one.
    """
    try:
        return cast(Function, njit(cache=True, nogil=True, fastmath=SUMS)(function))
    except RuntimeError:  # no such folder
        return cast(Function, njit(nogil=True, fastmath=SUMS)(function))


def lanes() -> int:
    """How many float32 a register of this processor holds; where that is not known, 8, which the
    compiler makes of smaller ones."""
    try:
        return 16 if get_host_cpu_features().get("avx512f") else 8
    except RuntimeError:
        return 8
