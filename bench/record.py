"""What a finished run leaves behind: scores, embeddings, neighbours, pictures and its record."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bench.datasets.base import Dataset
from bench.environment import describe
from bench.evaluation import embed, query_arrays, score_test
from bench.pictures import Pictures, load_pictures, pictures_path, save_pictures
from bench.spec import RunSpec
from bench.store import save_arrays, save_run
from bench.training.checkpoint import Progress


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
    test = dataset.split.query
    embeddings = embed(model, dataset, test)
    scores, ranking = score_test(embeddings, dataset)
    untrained_scores, _ = score_test(embed(untrained, dataset, test), dataset)
    metadata = {"spec_id": spec.spec_id, "fingerprint": dataset.fingerprint}
    arrays = {"embeddings": embeddings.numpy(), "labels": dataset.labels[test]}
    save_arrays(directory / "embeddings.safetensors", arrays, metadata)
    save_arrays(directory / "queries.safetensors", query_arrays(ranking), metadata)
    store_pictures(results, dataset)
    record = {
        "spec_id": spec.spec_id,
        "spec": spec.model_dump(),
        "split": describe_split(dataset),
        "data_checksum": dataset.checksum,
        "scores": scores,
        "untrained": untrained_scores,
        "cost": {"train_seconds": progress.seconds, "images": progress.step * spec.batch_size},
        "parameters": describe_parameters(model, loss),
        "environment": describe(str(next(model.parameters()).device), torch.get_num_threads()),
    }
    save_run(directory, record)


def store_pictures(results: Path, dataset: Dataset) -> None:
    """Keep the test images for the browser, once per split, or anew if its pixels have changed."""
    path = pictures_path(results, dataset.name, dataset.fingerprint)
    test = dataset.split.query
    images = dataset.images[test]
    if path.exists() and np.array_equal(load_pictures(path).images, images):
        return
    items = tuple(dataset.items[position] for position in test)
    save_pictures(path, Pictures(images, dataset.labels[test], dataset.class_names, items))


def describe_split(dataset: Dataset) -> dict[str, Any]:
    """Protocol, fingerprint and the size of each part."""
    split = dataset.split
    record: dict[str, Any] = {"protocol": split.protocol, "fingerprint": dataset.fingerprint}
    parts = {"train": split.train, "validation": split.validation, "test": split.query}
    for name, positions in parts.items():
        record[f"{name}_images"] = len(positions)
        record[f"{name}_classes"] = len(np.unique(dataset.labels[positions]))
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
