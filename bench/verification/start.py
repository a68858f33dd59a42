"""The network of a run before its first step, again: what its seed and its weights decide."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from bench.datasets.files.work import quiet
from bench.datasets.types import Dataset
from bench.evaluation.score_test import score_test, validate
from bench.spec import NETWORK, RunSpec
from bench.store.environment import describe
from bench.store.runs import Run
from bench.training.loop import deterministic
from bench.training.network import build
from bench.training.sampling import with_split_of
from bench.verification.environment import changes
from bench.verification.on_dataset import on_dataset
from bench.verification.outcome import Difference, Outcome, moved

Scores = dict[str, float]


def verify_start(directories: Sequence[Path], data_root: Path | None) -> list[Outcome]:
    """Verify the first validation and the untrained scores of runs on one data set and split, which
    no training is needed for."""
    known: dict[tuple[Any, ...], tuple[Scores, Scores]] = {}
    return on_dataset(
        directories, data_root, lambda run, dataset: verify_run_start(run, dataset, known)
    )


def verify_run_start(
    run: Run, dataset: Dataset, known: dict[tuple[Any, ...], tuple[Scores, Scores]]
) -> Outcome:
    """Compare the start of a run; known: what was computed for other runs, by `network_key`."""
    spec = RunSpec(**run.spec)
    key = network_key(spec)
    try:
        known[key] = known.get(key) or scores_at_start(spec, dataset)
    except (OSError, ValueError, FloatingPointError) as error:
        return Outcome(run.name, error=str(error))
    differences = [*start_moved(run, dataset, *known[key])]
    here = describe(run.record["environment"]["device"], torch.get_num_threads())
    return Outcome(
        run.name,
        compared=["checksum of the images", "validation before training", "untrained scores"],
        differences=differences,
        reasons=[*changes(run.record["environment"], here)] if differences else [],
    )


def by_seed(runs: Sequence[Run]) -> list[Run]:
    """The runs, those of one seed after each other, as they share their network."""
    return sorted(runs, key=lambda run: int(run.spec["seed"]))


def network_key(spec: RunSpec) -> tuple[Any, ...]:
    """What decides the network before its first step, and what it embeds."""
    fields = (*NETWORK, "frozen", "dataset", "split")
    seeds = spec.seed_of("weights"), spec.seed_of("split")
    return (*(getattr(spec, name) for name in fields), *seeds, bool(spec.steps))


@deterministic()
def scores_at_start(spec: RunSpec, dataset: Dataset) -> tuple[Scores, Scores]:
    """Scores on the validation and on the test images, as `bench.running.run` has them."""
    whole = with_split_of(spec, dataset)
    loaded = whole.prepare(spec.resize, spec.crop, quiet, spec.interpolation)
    model, loss, start = build(spec, loaded, torch.device("cpu"))
    seen = start if spec.frozen == "backbone" or not spec.steps else loaded
    validation = validate(model, seen).scores
    trained = None if spec.steps else loss
    return validation, score_test(model, start, trained).scores


def start_moved(
    run: Run, dataset: Dataset, validation: Scores, untrained: Scores
) -> Iterator[Difference]:
    """What of a run is not as the network starts."""
    if (stored := run.record["data_checksum"]) != (here := dataset.checksum):
        yield Difference("checksum of the images", stored[:12], here[:12])
    first = {name: run.curve[0].get(name) for name in validation}
    yield from moved("step 0", {k: v for k, v in first.items() if v is not None}, validation)
    yield from moved("untrained", run.record["untrained"], untrained)
