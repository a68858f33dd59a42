"""The folder of decoded photographs: one process at a time, room for them, what to do without."""

import errno
import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from bench.datasets.files.cache import CACHE_VARIABLE
from bench.datasets.files.progress import Report


@contextmanager
def alone(folder: Path, report: Report) -> Iterator[None]:
    """Wait until no other process decodes into the folder, and remove what a killed one left."""
    with kept_in(folder):
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / "lock").open("w")
    with file:
        if not _lock(folder, file, fcntl.LOCK_EX | fcntl.LOCK_NB):
            report("waiting for another process", 0, None)
            _lock(folder, file, fcntl.LOCK_EX)
        with kept_in(folder):
            for left in folder.glob("*.partial"):
                left.unlink()
        yield


def _lock(folder: Path, file: IO[str], how: int) -> bool:
    """Whether the lock was taken, which without waiting it may not be."""
    with kept_in(folder):
        try:
            fcntl.flock(file, how)
        except BlockingIOError:
            return False
    return True


@contextmanager
def kept_in(folder: Path) -> Iterator[None]:
    """Name the folder and the way out in whatever the system refuses there."""
    try:
        yield
    except OSError as error:
        raise OSError(
            error.errno,
            f"decoded photographs cannot be kept in {folder} ({error.strerror}); set "
            f"{CACHE_VARIABLE} to a folder that can be written and has room",
        ) from error


def require_room(folder: Path, count: int, side: int) -> None:
    """Raise OSError where photographs of the usual 4:3 would fill the disk."""
    needed, free = count * side * side * 3 * 4 // 3, shutil.disk_usage(folder).free
    if needed > free:
        raise OSError(
            errno.ENOSPC,
            f"{count:,} photographs decoded at a side of {side} cannot be kept in {folder} (about "
            f"{needed:,} bytes needed, {free:,} free); set {CACHE_VARIABLE} to a folder with room",
        )
