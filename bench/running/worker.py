"""The process of one run: `python -m bench.running.worker`.

Its standard input is a pipe that its parent holds open: it brings the job, in one line, and its end
means that the parent has ended, however that came about. The parent reads how far the process is,
and why it failed, from the run's directory.

It computes with one thread: a sweep is faster with more processes, a single run is not.
"""

import ctypes
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from io import FileIO
from pathlib import Path
from typing import NoReturn

from pydantic import BaseModel

from bench.spec import NO_LOSS, RunSpec
from bench.store.disk import is_full
from bench.store.runs import Doing, RunDir
from bench.suites.loss_source import loss_source

FINISHED, FAILED, FULL, INTERRUPTED, BUSY = 0, 1, 74, 75, 76  # exit codes
REPORT_SECONDS = 0.5
GRACE_SECONDS = 2.0  # after the end of the parent
PR_SET_PDEATHSIG = 1  # of Linux's prctl: a signal to this process when its parent has ended


class Job(BaseModel):
    """Arguments of `bench.running.run.run`, as a sweep passes them to a worker."""

    spec: RunSpec
    results: Path
    data_root: Path | None
    device: str
    keep_model: bool
    keep_embeddings: int | None = None


@dataclass
class Stop:
    """What SIGTERM and SIGINT do: they are noted and, once `at_once` is set, end the process."""

    received: bool = False
    at_once: bool = False

    def handle(self, number: int, frame: object) -> None:
        self.received = True
        self.end_if_due()

    def end_if_due(self) -> None:
        if self.received and self.at_once:
            sys.exit(INTERRUPTED)


def main() -> int:
    """Execute the job that the parent sends; returns an exit code."""
    parent = open(0, "rb", buffering=0)  # noqa: SIM115, it stays open until the process ends
    line = parent.readline()
    if not line.endswith(b"\n"):  # the parent has ended
        return INTERRUPTED
    if sys.platform == "linux":  # at once, though Python's lock may be held, as while torch loads
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    threading.Thread(target=end_with, args=(parent,), daemon=True).start()
    return work(Job.model_validate_json(line))


def end_with(parent: FileIO) -> None:
    """Wait until the parent has ended, then end: with a checkpoint, if that is soon saved."""
    parent.read(1)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os._exit(INTERRUPTED)


def work(job: Job) -> int:
    """Execute a job in the directory of its run; returns an exit code."""
    files = RunDir.of(job.results, job.spec)
    try:
        return locked_work(job, files)
    except OSError as error:  # of the directory or its lock
        if not is_full(error):
            raise
        return FULL


def locked_work(job: Job, files: RunDir) -> int:
    """Execute a job unless another process works in the directory; returns an exit code."""
    files.path.mkdir(parents=True, exist_ok=True)
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
            files.remove_progress()


def execute(job: Job, files: RunDir) -> int:
    """Run a specification in this process with one thread."""
    import_loss(job.spec.loss)
    import torch

    from bench.running.run import InterruptedRunError, run

    torch.set_num_threads(1)
    stop = Stop()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop.handle)
    try:
        run(
            job.spec,
            job.results,
            data_root=job.data_root,
            device=job.device,
            keep_model=job.keep_model,
            keep_embeddings=job.keep_embeddings,
            report=progress_writer(files, stop),
            stop=lambda: stop.received,
        )
    except InterruptedRunError:
        return INTERRUPTED
    return FINISHED


def import_loss(name: str) -> None:
    """Import a loss together with its digest, which the run then keeps: its file may be edited
    while the run prepares or trains.

    Raises: ValueError if it was edited meanwhile.
    """
    if name == NO_LOSS:
        return
    before = loss_source(name)
    import_module("proxy_core.losses")
    loss_source.cache_clear()
    if loss_source(name) != before:
        raise ValueError(
            f"the code of the loss {name!r} was edited while this run was starting; run the same "
            "command again"
        )


def progress_writer(files: RunDir, stop: Stop) -> Callable[[int, Doing], None]:
    """A function that stores what is done and, twice a second, the number of finished steps.

    Preparing and scoring can be stopped at once: nothing is done yet, or the checkpoint holds it.
    """
    last, before = 0.0, ""

    def report(step: int, doing: Doing) -> None:
        nonlocal last, before
        if doing != before or time.monotonic() - last >= REPORT_SECONDS:
            last, before = time.monotonic(), doing
            files.write_progress(step, doing)
        stop.at_once = doing in ("preparing", "scoring")
        stop.end_if_due()

    return report


def write_failure(files: RunDir, error: Exception) -> int:
    """Store the error message and return the exit code; a full disk has its own code, since
    nothing more can be stored."""
    if disk_is_full(error):
        return FULL
    expected = isinstance(error, OSError | ValueError | FloatingPointError)
    try:
        traceback.print_exception(error, file=sys.stderr)
        files.write_failure(str(error) if expected else f"{type(error).__name__}: {error}")
    except OSError as unwritten:
        if not is_full(unwritten):
            raise
        return FULL
    return FAILED


def disk_is_full(error: BaseException | None) -> bool:
    """Whether a full disk caused an error, perhaps behind one of torch."""
    while error is not None:
        if is_full(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def end(code: int) -> NoReturn:
    """End at once: the interpreter would take a second to take down all that was imported. What a
    full disk takes no more of the log changes no code."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    try:
        end(main())
    except SystemExit as ended:  # of a signal
        end(INTERRUPTED if ended.code == INTERRUPTED else FAILED)
