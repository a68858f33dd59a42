"""Thumbnails of a split's images, kept beside the results: the browser needs no data root.

Those of the test images are always stored, those of the validation images if a run kept a history.
"""

import hashlib
import io
import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, Literal
from zipfile import ZIP_STORED, ZipFile

import numpy as np
from PIL import Image

from bench.spec import file_name, sha256
from bench.store.mapped import give_back
from bench.store.runs import StoredRunError, is_beyond, unreachable
from bench.temporary import atomic

Part = Literal["test", "validation"]
JPEGS = "jpegs.npy"  # within the file
PART = 2**22  # numbers of an array, or bytes, that are read at a time


@dataclass(frozen=True, eq=False)
class Thumbnails:
    """N thumbnails of test or validation images in the order of the stored embeddings.

    files: the stored arrays, either pixels, "images" (N, H, W) or (N, H, W, 3) uint8, or JPEG files
    in a row: their bytes, "jpegs" (uint8), the byte at which each "ends" (N,), and their "side" in
    pixels, or height and width; labels (N,); class_names by label; items: the unique name of each
    image; source: changes with the data set's pixels or with the part of them that is shown.
    """

    files: Mapping[str, np.ndarray]
    labels: np.ndarray
    class_names: tuple[str, ...]
    items: tuple[str, ...]
    source: str

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of every thumbnail, in pixels."""
        if "jpegs" in self.files:
            height, width = np.broadcast_to(self.files["side"], 2).tolist()
            return height, width
        height, width = self.files["images"].shape[1:3]
        return height, width

    def __len__(self) -> int:
        return len(self.files["ends" if "jpegs" in self.files else "images"])

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of all thumbnails, found without a copy of them."""
        digest = hashlib.sha256()
        add(self.files["jpegs" if "jpegs" in self.files else "images"], digest.update)
        return digest.digest()

    @cached_property
    def names_digest(self) -> str:
        """SHA-256 of the name and class name of each image, in order."""
        classes = (self.class_names[label] for label in self.labels.tolist())
        return sha256(list(zip(self.items, classes, strict=True)))

    def stored(self, position: int) -> bytes:
        """The pixels of one thumbnail, or its JPEG file; equal thumbnails have the same bytes."""
        if "images" in self.files:
            return bytes(self.files["images"][position].tobytes())
        jpegs, start = self.files["jpegs"], int(self.files["ends"][position - 1]) if position else 0
        content = bytes(jpegs[start : int(self.files["ends"][position])].tobytes())
        give_back(jpegs)
        return content

    def encoded(self, position: int) -> tuple[bytes, str]:
        """One thumbnail as an image file, and its media type."""
        if "jpegs" in self.files:
            return self.stored(position), "image/jpeg"
        return encode(self.files["images"][position], "PNG"), "image/png"


