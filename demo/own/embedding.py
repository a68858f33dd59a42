"""Embeddings of new images by the network that a run stored, in a process of its own.

The browser stays without torch, and its memory is free again afterwards.
"""

import io
import subprocess
import sys
from collections.abc import Sequence
from threading import Lock

import numpy as np
from PIL import Image

from bench.cli.listing import model_path
from bench.datasets.files.decode import shrink_to
from bench.datasets.files.prepare import centre, prepare
from bench.store.model_header import ModelHeader, read_header
from bench.store.runs import Run, naming
from bench.suggest import printable

PATIENCE = 300  # seconds; a start of torch takes some, on a busy machine many
ONE = Lock()  # upload or process at a time


def header_of(run: Run) -> ModelHeader:
    """What the stored network of a run says of itself; ValueError if there is none."""
    path = model_path(run)
    with naming(path):
        return read_header(path)


def network_input(name: str, image: Image.Image, header: ModelHeader) -> np.ndarray:
    """An RGB image as the network takes it: (H, W) or (H, W, 3) uint8.

    As `proxy-bench embed` prepares it, but where the run had small images, the middle square of
    another image is resized, and turned grey if those were.
    """
    if header.spec.resize is None:
        if image.size != (header.side, header.side):
            image = Image.fromarray(centre(shrink_to(name, image, header.side), header.side))
        if header.channels == 1:
            image = image.convert("L").convert("RGB")
    return prepare(name, image, *header)


def preparation(header: ModelHeader) -> str:
    """What was done to the images, in words."""
    spec, side = header.spec, header.side
    if spec.resize is not None:
        return (
            f"resized to a shorter side of {spec.resize} pixels and cut to the middle {side}x{side}"
        )
    grey = ", in grey" if header.channels == 1 else ""
    return f"the middle square, resized to {side}x{side} pixels{grey}"


def embed(run: Run, pixels: Sequence[np.ndarray]) -> np.ndarray:
    """Embeddings (N, D) float32 of prepared images.

    Raises: ValueError in words for a visitor, also where the network is not the stored one; what
    the process says goes to standard error.
    """
    path = model_path(run)
    with naming(path):
        run.compare(path)  # the browser may have read the run long ago
    sent = io.BytesIO()
    np.save(sent, np.stack(pixels))
    command = [sys.executable, "-m", "bench.cli.networks.embed_pixels", str(path)]
    try:
        with ONE:
            done = subprocess.run(
                command, input=sent.getvalue(), capture_output=True, timeout=PATIENCE
            )
    except subprocess.TimeoutExpired as error:
        raise ValueError(f"The network took more than {PATIENCE} seconds") from error
    if done.returncode:
        print(printable(done.stderr.decode("utf-8", "replace")), file=sys.stderr)
        raise ValueError(
            "The network of this run cannot be used here; the terminal of the browser says why"
        )
    vectors: np.ndarray = np.load(io.BytesIO(done.stdout), allow_pickle=False)
    if not np.isfinite(vectors).all():
        raise ValueError("The network gives numbers that are not finite for these images")
    return vectors
