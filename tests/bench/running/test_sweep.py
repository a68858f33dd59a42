"""A sweep over real worker processes, on runs of a second each."""

import errno
import json
from pathlib import Path

import pytest

from bench.running.launching import Process
from bench.running.sweep import Sweep, reason, sweep
from bench.running.worker import (
    FINISHED,
    FULL,
    INTERRUPTED,
    lock,
    main,
    write_failure,
    write_job,
)
from bench.spec import RunSpec
from bench.store.runs import StoredRunError, load_run
from tests.bench.running.test_run import numbers, spec_for


def quick(loss: str = "proxy_nca") -> RunSpec:
    return spec_for(loss, steps=2, evaluate_every=2)


def go(specs: list[RunSpec], results: Path, jobs: int = 2) -> tuple[Sweep, list[int]]:
    seen: list[int] = []
    state = sweep(
        specs,
        results,
        data_root=None,
        device="cpu",
        jobs=jobs,
        show=lambda state: seen.append(len(state.active)),
    )
    return state, seen


def test_one_failure_stops_nothing_else_and_is_tried_again(tmp_path: Path) -> None:
    good = quick()
    bad = spec_for("center", learning_rate=1e30, steps=50)
    state, seen = go([bad, good], tmp_path)
    assert [spec.run_name for spec in state.done] == [good.run_name]
    assert "loss became" in state.failed[bad.run_name]
    assert max(seen) == 2
    directory = tmp_path / "runs" / bad.run_name
    assert "loss became" in json.loads((directory / "failed.json").read_text())["error"]
    assert "Traceback" in (directory / "log.txt").read_text()
    before = (tmp_path / "runs" / good.run_name / "run.json").stat().st_mtime_ns
    again, _ = go([bad, good], tmp_path)
    assert list(again.failed) == [bad.run_name]
    assert (tmp_path / "runs" / good.run_name / "run.json").stat().st_mtime_ns == before


def test_the_number_of_processes_changes_no_bit(tmp_path: Path) -> None:
    specs = [quick(), quick("triplet")]
    for jobs in (1, 2):
        _, seen = go(specs, tmp_path / str(jobs), jobs)
        assert max(seen) == jobs
    for spec in specs:
        one, two = (load_run(tmp_path / str(jobs) / "runs" / spec.run_name) for jobs in (1, 2))
        assert numbers(one) == numbers(two)


def test_a_stored_run_of_another_schema_is_never_overwritten(tmp_path: Path) -> None:
    spec = quick()
    path = tmp_path / "runs" / spec.run_name / "run.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"schema": 99}')
    with pytest.raises(StoredRunError, match="schema 99"):
        go([spec], tmp_path)
    assert path.read_text() == '{"schema": 99}'


def test_a_run_that_another_process_works_on_is_left_alone(tmp_path: Path) -> None:
    spec = quick()
    directory = tmp_path / "runs" / spec.run_name
    directory.mkdir(parents=True)
    with lock(directory / "lock") as owned:
        assert owned
        state, _ = go([spec], tmp_path)
    assert state.failed == {spec.run_name: "another process is working on this run"}
    assert not (directory / "run.json").exists()
    state, _ = go([spec], tmp_path)
    assert state.failed == {}


def test_a_run_that_another_sweep_finished_meanwhile_is_not_touched(tmp_path: Path) -> None:
    spec = quick()
    go([spec], tmp_path)
    directory = tmp_path / "runs" / spec.run_name
    before = {path.name: path.read_bytes() for path in directory.iterdir()}
    job = write_job(directory, spec, {"results": str(tmp_path), "data_root": None, "device": "cpu"})
    assert main(job) == FINISHED
    assert {path.name: path.read_bytes() for path in directory.iterdir()} == before


def test_an_error_of_the_display_leaves_no_process_behind(tmp_path: Path) -> None:
    spec = spec_for(steps=100_000, evaluate_every=100_000)
    processes: list[Process] = []

    def broken(state: Sweep) -> None:
        if state.active and state.active[0].step > 5:
            processes.extend(active.process for active in state.active)
            raise BrokenPipeError("the reader went away")

    with pytest.raises(BrokenPipeError):
        sweep([spec], tmp_path, data_root=None, device="cpu", jobs=1, show=broken)
    assert [process.poll() for process in processes] == [INTERRUPTED]


def test_a_full_disk_is_told_and_stored_runs_stay(tmp_path: Path) -> None:
    error = OSError(errno.ENOSPC, "No space left on device")
    assert write_failure(tmp_path, error) == FULL
    hidden = RuntimeError("basic_ios::clear: iostream error")  # as torch says it
    hidden.__context__ = error
    assert write_failure(tmp_path, hidden) == FULL
    assert "make room and run the suite again" in reason(tmp_path, FULL)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_keeps_checkpoints_and_the_rest_goes_on_later(tmp_path: Path) -> None:
    spec = spec_for(steps=100_000, evaluate_every=100_000)

    def interrupt(state: Sweep) -> None:
        if state.active and state.active[0].step > 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep([spec], tmp_path, data_root=None, device="cpu", jobs=1, show=interrupt)
    directory = tmp_path / "runs" / spec.run_name
    assert (directory / "checkpoint.pt").exists()
    assert not (directory / "run.json").exists()
    assert not (directory / "failed.json").exists()
