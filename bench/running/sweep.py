"""A sweep on this machine: the runs that are missing, one single-threaded process per core."""

import json
import signal
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.running.launching import Process, start_worker
from bench.running.worker import BUSY, FINISHED, FULL, INTERRUPTED, write_job
from bench.spec import RunSpec
from bench.store.runs import load_run

POLL_SECONDS = 0.2


@dataclass
class Active:
    """A run whose process is alive."""

    spec: RunSpec
    directory: Path
    process: Process
    step: int = 0
    seen: tuple[int, float] | None = None  # first step that was told, and time.monotonic() then

    def pace(self) -> tuple[float, int]:
        """Seconds and steps since the first step that was told: start-up is not counted."""
        step, since = self.seen or (self.step, time.monotonic())
        return time.monotonic() - since, self.step - step


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

    A run that fails does not stop the others. On KeyboardInterrupt, as on any error of our own,
    every process is asked to keep a checkpoint and waited for before it goes on.
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
    except BaseException:
        stop_all(state.active)
        raise
    return state


def start(spec: RunSpec, results: Path, place: dict[str, str | None]) -> Active:
    """Write the job file of one run and start its process."""
    directory = (results / "runs" / spec.run_name).resolve()
    directory.mkdir(parents=True, exist_ok=True)
    return Active(spec, directory, start_worker(write_job(directory, spec, place)))


def collect(active: Active, state: Sweep) -> None:
    """Read a process's progress, or what became of it."""
    code = active.process.poll()
    if code is None:
        note_step(active)
        return
    state.active.remove(active)
    if code == FINISHED:
        state.done.append(active.spec)
        seconds, steps = active.pace()
        before = state.pace.get(active.spec.dataset, (0.0, 0))
        state.pace[active.spec.dataset] = before[0] + seconds, before[1] + steps
    else:
        state.failed[active.spec.run_name] = reason(active.directory, code)


def note_step(active: Active) -> None:
    """Read how far a running process has come; nothing while it has written nothing yet."""
    progress = read_note(active.directory / "progress.json")
    if progress is None:
        return
    active.step = int(progress["step"])
    active.seen = active.seen or (active.step, time.monotonic())


def read_note(path: Path) -> dict[str, Any] | None:
    """A small JSON file that another process writes or removes; None if it cannot be read now."""
    try:
        note: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return note


def reason(directory: Path, code: int) -> str:
    """Why a process ended without a result, in one line."""
    if code == BUSY:
        return "another process is working on this run"
    if code == INTERRUPTED:
        return "interrupted; its checkpoint is kept"
    if code < 0:
        name = signal.Signals(-code).name
        cause = ", as for want of memory" if name == "SIGKILL" else ""
        return (
            f"its process was ended by {name}{cause}; it goes on from its last checkpoint, if any"
        )
    if code == FULL:
        return f"no space is left for {directory}; make room and run the suite again"
    failure = read_note(directory / "failed.json")
    if failure is None:
        return f"its process ended with code {code}; see {directory / 'log.txt'}"
    return str(failure["error"])


def stop_all(active: Iterable[Active]) -> None:
    """Ask every process to keep a checkpoint and end, and wait until it has."""
    processes = [item.process for item in active]
    for process in processes:
        process.terminate()
    for process in processes:
        process.wait()
