"""Store the result of a run: embeddings, neighbors, history, thumbnails and `run.json`."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from bench.datasets.types import Dataset
from bench.evaluation.history import history_arrays
from bench.evaluation.score_test import TestResult
from bench.spec import NO_LOSS, RunSpec
from bench.store.environment import describe
from bench.store.runs import RunDir, save_arrays, save_run
from bench.store.thumbnails import (
    Part,
    Thumbnails,
    as_jpegs,
    is_stored,
    save_thumbnails,
    thumbnails_path,
)
from bench.suites.loss_source import loss_source
from bench.training.checkpoint import Progress
from bench.training.device import device_name
from proxy_core.metrics import JUNK
from proxy_core.models.embedding_model import EmbeddingModel


def store_result(
    spec: RunSpec,
    dataset: Dataset,
    model: EmbeddingModel,
    loss: nn.Module,
    test: TestResult,
    untrained: TestResult,
    progress: Progress,
    results: Path,
) -> None:
    """Write everything about a run, `run.json` last; its network is already stored, if it is kept.

    test: of the trained network; untrained: before its first step, which shows what training adds.
    """
    files = RunDir.of(results, spec)
    metadata = {"spec_id": spec.spec_id, "fingerprint": dataset.fingerprint}
    labels = dataset.labels[test.positions]
    arrays = {"embeddings": test.embeddings.numpy(), "labels": labels}
    save_arrays(files.embeddings, arrays, metadata)
    save_arrays(files.queries, test.queries, metadata)
    if test.roc:
        save_arrays(files.roc, test.roc, metadata)
    if progress.chain.steps:
        save_arrays(files.chain, progress.chain.arrays(), metadata | progress.chain.header())
    files.history.unlink(missing_ok=True)  # of an attempt that kept another number
    names = {"picture_names": store_thumbnails(results, dataset, dataset.test_positions)}
    if progress.kept:
        save_arrays(files.history, history_arrays(dataset, progress.kept), metadata)
        names["validation_names"] = store_thumbnails(
            results, dataset, dataset.split.validation, part="validation"
        )
    record = common_fields(spec, dataset, model, loss, progress.places) | {
        **names,
        "scores": test.scores,
        "untrained": untrained.scores,
        "cost": {"train_seconds": progress.seconds, "images": progress.step * spec.batch_size},
        "trained": progress.moved,
    }
    save_run(files, record)


def store_trial(
    spec: RunSpec,
    dataset: Dataset,
    model: EmbeddingModel,
    loss: nn.Module,
    results: Path,
    *,
    places: Sequence[Mapping[str, str]],
    moved: bool = True,
    diverged: str | None = None,
) -> None:
    """Write the record of a trial, whose curve is stored, as is its network if it is kept.

    places: where it was trained; moved: whether any step had a gradient other than 0; diverged: the
    error that ended it, if any.
    """
    files = RunDir.of(results, spec)
    last = json.loads(files.curve.read_text(encoding="utf-8").splitlines()[-1])
    record = common_fields(spec, dataset, model, loss, places) | {
        "scores": {},
        "untrained": {},
        "cost": {"train_seconds": last["seconds"], "images": last["images"]},
        "trained": moved,
        "diverged": diverged,
    }
    save_run(files, record)
    files.remove_checkpoints()


def common_fields(
    spec: RunSpec,
    dataset: Dataset,
    model: EmbeddingModel,
    loss: nn.Module,
    places: Sequence[Mapping[str, str]],
) -> dict[str, Any]:
    """What was run, on which data and where."""
    device = device_name(str(next(model.parameters()).device))
    source = {} if spec.loss == NO_LOSS else {"loss_source": loss_source(spec.loss)}
    return source | {
        "spec_id": spec.spec_id,
        "spec": spec.model_dump(),
        "split": describe_split(dataset),
        "data_checksum": dataset.checksum,
        "parameters": describe_parameters(model, loss),
        "environment": describe(device, torch.get_num_threads(), places),
    }


def store_thumbnails(
    results: Path, dataset: Dataset, positions: np.ndarray, part: Part = "test"
) -> str:
    """Store the thumbnails of the images at `positions` (N,), those of a part of the split, unless
    they are stored already.

    Returns: the digest of their names.
    """
    fingerprint = dataset.fingerprint
    if part == "validation":
        fingerprint = dataset.drawn_fingerprint or fingerprint
    path = thumbnails_path(results, dataset.name, fingerprint, part)
    images = dataset.images
    height, _, channels = images.shape
    source = dataset.checksum if channels == 1 else f"{dataset.checksum} {height}"
    items = tuple(dataset.items[position] for position in positions)
    named = Thumbnails({}, dataset.labels[positions], dataset.class_names, items, source)
    if not is_stored(path, source, named.names_digest):
        shown = (images.thumbnail(position) for position in positions.tolist())
        files = {"images": np.stack(list(shown))} if channels == 1 else as_jpegs(shown)
        save_thumbnails(path, replace(named, files=files))
    return named.names_digest


def describe_split(dataset: Dataset) -> dict[str, Any]:
    """Protocol, fingerprints and the size of each part; of a gallery, and without its junk, only if
    it is separate; the most images of other classes that a query searches, if that does not follow;
    how many test images are of trained classes, if some are."""
    split = dataset.split
    record: dict[str, Any] = {"protocol": split.protocol, "fingerprint": dataset.fingerprint}
    if dataset.drawn_fingerprint:
        record["drawn"] = dataset.drawn_fingerprint
    parts = {"train": split.train, "validation": split.validation, "test": split.query}
    gallery = {"gallery": split.gallery} if dataset.has_own_gallery else {}
    for name, positions in (parts | gallery).items():
        record[f"{name}_images"] = len(positions)
        record[f"{name}_classes"] = len(set(dataset.labels[positions].tolist()) - {JUNK})
    if gallery:
        record["searched_images"] = len(dataset.searched)
    if gallery or dataset.cameras is not None:
        record["most_negatives"] = most_negatives(dataset)
    if (known := dataset.trained_queries).any() and not known.all():
        record["trained_test_images"] = int(known.sum())
    return record


def most_negatives(dataset: Dataset) -> int:
    """The most images of other classes in the gallery of a test, without junk, of any query."""
    searched = Counter(dataset.labels[dataset.searched].tolist())
    queries = set(dataset.labels[dataset.split.query].tolist())
    return searched.total() - min(searched[label] for label in queries)


def describe_parameters(model: nn.Module, loss: nn.Module) -> dict[str, Any]:
    """Number of the network's parameters, and a digest of all values of network and loss."""
    digest = hashlib.sha256()
    for module in (model, loss):
        for name, value in sorted(module.state_dict().items()):
            digest.update(name.encode())
            digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    count = sum(parameter.numel() for parameter in model.parameters())
    return {"count": count, "sha256": digest.hexdigest()}
