"""What a person sees while a sweep goes on: bars on a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from bench.cli.report import say
from bench.running.sweep import Active, Sweep
from bench.spec import RunSpec

LINE_SECONDS = 30  # between two plain lines when nothing else happens


@contextmanager
def display(console: Console, jobs: int) -> Iterator[Callable[[Sweep], None]]:
    """A function that shows a sweep's state, to be called as often as one likes."""
    if console.is_terminal:
        with bars(console, jobs) as show:
            yield show
    else:
        yield lines(console, jobs)


@contextmanager
def bars(console: Console, jobs: int) -> Iterator[Callable[[Sweep], None]]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=console) as progress:
        overall = progress.add_task("all runs", total=None, note="")
        tasks: dict[str, TaskID] = {}

        def show(state: Sweep) -> None:
            note = f"{time_left(state, jobs)}{failures(state)}"
            finished = len(state.done) + len(state.failed)
            progress.update(overall, total=state.total, completed=finished, note=note)
            running = {active.spec.run_name: active for active in state.active}
            for name in tasks.keys() - running.keys():
                progress.remove_task(tasks.pop(name))
            for name, active in running.items():
                if name not in tasks:
                    label = f"  {title(active.spec)}"
                    tasks[name] = progress.add_task(label, total=active.spec.steps, note="steps")
                progress.update(tasks[name], completed=active.step)

        yield show


def lines(console: Console, jobs: int) -> Callable[[Sweep], None]:
    """One line when a run ends, and one line about the running ones every half minute."""
    told: set[str] = set()
    last = [time.monotonic()]
    first = [True]

    def show(state: Sweep) -> None:
        ended = {spec.run_name: f"{title(spec)} finished" for spec in state.done}
        ended |= {name: f"{name} FAILED: {error}" for name, error in state.failed.items()}
        if first[0]:  # what was stored before is no news
            first[0] = False
            told.update(spec.run_name for spec in state.done)
        for name in [name for name in ended if name not in told]:
            told.add(name)
            say(console, f"[{len(told)}/{state.total}] {ended[name]}{left(state)}")
            last[0] = time.monotonic()
        if time.monotonic() - last[0] > LINE_SECONDS and state.active:
            last[0] = time.monotonic()
            running = ", ".join(where(active) for active in state.active)
            say(console, f"running: {running}{left(state)}")

    def left(state: Sweep) -> str:
        text = time_left(state, jobs)
        return f" ({text})" if text else ""

    return show


def where(active: Active) -> str:
    if active.step >= active.spec.steps - 1:
        return f"{title(active.spec)}, scoring"
    return f"{title(active.spec)} step {active.step}/{active.spec.steps}"


def title(spec: RunSpec) -> str:
    return f"{spec.dataset}, {spec.method}, seed {spec.seed}"


def failures(state: Sweep) -> str:
    return f", {len(state.failed)} failed" if state.failed else ""


def time_left(state: Sweep, jobs: int) -> str:
    """E.g. `about 3:20 left`; empty until some run has passed steps to judge from.

    A finished run's pace includes its scoring, a running one's not yet.
    """
    paces = {name: seconds / steps for name, (seconds, steps) in state.pace.items() if steps}
    for active in state.active:
        seconds, passed = active.pace()
        if active.spec.dataset not in paces and passed > 0:
            paces[active.spec.dataset] = seconds / passed
    if not paces:
        return ""
    usual = max(paces.values())
    work = [(active.spec, active.spec.steps - active.step) for active in state.active]
    work += [(spec, spec.steps) for spec in state.waiting]
    seconds = sum(paces.get(spec.dataset, usual) * steps for spec, steps in work)
    minutes, rest = divmod(round(seconds / min(jobs, max(1, len(work)))), 60)
    return f"about {minutes}:{rest:02d} left" if work else ""
