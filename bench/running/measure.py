"""How fast this machine trains, embeds and scores: measured in processes like those of the runs.

`python -m bench.running.measure` is such a process. Its standard input brings a `Job` in one line,
then one line for each thing to measure; it answers each with a line of JSON, `seconds` or `error`.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import IO

from pydantic import BaseModel

from bench.datasets.files.work import Report
from bench.running.choose_budget import Speed
from bench.running.sweep import ENVIRONMENT
from bench.spec import RunSpec

STEPS = 3  # that are timed, after one that is not
IMAGES = 64  # that are embedded for a measurement


class Job(BaseModel):
    """What is measured: a run, with all that decides its speed."""

    spec: RunSpec
    data_root: Path | None
    device: str


@dataclass(frozen=True)
class Measured:
    """Speed while all processes work, and seconds of a step of one that works alone."""

    speed: Speed
    alone: float


def measure(job: Job, processes: int, images: int, report: Report) -> Measured:
    """Measure a run, first in one process and then in all at once.

    Features of the data set are computed and kept on the way. images: how many there are.
    Raises: ValueError with the reason if a process cannot do it.
    """
    with probes(job, processes) as (first, *others):
        report("starting processes", 0, None)
        starts = [probe.wait() for probe in (first, *others)]
        embed = first.ask("embed")
        minutes, seconds = divmod(round(embed * images), 60)
        report(
            f"computing the features of {images:,} images, about {minutes}:{seconds:02d}", 0, None
        )
        first.ask("features")
        report("measuring the speed of training", 0, None)
        builds = [first.ask("build")]
        libraries = first.ask("score")  # the first time loads them
        score = first.ask("score")
        alone = first.ask("steps")
        if others:
            builds += together(others, "build")
        steps = together((first, *others), "steps")
    slower = max(1.0, statistics.mean(steps) / alone)
    speed = Speed(
        start=statistics.mean(starts) + (statistics.mean(builds) + libraries - score) * slower,
        step=statistics.mean(steps),
        embed=embed * slower,
        score=score * slower,
    )
    return Measured(speed, alone)


class Probe:
    """A process that measures."""

    def __init__(self, job: Job, log: IO[bytes]) -> None:
        self.log = log
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bench.running.measure"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=os.environ | ENVIRONMENT,
            start_new_session=True,
        )
        self.started = time.monotonic()
        self.send(job.model_dump_json())

    def send(self, line: str) -> None:
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):  # it has ended, and `read` says why
            print(line, file=self.process.stdin, flush=True)

    def read(self) -> float:
        """The answer to the last line. Raises: ValueError with the reason if there is none."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self.log.seek(0)
            last = self.log.read().decode(errors="replace").strip().splitlines() or ["no reason"]
            raise ValueError(f"the speed cannot be measured: {last[-1]}")
        answer = json.loads(line)
        if "error" in answer:
            raise ValueError(answer["error"])
        return float(answer["seconds"])

    def wait(self) -> float:
        """Seconds from the start of the process until it is ready."""
        self.read()
        return time.monotonic() - self.started

    def ask(self, what: str) -> float:
        """Seconds of one of `Bench.measures`."""
        self.send(what)
        return self.read()


def together(all_of_them: Sequence[Probe], what: str) -> list[float]:
    """What each measures while the others do the same."""
    for probe in all_of_them:
        probe.send(what)
    return [probe.read() for probe in all_of_them]


@contextmanager
def probes(job: Job, count: int) -> Iterator[list[Probe]]:
    """Processes that measure, ended at the end."""
    started: list[Probe] = []
    with tempfile.TemporaryFile() as log:
        try:
            for _ in range(count):
                started.append(Probe(job, log))
            yield started
        finally:
            for probe in started:
                probe.process.kill()
            for probe in started:
                probe.process.communicate()


class Bench:
    """A run that is measured part by part."""

    def __init__(self, job: Job) -> None:
        import torch

        from bench.datasets import load
        from bench.datasets.files.work import quiet
        from bench.training.network import build, make_network

        torch.set_num_threads(1)
        spec = job.spec
        self.spec, self.device = spec, torch.device(job.device)
        loaded = load(spec.dataset, job.data_root, spec.split)
        self.dataset = loaded.prepare(spec.resize, spec.crop, quiet)
        self.network = make_network(spec, self.dataset).to(self.device)
        self.network = self.network.to(memory_format=torch.channels_last)
        self.make = build

    def measures(self) -> dict[str, Callable[[], float]]:
        """Seconds of each thing by its name; "build" comes after "features"."""
        return {
            "embed": self.embed,
            "features": lambda: timed(self.compute_features),
            "build": lambda: timed(self.build),
            "score": lambda: timed(self.score),
            "steps": self.steps,
        }

    def embed(self) -> float:
        """Seconds to embed one image."""
        import numpy as np

        from bench.training.inputs import embed

        positions = np.resize(np.arange(len(self.dataset.items)), IMAGES)
        embed(self.network, self.dataset.images, positions[:2])  # the first call takes longer
        return timed(lambda: embed(self.network, self.dataset.images, positions)) / IMAGES

    def compute_features(self) -> None:
        from bench.training.network import with_features

        self.features = with_features(self.spec, self.dataset, self.network)

    def build(self) -> None:
        """What a run does before it trains, and a first ranking, which loads compiled code."""
        from bench.evaluation.score_test import validate
        from bench.training.network import with_features

        self.model, self.loss = self.make(self.spec, self.dataset, self.device)
        self.features = with_features(self.spec, self.dataset, self.model)
        validate(self.model, self.features)

    def score(self) -> None:
        from bench.evaluation.score_test import score_test

        score_test(self.model, self.features, None)

    def steps(self) -> float:
        """Seconds of a training step."""
        from bench.training.batches import Batches
        from bench.training.checkpoint import Progress
        from bench.training.loop import make_optimizer, train

        progress = Progress()
        optimizer = make_optimizer(self.spec, self.model, self.loss)
        batches = Batches(self.spec, self.dataset, self.loss)
        times = [0.0]
        for _ in train(batches, self.model, self.loss, optimizer, progress):
            times.append(progress.seconds)
            if progress.step == 1 + STEPS:
                break
        return statistics.median(after - before for before, after in pairwise(times[1:]))


def timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main() -> None:
    """Answer each line of standard input."""
    from bench.training.loop import deterministic

    job = Job.model_validate_json(sys.stdin.readline())
    with deterministic():
        try:
            measures = Bench(job).measures()
            print(json.dumps({"seconds": 0.0}), flush=True)
            for line in sys.stdin:
                print(json.dumps({"seconds": measures[line.strip()]()}), flush=True)
        except (ValueError, OSError, FloatingPointError) as error:
            print(json.dumps({"error": str(error)}), flush=True)


if __name__ == "__main__":
    main()
