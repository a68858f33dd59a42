"""How fast this machine trains, embeds and scores, and what memory it needs.

It is measured in processes like those of the runs, which `bench.running.probe` describes.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO

from bench.datasets.files.work import Report
from bench.running.choose_budget import Speed
from bench.running.price import Footprint, extrapolated
from bench.running.probe import Job, Pictures
from bench.running.sweep import ENVIRONMENT
from bench.spec import NO_LOSS, RunSpec
from bench.terminal import clock

BATCHES = (8, 16)  # random pictures of a step; larger batches may not fit into the memory


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
        left = clock(embed * images)
        report(f"computing the features of {images:,} images, about {left}", 0, None)
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


def measure_budget(spec: RunSpec, pictures: Pictures, device: str) -> tuple[Speed, Footprint]:
    """The speed and memory of a run that works alone, on random pictures and without scoring.

    Raises: ValueError with the reason if a process cannot do it.
    """
    with probes(Job(spec=spec, device=device, pictures=pictures), 1) as (probe,):
        start = probe.wait() + probe.ask("network")
        found = [
            (batch, probe.ask(f"steps {batch}"), probe.ask("memory"))
            for batch in (BATCHES if spec.loss != NO_LOSS else ())
        ]
        embed = probe.ask("embed")
        step, memory = (
            extrapolated([(each[0], each[kind]) for each in found], spec.batch_size)
            for kind in (1, 2)
        )
        memory = max(memory, probe.ask("memory"))
        sizes = [round(probe.ask(what)) for what in ("parameters", "dimensions")]
    return Speed(start, step, embed, score=0.0), Footprint(memory, *sizes)


class Probe:
    """A process that measures."""

    def __init__(self, job: Job, log: IO[bytes]) -> None:
        self.log, self.dataset = log, job.spec.dataset
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bench.running.probe"],
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
            reason = last[-1].removeprefix("ValueError: ")  # which says nothing more
            raise ValueError(f"the speed on {self.dataset} cannot be measured: {reason}")
        answer = json.loads(line)
        if "error" in answer:
            raise ValueError(answer["error"])
        return float(answer["value"])

    def wait(self) -> float:
        """Seconds from the start of the process until it is ready."""
        self.read()
        return time.monotonic() - self.started

    def ask(self, what: str) -> float:
        """One of `ProbedRun.measures`."""
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