def encode(image: np.ndarray, kind: str) -> bytes:
    """An image (H, W) or (H, W, 3) uint8 as a file; kind: "PNG" or "JPEG"."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format=kind)
    return buffer.getvalue()


def as_jpegs(images: Iterable[np.ndarray]) -> dict[str, np.ndarray]:
    """`Thumbnails.files` of images (H, W, 3) uint8 of one size, at least one, as JPEG files."""
    files = []
    for image in images:
        files.append(encode(image, "JPEG"))
    ends = np.cumsum([len(file) for file in files], dtype=np.int64)
    data = np.frombuffer(b"".join(files), dtype=np.uint8)
    return {"jpegs": data, "ends": ends, "side": np.array(image.shape[:2])}


def thumbnails_path(results: Path, dataset: str, fingerprint: str, part: Part = "test") -> Path:
    """The thumbnails' file of a part of a data set's split; of validation images that a seed drew,
    the fingerprint is that of the drawn split."""
    suffix = "" if part == "test" else f"-{part}"
    return results / "pictures" / f"{file_name(dataset)}-{fingerprint[:12]}{suffix}.npz"


def save_thumbnails(path: Path, thumbnails: Thumbnails) -> None:
    """Write the thumbnails, by renaming; runs may do so at once, since all write the same.

    JPEG files are not compressed again, so that a reader need not hold them in memory.
    """
    files = dict(thumbnails.files)
    jpegs = files.pop("jpegs", None)
    with atomic(path) as temporary, temporary.open("w+b") as file:
        np.savez_compressed(
            file,
            allow_pickle=False,
            labels=thumbnails.labels.astype(np.int64),
            class_names=np.array(thumbnails.class_names),
            items=np.array(thumbnails.items),
            source=np.array(thumbnails.source),
            digest=np.array(arrays_digest(thumbnails.files)),
            **files,
        )
        if jpegs is not None:
            with (
                ZipFile(file, "a", ZIP_STORED) as archive,
                archive.open(JPEGS, "w", force_zip64=True) as member,
            ):
                np.lib.format.write_array(member, jpegs, version=(1, 0), allow_pickle=False)


def is_stored(path: Path, source: str, names_digest: str) -> bool:
    """Whether thumbnails with this source and these names are stored and can be read."""
    try:
        stored = load_thumbnails(path)
    except StoredRunError:
        return False
    return (stored.source, stored.names_digest) == (source, names_digest)


def load_thumbnails(path: Path) -> Thumbnails:
    """Read the thumbnails of a split.

    Raises StoredRunError naming the file if it is missing or damaged.
    """
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            keys = ("jpegs", "ends", "side") if "jpegs" in file else ("images",)
            mapped = map_jpegs(raw) if "jpegs" in file else {}
            thumbnails = Thumbnails(
                mapped | {key: file[key] for key in keys if key not in mapped},
                file["labels"],
                tuple(map(str, file["class_names"])),
                tuple(map(str, file["items"])),
                str(file["source"]),
            )
            digest = str(file["digest"]) if "digest" in file else ""  # which earlier files lack
        check_thumbnails(thumbnails)
        if digest and digest != arrays_digest(thumbnails.files):
            raise ValueError("its pictures were changed")
    except Exception as error:  # of NumPy, zipfile, zlib and more: any damage
        if is_beyond(error):
            raise unreachable(path, f"cannot be read ({error})") from error
        raise StoredRunError(
            f"{path} cannot be read ({error}); "
            "delete it and one run on this data set, and run the suite again"
        ) from error
    return thumbnails


def arrays_digest(arrays: Mapping[str, np.ndarray]) -> str:
    """SHA-256 of arrays, with their names, types and shapes."""
    digest = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
        add(array, digest.update)
    return digest.hexdigest()


def add(array: np.ndarray, update: Callable[[memoryview], None]) -> None:
    """Give the bytes of an array to a digest, a part of an array on disk at a time."""
    flat = np.ascontiguousarray(array).reshape(-1)
    for start in range(0, len(flat), PART):
        update(flat[start : start + PART].data)
        give_back(array)


def map_jpegs(file: BinaryIO) -> dict[str, np.ndarray]:
    """The JPEG files of an open file of thumbnails, which are read when they are used; none if they
    are compressed, as earlier versions wrote them."""
    with ZipFile(file) as archive:
        member = archive.getinfo(JPEGS)
    if member.compress_type != ZIP_STORED:
        return {}
    file.seek(member.header_offset + 26)  # of the header before the file, which has its own lengths
    name, extra = struct.unpack("<HH", file.read(4))
    file.seek(name + extra, io.SEEK_CUR)
    np.lib.format.read_magic(file)
    shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    return {"jpegs": np.memmap(file, dtype, "r", file.tell(), shape)}


def check_thumbnails(thumbnails: Thumbnails) -> None:
    """Raises: ValueError unless the arrays fit each other."""
    files, labels = thumbnails.files, thumbnails.labels
    if any(array.dtype != np.uint8 for name, array in files.items() if name in ("images", "jpegs")):
        raise ValueError("its pixels are not bytes")
    if labels.dtype.kind != "i" or not len(thumbnails) == len(labels) == len(thumbnails.items):
        counts = f"{len(thumbnails)} pictures, {len(labels)} labels, {len(thumbnails.items)} names"
        raise ValueError(f"it holds {counts}")
    if labels.min() < 0 or labels.max() >= len(thumbnails.class_names):
        raise ValueError(f"it holds labels beyond its {len(thumbnails.class_names)} class names")
    if "ends" in files and not ordered(files["ends"], len(files["jpegs"])):
        raise ValueError("its pictures do not lie one after another")


def ordered(ends: np.ndarray, size: int) -> bool:
    """Whether bytes rise to the end of the file."""
    return bool(
        ends.dtype.kind == "i" and (np.diff(ends, prepend=0) > 0).all() and ends[-1] == size
    )
