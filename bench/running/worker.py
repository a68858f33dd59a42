"""The process of one run: `python -m bench.running.worker JOB.json`.

It computes with one thread: a sweep is faster with more processes, a single run is not. The parent
reads how far it is, and why it failed, from the run's directory.
"""

import errno
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from pydantic import BaseModel

from bench.spec import RunSpec
from bench.store.runs import RunDir

FINISHED, FAILED, FULL, INTERRUPTED, BUSY = 0, 1, 74, 75, 76  # exit codes
REPORT_SECONDS = 0.5
DISK_RESERVE = 2**16  # with fewer free bytes, the full disk is taken for the cause of a failure


class Job(BaseModel):
    """Arguments of `bench.running.run.run`, as a sweep passes them to a worker in a file."""

    spec: RunSpec
    results: Path
    data_root: Path | None
    device: str


def main(path: Path) -> int:
    """Execute a job file in a run's directory; returns an exit code."""
    job = Job.model_validate_json(path.read_bytes())
    path.unlink()
    files = RunDir(path.parent)
    with files.lock() as locked:
        if not locked:
            return BUSY
        if files.finished:  # by another sweep, since this one began
            return FINISHED
        files.clean()
        try:
            return execute(job, files)
        except Exception as error:
            return write_failure(files, error)
        finally:
            files.remove_step()


def execute(job: Job, files: RunDir) -> int:
    """Run a specification in this process with one thread."""
    import torch

    from bench.running.run import InterruptedRunError, run

    torch.set_num_threads(1)
    try:
        run(
            job.spec,
            job.results,
            data_root=job.data_root,
            device=job.device,
            report=progress_writer(files),
            stop=stop_signal(),
        )
    except InterruptedRunError:
        return INTERRUPTED
    return FINISHED


def stop_signal() -> Callable[[], bool]:
    """A function that returns true once SIGTERM or SIGINT was received."""
    received: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda signum, frame: received.append(signum))
    return lambda: bool(received)


def progress_writer(files: RunDir) -> Callable[[int], None]:
    """A function that stores the number of finished steps, at most twice a second."""
    last = 0.0

    def report(step: int) -> None:
        nonlocal last
        if time.monotonic() - last >= REPORT_SECONDS:
            last = time.monotonic()
            files.write_step(step)

    return report


def write_failure(files: RunDir, error: Exception) -> int:
    """Store the error message and return the exit code; a full disk has its own code, since
    nothing more can be stored."""
    if disk_is_full(files.path, error):
        return FULL
    traceback.print_exception(error, file=sys.stderr)
    expected = isinstance(error, OSError | ValueError | FloatingPointError)
    files.write_failure(str(error) if expected else f"{type(error).__name__}: {error}")
    return FAILED


def disk_is_full(directory: Path, error: BaseException | None) -> bool:
    """Whether a full disk caused an error, perhaps behind one of torch."""
    while error is not None:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            return True
        error = error.__cause__ or error.__context__
    return shutil.disk_usage(directory).free < DISK_RESERVE


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
