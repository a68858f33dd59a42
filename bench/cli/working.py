"""Progress of work with a known length, with the time that is left: bars, or lines elsewhere."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from bench.datasets.files.progress import Report

LINE_SECONDS = 30  # between two plain lines


@contextmanager
def working(console: Console) -> Iterator[Report]:
    """A Report that is shown: a bar for each piece of work; on no terminal a line now and then."""
    if not console.is_terminal:
        yield lines(console)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
    )
    with Progress(*columns, TimeRemainingColumn(), console=console) as progress:
        tasks: dict[str, TaskID] = {}

        def report(what: str, done: int, total: int | None) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what, total=total)
            progress.update(tasks[what], completed=done, total=total)

        yield report


def lines(console: Console) -> Report:
    """A line about each piece of work that takes more than half a minute, every half minute."""
    started: dict[str, float] = {}
    told: dict[str, float] = {}

    def report(what: str, done: int, total: int | None) -> None:
        now = time.monotonic()
        if total is None:  # of unknown length: nothing more may follow for hours
            console.print(f"{what} ...", markup=False, emoji=False, highlight=False)
            return
        started.setdefault(what, now)
        if now - told.setdefault(what, now) < LINE_SECONDS:
            return
        told[what] = now
        left = f", {time_left(now - started[what], done, total)}" if done else ""
        console.print(
            f"{what}: {done:,} of {total:,}{left}", markup=False, emoji=False, highlight=False
        )

    return report


def time_left(passed: float, done: int, total: int) -> str:
    """E.g. `about 3:20 left`, at the pace so far."""
    minutes, seconds = divmod(round(passed * (total - done) / done), 60)
    return f"about {minutes}:{seconds:02d} left"
