"""A run's trained network in a file, with all that is needed to build it again."""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from bench.datasets.types import Dataset
from bench.spec import RunSpec
from bench.store.model_header import read_header
from bench.temporary import atomic
from bench.training.network import random_network
from proxy_core.models.embedding_model import EmbeddingModel


def save_model(path: Path, model: EmbeddingModel, spec: RunSpec, dataset: Dataset) -> None:
    """Write parameters and statistics as safetensors, with the specification in the header."""
    side, _, channels = dataset.images.shape
    header = {
        "format": "proxy-bench model 1",
        "spec": spec.model_dump_json(),
        "input": json.dumps({"side": side, "channels": channels}),
        "data_checksum": dataset.checksum,
    }
    tensors = {name: value.cpu().contiguous() for name, value in model.state_dict().items()}
    with atomic(path) as temporary:
        temporary.write_bytes(save(tensors, header))


@dataclass(frozen=True, eq=False)
class StoredModel:
    """A network in evaluation mode with the specification of its run.

    side, channels: of the square images that it was trained on, in pixels and 1 (grey) or 3.
    """

    network: EmbeddingModel
    spec: RunSpec
    side: int
    channels: int


def load_model(path: Path, device: str = "cpu") -> StoredModel:
    """The network that a run stored, on a device.

    Raises: ValueError naming the file if it is damaged or not a model of this project.
    """
    try:
        header = read_header(path)
        model = random_network(*header)
        model.load_state_dict(load_file(path))
    except (SafetensorError, KeyError, RuntimeError, ValueError) as error:
        raise ValueError(f"{path} is not a complete model of proxy-bench ({error})") from error
    network = model.to(device).to(memory_format=torch.channels_last).eval()
    return StoredModel(network, *header)
