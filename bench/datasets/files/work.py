"""Long-running work: spread over the cores, with callbacks that report its progress."""

import errno
import os
import shutil
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

_WAITING = 256  # items at most that wait for a thread
Item = TypeVar("Item")
Found = TypeVar("Found")
Progress = Callable[[int, int], None]  # (images checked, images in total)
Report = Callable[[str, int, int | None], None]  # (name of the work, done, total or None)


def quiet(name: str, done: int, total: int | None) -> None:
    """A ``Report`` that shows nothing."""


def cores() -> int:
    """Number of cores that this process may use; all cores if that is unknown."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def require_space(folder: Path, size: int, failed: str, advice: str) -> None:
    """Raise OSError if the disk of the folder has less than ``size`` bytes free."""
    free = shutil.disk_usage(folder).free
    if free < size:
        detail = f"{size:,} bytes needed, {free:,} free"
        raise OSError(errno.ENOSPC, f"{failed} ({detail}); {advice}")


@contextmanager
def naming_disk(failed: str, advice: str) -> Iterator[None]:
    """Add to every OSError what failed, with the path, and the way out."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise OSError(error.errno, f"{failed} ({reason}); {advice}") from error


def on_all_cores(
    function: Callable[[Item], Found], items: Sequence[Item]
) -> Generator[Found, None, None]:
    """The function's value for each item, in order; Pillow and hashes release Python's lock.

    Few items wait at a time, so that a caller who stops early does not wait long.
    """
    with ThreadPoolExecutor(cores()) as threads:
        for start in range(0, len(items), _WAITING):
            yield from threads.map(function, items[start : start + _WAITING])
