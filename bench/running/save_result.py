"""What a finished run leaves behind: scores, embeddings, neighbours, pictures and its record."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bench.datasets.files.pixels import Decoded
from bench.datasets.splits import JUNK
from bench.datasets.types import Dataset
from bench.evaluation.score_test import score_test, shown_positions
from bench.spec import RunSpec
from bench.store.environment import describe
from bench.store.runs import save_arrays, save_run
from bench.store.thumbnails import (
    Jpegs,
    Pictures,
    encode,
    pack,
    pictures_path,
    save_pictures,
    source_of,
)
from bench.training.checkpoint import Progress
from bench.training.crops import centre, resize

SHOWN_SIDE = 128  # pixels of a photograph in the browser, at most


def store_result(
    spec: RunSpec,
    dataset: Dataset,
    model: nn.Module,
    untrained: nn.Module,
    loss: nn.Module,
    progress: Progress,
    results: Path,
) -> None:
    """Score the test split, once, and write everything, `run.json` last.

    `untrained` is the network before its first step: what the architecture alone is worth.
    """
    directory = results / "runs" / spec.run_name
    tested = score_test(model, dataset, spec.crop, loss)
    before = score_test(untrained, dataset, spec.crop, None)
    metadata = {"spec_id": spec.spec_id, "fingerprint": dataset.fingerprint}
    labels = dataset.labels[tested.positions]
    arrays = {"embeddings": tested.embeddings.numpy(), "labels": labels}
    save_arrays(directory / "embeddings.safetensors", arrays, metadata)
    save_arrays(directory / "queries.safetensors", tested.queries, metadata)
    if tested.roc:
        save_arrays(directory / "roc.safetensors", tested.roc, metadata)
    store_pictures(results, dataset, spec.crop)
    record = {
        "spec_id": spec.spec_id,
        "spec": spec.model_dump(),
        "split": describe_split(dataset),
        "data_checksum": dataset.checksum,
        "scores": tested.scores,
        "untrained": before.scores,
        "cost": {"train_seconds": progress.seconds, "images": progress.step * spec.batch_size},
        "parameters": describe_parameters(model, loss),
        "environment": describe(str(next(model.parameters()).device), torch.get_num_threads()),
    }
    save_run(directory, record)


def store_pictures(results: Path, dataset: Dataset, crop: int | None) -> None:
    """Keep the test images for the browser, once per split, or anew if they are damaged or others;
    of photographs the centre that the network sees."""
    path = pictures_path(results, dataset.name, dataset.fingerprint)
    source = dataset.checksum if crop is None else f"{dataset.checksum} {crop}"
    if source_of(path) == source:
        return
    test = shown_positions(dataset)
    items = tuple(dataset.items[position] for position in test)
    images = small_pictures(dataset, test, crop)
    save_pictures(path, Pictures(images, dataset.labels[test], dataset.class_names, items, source))


def small_pictures(dataset: Dataset, positions: np.ndarray, crop: int | None) -> np.ndarray | Jpegs:
    """The images at `positions` as they are, or photographs' centres as small JPEGs."""
    if not isinstance(dataset.images, Decoded) or crop is None:
        pixels: np.ndarray = dataset.pixels[positions]
        return pixels
    side = min(SHOWN_SIDE, crop)
    files = [
        encode(resize(centre(dataset.images[position], crop), side), "JPEG")
        for position in positions.tolist()
    ]
    return pack(files, side)


def describe_split(dataset: Dataset) -> dict[str, Any]:
    """Protocol, fingerprint and the size of each part; a gallery only where it is apart."""
    split = dataset.split
    record: dict[str, Any] = {"protocol": split.protocol, "fingerprint": dataset.fingerprint}
    parts = {"train": split.train, "validation": split.validation, "test": split.query}
    if dataset.has_own_gallery:
        parts["gallery"] = split.gallery
    for name, positions in parts.items():
        record[f"{name}_images"] = len(positions)
        record[f"{name}_classes"] = len(set(dataset.labels[positions].tolist()) - {JUNK})
    return record


def describe_parameters(model: nn.Module, loss: nn.Module) -> dict[str, Any]:
    """Count of the network's parameters, and a digest over every value of network and loss."""
    digest = hashlib.sha256()
    for module in (model, loss):
        for name, value in sorted(module.state_dict().items()):
            digest.update(name.encode())
            digest.update(tensor_bytes(value))
    count = sum(parameter.numel() for parameter in model.parameters())
    return {"count": count, "sha256": digest.hexdigest()}


def tensor_bytes(value: Tensor) -> bytes:
    array: np.ndarray = value.detach().cpu().contiguous().numpy()
    return array.tobytes()
