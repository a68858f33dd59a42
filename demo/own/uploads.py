"""Images that visitors upload: kept in memory, a bounded number of them, and for an hour."""

import re
import secrets
import time
import warnings
from dataclasses import dataclass, field
from threading import Lock

import numpy as np
from PIL import Image

from bench.datasets.files.decode import decode
from bench.suggest import printable

LARGEST_FILE = 10 * 2**20  # bytes of an image
MOST_PIXELS = 25_000_000  # of an image, which takes at most 500 MB while it is decoded
MOST = 20  # images of an upload
MOST_RUNS = 8  # whose embeddings of an upload are kept; the oldest give way
MOST_UPLOADS = 1000  # and their bytes; the oldest give way
LARGEST = 200 * 2**20
HOURS = 1  # after which an upload is removed
LONGEST = 80  # characters of a name
ID = re.compile(r"[0-9a-f]{24}")


@dataclass(frozen=True, eq=False)
class OwnImage:
    """An uploaded image file."""

    name: str
    data: bytes


@dataclass(frozen=True, eq=False)
class Embedded:
    """The images of an upload as a network took them, (N, H, W) or (N, H, W, 3) uint8, and their
    embeddings (N, D)."""

    pixels: np.ndarray
    vectors: np.ndarray


@dataclass(frozen=True, eq=False)
class Upload:
    """Images that were uploaded together, from a time in seconds on; embedded: by the digest of
    the run, as another one may take its name."""

    images: list[OwnImage]
    begun: float
    embedded: dict[str, Embedded] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes of its files, and of what networks took and gave."""
        arrays = [array for one in self.embedded.values() for array in (one.pixels, one.vectors)]
        return sum(len(image.data) for image in self.images) + sum(a.nbytes for a in arrays)


class Uploads:
    """All uploads, by an id that cannot be guessed. Safe to use from several threads."""

    def __init__(self) -> None:
        self._kept: dict[str, Upload] = {}
        self._lock, self._decoding = Lock(), Lock()

    def add(self, own: str, name: str, data: bytes) -> str:
        """Keep an image in an upload, or in a new one; returns the upload's id.

        Raises: ValueError in words for the visitor if it is not an image that is decoded.
        """
        name = file_name(name)
        if len(data) > LARGEST_FILE:
            raise ValueError(f"{name} has more than the {megabytes(LARGEST_FILE)} of an image")
        if not data:
            raise ValueError(f"{name} is empty")
        self.decoded(OwnImage(name, data))
        with self._lock:
            own = own if own in self._kept else secrets.token_hex(12)
            upload = self._kept.setdefault(own, Upload([], time.monotonic()))
            if len(upload.images) >= MOST:
                raise ValueError(f"{name} was left out: at most {MOST} images at a time")
            upload.images.append(OwnImage(name, data))
            self._make_way(own)
        return own

    def find(self, own: str) -> Upload | None:
        with self._lock:
            return self._kept.get(own)

    def keep(self, own: str, digest: str, found: Embedded) -> None:
        """Keep what the network of the run of a digest made of an upload, unless that was removed
        meanwhile."""
        with self._lock:
            if (upload := self._kept.get(own)) is not None:
                upload.embedded[digest] = found
                for old in [*upload.embedded][:-MOST_RUNS]:
                    del upload.embedded[old]
                self._make_way(own)

    def decoded(self, image: OwnImage) -> Image.Image:
        """The image in RGB, turned as its EXIF data say; one at a time, as each may be large.

        Raises: ValueError naming the image.
        """
        with self._decoding, warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return decode(image.name, image.data, most=MOST_PIXELS)

    def remove_old(self) -> None:
        """Remove what was uploaded more than `HOURS` ago."""
        first = time.monotonic() - HOURS * 3600
        with self._lock:
            for own in [own for own, upload in self._kept.items() if upload.begun < first]:
                del self._kept[own]

    def _make_way(self, newest: str) -> None:
        """Remove the oldest others while there are too many, or too many bytes."""
        size = sum(upload.size for upload in self._kept.values())
        for own in list(self._kept):
            if size <= LARGEST and len(self._kept) <= MOST_UPLOADS:
                return
            if own != newest:
                size -= self._kept.pop(own).size


def file_name(name: str) -> str:
    """A name that a visitor gave, without folders, fit to be printed."""
    last = re.split(r"[/\\]", name)[-1].strip()
    return printable(last)[:LONGEST] or "the image"


def megabytes(size: int) -> str:
    return f"{size // 2**20} MB"
