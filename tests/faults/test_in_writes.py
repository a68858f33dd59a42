"""A process is killed, or finds the disk full, at every place at which it changes files."""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.running.worker import FULL
from tests.faults.conftest import Judge, with_suites
from tests.faults.outcome import Outcome
from tests.faults.processes import exit_code, orphans
from tests.faults.small_run import a_worker, run_again, with_report
from tests.faults.writes import BYTES, INODES, Fault, full_from, kill_at, list_kinds

PARTS = 4
Process = Callable[[Path, Fault], object]


def count(
    process: Process, folder: Path, kinds: set[str], chosen: slice = slice(None)
) -> list[int]:
    """The numbers of chosen places of some kinds, all if there is none, in an undisturbed process.
    There is one at least, or a test would try nothing."""
    listed = with_suites(folder).with_suffix(".places")
    assert exit_code(process, folder, list_kinds(listed)) == 0
    found = listed.read_text().splitlines()
    numbers = [number for number, kind in enumerate(found) if not kinds or kind in kinds][chosen]
    assert numbers
    return numbers


@pytest.mark.parametrize(
    ("process", "chosen"),
    [
        (a_worker, slice(40, 41)),  # what CI runs
        *(
            pytest.param(process, slice(part, None, PARTS), marks=pytest.mark.faults)
            for process in (a_worker, with_report)
            for part in range(PARTS)
        ),
    ],
)
def test_a_kill_at_any_place_loses_nothing(
    process: Process, chosen: slice, tmp_path: Path, judge: Judge
) -> None:
    for place in count(process, tmp_path / "counted", set(), chosen):
        folder = with_suites(tmp_path / str(place))
        assert exit_code(process, folder, kill_at(place)) == -signal.SIGKILL
        left = orphans(folder)
        code, output = run_again(folder, report=process is with_report)
        assert code == 0, output
        assert judge(folder, "one.toml", orphans=left, kills=1) == Outcome(), place


@pytest.mark.parametrize(
    ("lacking", "chosen"),
    [
        (BYTES, slice(20, 21)),  # what CI runs
        *(
            pytest.param(lacking, slice(part, None, PARTS), marks=pytest.mark.faults)
            for lacking in (BYTES, INODES)
            for part in range(PARTS)
        ),
    ],
)
def test_a_worker_ends_cleanly_on_a_disk_that_is_full_from_any_place_on(
    lacking: set[str], chosen: slice, tmp_path: Path, judge: Judge
) -> None:
    for place in count(a_worker, tmp_path / "counted", lacking, chosen):
        folder = with_suites(tmp_path / str(place))
        assert exit_code(a_worker, folder, full_from(place, lacking)) == FULL
        assert not list(folder.glob("results/runs/*/run.json"))
        code, output = run_again(folder)
        assert code == 0, output
        assert judge(folder, "one.toml", full_disks=1) == Outcome(), place


@pytest.mark.faults
@pytest.mark.parametrize("lacking", [BYTES, INODES])
def test_a_command_says_that_the_disk_is_full_from_any_place_on(
    lacking: set[str], tmp_path: Path, judge: Judge
) -> None:
    for place in count(with_report, tmp_path / "counted", lacking):
        folder = with_suites(tmp_path / str(place))
        assert exit_code(with_report, folder, full_from(place, lacking)) == 1
        output = (folder / "output.txt").read_text()
        assert "No space left on device" in output
        assert "Traceback" not in output
        code, output = run_again(folder, report=True)
        assert code == 0, output
        assert judge(folder, "one.toml", full_disks=1) == Outcome(), place
