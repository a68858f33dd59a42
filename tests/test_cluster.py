"""The sweep of test_sweep.py on a real Ray of this machine alone."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from bench.store import load_run
from bench.sweeping.cluster import (
    attempt,
    connect,
    execute,
    import_ray,
    wait_for_folder,
)
from bench.sweeping.launching import launch_here
from bench.sweeping.local import Sweep, sweep
from bench.sweeping.worker import BUSY, FINISHED, lock, write_job
from tests.test_cli import cli, write_suite
from tests.test_run import execute as execute_here
from tests.test_run import numbers, spec_for
from tests.test_sweep import quick

pytest.importorskip("ray", reason="the extra `cluster` is not installed")


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    """Launch and slots of a Ray with two cores, started once, without a token in the home."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "disabled")
        with connect("local", device="cpu", jobs=2) as engine:
            yield engine


def go(specs: list[Any], results: Path, engine: Any, show: Any = lambda state: None) -> Sweep:
    launch, jobs = engine
    return sweep(specs, results, data_root=None, device="cpu", jobs=jobs, show=show, launch=launch)


def test_ray_and_this_machine_write_the_same_bits_and_a_failure_stops_nothing(
    ray: Any, tmp_path: Path
) -> None:
    good, bad = quick(), spec_for("center", learning_rate=1e30, steps=50)
    seen: list[int] = []
    state = go([bad, good], tmp_path / "ray", ray, lambda state: seen.append(len(state.active)))
    assert max(seen) == 2
    assert [spec.run_name for spec in state.done] == [good.run_name]
    assert "loss became" in state.failed[bad.run_name]
    go([good], tmp_path / "here", (launch_here, 1))
    one, two = (tmp_path / name / "runs" / good.run_name for name in ("ray", "here"))
    assert numbers(load_run(one)) == numbers(load_run(two))
    assert load_run(one).record["environment"]["threads"] == 1
    assert {path.name for path in one.iterdir()} == {path.name for path in two.iterdir()}


def test_a_cancelled_run_keeps_its_checkpoint_and_goes_on_later(ray: Any, tmp_path: Path) -> None:
    spec = spec_for(steps=100_000, evaluate_every=100_000)

    def interrupt(state: Sweep) -> None:
        if state.active and state.active[0].step > 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        go([spec], tmp_path, ray, interrupt)
    directory = tmp_path / "runs" / spec.run_name
    assert (directory / "checkpoint.pt").exists()
    assert not list(directory.glob("*.json"))


def test_a_lost_ray_worker_costs_an_attempt_but_no_bit(ray: Any, tmp_path: Path) -> None:
    spec = spec_for(steps=300, evaluate_every=50)
    killed: list[int] = []

    def kill_once(state: Sweep) -> None:
        if not killed and state.active and state.active[0].step > 5:
            killed.append(parent_of_worker(state.active[0].directory))
            os.kill(killed[0], signal.SIGKILL)

    state = go([spec], tmp_path / "ray", ray, kill_once)
    assert killed
    assert state.failed == {}
    stored = load_run(tmp_path / "ray" / "runs" / spec.run_name)
    assert numbers(stored) == numbers(execute_here(spec, tmp_path / "here"))


def parent_of_worker(directory: Path) -> int:
    """Process id of the Ray worker whose process works in `directory`."""
    for path in Path("/proc").glob("[0-9]*"):
        try:
            command = (path / "cmdline").read_bytes()
            if f"{directory}/job-".encode() in command:
                return int((path / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except OSError:  # it ended meanwhile
            continue
    raise AssertionError(f"no process works in {directory}")


def test_signals_of_the_sweep_stay_its_own(ray: Any) -> None:
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_an_attempt_waits_for_the_process_of_the_one_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = quick()
    directory = tmp_path / "runs" / spec.run_name
    directory.mkdir(parents=True)
    place = {"results": str(tmp_path), "data_root": None, "device": "cpu"}
    job = write_job(directory, spec, place)
    codes: list[int] = []

    def noted(job: Path) -> int:
        codes.append(attempt(job))
        return codes[-1]

    monkeypatch.setattr("bench.sweeping.cluster.attempt", noted)
    with ThreadPoolExecutor() as pool:
        with lock(directory / "lock"):
            task = pool.submit(execute, str(job))
            while not codes and not task.done():
                time.sleep(0.01)
        assert task.result() == FINISHED
    assert codes[0] == BUSY
    assert job.exists()


def test_a_run_that_stays_busy_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.sweeping.cluster.PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr("bench.sweeping.cluster.attempt", lambda job: BUSY)
    assert execute(str(tmp_path / "job-x.json")) == BUSY


def test_a_folder_that_is_not_shared_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere is not there on node .* all nodes"):
        wait_for_folder(tmp_path / "nowhere", time.monotonic())


@pytest.mark.parametrize(
    ("address", "device", "expected"),
    [
        ("127.0.0.1:1", "cpu", "no Ray cluster can be reached at 127.0.0.1:1 (.*refused"),
        ("127.0.0.1:99999", "cpu", "no Ray cluster can be reached at 127.0.0.1:99999"),
        ("nonsense", "cpu", "'nonsense' is none of auto, local and host:port"),
        ("local", "cuda:1", "--device is cpu or cuda, not 'cuda:1'"),
    ],
)
def test_an_engine_that_cannot_be_had_is_told(address: str, device: str, expected: str) -> None:
    pattern = expected.replace("(", r"\(")
    with (
        pytest.raises((ValueError, OSError), match=pattern),
        connect(address, device=device, jobs=None),
    ):
        pass


def test_the_command_ends_with_one_message(tmp_path: Path) -> None:
    suite, results = write_suite(tmp_path), tmp_path / "results"
    output = cli("run", suite, "--results", results, "--ray", "127.0.0.1:1", code=1)
    assert "proxy-bench: no Ray cluster can be reached at 127.0.0.1:1" in output


def test_a_missing_ray_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ValueError, match=r"pip install proxy-bench\[cluster\]"):
        import_ray()
