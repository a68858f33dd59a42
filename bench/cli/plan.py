"""What a suite will cost on this machine, measured in a few steps of each budget."""

import os
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

from rich.table import Table

from bench.datasets import load
from bench.datasets.files.photographs import Photographs
from bench.datasets.files.work import Report
from bench.running.price import SIZES, Size, Speed, cache_bytes, seconds, stored_bytes, sweep_hours
from bench.running.sweep import missing_runs
from bench.running.trial import Trial, measure
from bench.spec import NO_LOSS, RunSpec
from bench.suites import SuiteError, load_suite
from bench.suites.model import Suite

GIGA = 1e9


def suite_to_price(name: str) -> tuple[Suite, str]:
    """A suite, and a note if its weights are missing; raises SuiteError for other mistakes."""
    try:
        return load_suite(name), ""
    except SuiteError as error:
        suite = load_suite(name, need_weights=False)
        reasons = {line.partition(": ")[2] for line in str(error).splitlines()[1:]}
        return suite, f"no run counts as stored without the {'; '.join(sorted(reasons))}"


def size_of(spec: RunSpec, root: Path | None) -> tuple[Size, int, int]:
    """Sizes of a data set's parts, side and channels of its images.

    Raises: what a loader raises for a data set of unknown size that is not here.
    """
    try:
        dataset = load(spec.dataset, root, spec.split)
    except FileNotFoundError:
        if (spec.dataset, spec.split) not in SIZES:
            raise
        return SIZES[spec.dataset, spec.split], spec.crop or 0, 3
    split = dataset.split
    test = len(split.query) + (len(split.gallery) if dataset.has_own_gallery else 0)
    size = Size(
        len(dataset.items), len(split.train), len(split.validation), test, dataset.training_classes
    )
    if isinstance(dataset.images, Photographs):
        return size, spec.crop or 0, 3
    side, _, channels = dataset.images.shape
    return size, side, channels


def price(
    suite: Suite, results: Path, root: Path | None, device: str, jobs: int, report: Report
) -> tuple[Table, list[str]]:
    """The table of costs, a row for each data set, and notes on memory."""
    stored, missing = missing_runs(suite.specs, results)
    table = Table("data set", *("runs", "stored", "images", "hours", "memory", "disk"))
    every: list[float] = []
    largest, disk, images = 0.0, 0.0, 0
    groups = [(name, list(found)) for name, found in groupby(by_data(suite.specs), of_data)]
    for done, (name, specs) in enumerate(groups):
        report("measuring", done, len(groups))
        size, side, channels = size_of(specs[0], root)
        trained = next((spec for spec in specs if spec.loss != NO_LOSS), specs[-1])
        trial = Trial(
            spec=trained, side=side, channels=channels, classes=size.classes, device=device
        )
        speed: Speed = measure(trial)
        waiting = [spec for spec in specs if spec in missing]
        here = [seconds(spec, size, speed) for spec in waiting]
        seen = sum(spec.steps * spec.batch_size for spec in waiting)
        space = cache_bytes(trained, size) + sum(
            stored_bytes(spec, size, speed, keep_model=suite.keep_model) for spec in waiting
        )
        table.add_row(
            name,
            *row(len(specs), len(specs) - len(waiting), seen, here, jobs),
            *gigabytes(speed.memory, space),
        )
        every += here
        largest, disk, images = max(largest, speed.memory), disk + space, images + seen
    report("measuring", len(groups), len(groups))
    table.add_section()
    table.add_row(
        "all", *row(len(suite.specs), len(stored), images, every, jobs), *gigabytes(largest, disk)
    )
    return table, memory_notes(largest, jobs, device)


def by_data(specs: Iterable[RunSpec]) -> list[RunSpec]:
    return sorted(specs, key=of_data)


def of_data(spec: RunSpec) -> str:
    return f"{spec.dataset}, {spec.split}"


def row(runs: int, stored: int, images: int, found: list[float], jobs: int) -> list[str]:
    return [f"{runs:,}", f"{stored:,}", f"{images:,}", f"{sweep_hours(found, jobs):,.1f}"]


def gigabytes(memory: float, disk: float) -> list[str]:
    return [f"{memory / GIGA:,.1f} GB", f"{disk / GIGA:,.1f} GB"]


def memory_notes(memory: float, jobs: int, device: str) -> list[str]:
    """What to do where the processes do not fit into the memory of the machine."""
    if device == "cpu":
        there = float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    else:
        import torch

        there = float(torch.cuda.get_device_properties(device).total_memory)
    if jobs * memory <= there:
        return []
    fitting = int(there // memory)
    advice = f"use --jobs {fitting}" if fitting else "use a larger machine, or a smaller batch_size"
    need = f"{jobs} x {memory / GIGA:,.1f} GB" if jobs > 1 else f"{memory / GIGA:,.1f} GB"
    return [f"{device} has {there / GIGA:,.1f} GB of memory, and the runs need {need}: {advice}"]
