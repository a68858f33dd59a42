"""What a suite will cost on this machine, measured in a few steps of each budget."""

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, groupby
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from bench.cli.tune import learns_parameters
from bench.datasets import load
from bench.datasets.files.photographs import Photographs
from bench.datasets.files.work import Report
from bench.evaluation.history import planned_steps
from bench.running.measure import measure_budget
from bench.running.price import (
    SIZES,
    Size,
    cache_bytes,
    kept_images,
    seconds,
    stored_bytes,
    sweep_hours,
)
from bench.running.probe import Pictures
from bench.running.sweep import missing_runs
from bench.spec import NO_LOSS, RunSpec
from bench.suites import SuiteError, load_suite
from bench.suites.model import Suite
from bench.suites.stored import suite_to_read
from bench.terminal import print_line
from bench.tuning.search import declare, default_specs, read_search, search_folder

GIGA = 1e9
EXTRAPOLATED = (
    "Extrapolated from steps of 8 and 16 images. Reading photographs, the search of neighbors, the "
    "other scores and the report come on top; they may take most of the time of runs of a minute."
)


def suite_to_price(name: str, results: Path) -> tuple[Suite, str]:
    """A suite, and a note if its weights are missing; raises SuiteError for other mistakes."""
    try:
        return load_suite(name), ""
    except SuiteError as error:
        suite = suite_to_read(name, results)
        reasons = {line.partition(": ")[2] for line in str(error).splitlines()[1:]}
        return suite, f"nothing can run without the weights: {'; '.join(sorted(reasons))}"


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
    size = Size(
        len(dataset.items),
        len(split.train),
        len(split.validation),
        len(dataset.test_positions),
        dataset.training_classes,
    )
    if isinstance(dataset.images, Photographs):
        return size, spec.crop or 0, 3
    side, _, channels = dataset.images.shape
    return size, side, channels


class Priced(NamedTuple):
    """Runs, the results folder that may hold them, whether they keep their networks, and at how
    many validations embeddings."""

    specs: Sequence[RunSpec]
    results: Path
    keep_model: bool
    keep_embeddings: int | None


class Cost(NamedTuple):
    """What runs cost: how many there are and are stored; of those that are missing, training images
    and the seconds of each; bytes of memory of one process, of what they will store, and of the
    decoded photographs of each cache."""

    runs: int
    stored: int
    images: int
    seconds: list[float]
    memory: float
    run_bytes: float
    cache_bytes: Mapping[tuple[object, ...], float]

    @property
    def disk(self) -> float:
        return self.run_bytes + sum(self.cache_bytes.values())


def trials_to_price(suite: Suite, name: str, results: Path, seed: int, trials: int) -> Priced:
    """The trials of a search of a suite, which keep their networks.

    seed: of a search that is not begun; a stored one has its own. Raises: ValueError if Optuna is
    not installed, or if the stored search cannot be read.
    """
    folder = search_folder(results, name)
    stored = read_search(folder)
    seed = stored.seed if stored else seed
    learns = {spec.loss: learns_parameters(spec.loss) for spec in default_specs(suite, seed)}
    _, specs = declare(suite, seed=seed, trials=trials, learns=learns, data={})
    return Priced(specs, folder, keep_model=True, keep_embeddings=0)


def price(
    runs: Priced, root: Path | None, device: str, report: Report
) -> dict[tuple[str, str], Cost]:
    """The cost of the runs of each data set and split, measured."""
    _, missing = missing_runs(runs.specs, runs.results)
    groups = groupby(sorted(runs.specs, key=of_data), of_data)
    by_data = {name: list(specs) for name, specs in groups}
    costs: dict[tuple[str, str], Cost] = {}
    for done, (name, specs) in enumerate(by_data.items()):
        report("measuring", done, len(by_data))
        waiting = [spec for spec in specs if spec in missing]
        costs[name] = cost_of(specs, waiting, root, device, runs)
    report("measuring", len(by_data), len(by_data))
    return costs


def of_data(spec: RunSpec) -> tuple[str, str]:
    return spec.dataset, spec.split


