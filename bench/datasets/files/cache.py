"""The cache folder: arrays that take seconds to compute, and a lock for decoded photographs."""

import hashlib
import io
import json
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout
from platformdirs import user_cache_path

from bench.datasets.files.work import Report, naming_disk
from bench.temporary import atomic

CACHE_VARIABLE = "PROXY_BENCH_CACHE"
CACHE_ADVICE = f"set {CACHE_VARIABLE} to a folder that can be written and has enough space"
_DIGEST_BYTES = 32


def cache_folder() -> Path:
    """The cache folder: $PROXY_BENCH_CACHE, or proxy-bench in the platform's cache folder."""
    chosen = os.environ.get(CACHE_VARIABLE)
    return Path(chosen) if chosen else user_cache_path("proxy-bench", appauthor=False)


def cached(name: str, settings: Mapping[str, object], make: Callable[[], np.ndarray]) -> np.ndarray:
    """Read the array from the cache, or compute it with ``make`` and store it.

    ``settings`` must hold everything that can change a bit of the array, as JSON values. A file
    that is damaged, or of other settings, is replaced. If the folder cannot be written, the array
    is returned with a warning.
    """
    key = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
    path = cache_folder() / f"{name}-{key[:20]}.npy.sha256"
    array = _read(path, key)
    if array is not None:
        return array
    array = make()
    try:
        _write(path, key, array)
    except OSError as error:
        warnings.warn(
            f"{name} could not be stored in {path.parent} ({error}) and will be computed again "
            f"next time; set {CACHE_VARIABLE} to a folder that can be written",
            stacklevel=2,
        )
    return array


def _digest(key: str, payload: bytes) -> bytes:
    """Of the array's bytes, and of what it was made from."""
    return hashlib.sha256(key.encode() + payload).digest()


def _read(path: Path, key: str) -> np.ndarray | None:
    try:
        stored = path.read_bytes()
    except OSError:
        return None  # missing or unreadable: compute it in both cases
    digest, payload = stored[:_DIGEST_BYTES], stored[_DIGEST_BYTES:]
    if _digest(key, payload) != digest:
        return None
    array: np.ndarray = np.load(io.BytesIO(payload), allow_pickle=False)
    return array


def _write(path: Path, key: str, array: np.ndarray) -> None:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    payload = buffer.getvalue()
    with atomic(path) as temporary:  # a file of its own, so that two calls may write at once
        temporary.write_bytes(_digest(key, payload) + payload)


@contextmanager
def locked(folder: Path, report: Report) -> Iterator[None]:
    """Wait until no other process decodes into the folder; remove what a killed process left."""
    lock = FileLock(folder / "lock")
    with naming_cache(folder):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            acquired = lock.acquire(blocking=False)
        except Timeout:
            report("waiting for another process", 0, None)
            acquired = lock.acquire()
    with acquired:
        with naming_cache(folder):
            for partial in folder.glob("*.partial"):
                partial.unlink()
        yield


def naming_cache(folder: Path) -> AbstractContextManager[None]:
    """Add the folder and the way out to every OSError."""
    return naming_disk(f"decoded photographs cannot be stored in {folder}", CACHE_ADVICE)
