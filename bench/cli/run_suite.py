"""What `run` and `compare` do with a suite: check it and execute the missing runs."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import typer
from rich.console import Console

from bench.cli.listing import stored_runs
from bench.cli.progress import show_sweep, show_work
from bench.running.preflight import (
    check_data,
    check_device,
    check_results,
    clear_litter,
    to_check,
)
from bench.running.sweep import StoppedAtOnceError, Sweep, missing_runs, sweep
from bench.spec import RunSpec
from bench.store.runs import Run
from bench.suites.loss_source import was_edited
from bench.suites.model import Suite
from bench.terminal import end_like_ctrl_c, plain_console, print_line


def run_suite(
    suite: Suite,
    results: Path,
    *,
    data_root: Path | None,
    processes: int,
    device: str,
    shown: Collection[str] = (),
    expected: float | None = None,
) -> Sweep:
    """Execute every run of a suite that is not stored yet.

    Arguments: processes, runs at a time; shown, lines on the data that were printed before;
    expected, seconds of a run, as far as they were measured.
    Returns: the final state. Raises: typer.Exit after Ctrl-C; what the checks raise.
    """
    console, specs = plain_console(), suite.specs
    check_results(results)
    clear_litter(specs, results)
    stored, problems = stored_runs(specs, results)
    print_line(console, f"{suite.title}: {len(specs)} runs, {len(stored)} stored already")
    _, missing = missing_runs(specs, results)
    for problem in problems if missing else []:  # else the report soon lists them
        print_line(console, f"problem: {problem}")
    for line in suite.edited:
        print_line(console, f"edited: {line}")
    for line in of_earlier_losses(stored):
        print_line(console, f"note: {line}")
    check_device(device)
    end_like_ctrl_c()
    with resumable(console, "Stopped before any run started"), show_work(console) as report:
        checked = to_check(specs, missing)
        lines = check_data(checked, data_root, results, device, report, suite.tuning)
    for line in lines:
        if line not in shown:
            print_line(console, line)
    with resumable(console):
        return execute(
            console,
            specs,
            results,
            keep_model=suite.keep_model,
            keep_embeddings=suite.keep_embeddings,
            data_root=data_root,
            processes=processes,
            device=device,
            expected=expected,
        )


def of_earlier_losses(stored: Sequence[Run]) -> list[str]:
    """Methods whose stored runs were trained by other code of their loss than is here now."""
    found: dict[str, list[Path]] = {}
    for run in stored:
        if was_edited(run.record):
            found.setdefault(run.spec["method"], []).append(run.directory)
    return [
        f"the code of the loss of {method} has changed since these runs were trained, whose "
        f"numbers are shown; delete them to train again: {', '.join(map(str, directories))}"
        for method, directories in found.items()
    ]


def execute(
    console: Console,
    specs: Sequence[RunSpec],
    results: Path,
    *,
    keep_model: bool,
    keep_embeddings: int | None,
    data_root: Path | None,
    processes: int,
    device: str,
    expected: float | None = None,
) -> Sweep:
    """Execute those of some runs that are not stored yet, and show how far they are."""
    with show_sweep(console, processes) as show:
        return sweep(
            specs,
            results,
            data_root=data_root,
            device=device,
            keep_model=keep_model,
            keep_embeddings=keep_embeddings,
            jobs=processes,
            show=show,
            expected=expected,
        )


@contextmanager
def resumable(console: Console, state: str = "Stopped with checkpoints") -> Iterator[None]:
    """After Ctrl-C, say in what state and how to go on, and end with typer.Exit."""
    try:
        yield
    except StoppedAtOnceError:
        console.print("\nStopped at once; the same command resumes from the last checkpoints.")
        raise typer.Exit(130) from None
    except KeyboardInterrupt:
        console.print(f"\n{state}; the same command resumes.")
        raise typer.Exit(130) from None
