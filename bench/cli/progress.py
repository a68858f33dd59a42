"""Progress of long work and of a sweep: bars on a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from bench.datasets.files.work import Report
from bench.running.sweep import ActiveRun, Sweep, data_of
from bench.spec import RunSpec
from bench.store.runs import Doing
from bench.suggest import printable
from bench.terminal import clock, print_line

LINE_SECONDS = 30  # between two plain lines
ENDING: dict[Doing, str] = {  # what a process does once it is to end
    "preparing": "it ends; nothing is lost",
    "training": "it finishes a step and saves a checkpoint",
    "validating": "it finishes a validation and saves a checkpoint",
    "scoring": "it ends; its checkpoint is complete, only the scoring is repeated",
}


@contextmanager
def show_work(console: Console) -> Iterator[Report]:
    """A progress callback `(work, done, total)`: one bar for each work, or lines."""
    if not console.is_terminal:
        yield work_lines(console)
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console) as progress:
        tasks: dict[str, TaskID] = {}

        def report(work: str, done: int, total: int | None) -> None:
            if work not in tasks:
                tasks[work] = progress.add_task(work, total=total)
            progress.update(tasks[work], completed=done, total=total)

        yield report


def work_lines(console: Console) -> Report:
    """Print a line about each work every 30 seconds, and at once if its length is not known."""
    started: dict[str, float] = {}
    printed: dict[str, float] = {}

    def report(work: str, done: int, total: int | None) -> None:
        now = time.monotonic()
        if total is None:
            print_line(console, f"{work} ...")
            return
        start = started.setdefault(work, now)
        if now - printed.setdefault(work, now) < LINE_SECONDS:
            return
        printed[work] = now
        left = f", {about((now - start) * (total - done) / done)}" if done else ""
        print_line(console, f"{work}: {done:,} of {total:,}{left}")

    return report


@contextmanager
def show_sweep(console: Console, jobs: int) -> Iterator[Callable[[Sweep], None]]:
    """A callback that shows the state of a sweep: a bar for each active run, or lines."""
    if not console.is_terminal:
        yield sweep_lines(console, jobs)
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TextColumn("{task.fields[note]}"), console=console) as progress:
        overall = progress.add_task("all runs", total=None, note="")
        tasks: dict[str, TaskID] = {}
        say = notices(console)

        def show(state: Sweep) -> None:
            say(state)
            failures = f", {len(state.failed)} failed" if state.failed else ""
            ended = len(state.finished) + len(state.failed)
            note = time_left(state, jobs) + failures
            progress.update(overall, total=state.total, completed=ended, note=note)
            running = {active.spec.run_name: active for active in state.active}
            for name in tasks.keys() - running.keys():
                progress.remove_task(tasks.pop(name))
            for name, active in running.items():
                if name not in tasks:
                    label = f"  {title(active.spec)}"
                    tasks[name] = progress.add_task(label, total=active.spec.steps, note="")
                note = "steps" if active.doing == "training" else active.doing
                progress.update(tasks[name], completed=active.step, note=note)

        yield show


def sweep_lines(console: Console, jobs: int) -> Callable[[Sweep], None]:
    """Print a line when a run ends, and a line about the active runs every 30 seconds."""
    printed: set[str] | None = None  # names of the runs that have ended
    last = time.monotonic()
    say = notices(console)

    def show(state: Sweep) -> None:
        nonlocal printed, last
        say(state)
        if printed is None:  # without a line for what was stored before
            printed = {spec.run_name for spec in state.finished}
        left = f" ({text})" if (text := time_left(state, jobs)) else ""
        ended = {spec.run_name: f"{title(spec)} finished" for spec in state.finished}
        ended |= {name: f"{name} FAILED: {error}" for name, error in state.failed.items()}
        for name in [name for name in ended if name not in printed]:
            printed.add(name)
            print_line(console, f"[{len(printed)}/{state.total}] {ended[name]}{left}")
            last = time.monotonic()
        if time.monotonic() - last > LINE_SECONDS and state.active:
            last = time.monotonic()
            print_line(console, f"running: {', '.join(map(position, state.active))}{left}")

    return show


def notices(console: Console) -> Callable[[Sweep], None]:
    """A callback that prints, once and then every 30 seconds, what a sweep waits for: the end of
    its processes after Ctrl-C, and runs that other sweeps work on."""
    printed: dict[str, float] = {}

    def say(state: Sweep) -> None:
        now = time.monotonic()
        for line in stopping_lines(state) if state.stopping else waiting_lines(state):
            if now - printed.get(line, -LINE_SECONDS) >= LINE_SECONDS:
                printed[line] = now
                print_line(console, line)

    return say


def stopping_lines(state: Sweep) -> list[str]:
    """What each process does before it ends."""
    lines = [f"waiting for {title(active.spec)}: {ENDING[active.doing]}" for active in state.active]
    advice = "Ctrl-C again ends them at once and loses the steps since their last checkpoints"
    return [*lines, advice] if lines else []


def waiting_lines(state: Sweep) -> list[str]:
    """The runs of other sweeps, once nothing else is left to do."""
    if state.active or state.waiting:
        return []
    return [
        f"waiting for {title(spec)}: another process works on this run" for spec in state.elsewhere
    ]


def position(active: ActiveRun) -> str:
    """A run and how far it is."""
    doing = "" if active.doing == "training" else f", {active.doing}"
    step = f" step {active.step}/{active.spec.steps}" if active.spec.steps else ""
    return f"{title(active.spec)}{step}{doing}"


def title(spec: RunSpec) -> str:
    which = f"trial {spec.spec_id}" if spec.purpose == "trial" else f"seed {spec.seed}"
    which += f" of {spec.varies}" if spec.varies else ""
    return printable(f"{spec.dataset}, {spec.split}, {spec.method}, {which}")


def time_left(state: Sweep, jobs: int) -> str:
    """E.g. `about 3:20 left`; empty until the pace of some run is known.

    A finished run's pace includes its scoring, that of an active one does not yet.
    """
    paces = {data: seconds / steps for data, (seconds, steps) in state.pace.items() if steps}
    for active in state.active:
        seconds, passed = active.pace()
        if data_of(active.spec) not in paces and passed > 0:
            paces[data_of(active.spec)] = seconds / passed
    work = [(active.spec, active.spec.steps - active.step) for active in state.active]
    work += [(spec, spec.steps) for spec in state.waiting]
    if not paces or not work:
        return ""
    slowest = max(paces.values())
    seconds = sum(paces.get(data_of(spec), slowest) * steps for spec, steps in work)
    return about(seconds / min(jobs, len(work)))


def about(seconds: float) -> str:
    return f"about {clock(seconds)} left"
