"""Photographs in their files: read when asked for, never all at once."""

import hashlib
import zipfile
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from os import cpu_count
from pathlib import Path

import numpy as np

from bench.datasets.cache import cached
from bench.datasets.decoding import cut_out, decode, shrink_to
from bench.datasets.progress import Report, quiet

_TOGETHER = 256  # files whose checksums are made between two reports


@dataclass(frozen=True, eq=False)
class Photographs:
    """N image files under a folder, or in a zip archive.

    names: paths from the folder or in the archive, POSIX style; boxes: None, or (N, 4) float64
    left, top, width, height in pixels, the part of each photograph that counts.
    """

    place: Path
    names: tuple[str, ...]
    boxes: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.names)

    @contextmanager
    def opened(self) -> Iterator["OpenPlace"]:
        """The place, open for reading: an archive's table is read once only."""
        if self.place.is_dir():
            yield OpenPlace(self.place, None)
            return
        try:
            archive = zipfile.ZipFile(self.place)
        except (zipfile.BadZipFile, OSError) as error:
            raise ValueError(f"{self.place} is not a complete zip archive ({error})") from error
        with archive:
            yield OpenPlace(self.place, archive)

    def pixels(self, place: "OpenPlace", position: int, side: int) -> np.ndarray:
        """Decode one photograph to (H, W, 3) uint8 with a shorter side of ``side``.

        Raises ValueError, naming the file, for one which cannot be read or decoded.
        """
        name = self.names[position]
        image = decode(name, place.read(name))
        if self.boxes is not None:
            image = cut_out(name, image, self.boxes[position])
        return shrink_to(name, image, side)

    def digests(self, report: Report) -> np.ndarray:
        """SHA-256 of every file, (N, 32) uint8; kept as long as sizes and times stay the same."""
        return cached("digests", {"files": self.stamps}, lambda: self._digests(report))

    @cached_property
    def checksum(self) -> str:
        """SHA-256 (hex) over the files' names, digests and boxes, sorted by name."""
        return content_checksum(self.names, self.digests(quiet), self.boxes)

    @cached_property
    def stamps(self) -> list[list[object]]:
        """Path, size and time of change (of an archive: checksum) of every file.

        Raises FileNotFoundError naming the first file that is missing.
        """
        if self.place.is_dir():
            return [_stamp(self.place / name) for name in self.names]
        with self.opened() as place:
            return [_stamp(self.place), *(list(place.entry(name)) for name in self.names)]

    def _digests(self, report: Report) -> np.ndarray:
        digests = np.empty((len(self), 32), dtype=np.uint8)
        with self.opened() as place, ThreadPoolExecutor(cpu_count()) as threads:
            for start in range(0, len(self), _TOGETHER):
                report("reading", start, len(self))
                names = self.names[start : start + _TOGETHER]
                found = b"".join(threads.map(place.digest, names))
                rows = np.frombuffer(found, dtype=np.uint8).reshape(-1, 32)
                digests[start : start + _TOGETHER] = rows
        report("reading", len(self), len(self))
        return digests


@dataclass(frozen=True)
class OpenPlace:
    """A folder, or an archive that is open."""

    path: Path
    archive: zipfile.ZipFile | None

    def read(self, name: str) -> bytes:
        """A file's bytes; ValueError, naming it, where it cannot be read."""
        try:
            return self.archive.read(name) if self.archive else (self.path / name).read_bytes()
        except KeyError as error:
            raise ValueError(f"{name} is missing from {self.path}") from error
        except (OSError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
            raise ValueError(f"{name} in {self.path} cannot be read ({error})") from error

    def digest(self, name: str) -> bytes:
        """SHA-256 of a file's bytes."""
        return hashlib.sha256(self.read(name)).digest()

    def entry(self, name: str) -> tuple[str, int, int]:
        """Name, size and CRC of an archive's entry; FileNotFoundError where there is none."""
        assert self.archive is not None
        try:
            info = self.archive.getinfo(name)
        except KeyError as error:
            raise FileNotFoundError(f"{name} is missing from {self.path}") from error
        return info.filename, info.file_size, info.CRC


def content_checksum(names: tuple[str, ...], digests: np.ndarray, boxes: np.ndarray | None) -> str:
    """SHA-256 (hex) over names, digests (N, 32) and boxes, sorted by name."""
    whole = hashlib.sha256()
    for i in sorted(range(len(names)), key=names.__getitem__):
        whole.update(f"{names[i]}\n".encode() + digests[i].tobytes())
        if boxes is not None:
            whole.update(boxes[i].tobytes())
    return whole.hexdigest()


def _stamp(path: Path) -> list[object]:
    try:
        status = path.stat()
    except OSError as error:
        raise FileNotFoundError(
            f"{path} is missing or cannot be read ({error.strerror})"
        ) from error
    return [str(path.resolve()), status.st_size, status.st_mtime_ns]
