"""The cache of decoded photographs: files of pixels that are mapped into memory.

<cache folder>/<data set>-<side>-<key>/NNNNN.rgb    64 photographs each: their sizes, then pixels

A part is renamed into place when it is complete. After a kill the next process decodes only what
is missing; of two processes the second waits and finds the work done.
"""

import os
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path

import numpy as np

from bench.datasets.files.cache import locked, naming_cache, require_cache_space
from bench.datasets.files.work import Report, on_all_cores

PART = 64  # photographs in a file: at most so many are lost by a kill


@dataclass(frozen=True, eq=False)
class Part:
    """One file of the cache, with the photographs from position `first` on.

    It is mapped again for each photograph, of which only the pages that a crop touches are read:
    thousands of parts that stay mapped would exceed the number of files a process may open.
    """

    path: Path
    first: int
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
        """Byte at which each photograph's pixels begin, and the last one's end (n + 1,)."""
        lengths = 3 * self.sizes.prod(axis=1)
        starts: np.ndarray = 16 * self.count + np.concatenate([[0], np.cumsum(lengths)])
        return starts

    @property
    def complete(self) -> bool:
        """Whether the file exists with all its bytes."""
        length = self.path.stat().st_size if self.path.exists() else 0
        fresh = Part(self.path, self.first, self.count)  # nothing cached from before
        return length >= 16 * self.count and length == fresh.starts[-1]

    def write(self, images: list[np.ndarray]) -> None:
        """Write the file under another name and rename it; OSError names the cache folder."""
        temporary = self.path.with_suffix(".partial")
        with naming_cache(self.path.parent):
            try:
                with temporary.open("wb") as file:
                    sizes = [image.shape[:2] for image in images]
                    file.write(np.array(sizes, dtype=np.int64).tobytes())
                    for image in images:
                        file.write(image.data)
                    file.flush()
                    os.fsync(file.fileno())
                temporary.replace(self.path)
            finally:
                temporary.unlink(missing_ok=True)


def parts_in(folder: Path, count: int) -> tuple[Part, ...]:
    """The parts of `count` photographs, whether they exist or not."""
    return tuple(
        Part(folder / f"{first // PART:05d}.rgb", first, min(PART, count - first))
        for first in range(0, count, PART)
    )


def decode_missing(
    parts: tuple[Part, ...], decode: Callable[[int], np.ndarray], side: int, report: Report
) -> list[str]:
    """Decode the parts that are not complete, on all cores, in one process at a time.

    `decode` gives the photograph (H, W, 3) uint8 at a position, at a shorter side of `side` pixels;
    its ValueErrors are collected and returned as messages, and their parts are not written.
    Raises OSError where the cache folder cannot be written or has too little space.
    """
    problems: list[str] = []

    def attempt(position: int) -> np.ndarray | None:
        try:
            return decode(position)
        except ValueError as error:
            problems.append(str(error))
            return None

    folder = parts[0].path.parent
    with locked(folder, report):
        missing = [part for part in parts if not part.complete]
        positions = [part.first + index for part in missing for index in range(part.count)]
        require_cache_space(folder, len(positions), side)
        report("decoding", 0, len(positions))
        with closing(on_all_cores(attempt, positions)) as photographs:
            progress = enumerate(photographs, start=1)
            for part in missing:
                images = []
                for done, image in islice(progress, part.count):
                    images += [] if image is None else [image]
                    report("decoding", done, len(positions))
                if len(images) == part.count:
                    part.write(images)
    return problems
