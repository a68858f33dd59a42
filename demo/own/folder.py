"""A folder of images without labels, embedded by the network of a run."""

import io
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.cli.listing import model_path
from bench.datasets.files.decode import decode, shrink_to
from bench.datasets.files.prepare import centre
from bench.datasets.files.work import on_all_cores
from bench.store.runs import Run
from bench.store.thumbnails import Thumbnails, as_jpegs

SIDE = 128  # pixels of a picture
NUMBER = 0  # in addresses of pictures, where a shelf has its own


@dataclass(frozen=True, eq=False)
class Folder:
    """Images of a folder: where it is, the run that embedded them, embeddings (N, D), pictures."""

    place: Path
    run: str
    vectors: np.ndarray
    pictures: Thumbnails


def open_folder(run: Run, place: Path) -> Folder:
    """Embed the images of a folder in another process, which reports its progress itself.

    Raises: ValueError if the run kept no network, or if that process could not use some image.
    """
    command = [
        sys.executable,
        "-m",
        "bench.cli.networks.embed_folder",
        str(model_path(run)),
        str(place),
    ]
    done = subprocess.run(command, stdout=subprocess.PIPE)
    if done.returncode:
        raise ValueError(f"the images of {place} were not embedded; the lines above say why")
    arrays = np.load(io.BytesIO(done.stdout), allow_pickle=False)
    names = tuple(arrays["names"].tolist())
    labels = np.zeros(len(names), np.int64)
    pictures = Thumbnails(as_jpegs(small_pictures(place, names)), labels, ("",), names, str(place))
    return Folder(place, run.name, arrays["vectors"], pictures)


def small_pictures(place: Path, names: tuple[str, ...]) -> Iterator[np.ndarray]:
    """The middle square (SIDE, SIDE, 3) of each image."""

    def small(name: str) -> np.ndarray:
        image = decode(name, (place / name).read_bytes())
        return centre(shrink_to(name, image, SIDE), SIDE)

    yield from on_all_cores(small, names)
