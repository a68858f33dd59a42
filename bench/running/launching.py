"""How a worker's process is started, and what a sweep needs of it afterwards."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Protocol

# Set before a worker starts. One thread each: the number of threads changes bits. The allocator of
# glibc is told to keep what it has: returning every large tensor to the system and faulting it in
# again took a quarter of the time of a training step (conv4, 28 x 28, batches of 128).
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",  # what deterministic matrix products need on a GPU
    "MALLOC_MMAP_THRESHOLD_": str(2**30),
    "MALLOC_TRIM_THRESHOLD_": str(2**30),
    "MALLOC_TOP_PAD_": str(2**26),
}


class Process(Protocol):
    """What a sweep needs of the process of a run.

    `poll` returns the exit code, or None while the process lives; `terminate` asks it to keep a
    checkpoint and end; `wait` returns the exit code once there is one.
    """

    def poll(self) -> int | None: ...
    def terminate(self) -> None: ...
    def wait(self) -> int: ...


def start_worker(job: Path) -> Process:
    """Start the process that executes a job file, with its output in `log.txt` beside the file.

    It has a session of its own, so that Ctrl-C reaches it only through the sweep.
    """
    with (job.parent / "log.txt").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "bench.running.worker", str(job)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=os.environ | ENVIRONMENT,
            start_new_session=True,
        )
