"""Stored runs on one data set and split, verified with the data set loaded once."""

from collections.abc import Callable, Sequence
from pathlib import Path

from bench.datasets import load
from bench.datasets.types import Dataset
from bench.store.runs import Run, RunDir, load_run
from bench.verification.outcome import Outcome


def on_dataset(
    directories: Sequence[Path], data_root: Path | None, verify: Callable[[Run, Dataset], Outcome]
) -> list[Outcome]:
    """What `verify` finds of each run; of all runs the error, where their data cannot be loaded."""
    runs = [load_run(RunDir(directory)) for directory in directories]
    spec = runs[0].spec
    try:
        dataset = load(spec["dataset"], data_root, spec["split"])
    except (OSError, ValueError) as error:
        return [Outcome(run.name, error=str(error)) for run in runs]
    return [verify(run, dataset) for run in runs]
