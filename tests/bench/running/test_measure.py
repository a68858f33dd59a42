"""Measured times of a short run, and what is said if they cannot be measured."""

import subprocess
import sys

import pytest

from bench.running.measure import measure, measure_budget
from bench.running.probe import Job, Pictures
from bench.spec import RunSpec
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


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (spec_for().model_copy(update={"dataset": "folder:none"}), "folder:none"),
        (spec_for(backbone="resnet1"), "resnet1"),
    ],
    ids=["data", "backbone"],
)
def test_the_reason_of_a_failure_is_handed_on(spec, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=message):
        measure(Job(spec=spec, device="cpu"), 1, 100, lambda *_: None)


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
def test_random_pictures_replace_data_and_weights(spec: RunSpec, pictures: Pictures) -> None:
    spec = spec.model_copy(update={"dataset": "nowhere", "batch_size": 48})
    speed, footprint = measure_budget(spec, pictures, "cpu")
    assert min(speed.start, speed.embed) > 0
    assert (speed.step > 0) == (spec.loss != "none")
    assert footprint.memory > 1e7
    assert (footprint.parameters > 1000, footprint.dimensions) == (True, spec.embedding_dim)


ENDLESS = """
import time
from bench.running import probe
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
