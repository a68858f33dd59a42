"""The process in which a run is measured part by part: `python -m bench.running.probe`.

Its standard input brings a `Job` in one line, then one line for each thing to measure, perhaps with
a batch size; it answers each with a line of JSON, `value` or `error`. The end of the pipe means
that the parent has ended, and ends this process in the midst of a measurement.
"""

import json
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import NamedTuple

import numpy as np
from pydantic import BaseModel

from bench.datasets.images import ArrayImages
from bench.datasets.splits import Split
from bench.datasets.types import Dataset
from bench.spec import RunSpec

STEPS = 3  # that are timed, after one that is not
IMAGES = 64  # that are embedded for a measurement
KILO = 1 if sys.platform == "darwin" else 1024  # unit of the largest memory


class Pictures(NamedTuple):
    """Random pictures in place of a data set: their side and channels, and its training classes."""

    side: int
    channels: int
    classes: int


class Job(BaseModel):
    """What is measured: a run, with all that decides its speed.

    With `pictures` neither its data set nor its weights are read.
    """

    spec: RunSpec
    device: str
    data_root: Path | None = None
    pictures: Pictures | None = None


class ProbedRun:
    """A run that is measured part by part."""

    def __init__(self, job: Job) -> None:
        import torch

        from bench.datasets import load
        from bench.datasets.files.work import quiet
        from bench.training.network import make_network

        torch.set_num_threads(1)
        self.spec, self.pictures, self.device = job.spec, job.pictures, torch.device(job.device)
        if self.pictures:
            self.spec, self.dataset = from_random_values(self.spec), random_data(self.pictures)
        else:
            loaded = load(self.spec.dataset, job.data_root, self.spec.split)
            self.dataset = loaded.prepare(
                self.spec.resize, self.spec.crop, quiet, self.spec.interpolation
            )
        self.model = make_network(self.spec, self.dataset).to(self.device)
        self.model = self.model.to(memory_format=torch.channels_last)

    def measures(self) -> dict[str, Callable[..., float]]:
        """Each thing by its name; most are seconds. "build" comes after "features"."""
        return {
            "embed": self.embed,
            "features": lambda: timed(self.compute_features),
            "network": lambda: timed(self.make),
            "build": lambda: timed(self.build),
            "score": lambda: timed(self.score),
            "steps": self.steps,
            "memory": self.memory,
            "parameters": lambda: sum(one.numel() for one in self.model.parameters()),
            "dimensions": lambda: self.model.embedding_dim,
        }

    def embed(self) -> float:
        """Seconds to embed one image."""
        from bench.training.inputs import embed

        positions = np.resize(np.arange(len(self.dataset.items)), IMAGES)
        embed(self.model, self.dataset.images, positions[:2])  # the first call takes longer
        return timed(lambda: embed(self.model, self.dataset.images, positions)) / IMAGES

    def compute_features(self) -> Dataset:
        from bench.training.network import with_features

        return with_features(self.spec, self.dataset, self.model)

    def make(self) -> None:
        """Network and loss of a run."""
        from bench.training.network import build, make_loss

        self.model, self.loss, self.start = build(self.spec, self.dataset, self.device)
        if self.pictures:
            loss = make_loss(self.spec, self.pictures.classes, self.model.embedding_dim)
            self.loss = loss.to(self.device)

    def build(self) -> None:
        """What a run does before it trains, and a first ranking, which loads compiled code."""
        from bench.evaluation.score_test import validate

        self.make()
        validate(self.model, self.start)

    def score(self) -> None:
        from bench.evaluation.score_test import score_test

        score_test(self.model, self.start, None)

    def steps(self, batch: int = 0) -> float:
        """Seconds of a training step, with another batch size if one is given."""
        from bench.training.batches import Batches
        from bench.training.checkpoint import Progress
        from bench.training.loop import make_optimizer, train

        spec = with_steps(self.spec, batch or self.spec.batch_size)
        dataset = self.compute_features() if spec.frozen == "backbone" else self.dataset
        progress, optimizer = Progress(), make_optimizer(spec, self.model, self.loss)
        batches, times = Batches(spec, dataset, self.loss), []
        for _ in train(batches, self.model, self.loss, optimizer, progress):
            times.append(progress.seconds)
        return statistics.median(after - before for before, after in pairwise(times))

    def memory(self) -> float:
        """The most bytes that were used so far, on a GPU those of tensors."""
        import torch

        if self.device.type == "cuda":
            return float(torch.cuda.max_memory_allocated(self.device))
        return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KILO)


def with_steps(spec: RunSpec, batch: int) -> RunSpec:
    """The run with the steps that are timed; the loop waits for a GPU after each."""
    changed = {"batch_size": batch, "steps": 1 + STEPS, "evaluate_every": 1}
    return spec.model_copy(update=changed)


def from_random_values(spec: RunSpec) -> RunSpec:
    """The run as it would start without weights and data; a small batch must hold two classes."""
    samples = spec.samples_per_class
    changed = {
        "weights": None,
        "weights_sha256": None,
        "head_init": "random",
        "class_vectors_init": "random",
        "head_only_steps": 0,
        "samples_per_class": samples if samples == "random" else min(samples, 2),
    }
    return spec.model_copy(update=changed)


def random_data(pictures: Pictures) -> Dataset:
    """`IMAGES` random pictures of 8 classes or fewer to train, and 8 each to validate and test."""
    classes = min(8, pictures.classes)
    labels = np.r_[np.arange(IMAGES) % classes, [classes] * 8, [classes + 1] * 8]
    shape = (len(labels), pictures.side, pictures.side, 3)[: 4 if pictures.channels == 3 else 3]
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    train, validation, test = np.split(np.arange(len(labels)), (IMAGES, IMAGES + 8))
    names = tuple(map(str, range(len(labels))))
    return Dataset(
        "random pictures",
        ArrayImages(pixels, names),
        labels,
        names[: classes + 2],
        names,
        Split("class-disjoint", train, validation, test, test),
    )


def timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def pass_on(lines: "SimpleQueue[bytes]") -> None:
    """Pass on what the parent sends, and end with it."""
    parent = open(0, "rb", buffering=0)  # noqa: SIM115, it stays open until the process ends
    for line in parent:
        lines.put(line)
    os._exit(0)


def main() -> None:
    """Answer each line of standard input."""
    lines: SimpleQueue[bytes] = SimpleQueue()
    Thread(target=pass_on, args=(lines,), daemon=True).start()
    job = Job.model_validate_json(lines.get())
    from bench.training.loop import deterministic

    with deterministic():
        try:
            measures = ProbedRun(job).measures()
            print(json.dumps({"value": 0.0}), flush=True)
            while True:
                what, *batch = lines.get().decode().split()
                print(json.dumps({"value": measures[what](*map(int, batch))}), flush=True)
        except (ValueError, OSError, FloatingPointError) as error:
            print(json.dumps({"error": str(error)}), flush=True)


if __name__ == "__main__":
    main()
