"""Arrays that take seconds to make, kept in files: found again by key, checked, safe to share."""

import hashlib
import io
import json
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

CACHE_VARIABLE = "PROXY_BENCH_CACHE"
_DIGEST_BYTES = 32


def cache_folder() -> Path:
    """Where arrays are kept: $PROXY_BENCH_CACHE, or proxy-bench in the platform's cache folder."""
    if chosen := os.environ.get(CACHE_VARIABLE):
        return Path(chosen)
    if sys.platform == "win32":
        return Path(os.environ["LOCALAPPDATA"]) / "proxy-bench" / "cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "proxy-bench"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "proxy-bench"


def cached(name: str, settings: Mapping[str, object], make: Callable[[], np.ndarray]) -> np.ndarray:
    """The array that ``make`` gives, from its file where an undamaged one is there.

    ``settings`` must hold everything that can change a bit of the array, as JSON values. A damaged
    file is made anew. A folder which cannot be written costs the time of ``make``, with a warning.
    """
    key = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
    path = cache_folder() / f"{name}-{key[:20]}.npy.sha256"
    array = _read(path)
    if array is not None:
        return array
    array = make()
    try:
        _write(path, array)
    except OSError as error:
        warnings.warn(
            f"{name} could not be kept in {path.parent} ({error}) and will be made again "
            f"next time; set {CACHE_VARIABLE} to a folder that can be written",
            stacklevel=2,
        )
    return array


def _read(path: Path) -> np.ndarray | None:
    try:
        stored = path.read_bytes()
    except OSError:
        return None  # not made yet, or not readable: making it anew is right in both cases
    digest, payload = stored[:_DIGEST_BYTES], stored[_DIGEST_BYTES:]
    if hashlib.sha256(payload).digest() != digest:
        return None
    array: np.ndarray = np.load(io.BytesIO(payload), allow_pickle=False)
    return array


def _write(path: Path, array: np.ndarray) -> None:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    payload = buffer.getvalue()
    path.parent.mkdir(parents=True, exist_ok=True)
    # A file of its own for each process, renamed when whole: two may write at once, none sees half.
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".partial")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(hashlib.sha256(payload).digest() + payload)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
