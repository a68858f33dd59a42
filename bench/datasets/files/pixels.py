"""Photographs decoded once, at a stated size, into files that are mapped into memory.

<cache folder>/<data set>-<side>-<key>/NNNNN.rgb    64 photographs each: their sizes, then pixels

The key covers every file's content, the boxes, and the code and libraries that decode. A
part that is there is whole, since it was renamed when it was: a killed process goes on from there,
and of two processes the second waits and finds the work done.
"""

import hashlib
import json
import os
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from threading import Event

import numpy as np

from bench.datasets.files import decode as decoding
from bench.datasets.files.cache import cache_folder
from bench.datasets.files.cores import cores
from bench.datasets.files.keeping import alone, kept_in, require_room
from bench.datasets.files.photographs import OpenPlace, Photographs, content_checksum
from bench.datasets.files.progress import Report
from bench.datasets.types import Dataset, some
from bench.spec import file_name

PART = 64  # photographs in a file: what a thread holds in memory, and what a kill costs


@dataclass(frozen=True, eq=False)
class Decoded:
    """N photographs (H, W, 3) uint8 of one shorter side, mapped from their parts; sizes differ."""

    parts: tuple["Part", ...]
    count: int
    checksum: str

    def __len__(self) -> int:
        return self.count

    def sizes(self, positions: np.ndarray) -> np.ndarray:
        """Height and width (n, 2) of the photographs at ``positions`` (n,)."""
        places = (divmod(position, PART) for position in positions.tolist())
        return np.array([self.parts[part].sizes[index] for part, index in places])

    def __getitem__(self, position: int) -> np.ndarray:
        return self.parts[position // PART].photograph(position % PART)


@dataclass(frozen=True, eq=False)
class Part:
    """One file of the cache. It is mapped anew for each photograph, of which only the pages that a
    crop touches are read: of thousands of parts that stay mapped, a process would run out of files
    that it may open."""

    path: Path
    count: int

    def photograph(self, index: int) -> np.ndarray:
        """One photograph (H, W, 3) uint8."""
        height, width = self.sizes[index].tolist()
        start = int(self.starts[index])
        photograph: np.ndarray = np.memmap(self.path, np.uint8, "r", start, (height, width, 3))
        return photograph

    @cached_property
    def sizes(self) -> np.ndarray:
        """Height and width (n, 2) of every photograph."""
        return np.fromfile(self.path, np.int64, 2 * self.count).reshape(self.count, 2)

    @cached_property
    def starts(self) -> np.ndarray:
        """Where each photograph's pixels begin, and where the last one's end (n + 1,)."""
        lengths = 3 * self.sizes.prod(axis=1)
        starts: np.ndarray = 16 * self.count + np.concatenate([[0], np.cumsum(lengths)])
        return starts

    @property
    def whole(self) -> bool:
        """Whether the file is there with all its bytes."""
        length = self.path.stat().st_size if self.path.exists() else 0
        return length >= 16 * self.count and length == Part(self.path, self.count).starts[-1]


def decoded(name: str, photographs: Photographs, side: int, report: Report) -> Decoded:
    """The photographs at a shorter side of ``side`` pixels, decoded now where they are not yet.

    Raises ValueError naming those that cannot be decoded, FileNotFoundError for missing ones,
    OSError where the cache folder cannot be written or has no room.
    """
    digests = photographs.digests(report)
    folder = cache_folder() / f"{file_name(name)}-{side}-{_key(photographs, digests)[:20]}"
    parts = tuple(
        Part(folder / f"{start // PART:05d}.rgb", min(PART, len(photographs) - start))
        for start in range(0, len(photographs), PART)
    )
    if not all(part.whole for part in parts):
        with alone(folder, report):
            lost = [part for part in parts if not part.whole]
            require_room(folder, sum(part.count for part in lost), side)
            _make(lost, photographs, side, report)
    checksum = content_checksum(photographs.names, digests, photographs.boxes)
    return Decoded(parts, len(photographs), checksum)


def _key(photographs: Photographs, digests: np.ndarray) -> str:
    """SHA-256 over everything but the side that can change a pixel."""
    from PIL import __version__, features

    boxes = b"" if photographs.boxes is None else photographs.boxes.tobytes()
    libraries = [features.version(library) for library in ("jpg", "webp", "libtiff", "jpg_2000")]
    settings = {
        "content": hashlib.sha256(digests.tobytes() + boxes).hexdigest(),
        "part": PART,
        "code": hashlib.sha256(Path(decoding.__file__).read_bytes()).hexdigest(),
        "pillow": __version__,
        "libraries": [*libraries, features.version_feature("libjpeg_turbo")],
    }
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def _make(parts: list[Part], photographs: Photographs, side: int, report: Report) -> None:
    """Decode the missing parts, one thread a core: Pillow computes without Python's lock."""
    work = _Work(photographs, side)
    total = sum(part.count for part in parts)
    report("decoding", 0, total)
    with photographs.opened() as place, ThreadPoolExecutor(cores()) as threads:
        waiting = {threads.submit(_fill, part, work, place) for part in parts}
        ended: set[Future[list[str]]] = set()
        try:
            while waiting:
                done, waiting = wait(waiting, timeout=0.2)
                ended |= done
                report("decoding", len(work.decoded), total)
        finally:
            work.stop.set()  # so that Ctrl-C waits for one photograph and not for a part
            threads.shutdown(wait=False, cancel_futures=True)
    broken = [problem for future in ended for problem in future.result()]
    if broken:
        count = f"{len(broken):,} photographs" if broken[1:] else "a photograph"
        raise ValueError(f"{photographs.place}: {count} cannot be used: {some(broken)}")


@dataclass(frozen=True, eq=False)
class _Work:
    """What all threads decode; `decoded` holds an entry for each photograph that is done."""

    photographs: Photographs
    side: int
    stop: Event = field(default_factory=Event)
    decoded: list[int] = field(default_factory=list)


def _fill(part: Part, work: _Work, place: OpenPlace) -> list[str]:
    """Decode one part and rename it into place; returns what is wrong, and then writes nothing, as
    when it is told to stop."""
    first = int(part.path.stem) * PART
    images, broken = [], []
    for position in range(first, first + part.count):
        if work.stop.is_set():
            return []
        try:
            images.append(work.photographs.pixels(place, position, work.side))
        except ValueError as error:
            broken.append(str(error))
        work.decoded.append(position)
    if not broken:
        _write(part.path, images)
    return broken


def _write(path: Path, images: list[np.ndarray]) -> None:
    temporary = path.with_suffix(".partial")
    with kept_in(path.parent):
        try:
            with temporary.open("wb") as file:
                sizes = [image.shape[:2] for image in images]
                file.write(np.array(sizes, dtype=np.int64).tobytes())
                for image in images:
                    file.write(image.data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def prepare(dataset: Dataset, side: int | None, report: Report) -> Dataset:
    """The data set with its photographs decoded at a shorter side of ``side`` pixels.

    A data set of small images is returned as it is. Raises what ``decoded`` raises.
    """
    if not isinstance(dataset.images, Photographs) or side is None:
        return dataset
    return replace(dataset, images=decoded(dataset.name, dataset.images, side, report))
