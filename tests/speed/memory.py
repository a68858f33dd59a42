"""Memory that a call takes beside what was there."""

import ctypes
import threading
from collections.abc import Callable
from pathlib import Path

PAGE = 4096 / 2**20  # megabytes


def resident() -> float:
    """Megabytes of memory that this process holds now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


def give_back() -> None:
    """Return what was freed, or a call would be seen to take only what calls before it did not."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc
    if trim:
        trim(0)


def extra_megabytes(call: Callable[[], object]) -> float:
    """The most that was held during a call, looked at every 2 ms, less what was held before."""
    give_back()
    before, most, done = resident(), 0.0, threading.Event()

    def watch() -> None:
        nonlocal most
        while not done.wait(0.002):
            most = max(most, resident())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        call()
    finally:
        done.set()
        watcher.join()
    return max(most, resident()) - before
