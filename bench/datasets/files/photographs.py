"""Photographs in their files: read one at a time, known by their contents, decoded once."""

import hashlib
import json
import lzma
import os
import stat
import time
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, NoReturn

import numpy as np
from PIL import Image

from bench.datasets.files import decode as decoding
from bench.datasets.files import deep
from bench.datasets.files.cache import CACHE_ADVICE, cache_folder, cached
from bench.datasets.files.decode import decode, shrink_to
from bench.datasets.files.pixels import FORMAT, PART, decode_missing, read_index
from bench.datasets.files.work import Report, on_all_cores, quiet
from bench.datasets.images import DecodedPhotographs
from bench.spec import file_name
from bench.suggest import first_names

LARGEST_FILE = 2**28  # bytes: the largest image that is decoded, at four bytes a pixel
# Seconds within which two changes may have one time: the coarsest clock of a file system.
TICK = 2.0
DECODERS = (decoding.__file__, deep.__file__)  # the source that decides pixels
_UNREADABLE = (OSError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError)


@dataclass(frozen=True, eq=False)
class Photographs:
    """N image files in a folder or in a zip archive.

    place: the folder or archive; names: paths from the folder `inside` it, POSIX style; boxes:
    None, or (N, 4) float64 left, top, width, height in pixels as stored, the part of each
    photograph that is used. An archive and the folder it was unpacked to have one checksum.
    """

    place: Path
    names: tuple[str, ...]
    boxes: np.ndarray | None = None
    inside: str = ""

    def __len__(self) -> int:
        return len(self.names)

    def only(self, positions: Sequence[int]) -> "Photographs":
        """The photographs at the positions, with their boxes."""
        names = tuple(self.names[position] for position in positions)
        boxes = None if self.boxes is None else self.boxes[list(positions)]
        return replace(self, names=names, boxes=boxes)

    @contextmanager
    def opened(self) -> Iterator["OpenPlace"]:
        """Open the folder or archive for reading: an archive's table is read only once.

        Until it is closed, Pillow's warning of a huge image is an error, which `decode` reports.
        Raises ValueError for a file that is not a zip archive.
        """
        with warnings.catch_warnings(), ExitStack() as stack:
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            archive = None
            if not self.place.is_dir():
                try:
                    archive = stack.enter_context(zipfile.ZipFile(self.place))
                except (zipfile.BadZipFile, OSError) as error:
                    raise ValueError(
                        f"{self.place} is not a complete zip archive ({error}); get it again"
                    ) from error
            yield OpenPlace(self.place, self.inside, archive)

    def photograph(
        self, place: "OpenPlace", position: int, digest: bytes | None = None
    ) -> Image.Image:
        """Decode one photograph, or its box, to RGB.

        Raises ValueError, naming the file, where it cannot be read or decoded, or where a digest is
        given and the file has another one.
        """
        data = place.read(self.names[position])
        if digest not in (None, hashlib.sha256(data).digest()):
            raise ValueError(
                f"{self.names[position]} changed while the photographs were read; run the same "
                "command once nothing writes them"
            )
        return self.decoded(position, data)

    def decoded(self, position: int, data: bytes) -> Image.Image:
        """The photograph at a position from the bytes of its file; raises as `photograph`."""
        return decode(
            self.names[position], data, None if self.boxes is None else self.boxes[position]
        )

    def pixels(
        self,
        place: "OpenPlace",
        position: int,
        side: int,
        interpolation: str = "bilinear",
        digest: bytes | None = None,
    ) -> np.ndarray:
        """One photograph (H, W, 3) uint8 with a shorter side of `side`; raises as `photograph`."""
        image = self.photograph(place, position, digest)
        return shrink_to(self.names[position], image, side, interpolation)

    def require_files(self) -> None:
        """Raise FileNotFoundError naming files that are missing."""
        with self.opened() as place:
            place.stamps(self.names)

    def digests(self, report: Report) -> np.ndarray:
        """SHA-256 of every file, (N, 32) uint8; stored until the stamp of a file differs.

        They are computed each time where a stamp may not show the next change: for files that
        changed just now, and on Windows, which states no time of change. Raises FileNotFoundError
        naming files that are missing, ValueError for one that cannot be read.
        """
        with self.opened() as place:
            now = time.time()
            files = place.stamps(self.names)
            if os.name == "nt" or any(stamp.changed + TICK > now for stamp in files):
                return self._digests(place, report)
            settings = {"place": str(self.place.resolve()), "names": self.names, "files": files}
            return cached("digests", settings, lambda: self._digests(place, report))

    def _digests(self, place: "OpenPlace", report: Report) -> np.ndarray:
        digests = np.empty((len(self), 32), dtype=np.uint8)
        for i, digest in enumerate(on_all_cores(place.digest, self.names)):
            if i % 256 == 0:
                report("reading", i, len(self))
            digests[i] = np.frombuffer(digest, dtype=np.uint8)
        report("reading", len(self), len(self))
        return digests

    @cached_property
    def checksum(self) -> str:
        """SHA-256 (hex) over the files' names, digests and boxes, sorted by name."""
        return self._checksum(self.digests(quiet))

    def _checksum(self, digests: np.ndarray) -> str:
        whole = hashlib.sha256()
        for i in sorted(range(len(self)), key=self.names.__getitem__):
            whole.update(f"{self.names[i]}\n".encode() + digests[i].tobytes())
            if self.boxes is not None:
                whole.update(self.boxes[i].tobytes())
        return whole.hexdigest()

    def prepare(
        self,
        name: str,
        resize: int | None,
        crop: int | None,
        report: Report,
        interpolation: str = "bilinear",
    ) -> DecodedPhotographs:
        """Decode what the cache does not hold yet; the cache's folder begins with `name`.

        resize: shorter side in pixels at which photographs are decoded; crop: side of the square
        that the network sees; interpolation: see `shrink_to`. Raises ValueError without sizes or
        naming photographs that cannot be decoded, FileNotFoundError for missing ones, OSError where
        the cache folder cannot be written or has too little space.
        """
        if resize is None or crop is None:
            raise ValueError(f"{name} holds photographs: give the budget `resize` and `crop`")
        digests = self.digests(report)
        key = self.cache_key(digests, interpolation)[:20]
        folder = cache_folder() / f"{file_name(name)}-{resize}-{key}"
        index = read_index(folder, len(self))
        if len(index) < len(self):
            with self.opened() as place:

                def pixels(position: int) -> np.ndarray:
                    known = digests[position].tobytes()  # the cache keeps pixels under it
                    return self.pixels(place, position, resize, interpolation, known)

                problems = decode_missing(folder, len(self), pixels, resize, report)
            if problems:
                count = f"{len(problems):,} photographs" if problems[1:] else "a photograph"
                raise ValueError(
                    f"{self.place}: {count} cannot be used: {first_names(problems)}; "
                    "mend or remove them"
                )
            index = read_index(folder, len(self))
            if len(index) < len(self):  # positions would be those of other photographs
                raise OSError(
                    f"{folder} does not hold what was written to it: the disk may be damaged; "
                    f"{CACHE_ADVICE}"
                )
        return DecodedPhotographs(folder, index, crop, self._checksum(digests))

    def cache_key(self, digests: np.ndarray, interpolation: str = "bilinear") -> str:
        """SHA-256 over everything but the size that can change a pixel."""
        from PIL import __version__, features

        boxes = b"" if self.boxes is None else self.boxes.tobytes()
        libraries = [
            features.version(library) for library in ("jpg", "webp", "libtiff", "jpg_2000")
        ]
        settings = {
            "content": hashlib.sha256(digests.tobytes() + boxes).hexdigest(),
            "part": [PART, FORMAT],
            "interpolation": interpolation,
            "code": [hashlib.sha256(Path(file).read_bytes()).hexdigest() for file in DECODERS],
            "pillow": __version__,
            "libraries": [*libraries, features.version_feature("libjpeg_turbo")],
        }
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()

    def _not_decoded(self, *_: object) -> NoReturn:
        raise TypeError("photographs must be decoded before their pixels are read: call prepare")

    shape = property(_not_decoded)
    sizes = batch = thumbnail = __getitem__ = _not_decoded


