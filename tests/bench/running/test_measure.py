"""Measured times of a short run, and what is said if they cannot be measured."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bench.running.measure import measure, measure_budget
from bench.running.probe import Job, Pictures, ProbedRun
from bench.spec import RunSpec
from bench.training.loop import deterministic
from tests.support.short_runs import spec_for


@pytest.mark.slow
def test_everything_takes_time() -> None:
    said: list[str] = []
    job = Job(spec=spec_for(), device="cpu")
    measured = measure(job, 2, 100, lambda work, done, total: said.append(work))
    speed = measured.speed
    assert min(speed.start, speed.step, speed.embed, speed.score, measured.alone) > 0
    assert speed.embed < speed.step < speed.start
    assert any("features of 100 images" in work for work in said)


def test_the_reason_of_a_failure_is_handed_on() -> None:
    spec = spec_for().model_copy(update={"dataset": "folder:none"})
    with pytest.raises(ValueError, match="folder:none"):
        measure(Job(spec=spec, device="cpu"), 1, 100, lambda *_: None)


class InThisProcess:
    """Stands in for `bench.running.measure.Probe`."""

    def __init__(self, job: Job) -> None:
        self.measures = ProbedRun(job).measures()

    def wait(self) -> float:
        return 1.0

    def ask(self, what: str) -> float:
        name, *batch = what.split()
        return self.measures[name](*map(int, batch))


@contextmanager
def probes_here(job: Job, count: int) -> Iterator[list[InThisProcess]]:
    with deterministic():
        yield [InThisProcess(job) for _ in range(count)]


@pytest.mark.parametrize(
    ("spec", "pictures"),
    [
        (spec_for("magnet", weights="none", weights_sha256="0" * 64), Pictures(8, 1, 5)),
        (
            spec_for("proxy_nca", backbone="resnet18", frozen="backbone", augmentation="none"),
            Pictures(32, 3, 1000),
        ),
        (spec_for("none", steps=0, samples_per_class="random"), Pictures(8, 1, 5)),
    ],
    ids=["clusters", "linear probe", "no training"],
)
def test_random_pictures_replace_data_and_weights(
    spec: RunSpec, pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One in a process of its own, the others here, because a process takes seconds to start."""
    if spec.loss != "none":
        monkeypatch.setattr("bench.running.measure.probes", probes_here)
    spec = spec.model_copy(update={"dataset": "nowhere", "batch_size": 48})
    speed, footprint = measure_budget(spec, pictures, "cpu")
    assert min(speed.start, speed.embed) > 0
    assert (speed.step > 0) == (spec.loss != "none")
    assert footprint.memory > 1e7
    assert (footprint.parameters > 1000, footprint.dimensions) == (True, spec.embedding_dim)


ENDLESS = """
import sys, time
from contextlib import nullcontext
from types import SimpleNamespace
from bench.running import probe
sys.modules["bench.training.loop"] = SimpleNamespace(deterministic=nullcontext)  # needs torch
class Endless:
    def __init__(self, job): pass
    def measures(self): return {"embed": lambda: time.sleep(600)}
probe.ProbedRun = Endless
probe.main()
"""


def test_a_process_that_measures_ends_with_its_parent() -> None:
    """As the pipe to it is closed when a parent ends, however that comes about."""
    with subprocess.Popen(
        [sys.executable, "-c", ENDLESS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as probe:
        assert probe.stdin is not None
        assert probe.stdout is not None
        print(Job(spec=spec_for(), device="cpu").model_dump_json(), file=probe.stdin)
        print("embed", file=probe.stdin, flush=True)
        assert "value" in probe.stdout.readline()  # it is ready
        probe.stdin.close()
        try:
            assert probe.wait(60) == 0
        finally:
            probe.kill()
