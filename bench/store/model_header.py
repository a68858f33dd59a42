"""What a stored network says of itself: its specification and its input. Needs no torch."""

import json
from pathlib import Path
from typing import NamedTuple

from safetensors import safe_open

from bench.spec import RunSpec


class ModelHeader(NamedTuple):
    """The specification of a network's run; side, in pixels, and channels, 1 (grey) or 3, of the
    square images that it was trained on."""

    spec: RunSpec
    side: int
    channels: int


def read_header(path: Path) -> ModelHeader:
    """The header of a `model.safetensors`.

    Raises: SafetensorError, KeyError or ValueError for a damaged file or one of another project.
    """
    with safe_open(path, "np") as file:
        header = file.metadata() or {}
    size = json.loads(header["input"])
    return ModelHeader(RunSpec.model_validate_json(header["spec"]), size["side"], size["channels"])
