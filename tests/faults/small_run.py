"""The run of the suite `one.toml`, by its worker or by a command, with faults at their places."""

from pathlib import Path

from bench.running import worker
from bench.running.worker import Job, work
from bench.suites import load_suite
from tests.faults.processes import command, exit_code
from tests.faults.writes import Fault, no_fault, watch


def a_worker(folder: Path, fault: Fault) -> int:
    """Execute the run in this process; its notes on how far it is follow no clock, so that it has
    the same places each time."""
    watch(folder, fault)
    worker.REPORT_SECONDS = float("inf")
    (spec,) = load_suite(str(folder / "one.toml")).specs
    results = folder / "results"
    return work(Job(spec=spec, results=results, data_root=None, device="cpu", keep_model=True))


def with_report(folder: Path, fault: Fault) -> None:
    """`proxy-bench run` with its report, whose places these are, not those of its worker."""
    command(folder, "run", "one.toml", prepare=lambda: watch(folder / "results", fault))


def run_again(folder: Path, report: bool = False) -> tuple[int, str]:
    """Exit code and output of the next command."""
    (folder / "output.txt").unlink(missing_ok=True)
    if report:
        code = exit_code(with_report, folder, no_fault)
    else:
        code = exit_code(command, folder, "run", "one.toml")
    return code, (folder / "output.txt").read_text()
