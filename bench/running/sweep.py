"""A sweep on this machine: the missing runs, one single-threaded process per core."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from bench.running.worker import BUSY, FINISHED, FULL, INTERRUPTED, Job
from bench.spec import RunSpec
from bench.store.disk import full_disk
from bench.store.runs import Doing, RunDir

POLL_SECONDS = 0.2

# Environment of a worker. One thread each: the number of threads changes bits. glibc's allocator is
# set to keep its memory: returning every large tensor to the system and faulting it in again took a
# quarter of the time of a training step (conv4, 28 x 28, batches of 128).
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
    "MALLOC_MMAP_THRESHOLD_": str(2**30),
    "MALLOC_TRIM_THRESHOLD_": str(2**30),
    "MALLOC_TOP_PAD_": str(2**26),
}


@dataclass
class ActiveRun:
    """A run whose process is alive, its finished steps, the first step that was read with the time
    (`time.monotonic()`) of reading it, and what the process does."""

    spec: RunSpec
    files: RunDir
    process: subprocess.Popen[bytes]
    step: int = 0
    first: tuple[int, float] | None = None
    doing: Doing = "training"

    def pace(self) -> tuple[float, int]:
        """Seconds and steps since the first step that was read: start-up does not count."""
        step, since = self.first or (self.step, time.monotonic())
        return time.monotonic() - since, self.step - step


@dataclass
class Sweep:
    """State of a sweep.

    Attributes: total, the number of runs; finished, those stored before or now; active; waiting;
    elsewhere, those that processes of other sweeps work on; failed, a message by run name; pace,
    seconds and steps of this sweep's runs, and of an expected one, by data set and split; stopping,
    whether active runs are to end.
    """

    total: int
    finished: list[RunSpec] = field(default_factory=list)
    active: list[ActiveRun] = field(default_factory=list)
    waiting: list[RunSpec] = field(default_factory=list)
    elsewhere: list[RunSpec] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    pace: dict[tuple[str, str], tuple[float, int]] = field(default_factory=dict)
    stopping: bool = False


class StoppedAtOnceError(KeyboardInterrupt):
    """Ctrl-C while processes were saving their checkpoints; they were killed."""


def missing_runs(specs: Iterable[RunSpec], results: Path) -> tuple[list[RunSpec], list[RunSpec]]:
    """Specifications that are stored, perhaps damaged, and those that are not."""
    stored: list[RunSpec] = []
    missing: list[RunSpec] = []
    for spec in specs:
        (stored if RunDir.of(results, spec).finished else missing).append(spec)
    return stored, missing


def sweep(
    specs: Sequence[RunSpec],
    results: Path,
    *,
    data_root: Path | None,
    device: str,
    keep_model: bool,
    keep_embeddings: int | None = None,
    jobs: int,
    show: Callable[[Sweep], None],
    expected: float | None = None,
) -> Sweep:
    """Execute the missing runs, `jobs` at a time; `show` is called with the state five times a
    second. `expected` are the seconds of a run of a suite with one data set, if they were measured
    before: they count like a run that ended.

    A run that fails does not stop the others, and a run that another sweep works on is waited for.
    Before KeyboardInterrupt or any other error is passed on, every process saves a checkpoint and
    ends. Returns: the final state. Raises: StoppedAtOnceError at a second KeyboardInterrupt.
    """
    stored, waiting = missing_runs(specs, results)
    pace = expected_pace(waiting, expected) if expected else {}
    state = Sweep(len(specs), finished=stored, waiting=waiting, pace=pace)
    try:
        while state.waiting or state.active or state.elsewhere:
            while state.waiting and len(state.active) < jobs:
                job = Job(
                    spec=state.waiting.pop(0),
                    results=results.resolve(),
                    data_root=data_root and data_root.resolve(),
                    device=device,
                    keep_model=keep_model,
                    keep_embeddings=keep_embeddings,
                )
                state.active.append(start(job))
            time.sleep(POLL_SECONDS)
            for active in list(state.active):
                update(state, active)
            look_elsewhere(state, results)
            show(state)
    except KeyboardInterrupt:
        stop_all(state, show)
        raise
    except BaseException:  # perhaps of the display
        stop_all(state, lambda state: None)
        raise
    return state


def start(job: Job) -> ActiveRun:
    """Start the process of one run.

    It does not belong to this terminal's session, so that Ctrl-C reaches it only through the sweep.
    It ends when the pipe to it is closed, at the latest by the system when this process ends.
    """
    files = RunDir.of(job.results, job.spec)
    files.path.mkdir(parents=True, exist_ok=True)
    with files.log.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.running.worker"],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            env=os.environ | ENVIRONMENT,
            start_new_session=True,
        )
    assert process.stdin is not None
    with suppress(BrokenPipeError):  # it has ended already, and its exit code says why
        process.stdin.write(job.model_dump_json().encode() + b"\n")
    return ActiveRun(job.spec, files, process)


def update(state: Sweep, active: ActiveRun) -> None:
    """Read the step of a running process, or the outcome of one that has ended."""
    code = active.process.poll()
    if code is None:
        look_at(active)
        return
    end(state, active)
    if code == FINISHED:
        state.finished.append(active.spec)
        seconds, steps = active.pace() if active.spec.steps else (0.0, 0)
        before = state.pace.get(data_of(active.spec), (0.0, 0))
        state.pace[data_of(active.spec)] = before[0] + seconds, before[1] + steps
    elif code == BUSY:
        state.elsewhere.append(active.spec)
    else:
        state.failed[active.spec.run_name] = reason(active.files, code)


def expected_pace(
    specs: Iterable[RunSpec], seconds: float
) -> dict[tuple[str, str], tuple[float, int]]:
    """`Sweep.pace` as if a run had ended that took some seconds."""
    return {data_of(spec): (seconds, spec.steps) for spec in specs if spec.steps}


def data_of(spec: RunSpec) -> tuple[str, str]:
    """The data set and split of a run, whose runs take about as long as each other."""
    return spec.dataset, spec.split


def look_at(active: ActiveRun) -> None:
    """Read how far a process is, and what it does."""
    if (step := active.files.step) is not None:
        active.step, active.doing = step, active.files.doing
        active.first = active.first or (step, time.monotonic())


def end(state: Sweep, active: ActiveRun) -> None:
    """Wait for a process that ends, and close the pipe to it."""
    active.process.wait()
    assert active.process.stdin is not None
    active.process.stdin.close()
    state.active.remove(active)


def look_elsewhere(state: Sweep, results: Path) -> None:
    """Count the runs that other sweeps have finished, and take over one that they left."""
    for spec in list(state.elsewhere):
        if RunDir.of(results, spec).finished:
            state.elsewhere.remove(spec)
            state.finished.append(spec)
    if state.elsewhere:  # one at a time, because a look at a lock takes a moment
        spec = state.elsewhere.pop(0)
        locked = RunDir.of(results, spec).locked
        (state.elsewhere if locked else state.waiting).append(spec)


def reason(files: RunDir, code: int) -> str:
    """Why a process ended without a result, in one line."""
    if code == INTERRUPTED:
        return "interrupted; its checkpoint is kept"
    if code == FULL:
        return f"{files.path} cannot be written: {full_disk(files.path)} and run the suite again"
    if code < 0:
        name = signal.Signals(-code).name
        cause = ", perhaps for lack of memory" if name == "SIGKILL" else ""
        return f"its process was ended by {name}{cause}; rerun to resume from its last checkpoint"
    return files.failure or f"its process ended with code {code}; see {files.log}"


def stop_all(state: Sweep, show: Callable[[Sweep], None]) -> None:
    """Make every process save a checkpoint and end, and wait for it; Ctrl-C ends them at once.

    Raises: StoppedAtOnceError after that; an error of `show`, such as that of a closed terminal,
    once every process has ended with a checkpoint.
    """
    state.stopping = True
    problem: Exception | None = None
    try:
        for active in state.active:
            active.process.terminate()
            look_at(active)
        while state.active:
            problem = problem or error_of(show, state)
            time.sleep(POLL_SECONDS)
            for active in list(state.active):
                look_at(active)
                if active.process.poll() is not None:
                    end(state, active)
    except KeyboardInterrupt as error:
        raise StoppedAtOnceError from error
    finally:
        for active in state.active:  # none, unless something was raised
            active.process.kill()
        for active in list(state.active):
            end(state, active)
    if problem:
        raise problem


def error_of(show: Callable[[Sweep], None], state: Sweep) -> Exception | None:
    """Show the state; returns the error if that fails."""
    try:
        show(state)
    except Exception as error:
        return error
    return None
