"""What it costs to compute a submission again, measured before that is begun."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bench.cli.plan import memory_notes, size_of
from bench.cli.verify import CHUNK
from bench.running.choose_budget import Speed
from bench.running.measure import measure_budget
from bench.running.price import Footprint, Size, seconds
from bench.running.probe import Pictures
from bench.running.processes import chunked
from bench.spec import NETWORK, RunSpec
from bench.store.runs import Run
from bench.terminal import clock
from bench.verification.start import by_seed, network_key


class Cost(NamedTuple):
    """Seconds of all networks before training and of all trainings, with as many processes as are
    used; notes, where they do not fit into memory."""

    starts: float
    trainings: float
    notes: list[str]

    def __str__(self) -> str:
        starts, trainings = clock(self.starts), clock(self.trainings)
        return f"{starts} for networks before training and {trainings} for whole trainings"


class Measured(NamedTuple):
    """How fast the runs of a budget are here."""

    size: Size
    speed: Speed
    footprint: Footprint


def cost_of(
    runs: Sequence[Run], chosen: Sequence[Run], data_root: Path | None, device: str, processes: int
) -> Cost:
    """The cost of the starts of runs, and of the trainings of those that the lot chose.

    Raises: ValueError with the reason if a budget cannot be measured.
    """
    trained, started = [RunSpec(**run.spec) for run in chosen], networks_of(runs)
    known: dict[tuple[Any, ...], Measured] = {}
    for spec in (*trained, *started):
        if (key := budget_of(spec)) not in known:
            known[key] = measured(spec, data_root, device)
    starts = sum(start_seconds(known[budget_of(spec)]) for spec in started)
    trainings = [seconds(spec, *known[budget_of(spec)][:2]) for spec in trained]
    memory = max(found.footprint.memory for found in known.values())
    notes = memory_notes(memory, processes, device)
    return Cost(starts / processes, sum(trainings) / processes, notes)


def networks_of(runs: Sequence[Run]) -> list[RunSpec]:
    """A run of each network before training that is computed, which is once for each few runs that
    a process takes."""
    chunks = ([RunSpec(**run.spec) for run in chunk] for chunk in chunked(by_seed(runs), CHUNK))
    return [
        spec for chunk in chunks for spec in {network_key(spec): spec for spec in chunk}.values()
    ]


def start_seconds(found: Measured) -> float:
    """How long it takes to score a network before training."""
    return (found.size.validation + found.size.test) * found.speed.embed


def budget_of(spec: RunSpec) -> tuple[Any, ...]:
    """What decides how long a step takes, but for the loss."""
    fields = ("dataset", "split", *NETWORK, "frozen", "batch_size", "precision")
    return tuple(getattr(spec, name) for name in fields)


def measured(spec: RunSpec, data_root: Path | None, device: str) -> Measured:
    """How fast a run is here, in a process of its own."""
    size, side, channels = size_of(spec, data_root)
    return Measured(size, *measure_budget(spec, Pictures(side, channels, size.classes), device))
