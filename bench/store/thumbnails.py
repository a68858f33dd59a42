"""Thumbnails of a split's test images, kept beside the results: the browser needs no data root."""

import io
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from PIL import Image

from bench.spec import file_name
from bench.store.runs import StoredRunError, atomic


@dataclass(frozen=True, eq=False)
class Pixels:
    """N thumbnails as pixels (N, H, W) or (N, H, W, 3) uint8: those of small images."""

    images: np.ndarray

    def __len__(self) -> int:
        return len(self.images)

    @property
    def size(self) -> tuple[int, int]:
        height, width = self.images.shape[1:3]
        return height, width

    def encoded(self, position: int) -> tuple[bytes, str]:
        return encode(self.images[position], "PNG"), "image/png"

    def arrays(self) -> dict[str, np.ndarray]:
        return {"images": self.images}


@dataclass(frozen=True, eq=False)
class Jpegs:
    """N square thumbnails as JPEG files in a row: those of photographs.

    data: the files' bytes (uint8); ends (N,): where each file ends; side: in pixels, an array ().
    """

    data: np.ndarray
    ends: np.ndarray
    side: np.ndarray

    def __len__(self) -> int:
        return len(self.ends)

    @property
    def size(self) -> tuple[int, int]:
        return int(self.side), int(self.side)

    def encoded(self, position: int) -> tuple[bytes, str]:
        start = int(self.ends[position - 1]) if position else 0
        return self.data[start : int(self.ends[position])].tobytes(), "image/jpeg"

    def arrays(self) -> dict[str, np.ndarray]:
        return {"jpegs": self.data, "ends": self.ends, "side": self.side}


@dataclass(frozen=True, eq=False)
class Thumbnails:
    """Thumbnails of the test images in the order of the stored embeddings.

    images: N; labels (N,); class_names by label; items: the unique name of each image; source:
    changes with the data set's pixels or with the part of them that is shown.
    """

    images: Pixels | Jpegs
    labels: np.ndarray
    class_names: tuple[str, ...]
    items: tuple[str, ...]
    source: str

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of every thumbnail, in pixels."""
        return self.images.size

    @cached_property
    def content(self) -> bytes:
        """Bytes that differ where a thumbnail does."""
        return next(iter(self.images.arrays().values())).tobytes()

    def encoded(self, position: int) -> tuple[bytes, str]:
        """One thumbnail as an image file, and its media type."""
        return self.images.encoded(position)


def encode(image: np.ndarray, kind: str) -> bytes:
    """An image (H, W) or (H, W, 3) uint8 as a file; kind: "PNG" or "JPEG"."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format=kind)
    return buffer.getvalue()


def as_jpegs(images: Iterable[np.ndarray]) -> Jpegs:
    """Thumbnails (side, side, 3) uint8, at least one, as JPEG files."""
    files = []
    for image in images:
        side = len(image)
        files.append(encode(image, "JPEG"))
    ends = np.cumsum([len(file) for file in files], dtype=np.int64)
    return Jpegs(np.frombuffer(b"".join(files), dtype=np.uint8), ends, np.array(side))


def thumbnails_path(results: Path, dataset: str, fingerprint: str) -> Path:
    """The thumbnails' file of a data set's split."""
    return results / "pictures" / f"{file_name(dataset)}-{fingerprint[:12]}.npz"


def save_thumbnails(path: Path, thumbnails: Thumbnails) -> None:
    """Write the thumbnails, by renaming; runs may do so at once, since all write the same."""
    with atomic(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(
            file,
            allow_pickle=False,
            labels=thumbnails.labels.astype(np.int64),
            class_names=np.array(thumbnails.class_names),
            items=np.array(thumbnails.items),
            source=np.array(thumbnails.source),
            **thumbnails.images.arrays(),
        )


def source_of(path: Path) -> str | None:
    """The `source` of stored thumbnails; None where there are none that can be read."""
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            return str(file["source"])
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return None


def load_thumbnails(path: Path) -> Thumbnails:
    """Read the thumbnails of a split.

    Raises StoredRunError naming the file if it is missing or damaged.
    """
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            return Thumbnails(
                Jpegs(file["jpegs"], file["ends"], file["side"])
                if "jpegs" in file
                else Pixels(file["images"]),
                file["labels"],
                tuple(map(str, file["class_names"])),
                tuple(map(str, file["items"])),
                str(file["source"]),
            )
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise StoredRunError(
            f"{path} cannot be read ({error}); "
            "delete it and one run on this data set, and run the suite again"
        ) from error
