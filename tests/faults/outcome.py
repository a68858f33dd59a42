"""What a folder of results has lost, by comparison with one to which nothing happened."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from bench.spec import RunSpec
from bench.store.runs import RunDir, StoredRunError, load_run
from tests.support.short_runs import numbers

OF_EVERY_RUN = {"lock", "log.txt"}


class Outcome(NamedTuple):
    """Runs (of other commands: files) whose bits differ, those that are not stored whole, processes
    that did not end in time, and files that no undisturbed command leaves."""

    differing: int = 0
    lost: int = 0
    orphans: int = 0
    litter: int = 0


def compare(specs: Iterable[RunSpec], results: Path, whole: Path, orphans: int) -> Outcome:
    """The outcome of a folder of results after its command has finished."""
    differing = lost = 0
    for spec in specs:
        try:
            run = load_run(RunDir.of(results, spec))
            run.check_files()
        except StoredRunError:
            lost += 1
        else:
            differing += numbers(run) != numbers(load_run(RunDir.of(whole, spec)))
    return Outcome(differing, lost, orphans, len(litter(results, whole)))


def litter(results: Path, whole: Path) -> set[Path]:
    """Files and folders beyond those of an undisturbed command."""
    found, expected = tree(results), tree(whole)
    return {path for path in found - expected if path.name not in OF_EVERY_RUN}


def tree(folder: Path) -> set[Path]:
    return {path.relative_to(folder) for path in folder.rglob("*")}
