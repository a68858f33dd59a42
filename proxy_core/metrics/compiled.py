"""How loops over arrays are compiled."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
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
