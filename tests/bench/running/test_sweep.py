"""A sweep over real worker processes, on runs of a second each."""

import errno
import subprocess
from pathlib import Path

import pytest

from bench.running.sweep import Sweep, reason, sweep
from bench.running.worker import FINISHED, FULL, INTERRUPTED, Job, main, write_failure
from bench.spec import RunSpec
from bench.store.runs import RunDir, StoredRunError, load_run
from tests.support.short_runs import execute, numbers, spec_for


def quick() -> RunSpec:
    return spec_for(steps=2, evaluate_every=2)


def run_all(specs: list[RunSpec], results: Path, jobs: int = 2) -> tuple[Sweep, int]:
    """The final state, and the largest number of processes at a time."""
    counts: list[int] = []
    state = sweep(
        specs,
        results,
        data_root=None,
        device="cpu",
        jobs=jobs,
        show=lambda state: counts.append(len(state.active)),
    )
    return state, max(counts, default=0)


def test_a_failed_run_does_not_stop_others_and_is_tried_again(tmp_path: Path) -> None:
    good = quick()
    bad = spec_for("center", learning_rate=1e30, steps=50)
    state, processes = run_all([bad, good], tmp_path)
    assert [spec.run_name for spec in state.finished] == [good.run_name]
    assert "loss became" in state.failed[bad.run_name]
    assert processes == 2  # which changes no bit
    alone = execute(good, tmp_path / "alone")
    assert numbers(load_run(RunDir.of(tmp_path, good))) == numbers(alone)
    files, record = RunDir.of(tmp_path, bad), RunDir.of(tmp_path, good).record
    assert files.state == "failed"
    assert files.failure == state.failed[bad.run_name]
    assert "Traceback" in files.log.read_text()
    before = record.stat().st_mtime_ns
    again, _ = run_all([bad, good], tmp_path)
    assert list(again.failed) == [bad.run_name]
    assert record.stat().st_mtime_ns == before


def test_a_stored_run_of_another_schema_is_never_overwritten(tmp_path: Path) -> None:
    files = RunDir.of(tmp_path, quick())
    files.path.mkdir(parents=True)
    files.record.write_text('{"schema": 99}')
    with pytest.raises(StoredRunError, match="schema 99"):
        run_all([quick()], tmp_path)
    assert files.record.read_text() == '{"schema": 99}'


def test_a_run_that_another_process_works_on_is_left_alone(tmp_path: Path) -> None:
    files = RunDir.of(tmp_path, quick())
    files.path.mkdir(parents=True)
    with files.lock() as locked:
        assert locked
        state, _ = run_all([quick()], tmp_path)
    assert state.failed == {quick().run_name: "another process works on this run"}
    assert not files.finished
    state, _ = run_all([quick()], tmp_path)
    assert state.failed == {}
    before = {path.name: path.read_bytes() for path in files.path.iterdir()}
    job = Job(spec=quick(), results=tmp_path, data_root=None, device="cpu")
    assert main(files.write_job(job.model_dump_json())) == FINISHED  # as another sweep finished it
    assert {path.name: path.read_bytes() for path in files.path.iterdir()} == before


def test_an_error_of_the_display_ends_processes_with_a_checkpoint(tmp_path: Path) -> None:
    spec = spec_for(steps=100_000, evaluate_every=100_000)
    processes: list[subprocess.Popen[bytes]] = []

    def show(state: Sweep) -> None:
        if state.active and state.active[0].step > 5:
            processes.extend(active.process for active in state.active)
            raise BrokenPipeError("the reader is gone")

    with pytest.raises(BrokenPipeError):
        sweep([spec], tmp_path, data_root=None, device="cpu", jobs=1, show=show)
    assert [process.poll() for process in processes] == [INTERRUPTED]
    assert RunDir.of(tmp_path, spec).state == "interrupted"


def test_a_full_disk_is_reported_without_writing(tmp_path: Path) -> None:
    files = RunDir(tmp_path)
    error = OSError(errno.ENOSPC, "No space left on device")
    assert write_failure(files, error) == FULL
    hidden = RuntimeError("basic_ios::clear: iostream error")  # torch's message
    hidden.__context__ = error
    assert write_failure(files, hidden) == FULL
    assert "free some and run the suite again" in reason(files, FULL)
    assert list(tmp_path.iterdir()) == []
