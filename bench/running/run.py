"""One run, from its specification to its stored result: here all parts meet."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn
from torch.optim import Optimizer

from bench.datasets import load
from bench.datasets.files.work import quiet
from bench.datasets.types import Dataset
from bench.evaluation.history import keep, planned_steps
from bench.evaluation.score_test import score_test, validate
from bench.running.save_result import store_result, store_trial
from bench.spec import RunSpec
from bench.store.runs import Doing, RunDir
from bench.training.batches import Batches
from bench.training.checkpoint import (
    Origin,
    Progress,
    load_checkpoint,
    origin_of,
    save_checkpoint,
)
from bench.training.loop import deterministic, make_optimizer, train
from bench.training.network import build
from bench.training.sampling import with_split_of
from bench.training.stored_model import save_model
from proxy_core.models.embedding_model import EmbeddingModel

Report = Callable[[int, Doing], None]


class InterruptedRunError(Exception):
    """The run was stopped; its checkpoint holds everything that was done."""


@deterministic()
def run(
    spec: RunSpec,
    results: Path,
    *,
    data_root: Path | None,
    device: str,
    keep_model: bool,
    keep_embeddings: int | None = None,
    report: Report,
    stop: Callable[[], bool],
) -> RunDir:
    """Train, validate, score once on the test split and store; resumes from a checkpoint.

    A trial of a search is not scored on the test split, and one whose training diverges is stored
    as that.

    Arguments: results, the results folder; data_root, the folder of data sets that are not
    embedded; device, a torch device name, which changes numbers only by its arithmetic; keep_model,
    whether the trained network is stored; keep_embeddings, at how many validations embeddings are
    kept, None for the default of `planned_steps`; report, a function of the number of finished
    steps and of what is done next; stop, called after every step, true to interrupt. From "scoring"
    on, the checkpoint holds the whole training.
    Returns: the run's directory.
    Raises: InterruptedRunError after `stop` returned true; ValueError and OSError from the parts,
    after which the run does not count as finished.
    """
    files = RunDir.of(results, spec)
    files.path.mkdir(parents=True, exist_ok=True)
    where = torch.device(device)
    report(0, "preparing")
    model, loss, start, dataset = set_up(spec, data_root, where)
    training = resume(spec, dataset, model, loss, files)
    progress = training.progress
    try:
        planned = planned_steps(spec, keep_embeddings)
        train_and_validate(spec, dataset, model, loss, files, training, planned, report, stop)
    except FloatingPointError as error:
        if spec.purpose != "trial":
            raise
        store_trial(
            spec, dataset, model, loss, results, places=progress.places, diverged=str(error)
        )
        return files
    report(progress.step, "scoring")
    if spec.purpose == "trial":
        if keep_model:
            save_model(files.model, model, spec, dataset)
        store_trial(
            spec, dataset, model, loss, results, places=progress.places, moved=progress.moved
        )
        return files
    test = score_test(model, dataset, loss)
    before = score_test(build(spec, start, where)[0], start, None) if spec.steps else test
    if keep_model:
        save_model(files.model, model, spec, dataset)
    store_result(spec, dataset, model, loss, test, before, progress, results)
    files.remove_checkpoints()
    return files


def set_up(
    spec: RunSpec, data_root: Path | None, device: torch.device
) -> tuple[EmbeddingModel, nn.Module, Dataset, Dataset]:
    """Network and loss as they start, the data that they start with, and those that they train on:
    with features in place of images if the network itself is not trained."""
    whole = with_split_of(spec, load(spec.dataset, data_root, spec.split))
    loaded = whole.prepare(spec.resize, spec.crop, quiet, spec.interpolation)
    model, loss, start = build(spec, loaded, device)
    return model, loss, start, start if spec.frozen == "backbone" or not spec.steps else loaded


class Training(NamedTuple):
    """What a training goes on with, and what its checkpoints say that it was made from."""

    optimizer: Optimizer
    batches: Batches
    origin: Origin
    progress: Progress


def resume(
    spec: RunSpec, dataset: Dataset, model: EmbeddingModel, loss: nn.Module, files: RunDir
) -> Training:
    """Begin a training, or go on from its last checkpoint. Raises: as `load_checkpoint`."""
    optimizer = make_optimizer(spec, model, loss)
    batches = Batches(spec, dataset, loss)
    origin = origin_of(spec, dataset, next(model.parameters()).device)
    progress = load_checkpoint(files, origin, model, loss, optimizer, batches)
    progress.add_place()
    return Training(optimizer, batches, origin, progress)


def train_and_validate(
    spec: RunSpec,
    dataset: Dataset,
    model: EmbeddingModel,
    loss: nn.Module,
    files: RunDir,
    training: Training,
    planned: frozenset[int],
    report: Report,
    stop: Callable[[], bool],
) -> None:
    """Train to the last step, or as long as validation improves, with a point of the curve every
    `evaluate_every` steps; planned, the steps of the history."""
    optimizer, batches, origin, progress = training
    files.write_curve(progress.curve)  # a killed process, or damage, may have left something else
    if not progress.curve:
        add_point(files, spec, dataset, model, progress, planned)
    if stopped_improving(spec, progress):
        return
    for _ in train(batches, model, loss, optimizer, progress):
        validated = progress.step % spec.evaluate_every == 0 or progress.step == spec.steps
        report(progress.step, "validating" if validated else "training")
        if validated:
            add_point(files, spec, dataset, model, progress, planned)
        ended = progress.step == spec.steps or (validated and stopped_improving(spec, progress))
        stopping = stop() and not ended
        if validated or stopping:
            save_checkpoint(files, origin, model, loss, optimizer, batches, progress)
        if stopping:
            raise InterruptedRunError(f"stopped after step {progress.step} of {spec.steps}")
        if ended:
            break


def stopped_improving(spec: RunSpec, progress: Progress) -> bool:
    """Whether the last `patience` validations were not better than the best one before them."""
    scores = [json.loads(line)["map@r"] for line in progress.curve.splitlines()]
    if spec.patience is None or len(scores) <= spec.patience:
        return False
    return bool(max(scores[-spec.patience :]) <= max(scores[: -spec.patience]))


def add_point(
    files: RunDir,
    spec: RunSpec,
    dataset: Dataset,
    model: nn.Module,
    progress: Progress,
    planned: frozenset[int],
) -> None:
    """Validate, and add one line to the curve and, if it is planned, its embeddings to the
    history."""
    images = progress.step * spec.batch_size
    point = {
        "step": progress.step,
        "epoch": images / len(dataset.split.train),
        "images": images,
        "seconds": progress.seconds,
        "loss": progress.loss_sum / progress.loss_count if progress.loss_count else None,
    }
    found = validate(model, dataset)
    keep(progress.kept, progress.step, found.images, planned)
    progress.curve += json.dumps(point | found.scores, allow_nan=False) + "\n"
    files.write_curve(progress.curve)
    progress.loss_sum, progress.loss_count = 0.0, 0
