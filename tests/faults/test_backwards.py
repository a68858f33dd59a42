"""The clock of the machine goes backwards while runs train, are killed and resume."""

import time
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import count
from pathlib import Path

import pytest

from bench.store import environment
from bench.store.runs import RunDir, load_run
from bench.suites import load_suite
from tests.faults.conftest import Judge
from tests.faults.outcome import Outcome
from tests.faults.processes import command, exit_code, orphans, start

NOW = datetime(2026, 11, 28, tzinfo=UTC)
HOURS = count(1)


class Earlier(datetime):
    """Each look at this clock finds an earlier hour."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        return NOW - timedelta(hours=next(HOURS))


def turn_back() -> None:
    """In this process and its workers. Intervals are measured by `time.monotonic`, which the system
    never turns back."""
    time.time = lambda: Earlier.now().timestamp()
    time.time_ns = lambda: int(time.time() * 1e9)
    vars(environment)["datetime"] = Earlier


@pytest.mark.faults
def test_a_clock_that_goes_backwards_changes_nothing(folder: Path, judge: Judge) -> None:
    def run() -> None:
        command(folder, "run", "one.toml", prepare=turn_back)

    process = start(run)
    process.join(2)
    process.kill()
    process.join()
    left = orphans(folder)
    assert exit_code(run) == 0, (folder / "output.txt").read_text()
    assert judge(folder, "one.toml", orphans=left, kills=1) == Outcome()
    for spec in load_suite(str(folder / "one.toml")).specs:
        run_ = load_run(RunDir.of(folder / "results", spec))
        seconds = [point["seconds"] for point in run_.curve]
        assert seconds == sorted(seconds)
        assert run_.record["environment"]["finished"] < NOW.isoformat()
