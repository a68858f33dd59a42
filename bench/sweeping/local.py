"""A sweep on this machine: the runs that are missing, one single-threaded process per core."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.spec import RunSpec
from bench.store import load_run
from bench.sweeping.worker import BUSY, FINISHED, INTERRUPTED, write_job

POLL_SECONDS = 0.2
# One thread per process, set before torch is loaded: the number of threads changes bits.
THREADS = dict.fromkeys(
    ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1"
)


@dataclass
class Active:
    """A run whose process is alive."""

    spec: RunSpec
    directory: Path
    process: subprocess.Popen[bytes]
    started: float  # time.monotonic()
    step: int = 0
    first_step: int | None = None  # above 0 where a checkpoint was gone on from


@dataclass
class Sweep:
    """State of a sweep, shown while it goes on.

    Attributes: total, the number of runs; done, those stored before or now; active; waiting;
    failed, a message by run name; pace, seconds and steps of this sweep's runs by data set.
    """

    total: int
    done: list[RunSpec] = field(default_factory=list)
    active: list[Active] = field(default_factory=list)
    waiting: list[RunSpec] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    pace: dict[str, tuple[float, int]] = field(default_factory=dict)


def missing_runs(specs: Iterable[RunSpec], results: Path) -> tuple[list[RunSpec], list[RunSpec]]:
    """Specifications stored already, and those still to be run.

    Raises: StoredRunError if a stored one cannot be read, so that it is never overwritten.
    """
    stored, missing = [], []
    for spec in specs:
        directory = results / "runs" / spec.run_name
        if (directory / "run.json").exists():
            load_run(directory)
            stored.append(spec)
        else:
            missing.append(spec)
    return stored, missing


def sweep(
    specs: Sequence[RunSpec],
    results: Path,
    *,
    data_root: Path | None,
    device: str,
    jobs: int,
    show: Callable[[Sweep], None],
) -> Sweep:
    """Execute the missing runs, `jobs` at a time, and return what became of each.

    A run that fails does not stop the others. On KeyboardInterrupt every process is asked to keep a
    checkpoint and waited for before the interrupt goes on.
    """
    stored, waiting = missing_runs(specs, results)
    state = Sweep(len(specs), done=stored, waiting=waiting)
    place = {
        "results": str(results.resolve()),
        "data_root": None if data_root is None else str(data_root.resolve()),
        "device": device,
    }
    try:
        while state.waiting or state.active:
            while state.waiting and len(state.active) < jobs:
                state.active.append(start(state.waiting.pop(0), results, place))
            time.sleep(POLL_SECONDS)
            for active in list(state.active):
                collect(active, state)
            show(state)
    except KeyboardInterrupt:
        stop_all(state.active)
        raise
    return state


def start(spec: RunSpec, results: Path, place: dict[str, str | None]) -> Active:
    """Start the process of one run, in a session of its own so that Ctrl-C reaches it only through
    us, with its output in `log.txt`."""
    directory = results / "runs" / spec.run_name
    directory.mkdir(parents=True, exist_ok=True)
    job = write_job(directory, spec, place)
    command = [sys.executable, "-m", "bench.sweeping.worker", str(job)]
    with (directory / "log.txt").open("ab") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=os.environ | THREADS,
            start_new_session=True,
        )
    return Active(spec, directory, process, time.monotonic())


def collect(active: Active, state: Sweep) -> None:
    """Read a process's progress, or what became of it."""
    code = active.process.poll()
    if code is None:
        active.step = read_step(active.directory, active.step)
        if active.first_step is None and active.step:
            active.first_step = active.step
        return
    state.active.remove(active)
    if code == FINISHED:
        state.done.append(active.spec)
        seconds, steps = state.pace.get(active.spec.dataset, (0.0, 0))
        seconds += time.monotonic() - active.started
        steps += active.spec.steps - (active.first_step or 0)
        state.pace[active.spec.dataset] = seconds, steps
    else:
        state.failed[active.spec.run_name] = reason(active.directory, code)


def read_step(directory: Path, before: int) -> int:
    """Steps finished by a running process; `before` while it has written nothing yet."""
    try:
        step: int = json.loads((directory / "progress.json").read_text(encoding="utf-8"))["step"]
    except (OSError, ValueError):
        return before
    return step


def reason(directory: Path, code: int) -> str:
    """Why a process ended without a result, in one line."""
    if code == BUSY:
        return "another process is working on this run"
    if code == INTERRUPTED:
        return "interrupted; its checkpoint is kept"
    if code < 0:
        return f"its process was ended by {signal.Signals(-code).name}; its checkpoint is kept"
    try:
        failure = json.loads((directory / "failed.json").read_text(encoding="utf-8"))
        return str(failure["error"])
    except (OSError, ValueError):
        return f"its process ended with code {code}; see {directory / 'log.txt'}"


def stop_all(active: Iterable[Active]) -> None:
    """Ask every process to keep a checkpoint and end, and wait until it has."""
    processes = [item.process for item in active]
    for process in processes:
        process.terminate()
    for process in processes:
        process.wait()
