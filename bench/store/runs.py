"""Stored runs: one directory per run, finished exactly when `run.json` exists. Needs no torch.

<results>/runs/<run name>/
    run.json                scores, resolved specification, split, environment; written last
    curve.jsonl             one line per validation: step, epoch, images, seconds, loss, scores
    embeddings.safetensors  embeddings (N, D) float32 and labels (N,) of the test images, queries
                            first where the gallery is apart
    queries.safetensors     per query: neighbours, similarities, relevant, first hit, AP@R,
                            R-Precision
    roc.safetensors         FAR and TAR over all pairs of queries, where verification was scored
<results>/pictures/<data set>-<fingerprint>.npz
                            the test images of a split, for the browser
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

SCHEMA = 2  # layout of the files above; another number is refused, never guessed at


class StoredRunError(ValueError):
    """A run directory that cannot be read: from another schema, damaged or incomplete."""


@dataclass(frozen=True)
class Run:
    """One finished run on disk; large files are read when asked for.

    Attributes: directory; record, the content of `run.json` with the keys `schema`, `spec_id`,
    `spec` (the fields of `RunSpec`), `split` (protocol, fingerprint, counts), `data_checksum`,
    `scores` and `untrained` (metric -> value in 0..1, or a number of queries), `cost` (seconds,
    images), `parameters` (count, sha256) and `environment`.
    """

    directory: Path
    record: Mapping[str, Any]

    @property
    def name(self) -> str:
        return self.directory.name

    @property
    def spec(self) -> Mapping[str, Any]:
        spec: Mapping[str, Any] = self.record["spec"]
        return spec

    @property
    def scores(self) -> Mapping[str, float]:
        scores: Mapping[str, float] = self.record["scores"]
        return scores

    @cached_property
    def curve(self) -> list[dict[str, Any]]:
        """Validation points in order of step."""
        return read_curve(self.directory / "curve.jsonl")

    @cached_property
    def queries(self) -> dict[str, np.ndarray]:
        """Per query of the test split, in the order of its pictures: `neighbors` (Q, K) positions
        among the test images, `similarities` (Q, K), `relevant` (Q,) how many there are to find,
        `first_hit` (Q,) rank from 1 or 0 for none, `average_precision` and `r_precision` (Q,)."""
        return load_arrays(self.directory / "queries.safetensors")

    @cached_property
    def roc(self) -> dict[str, np.ndarray] | None:
        """Shares `far` and `tar` (200,) of impostor and genuine pairs accepted, or None."""
        path = self.directory / "roc.safetensors"
        return load_arrays(path) if path.exists() else None


def save_run(directory: Path, record: Mapping[str, Any]) -> None:
    """Write `run.json` last and by renaming: from then on the run counts as finished."""
    text = json.dumps({"schema": SCHEMA, **record}, indent=2, sort_keys=True, allow_nan=False)
    with atomic(directory / "run.json") as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def load_run(directory: Path) -> Run:
    """Read a finished run.

    Raises: StoredRunError naming the file if `run.json` is not readable or of another schema.
    """
    path = directory / "run.json"
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise StoredRunError(
            f"{path} cannot be read ({error}); delete {directory} to run it again"
        ) from error
    found = record.get("schema") if isinstance(record, dict) else None
    if found != SCHEMA:
        raise StoredRunError(
            f"{path} has schema {found!r}, this version reads schema {SCHEMA}; "
            "it was left as it is. Read it with the version that wrote it, "
            "or choose another folder with --results"
        )
    missing = {"spec_id", "spec", "split", "scores", "environment"} - record.keys()
    if missing:
        raise StoredRunError(
            f"{path} lacks {', '.join(sorted(missing))}; delete {directory} to run it again"
        )
    return Run(directory, record)


def scan(results: Path) -> tuple[list[Run], list[StoredRunError]]:
    """All finished runs under `<results>/runs`, by name, and what was wrong with the others."""
    runs, problems = [], []
    for path in sorted((results / "runs").glob("*/run.json")):
        try:
            runs.append(load_run(path.parent))
        except StoredRunError as error:
            problems.append(error)
    return runs, problems


def read_curve(path: Path) -> list[dict[str, Any]]:
    """Points of a curve file; a last line without its newline (a killed process) is left out."""
    text = path.read_text(encoding="utf-8")
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


def save_arrays(path: Path, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> None:
    """Write named arrays as safetensors, by renaming."""
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    with atomic(path) as temporary:
        temporary.write_bytes(save(contiguous, dict(metadata)))


def load_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read named arrays.

    Raises: StoredRunError naming the file if it is missing or damaged.
    """
    try:
        arrays: dict[str, np.ndarray] = load_file(path)
    except (OSError, SafetensorError) as error:
        raise StoredRunError(f"{path} cannot be read ({error})") from error
    return arrays


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A temporary path that replaces `path`, flushed to disk, when the block ends without error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
