"""The test images of a split, kept beside the results so that the browser needs no data root."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from PIL import Image

from bench.spec import file_name
from bench.store.runs import StoredRunError, atomic


@dataclass(frozen=True, eq=False)
class Jpegs:
    """N square pictures as JPEG files in a row: data, their bytes (uint8); ends (N,), where each
    ends; side, in pixels."""

    data: np.ndarray
    ends: np.ndarray
    side: int

    def __len__(self) -> int:
        return len(self.ends)

    def file(self, position: int) -> bytes:
        """One picture's JPEG file."""
        start = int(self.ends[position - 1]) if position else 0
        return self.data[start : int(self.ends[position])].tobytes()


@dataclass(frozen=True, eq=False)
class Pictures:
    """Test images in the order of the stored embeddings.

    Attributes: images (N, H, W) or (N, H, W, 3) uint8, or of photographs small JPEGs; labels (N,);
    class_names by label; items, the unique name of each image; source, which changes with the data
    set's pixels or with what is shown of them.
    """

    images: np.ndarray | Jpegs
    labels: np.ndarray
    class_names: tuple[str, ...]
    items: tuple[str, ...]
    source: str

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of every picture."""
        if isinstance(self.images, Jpegs):
            return self.images.side, self.images.side
        height, width = self.images.shape[1:3]
        return height, width

    @cached_property
    def content(self) -> bytes:
        """Bytes that differ where a picture does."""
        images = self.images
        return images.data.tobytes() if isinstance(images, Jpegs) else images.tobytes()

    def encoded(self, position: int) -> tuple[bytes, str]:
        """One picture as a file, and its media type."""
        if isinstance(self.images, Jpegs):
            return self.images.file(position), "image/jpeg"
        return encode(self.images[position], "PNG"), "image/png"


def encode(image: np.ndarray, kind: str) -> bytes:
    """An image (H, W) or (H, W, 3) uint8 as a file; kind: "PNG" or "JPEG"."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format=kind)
    return buffer.getvalue()


def pack(files: Sequence[bytes], side: int) -> Jpegs:
    """JPEG files in a row."""
    ends = np.cumsum([len(file) for file in files], dtype=np.int64)
    return Jpegs(np.frombuffer(b"".join(files), dtype=np.uint8), ends, side)


def pictures_path(results: Path, dataset: str, fingerprint: str) -> Path:
    return results / "pictures" / f"{file_name(dataset)}-{fingerprint[:12]}.npz"


def save_pictures(path: Path, pictures: Pictures) -> None:
    """Write the pictures, by renaming; runs may do so at once, since all write the same content."""
    images = pictures.images
    arrays = (
        {"jpegs": images.data, "ends": images.ends, "side": np.array(images.side)}
        if isinstance(images, Jpegs)
        else {"images": images}
    )
    with atomic(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(
            file,
            allow_pickle=False,
            labels=pictures.labels.astype(np.int64),
            class_names=np.array(pictures.class_names),
            items=np.array(pictures.items),
            source=np.array(pictures.source),
            **arrays,
        )


def source_of(path: Path) -> str | None:
    """The `source` of stored pictures; None where there are none, or none that can be read."""
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            return str(file["source"])
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return None


def load_pictures(path: Path) -> Pictures:
    """Read the pictures of a split.

    Raises: StoredRunError naming the file if it is missing or damaged.
    """
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            photographs = "jpegs" in file
            return Pictures(
                Jpegs(file["jpegs"], file["ends"], int(file["side"]))
                if photographs
                else file["images"],
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