def cost_of(
    specs: list[RunSpec],
    waiting: list[RunSpec],
    root: Path | None,
    device: str,
    keeping: Priced,
) -> Cost:
    """The cost of the runs of one data set and split, measured; keeping: what these keep."""
    size, side, channels = size_of(specs[0], root)
    trained = next((spec for spec in specs if spec.loss != NO_LOSS), specs[-1])
    speed, footprint = measure_budget(trained, Pictures(side, channels, size.classes), device)
    kept = len(planned_steps(trained, keeping.keep_embeddings))
    embedded = size._replace(test=0) if trained.purpose == "trial" else size  # trials keep no test
    each_stores = stored_bytes(embedded, footprint, keep_model=keeping.keep_model, kept=kept)
    cache = trained.dataset, size.photographs, trained.resize, trained.interpolation
    each = [seconds(spec, size, speed) for spec in waiting]
    if waiting:  # the first run computes the features for all
        each[0] += kept_images(trained, size) * speed.embed
    return Cost(
        len(specs),
        len(specs) - len(waiting),
        sum(spec.steps * spec.batch_size for spec in waiting),
        each,
        footprint.memory if waiting else 0.0,
        len(waiting) * each_stores,
        {cache: cache_bytes(trained, size)} if waiting else {},
    )


def total(costs: Collection[Cost]) -> Cost:
    """The cost of all; of memory the largest. Splits of a data set share its cache."""
    runs, stored, images, found, memory, kept, caches = zip(*costs, strict=True)
    every = list(chain.from_iterable(found))
    shared = {cache: size for each in caches for cache, size in each.items()}
    return Cost(sum(runs), sum(stored), sum(images), every, max(memory), sum(kept), shared)


@dataclass(frozen=True)
class Plan:
    """What the runs of a suite cost.

    Attributes: title, of the suite; processes, at a time; device; costs, of each data set and
    split; note, on weights that are missing, usually empty.
    """

    title: str
    processes: int
    device: str
    costs: Mapping[tuple[str, str], Cost]
    note: str

    @cached_property
    def whole(self) -> Cost:
        return total(self.costs.values())

    @property
    def notes(self) -> list[str]:
        notes = [self.note, *memory_notes(self.whole.memory, self.processes, self.device)]
        return [*filter(None, notes), EXTRAPOLATED]

    @property
    def document(self) -> dict[str, Any]:
        """What `--json` prints."""
        budgets = [
            {"dataset": dataset, "split": split, **entry(cost, self.processes)}
            for (dataset, split), cost in self.costs.items()
        ]
        return {
            "title": self.title,
            "processes": self.processes,
            "device": self.device,
            "budgets": budgets,
            "all": entry(self.whole, self.processes),
            "notes": self.notes,
        }


def entry(cost: Cost, jobs: int) -> dict[str, float]:
    """The numbers of a row."""
    return {
        "runs": cost.runs,
        "stored": cost.stored,
        "images": cost.images,
        "hours": sweep_hours(cost.seconds, jobs),
        "memory_bytes": cost.memory,
        "disk_bytes": cost.disk,
    }


def print_plan(console: Console, plan: Plan) -> None:
    """A row for each data set and split, and one for all; then notes."""
    where = f"{plan.processes} at a time on {plan.device}, one thread each"
    print_line(console, f"{plan.title}: {where}")
    table = Table("data set", *("runs", "stored", "images", "hours", "memory", "disk"))
    for (dataset, split), cost in plan.costs.items():
        table.add_row(f"{dataset}, {split}", *row(cost, plan.processes))
    table.add_section()
    table.add_row("all", *row(plan.whole, plan.processes))
    console.print(table)
    for line in plan.notes:
        print_line(console, line)


def row(cost: Cost, jobs: int) -> list[str]:
    found = entry(cost, jobs)
    counts = [f"{found[name]:,}" for name in ("runs", "stored", "images")]
    return [*counts, f"{found['hours']:,.1f}", *gigabytes(cost.memory, cost.disk)]


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
