"""Measured times of a short run, and what is said if they cannot be measured."""

import pytest

from bench.running.measure import Job, measure
from tests.support.short_runs import spec_for


def test_everything_takes_time() -> None:
    said: list[str] = []
    job = Job(spec=spec_for(), data_root=None, device="cpu")
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
        measure(Job(spec=spec, data_root=None, device="cpu"), 1, 100, lambda *_: None)
