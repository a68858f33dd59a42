"""The cache of decoded photographs: files of pixels that are mapped into memory.

<cache folder>/<data set>-<side>-<key>/NNNNN.rgb    64 photographs each: sizes, pixels, SHA-256

A part is renamed into place when it is complete. After a kill the next process decodes only what
is missing or damaged; of two processes the second waits and finds the work done.
"""

import hashlib
import os
from collections.abc import Callable
from contextlib import closing
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np

from bench.datasets.files.cache import CACHE_ADVICE, locked, naming_cache
from bench.datasets.files.work import Report, on_all_cores, require_space

PART = 64  # photographs in a file: at most so many are lost by a kill
FORMAT = 2  # of a part; 1 had no digest
_DIGEST_BYTES = 32


def parts_of(count: int) -> list[range]:
    """The positions in each part of ``count`` photographs."""
    return [range(first, min(first + PART, count)) for first in range(0, count, PART)]


def part_path(folder: Path, position: int) -> Path:
    """The part that holds the photograph at a position."""
    return folder / f"{position // PART:05d}.rgb"


def read_index(folder: Path, count: int) -> np.ndarray:
    """Height, width and first byte in its part (n, 3) int64 of each photograph in complete parts.

    All parts are complete and undamaged if n is ``count``. Every byte is read, at about 0.5 GB a
    second and core: a process calls this when it opens the cache, not for every batch.
    """
    return np.concatenate(list(on_all_cores(partial(_part_index, folder), parts_of(count))))


def _part_index(folder: Path, part: range) -> np.ndarray:
    """The rows of one part; none unless the file holds what was written to it."""
    path, count = part_path(folder, part[0]), len(part)
    try:
        stored = path.read_bytes()
    except OSError:
        stored = b""  # missing or unreadable: decode it in both cases
    content, digest = stored[:-_DIGEST_BYTES], stored[-_DIGEST_BYTES:]
    whole = _naming(path)
    whole.update(content)
    if len(content) < 16 * count or whole.digest() != digest:
        return np.empty((0, 3), dtype=np.int64)
    sizes = np.frombuffer(content, np.int64, 2 * count).reshape(count, 2)
    lengths = 3 * sizes.prod(axis=1)
    return np.column_stack([sizes, 16 * count + np.cumsum(lengths) - lengths])


def _naming(path: Path) -> "hashlib._Hash":
    """The start of a part's digest: under the name of another part its bytes are damage."""
    return hashlib.sha256(f"{path.parent.name}/{path.name}\n".encode())


def write_part(path: Path, images: list[np.ndarray]) -> None:
    """Write a part under another name and rename it; OSError names the cache folder."""
    temporary = path.with_suffix(".partial")
    with naming_cache(path.parent):
        try:
            with temporary.open("wb") as file:
                sizes = np.array([image.shape[:2] for image in images], dtype=np.int64)
                whole = _naming(path)
                for array in (sizes, *images):
                    file.write(array.data)
                    whole.update(array.data)
                file.write(whole.digest())
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def decode_missing(
    folder: Path, count: int, decode: Callable[[int], np.ndarray], side: int, report: Report
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

    with locked(folder, report):
        missing = [part for part in parts_of(count) if not len(_part_index(folder, part))]
        positions = [position for part in missing for position in part]
        size = len(positions) * side * side * 3 * 4 // 3  # bytes, if they are 4:3
        name = f"{len(positions):,} photographs decoded at a side of {side}"
        require_space(folder, size, f"{name} cannot be stored in {folder}", CACHE_ADVICE)
        report("decoding", 0, len(positions))
        with closing(on_all_cores(attempt, positions)) as photographs:
            progress = enumerate(photographs, start=1)
            for part in missing:
                images = []
                for done, image in islice(progress, len(part)):
                    images += [] if image is None else [image]
                    report("decoding", done, len(positions))
                if len(images) == len(part):
                    write_part(part_path(folder, part[0]), images)
    return problems
