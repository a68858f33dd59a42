"""What `run` and `compare` do with a suite: check, execute the missing runs, write the report."""

from collections.abc import Collection
from pathlib import Path

import typer

from bench.cli.listing import stored_runs
from bench.cli.progress import show_sweep, show_work
from bench.cli.report import finish
from bench.reporting.verdicts import MARGIN
from bench.running.preflight import (
    check_data,
    check_device,
    check_results,
    clear_litter,
    to_check,
)
from bench.running.sweep import StoppedAtOnceError, missing_runs, sweep
from bench.suites.model import Suite
from bench.terminal import end_like_ctrl_c, plain_console, print_line


def run_suite(
    suite: str,
    chosen: Suite,
    results: Path,
    *,
    data_root: Path | None,
    processes: int,
    device: str,
    shown: Collection[str] = (),
    margin: float = MARGIN,
) -> bool:
    """Execute every run of a suite that is not stored yet, then write and print its report.

    Arguments: suite, its name as it was typed; processes, runs at a time; shown, lines on the data
    that were printed before; margin, of scores that count as the same.
    Returns: whether there are no problems. Raises: typer.Exit after Ctrl-C; what the checks raise.
    """
    console, specs = plain_console(), chosen.specs
    check_results(results)
    clear_litter(specs, results)
    stored, problems = stored_runs(specs, results)
    print_line(console, f"{chosen.title}: {len(specs)} runs, {len(stored)} stored already")
    _, missing = missing_runs(specs, results)
    for problem in problems if missing else []:  # else the report soon lists them
        print_line(console, f"problem: {problem}")
    check_device(device)
    end_like_ctrl_c()
    try:
        with show_work(console) as report:
            lines = check_data(to_check(specs, missing), data_root, results, device, report)
        for line in lines:
            if line not in shown:
                print_line(console, line)
        with show_sweep(console, processes) as show:
            state = sweep(
                specs,
                results,
                data_root=data_root,
                device=device,
                keep_model=chosen.keep_model,
                jobs=processes,
                show=show,
            )
    except StoppedAtOnceError:
        console.print("\nStopped at once; the same command resumes from the last checkpoints.")
        raise typer.Exit(130) from None
    except KeyboardInterrupt:
        console.print("\nStopped with checkpoints; the same command resumes.")
        raise typer.Exit(130) from None
    return finish(suite, chosen, results, state.failed, margin)
