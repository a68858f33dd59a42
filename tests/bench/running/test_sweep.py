"""A sweep over real worker processes, on runs of a second each."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from bench.running.sweep import StoppedAtOnceError, Sweep, reason, start, sweep
from bench.running.worker import (
    FINISHED,
    FULL,
    INTERRUPTED,
    Job,
    Stop,
    progress_writer,
    work,
    write_failure,
)
from bench.spec import RunSpec
from bench.store.runs import RunDir, load_run, save_run
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
        keep_model=False,
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
    state, processes = run_all([quick()], tmp_path)
    assert (state.finished, processes) == ([quick()], 0)
    assert files.record.read_text() == '{"schema": 99}'


@pytest.mark.parametrize("outcome", ["finished", "left"])
def test_a_run_that_another_process_works_on_is_waited_for(tmp_path: Path, outcome: str) -> None:
    """It is counted once the other process has finished it, and taken over if that has ended."""
    files = RunDir.of(tmp_path, quick())
    files.path.mkdir(parents=True)
    elsewhere: list[int] = []

    def show(state: Sweep) -> None:
        elsewhere.append(len(state.elsewhere))
        if len(elsewhere) > 1 and elsewhere[-2:] == [1, 1]:
            assert not files.finished
            if outcome == "finished":
                save_run(files, {"by": "the other"})
            other.close()

    with ExitStack() as other:
        assert other.enter_context(files.lock())
        state = sweep(
            [quick()], tmp_path, data_root=None, device="cpu", keep_model=False, jobs=2, show=show
        )
    assert (state.finished, state.failed, state.elsewhere) == ([quick()], {}, [])
    assert 1 in elsewhere
    record = json.loads(files.record.read_text())
    assert ("by" in record) == (outcome == "finished")


def test_a_run_that_another_sweep_has_finished_is_not_touched(tmp_path: Path) -> None:
    execute(quick(), tmp_path)
    files = RunDir.of(tmp_path, quick())
    with files.lock():  # a worker leaves its file
        pass
    before = {path.name: path.read_bytes() for path in files.path.iterdir()}
    job = Job(spec=quick(), results=tmp_path, data_root=None, device="cpu", keep_model=False)
    assert work(job) == FINISHED
    assert {path.name: path.read_bytes() for path in files.path.iterdir()} == before


def test_an_error_of_the_display_ends_processes_with_a_checkpoint(tmp_path: Path) -> None:
    spec = spec_for(steps=100_000, evaluate_every=100_000)
    processes: list[subprocess.Popen[bytes]] = []

    def show(state: Sweep) -> None:
        if state.active and state.active[0].step > 5:
            processes.extend(active.process for active in state.active)
            raise BrokenPipeError("the reader is gone")

    with pytest.raises(BrokenPipeError):
        sweep([spec], tmp_path, data_root=None, device="cpu", keep_model=False, jobs=1, show=show)
    assert [process.poll() for process in processes] == [INTERRUPTED]
    assert RunDir.of(tmp_path, spec).state == "interrupted"


def test_an_error_of_the_display_while_processes_end_leaves_them_their_checkpoints(
    tmp_path: Path,
) -> None:
    """As when the terminal is closed: nothing can be shown any more."""
    error = OSError(errno.EIO, "Input/output error")
    processes: list[subprocess.Popen[bytes]] = []

    def show(state: Sweep) -> None:
        if state.stopping:
            raise error
        if state.active[0].step > 5:
            processes.append(state.active[0].process)
            raise KeyboardInterrupt

    with pytest.raises(OSError, match="Input/output error"):
        sweep(
            [endless()], tmp_path, data_root=None, device="cpu", keep_model=False, jobs=1, show=show
        )
    assert [process.poll() for process in processes] == [INTERRUPTED]
    assert RunDir.of(tmp_path, endless()).checkpoint.exists()


def test_a_full_disk_is_reported_without_writing(tmp_path: Path) -> None:
    files = RunDir(tmp_path)
    error = OSError(errno.ENOSPC, "No space left on device")
    assert write_failure(files, error) == FULL
    hidden = RuntimeError("basic_ios::clear: iostream error")  # torch's message
    hidden.__context__ = error
    assert write_failure(files, hidden) == FULL
    assert "free some space and run the suite again" in reason(files, FULL)
    assert list(tmp_path.iterdir()) == []


def endless() -> RunSpec:
    return spec_for(steps=10**6, evaluate_every=10**6)


def wait_until(true: Callable[[], object], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def alive(process: int) -> bool:
    """Whether a process runs; one that has ended and whose parent has not noticed does not."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


PARENT = """
import sys
from pathlib import Path
from bench.running.sweep import sweep
from tests.support.short_runs import spec_for
spec = spec_for(steps=int(sys.argv[2]), evaluate_every=int(sys.argv[2]) // 10)
def show(state):
    for active in state.active:
        print(active.process.pid, active.step, flush=True)
sweep([spec], Path(sys.argv[1]), data_root=None, device="cpu", keep_model=False, jobs=1, show=show)
"""


