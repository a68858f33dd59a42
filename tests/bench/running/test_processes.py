"""Processes that compute pieces of work end with the process that started them."""

import multiprocessing
import os
import signal
import sys
import time

import pytest

from bench.running.processes import end_with_parent


def start_and_leave(write: int) -> None:
    """Start a process that watches its parent, and end at once, as a killed parent does."""
    child = multiprocessing.get_context("fork").Process(target=end_with_parent)
    child.start()
    os.write(write, str(child.pid).encode())
    os._exit(0)


@pytest.mark.skipif(sys.platform != "linux", reason="forks, and reads /proc")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_process_ends_with_its_parent() -> None:
    read, write = os.pipe()
    parent = multiprocessing.get_context("fork").Process(target=start_and_leave, args=(write,))
    parent.start()
    parent.join()
    child = int(os.read(read, 20))
    ends = time.monotonic() + 20
    while is_there(child) and time.monotonic() < ends:
        time.sleep(0.02)
    ended = not is_there(child)
    if not ended:
        os.kill(child, signal.SIGKILL)
    assert ended


def is_there(process: int) -> bool:
    """Whether a process runs: one that has ended may wait for the process that adopted it."""
    try:
        with open(f"/proc/{process}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
