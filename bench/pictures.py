"""The test images of a split, kept beside the results so that the browser needs no data root."""

from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from bench.spec import file_name
from bench.store import StoredRunError, atomic


@dataclass(frozen=True)
class Pictures:
    """Test images in the order of the stored embeddings.

    Attributes: images (N, H, W) or (N, H, W, 3) uint8; labels (N,); class_names by label; items,
    the unique name of each image.
    """

    images: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]
    items: tuple[str, ...]


def pictures_path(results: Path, dataset: str, fingerprint: str) -> Path:
    return results / "pictures" / f"{file_name(dataset)}-{fingerprint[:12]}.npz"


def save_pictures(path: Path, pictures: Pictures) -> None:
    """Write the pictures, by renaming; runs may do so at once, since all write the same content."""
    with atomic(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(
            file,
            images=pictures.images,
            labels=pictures.labels.astype(np.int64),
            class_names=np.array(pictures.class_names),
            items=np.array(pictures.items),
        )


def load_pictures(path: Path) -> Pictures:
    """Read the pictures of a split.

    Raises: StoredRunError naming the file if it is missing or damaged.
    """
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            return Pictures(
                file["images"],
                file["labels"],
                tuple(map(str, file["class_names"])),
                tuple(map(str, file["items"])),
            )
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise StoredRunError(
            f"{path} cannot be read ({error}); "
            "delete it and one run on this data set, and run the suite again"
        ) from error
