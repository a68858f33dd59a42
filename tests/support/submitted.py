"""Honest submissions of short real runs on the digits, some with a gallery of its own."""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.datasets import DATASETS, load
from bench.datasets.digits import DIGITS, load_digits
from bench.datasets.splits import Split, number_in_class
from bench.datasets.types import Dataset
from bench.spec import RunSpec
from bench.store.runs import Run, RunDir, load_run
from bench.submissions.pack import Content, Labels, pack
from bench.suites import load_suite
from bench.training.batches import Batches
from tests.support.short_runs import execute

# A suite of two runs that nobody trains.
SUITE = """
title = "Mine"
seeds = [0, 1]
[budgets.digits]
embedding_dim = 16
batch_size = 32
steps = 100
evaluate_every = 20
learning_rate = 1e-3
weight_decay = 1e-4
[methods.NCA]
loss = "proxy_nca"
"""

METHODS = {
    "NCA": 'loss = "proxy_nca"\nloss_learning_rate = 0.01',
    "Triplet": 'loss = "triplet"',
    "Center": 'loss = "center"\nloss_learning_rate = 0.01\nargs = { weight = 0.01 }',
}
BUDGET = """
embedding_dim = 8
batch_size = 24
steps = 12
evaluate_every = 4
learning_rate = 1e-3
weight_decay = 1e-4
"""
GALLERY = "digits_gallery"
BUDGETS = {
    "class-disjoint": 'dataset = "digits"',
    "official": 'dataset = "digits"\nsplit = "official"',
    "gallery": f'dataset = "{GALLERY}"\nsplit = "official"',
}


@dataclass(frozen=True)
class Choice:
    """The grid of a submission."""

    budgets: Sequence[str] = ("official",)
    methods: Sequence[str] = ("NCA", "Triplet")
    seeds: Sequence[int] = (0, 1)

    @property
    def suite(self) -> str:
        budgets = "".join(f'[budgets."{name}"]\n{BUDGETS[name]}{BUDGET}' for name in self.budgets)
        methods = "".join(f"[methods.{name}]\n{METHODS[name]}\n" for name in self.methods)
        return f'title = "Short runs"\nseeds = {list(self.seeds)}\n{budgets}{methods}'


@dataclass(frozen=True)
class Pool:
    """Real runs by their specifications, each trained when it is first needed."""

    folder: Path

    def honest(self, spec: RunSpec) -> Run:
        return self._stored(spec, self.folder / "honest")

    def on_test_images(self, spec: RunSpec) -> Run:
        """A run whose training batches hold images of the test split."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("bench.running.run.Batches", leaking)
            return self._stored(spec, self.folder / "leaking")

    def early(self, spec: RunSpec, steps: int) -> Run:
        """The first steps of a run as a run."""
        return self.honest(spec.model_copy(update={"steps": steps}))

    def _stored(self, spec: RunSpec, results: Path) -> Run:
        files = RunDir.of(results, spec)
        return load_run(files) if files.finished else execute(spec, results)

    def submission(self, folder: Path, choice: Choice) -> list[Run]:
        """Pack the runs of a suite into a folder; returns the packed runs."""
        suite = folder.parent / f"{folder.name}.toml"
        suite.write_text(choice.suite)
        specs = load_suite(str(suite)).specs
        pack(Content(suite, None, [self.honest(spec) for spec in specs]), folder, Labels(), {})
        return [load_run(RunDir.of(folder, spec)) for spec in specs]


def leaking(spec: RunSpec, dataset: Dataset, loss: Any) -> Batches:
    """Batches that hold images of the test split too."""
    split = dataset.split
    train = np.concatenate([split.train, split.query])
    return Batches(spec, with_fields(dataset, split=replace(split, train=train)), loss)


def with_fields(dataset: Dataset, **fields: Any) -> Dataset:
    """The data set with other fields, without its checks."""
    made = copy(dataset)
    for name, value in fields.items():
        object.__setattr__(made, name, value)
    return made


def load_gallery(root: Path | None, protocol: str) -> Dataset:
    """The digits with a separate gallery, of as many images as there are queries."""
    digits = load_digits(None, "official")
    fifth = number_in_class(digits.labels) % 5
    query, gallery = np.flatnonzero(fifth == 2), np.flatnonzero(fifth == 3)
    size = min(len(query), len(gallery))
    parts = np.flatnonzero(fifth < 2), np.flatnonzero(fifth == 4), query[:size], gallery[:size]
    return replace(digits, name=GALLERY, split=Split("official", *parts))


def register_gallery(patch: pytest.MonkeyPatch) -> None:
    """Add the digits with a gallery to DATASETS, with their split pinned."""
    fingerprint = load_gallery(None, "official").fingerprint
    source = replace(DIGITS, fingerprints={"official": fingerprint}, load=load_gallery)
    patch.setitem(DATASETS, GALLERY, source)


def data_of(run: Run) -> Dataset:
    return load(run.spec["dataset"], None, run.spec["split"])