@contextmanager
def sweeping(results: Path, steps: int = 10**6) -> Iterator["subprocess.Popen[str]"]:
    """A process with a sweep of one run; a line is the worker's id and its step."""
    command = [sys.executable, "-c", PARENT, str(results), str(steps)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        yield process
        process.kill()


def read_worker(parent: "subprocess.Popen[str]", after: int) -> int:
    """The id of the worker, once it has done more steps than that."""
    assert parent.stdout is not None
    for line in parent.stdout:
        worker, step = map(int, line.split())
        if step > after:
            return worker
    raise AssertionError("the sweep has ended")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(("after", "group"), [(-1, False), (5, True)])
def test_a_worker_ends_soon_after_its_killed_parent(
    tmp_path: Path, after: int, group: bool
) -> None:
    """Also one that still loads torch; one that trains saves a checkpoint."""
    with sweeping(tmp_path) as parent:
        worker = read_worker(parent, after)
        os.killpg(parent.pid, signal.SIGKILL) if group else parent.kill()
        parent.wait()
        wait_until(lambda: not alive(worker), 15 if after < 0 else 5)
    files = RunDir.of(tmp_path, spec_for(steps=10**6, evaluate_every=10**5))
    assert not files.locked
    assert after < 0 or files.checkpoint.exists()
    assert after < 0 or files.step is None


@pytest.mark.slow
def test_a_run_whose_parents_are_killed_and_started_again_at_once_has_the_same_bits(
    tmp_path: Path,
) -> None:
    """The next sweep waits until the worker of a killed one has saved its checkpoint."""
    spec = spec_for(steps=400, evaluate_every=40)
    for after in (-1, 80):
        with sweeping(tmp_path, spec.steps) as parent:
            read_worker(parent, after)
    state, _ = run_all([spec], tmp_path)
    assert state.finished == [spec]
    expected = execute(spec, tmp_path / "whole")
    assert numbers(load_run(RunDir.of(tmp_path, spec))) == numbers(expected)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_worker_whose_pipe_is_closed_ends(tmp_path: Path) -> None:
    job = Job(spec=endless(), results=tmp_path, data_root=None, device="cpu", keep_model=False)
    active = start(job)
    wait_until(lambda: active.files.step)
    with active.process:
        assert active.process.stdin is not None
        active.process.stdin.close()
        assert active.process.wait(15) == INTERRUPTED
    assert active.files.state == "interrupted"


def test_a_busy_process_does_not_outlive_its_parent_by_much() -> None:
    """Python handles no signal while the main thread is within a long computation."""
    code = (
        "import signal, threading, time; from bench.running import worker\n"
        "worker.GRACE_SECONDS = 0.5\n"
        "signal.signal(signal.SIGTERM, lambda number, frame: None)\n"
        "parent = open(0, 'rb', buffering=0)\n"
        "threading.Thread(target=worker.end_with, args=(parent,), daemon=True).start()\n"
        "print('busy', flush=True)\n"
        "time.sleep(60)"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, text=True, **pipes) as busy:  # type: ignore[call-overload]
        assert busy.stdout.readline() == "busy\n"
        busy.stdin.close()
        assert busy.wait(15) == INTERRUPTED


@pytest.mark.parametrize("job", ["", '{"spec": {'])
def test_a_worker_whose_parent_ends_before_it_sent_the_job_does_nothing(
    job: str, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "bench.running.worker"]
    ended = subprocess.run(command, input=job, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (INTERRUPTED, "", "")


def test_a_second_ctrl_c_ends_processes_at_once_and_the_run_can_go_on(tmp_path: Path) -> None:
    """The worker is stopped, so that it cannot react to the first one."""
    workers: list[subprocess.Popen[bytes]] = []
    shown: list[bool] = []

    def show(state: Sweep) -> None:
        shown.append(state.stopping)
        if state.stopping and len(shown) > shown.index(True) + 2:
            raise KeyboardInterrupt
        if not state.stopping and state.active[0].step > 2:
            workers.append(state.active[0].process)
            workers[0].send_signal(signal.SIGSTOP)
            raise KeyboardInterrupt

    with pytest.raises(StoppedAtOnceError):
        sweep(
            [endless()], tmp_path, data_root=None, device="cpu", keep_model=False, jobs=1, show=show
        )
    assert [worker.poll() for worker in workers] == [-signal.SIGKILL]
    assert not RunDir.of(tmp_path, endless()).locked


def test_scoring_ends_at_once_but_training_after_a_checkpoint(tmp_path: Path) -> None:
    files, stop = RunDir(tmp_path), Stop()
    report = progress_writer(files, stop)
    report(3, "training")
    stop.handle(signal.SIGTERM, None)
    report(4, "validating")
    assert stop.received
    assert (files.step, files.doing) == (4, "validating")
    with pytest.raises(SystemExit) as ended:
        report(4, "scoring")
    assert ended.value.code == INTERRUPTED
    stop.received = False
    report(4, "scoring")
    with pytest.raises(SystemExit):
        stop.handle(signal.SIGTERM, None)


def test_a_run_stopped_while_it_scores_is_scored_by_the_next_command(tmp_path: Path) -> None:
    spec = quick()
    whole = execute(spec, tmp_path / "whole")
    raised: list[str] = []

    def show(state: Sweep) -> None:
        if state.active and state.active[0].doing == "scoring" and not raised:
            raised.append("scoring")
            raise KeyboardInterrupt

    files = RunDir.of(tmp_path, spec)
    with pytest.raises(KeyboardInterrupt):
        sweep([spec], tmp_path, data_root=None, device="cpu", keep_model=False, jobs=1, show=show)
    assert files.state == "interrupted"
    run_all([spec], tmp_path)
    assert numbers(load_run(files)) == numbers(whole)
