"""Long-running work: how many cores it uses, and the callbacks that report its progress."""

import os
import sys
from collections.abc import Callable

Progress = Callable[[int, int], None]  # (images checked, images in total)
Report = Callable[[str, int, int | None], None]  # (name of the work, done, total or None)


def quiet(name: str, done: int, total: int | None) -> None:
    """A ``Report`` that shows nothing."""


def cores() -> int:
    """Number of cores that this process may use; all cores where the system does not say."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
