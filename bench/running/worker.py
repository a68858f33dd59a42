"""The process of one run: `python -m bench.running.worker JOB.json`.

One thread computes; a run is made faster by nothing but time, a sweep by more processes. What the
parent needs to know is written to small files in the run's directory: `progress.json` twice a
second, `failed.json` if it fails.
"""

import errno
import fcntl
import json
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile

from bench.spec import RunSpec

FINISHED, FAILED, FULL, INTERRUPTED, BUSY = 0, 1, 74, 75, 76  # exit codes
REPORT_SECONDS = 0.5
LEAST_FREE_BYTES = 2**16  # below this a failure is put down to the disk


def write_job(directory: Path, spec: RunSpec, place: dict[str, str | None]) -> Path:
    """Write what `main` reads: the specification and the place to execute it."""
    content = json.dumps({"spec": spec.model_dump(), "place": place})
    with NamedTemporaryFile(
        "w", dir=directory, prefix="job-", suffix=".json", delete=False, encoding="utf-8"
    ) as file:
        file.write(content)
    return Path(file.name)


def main(job: Path) -> int:
    """Execute a job file; returns an exit code."""
    content = json.loads(job.read_text(encoding="utf-8"))
    job.unlink()
    directory = job.parent
    with lock(directory / "lock") as owned:
        if not owned:
            return BUSY
        if (directory / "run.json").exists():  # another sweep finished it since ours began
            return FINISHED
        clear(directory)
        try:
            return execute(RunSpec.model_validate(content["spec"]), content["place"], directory)
        except Exception as error:
            return write_failure(directory, error)
        finally:
            (directory / "progress.json").unlink(missing_ok=True)


def clear(directory: Path) -> None:
    """Remove what earlier processes left: their failure, and files half-written at a kill."""
    for path in [directory / "failed.json", *directory.glob(".*.tmp")]:
        path.unlink(missing_ok=True)


def execute(spec: RunSpec, place: dict[str, str | None], directory: Path) -> int:
    """Run a specification in this process with one deterministic thread."""
    import torch

    from bench.running.run import InterruptedRunError, Place, run

    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    root = place["data_root"]
    where = Place(
        Path(str(place["results"])), None if root is None else Path(root), str(place["device"])
    )
    try:
        run(spec, where, report=progress_writer(directory, spec.steps), stop=stop_signal())
    except InterruptedRunError:
        return INTERRUPTED
    return FINISHED


def stop_signal() -> Callable[[], bool]:
    """A question that is answered with yes once SIGTERM or SIGINT has come."""
    received: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda signum, frame: received.append(signum))
    return lambda: bool(received)


def progress_writer(directory: Path, steps: int) -> Callable[[int], None]:
    """A function that notes the finished steps in `progress.json`, at most twice a second."""
    path = directory / "progress.json"
    last = [0.0]

    def report(step: int) -> None:
        now = time.monotonic()
        if now - last[0] < REPORT_SECONDS:
            return
        last[0] = now
        temporary = path.with_suffix(".tmp")
        temporary.write_text(json.dumps({"step": step, "steps": steps}), encoding="utf-8")
        temporary.replace(path)

    return report


def write_failure(directory: Path, error: Exception) -> int:
    """Keep what went wrong and return the exit code; a full disk, where nothing more can be kept,
    has a code of its own."""
    if no_space_left(directory, error):
        return FULL
    traceback.print_exception(error, file=sys.stderr)
    ours = isinstance(error, OSError | ValueError | FloatingPointError)
    message = str(error) if ours else f"{type(error).__name__}: {error}"
    (directory / "failed.json").write_text(json.dumps({"error": message}), encoding="utf-8")
    return FAILED
    return FAILED


def no_space_left(directory: Path, error: BaseException | None) -> bool:
    """Whether a full disk is behind an error: torch hides it in one of its own."""
    while error is not None:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            return True
        error = error.__cause__ or error.__context__
    return shutil.disk_usage(directory).free < LEAST_FREE_BYTES


@contextmanager
def lock(path: Path) -> Iterator[bool]:
    """Whether this process now owns the run; the system frees it however the process ends.

    The file stays: were it removed, two processes could hold locks on two files of that name.
    """
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
