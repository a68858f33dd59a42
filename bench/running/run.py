"""One run, from its specification to its stored result: here all parts meet."""

import json
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from bench.datasets import load
from bench.datasets.files.work import quiet
from bench.datasets.types import Dataset
from bench.evaluation.score_test import validate
from bench.running.save_result import store_result
from bench.spec import RunSpec
from bench.store.runs import Doing, RunDir
from bench.training.batches import Batches
from bench.training.checkpoint import Progress, load_checkpoint, origin_of, save_checkpoint
from bench.training.loop import deterministic, make_optimizer, train
from bench.training.sampling import derive
from proxy_core.losses import LOSSES
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
    report: Report,
    stop: Callable[[], bool],
) -> RunDir:
    """Train, validate, score once on the test split and store; resumes from a checkpoint.

    Arguments: results, the results folder; data_root, the folder of data sets that are not
    embedded; device, a torch device name, which changes numbers only by its arithmetic; report, a
    function of the number of finished steps and of what is done next; stop, called after every
    step, true to interrupt. From "scoring" on, the checkpoint holds the whole training.
    Returns: the run's directory.
    Raises: InterruptedRunError after `stop` returned true; ValueError and OSError from the parts,
    after which the run does not count as finished.
    """
    files = RunDir.of(results, spec)
    files.path.mkdir(parents=True, exist_ok=True)
    dataset = load(spec.dataset, data_root, spec.split).prepare(spec.resize, spec.crop, quiet)
    where = torch.device(device)
    model, loss = build(spec, dataset, where)
    progress = train_and_validate(spec, dataset, model, loss, files, report, stop)
    report(progress.step, "scoring")
    untrained, _ = build(spec, dataset, where)
    store_result(spec, dataset, model, untrained, loss, progress, results)
    files.checkpoint.unlink(missing_ok=True)
    return files


def build(spec: RunSpec, dataset: Dataset, device: torch.device) -> tuple[nn.Module, nn.Module]:
    """Network and loss with their initial parameters, each from its own seed: every loss starts
    from the same network, which makes differences between losses pair by seed."""
    torch.manual_seed(int(derive(spec.seed, "network").integers(2**63)))
    channels = dataset.images.shape[2]
    model = EmbeddingModel(spec.backbone, channels=channels, embedding_dim=spec.embedding_dim)
    torch.manual_seed(int(derive(spec.seed, "loss").integers(2**63)))
    classes = dataset.training_classes
    loss = LOSSES[spec.loss](classes, spec.embedding_dim, **spec.loss_args)
    return model.to(device).to(memory_format=torch.channels_last), loss.to(device)


def train_and_validate(
    spec: RunSpec,
    dataset: Dataset,
    model: nn.Module,
    loss: nn.Module,
    files: RunDir,
    report: Report,
    stop: Callable[[], bool],
) -> Progress:
    """Train to the last step with a point of the curve every `evaluate_every` steps."""
    device = next(model.parameters()).device
    optimizer = make_optimizer(spec, model, loss)
    batches = Batches(spec, dataset, loss)
    origin = origin_of(spec, dataset, device)
    progress = load_checkpoint(files.checkpoint, origin, model, loss, optimizer, batches)
    files.write_curve(progress.curve)  # a killed process, or damage, may have left something else
    if not progress.curve:
        add_point(files, spec, dataset, model, progress)
    for _ in train(batches, model, loss, optimizer, progress):
        validated = progress.step % spec.evaluate_every == 0 or progress.step == spec.steps
        report(progress.step, "validating" if validated else "training")
        if validated:
            add_point(files, spec, dataset, model, progress)
        stopping = stop() and progress.step < spec.steps
        if validated or stopping:
            save_checkpoint(files.checkpoint, origin, model, loss, optimizer, batches, progress)
        if stopping:
            raise InterruptedRunError(f"stopped after step {progress.step} of {spec.steps}")
    return progress


def add_point(
    files: RunDir, spec: RunSpec, dataset: Dataset, model: nn.Module, progress: Progress
) -> None:
    """Validate and add one line to the curve."""
    images = progress.step * spec.batch_size
    point = {
        "step": progress.step,
        "epoch": images / len(dataset.split.train),
        "images": images,
        "seconds": progress.seconds,
        "loss": progress.loss_sum / progress.loss_count if progress.loss_count else None,
    }
    progress.curve += json.dumps(point | validate(model, dataset), allow_nan=False) + "\n"
    files.write_curve(progress.curve)
    progress.loss_sum, progress.loss_count = 0.0, 0
