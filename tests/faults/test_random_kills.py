"""Workers, commands and both are killed at random moments, until the suite is finished."""

import os
import signal
import time
from contextlib import suppress
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from bench.datasets.files.work import cores
from tests.faults.conftest import Judge, with_suites
from tests.faults.outcome import Outcome
from tests.faults.processes import PATIENCE, command, exit_code, orphans, processes_in, start

RUN = ("run", "two.toml", "--jobs", "2")
MOST = 8  # kills before a suite may finish
KILLS = 25
PARTS = 2


def kill(target: str, folder: Path, parent: int) -> int:
    """Kill the command, its group, one of its workers, or all; returns how many were killed."""
    working = processes_in(folder)
    workers = [process for process in working if process != parent]
    chosen = {"worker": workers[:1], "parent": [parent], "all": working}.get(target, [])
    if target == "group":
        os.killpg(parent, signal.SIGKILL)
        return 1
    for process in chosen:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    return len(chosen)


def run_until_killed(
    target: str, folder: Path, generator: np.random.Generator, seconds: float
) -> tuple[int, int]:
    """Kill a command, or its workers until it has ended; returns kills and orphans."""
    process, kills = start(command, folder, *RUN), 0
    while process.is_alive():
        process.join(generator.uniform(0, seconds))
        if process.is_alive() and os.getpgid(process.pid) == process.pid:
            kills += kill(target, folder, process.pid)
            if target != "worker":
                process.join()
    return kills, orphans(folder)


@pytest.mark.faults
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("target", ["worker", "parent", "group", "all"])
def test_kills_at_random_moments_lose_nothing(
    target: str, part: int, tmp_path: Path, judge: Judge, seconds: float
) -> None:
    generator, done = np.random.default_rng([ord(target[0]), part]), 0
    for number in count():
        if done >= KILLS:
            break
        folder = with_suites(tmp_path / str(number))
        kills = left = 0
        while kills < min(MOST, KILLS - done):
            found = run_until_killed(target, folder, generator, seconds)
            kills, left = kills + found[0], left + found[1]
            if not found[0]:  # it has finished before
                break
        code = exit_code(command, folder, *RUN)
        assert code == 0, (folder / "output.txt").read_text()
        assert judge(folder, "two.toml", orphans=left, kills=kills) == Outcome(), folder
        done += kills


def test_two_commands_at_once_on_one_folder_both_succeed(folder: Path, judge: Judge) -> None:
    both = [start(command, folder, *RUN) for _ in range(2)]
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0], (folder / "output.txt").read_text()
    assert judge(folder, "two.toml", orphans=orphans(folder)) == Outcome()


@pytest.mark.faults
def test_of_two_commands_one_is_killed_and_the_other_succeeds(
    tmp_path: Path, judge: Judge, seconds: float
) -> None:
    generator = np.random.default_rng(7)
    for number in range(6):
        folder = with_suites(tmp_path / str(number))
        killed, other = (start(command, folder, *RUN) for _ in range(2))
        time.sleep(generator.uniform(0.1, seconds))
        killed.kill()
        other.join()
        assert other.exitcode == 0, (folder / "output.txt").read_text()
        killed.join()
        assert exit_code(command, folder, *RUN) == 0
        kills = int(killed.exitcode != 0)
        assert judge(folder, "two.toml", orphans=orphans(folder), kills=kills) == Outcome()


@pytest.mark.faults
@pytest.mark.parametrize("to_all", [False, True])
def test_a_scheduler_s_signal_ends_a_command_within_seconds(
    to_all: bool, tmp_path: Path, judge: Judge, seconds: float
) -> None:
    """To the command alone, as `kill` sends it, or to each process, as `systemctl stop` does."""
    generator = np.random.default_rng(8)
    for number in range(8):
        folder = with_suites(tmp_path / str(number))
        process = start(command, folder, *RUN)
        process.join(generator.uniform(0.1, seconds))
        for each in processes_in(folder) if to_all else [process.pid]:
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGTERM)
        stopped = time.monotonic()
        process.join(60)
        busy = max(1.0, os.getloadavg()[0] / cores())  # what others compute on this machine
        assert time.monotonic() - stopped < PATIENCE * busy
        output = (folder / "output.txt").read_text()
        assert process.exitcode in (0, 130, -signal.SIGTERM), output
        assert "Traceback" not in output
        left = orphans(folder, 0.5)
        assert exit_code(command, folder, *RUN) == 0
        assert judge(folder, "two.toml", orphans=left) == Outcome()