class Stamp(NamedTuple):
    """What differs once a file was replaced: its size in bytes and its number, which is the inode
    of a file and the CRC of an entry of an archive; of a file also two times in nanoseconds, of its
    content's change and of any change, which no program can set."""

    size: int
    number: int
    modified_ns: int = 0
    changed_ns: int = 0

    @property
    def changed(self) -> float:
        """Seconds since 1970 of the last change; 0 in an archive, which has a stamp itself.

        The time of the content's change does not count: a camera's clock may put it in the future.
        """
        return self.changed_ns / 1e9


def _stamp(status: os.stat_result) -> Stamp:
    return Stamp(status.st_size, status.st_ino, status.st_mtime_ns, status.st_ctime_ns)


@dataclass(frozen=True)
class OpenPlace:
    """A folder, or an archive that is open; names are paths from the folder `inside` it."""

    path: Path
    inside: str
    archive: zipfile.ZipFile | None

    def read(self, name: str) -> bytes:
        """A file's bytes.

        Raises ValueError, naming it, where it cannot be read, is not a regular file (a pipe may
        never end) or has more than `LARGEST_FILE` bytes, in an archive after unpacking.
        """
        try:
            size = self._stamp(name).size
            if size > LARGEST_FILE:
                raise ValueError(
                    f"{name} in {self.path} has {size:,} bytes, more than the {LARGEST_FILE:,} "
                    "that are read; make it smaller or leave it out"
                )
            if self.archive:  # a wrong size in its table fails the check of the CRC
                return self.archive.read(self._entry(name))
            return (self.path / self._entry(name)).read_bytes()
        except (FileNotFoundError, KeyError) as error:
            raise ValueError(f"{name} is missing from {self.path}") from error
        except _UNREADABLE as error:
            raise ValueError(f"{name} in {self.path} cannot be read ({error})") from error

    def digest(self, name: str) -> bytes:
        """SHA-256 of a file's bytes."""
        return hashlib.sha256(self.read(name)).digest()

    def names(self) -> list[str]:
        """The names of all files; an archive may repeat some."""
        if self.archive:
            entries = (entry for entry in self.archive.namelist() if not entry.endswith("/"))
            start = self._entry("")
            return [entry.removeprefix(start) for entry in entries if entry.startswith(start)]
        folder = self.path / self.inside
        found, seen = [], set()
        for path, folders, files in os.walk(folder, followlinks=True):
            real = os.path.realpath(path)
            if real in seen:  # links in a circle
                folders.clear()
                continue
            seen.add(real)
            found += [Path(path, name) for name in files]
        return [p.relative_to(folder).as_posix() for p in found if p.is_file()]

    def stamps(self, names: Sequence[str]) -> list["Stamp"]:
        """The stamps of files, and first that of the archive.

        Raises FileNotFoundError naming files that are missing.
        """
        stamps = [_stamp(os.stat(self.path))] if self.archive else []
        missing = []
        for name in names:
            try:
                stamps.append(self._stamp(name))
            except (OSError, KeyError):
                missing.append(name)
        if missing:
            raise FileNotFoundError(
                f"{self.path} is not complete: missing or unreadable: {first_names(missing)}"
            )
        return stamps

    def _stamp(self, name: str) -> "Stamp":
        if self.archive:
            entry = self.archive.getinfo(self._entry(name))
            return Stamp(entry.file_size, entry.CRC)
        status = os.stat(os.path.join(self.path, self._entry(name)))
        if not stat.S_ISREG(status.st_mode):
            raise ValueError(f"{name} in {self.path} is not a file; take it out")
        return _stamp(status)

    def _entry(self, name: str) -> str:
        return f"{self.inside}/{name}" if self.inside else name
