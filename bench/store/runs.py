"""Stored runs: one directory per run, finished exactly when `run.json` exists. Needs no torch.

<results>/runs/<run name>/
    run.json                scores, resolved specification, split, environment, digests of the
                            other files and of itself; written last
    curve.jsonl             one line per validation: step, epoch, images, seconds, loss, scores
    embeddings.safetensors  embeddings (N, D) float32 and labels (N,) of the test images, queries
                            first if the gallery is separate
    queries.safetensors     per query: neighbors, similarities, relevant, first hit, AP@R,
                            R-Precision
    roc.safetensors         FAR and TAR over all pairs of queries, if verification was scored
    chain.safetensors       digests of the training every few steps, see `bench.store.chain`;
                            trials, runs without a step and earlier runs lack it
    model.safetensors       the trained network, unless the suite has keep_model = false
    history.safetensors     at some validations of the training, embeddings of the validation images
                            with first hit and AP@R, if the suite has keep_embeddings
    checkpoint.pt           parameters, optimizer, counters, curve and origin; deleted when the run
                            is finished, as is checkpoint-before.pt, the one before it, which is
                            used if this one is damaged
    progress.json           finished steps and what is done, while a process works on the run
    failed.json             error message, if the last attempt failed
    log.txt                 output of the processes
    lock                    locked by the process that works on the run
<results>/pictures/<data set>-<fingerprint>.npz
                            the test images of a split, for the browser; with `-validation` before
                            the suffix the validation images of runs with a history
"""

import errno
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, get_args

import numpy as np
from filelock import FileLock, Timeout
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load, save

from bench.spec import PROTOCOL, Purpose, RunSpec
from bench.store.chain import StoredChain
from bench.store.contents import (
    check_curve,
    check_embeddings,
    check_finite,
    check_history,
    check_model,
    check_queries,
    check_roc,
)
from bench.store.mapped import map_tensor
from bench.store.record import SCHEMA, StoredFile, check_record, sealed
from bench.temporary import atomic

State = Literal["finished", "running", "failed", "interrupted", "waiting"]
Doing = Literal["preparing", "training", "validating", "scoring"]
Progress = Callable[[int, int], None]  # (done, total)

ARRAYS = (
    "embeddings.safetensors",
    "history.safetensors",
    "queries.safetensors",
    "roc.safetensors",
    "chain.safetensors",
)
UNREADABLE = (  # errors of reading and parsing
    *(OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError),
    *(SafetensorError, KeyError, TypeError),
)


class StoredRunError(ValueError):
    """A run directory that cannot be read: from another schema, damaged or incomplete."""


class RunDir:
    """The directory of one run: its files, its state and its lock. It may not exist yet."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.record = path / "run.json"
        self.curve = path / "curve.jsonl"
        self.embeddings = path / "embeddings.safetensors"
        self.queries = path / "queries.safetensors"
        self.roc = path / "roc.safetensors"
        self.chain = path / "chain.safetensors"
        self.model = path / "model.safetensors"
        self.history = path / "history.safetensors"
        self.checkpoint = path / "checkpoint.pt"
        self.checkpoint_before = path / "checkpoint-before.pt"
        self._checkpoints = self.checkpoint, self.checkpoint_before
        self.log = path / "log.txt"
        self._progress = path / "progress.json"
        self._failure = path / "failed.json"
        self._lock = path / "lock"

    @classmethod
    def of(cls, results: Path, spec: RunSpec) -> "RunDir":
        """The directory of a specification in a results folder."""
        return cls(results / "runs" / spec.run_name)

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def id(self) -> str:
        """The specification's id, with which the name ends."""
        return self.name.rpartition("-")[2]

    @property
    def finished(self) -> bool:
        """Whether `run.json` exists; taken to be so in a directory that cannot be looked into."""
        try:
            os.stat(self.record)  # since Python 3.14, Path.exists hides a lack of permission
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:
            return True
        return True

    @property
    def lost(self) -> bool:
        """Whether a finished run has lost its `run.json`: a kill leaves scores and a checkpoint."""
        scored = any(path.exists() for path in (self.embeddings, self.queries, self.roc))
        return scored and not (self.finished or self.has_checkpoint or self.locked)

    @property
    def has_checkpoint(self) -> bool:
        return any(path.exists() for path in self._checkpoints)

    @property
    def state(self) -> State:
        """State according to the files; a stored step without a locked run is left by a kill."""
        if self.finished:
            return "finished"
        step = self.step
        if step is not None and self.locked:
            return "running"
        if self.failure is not None:
            return "failed"
        return "waiting" if step is None and not self.has_checkpoint else "interrupted"

    @property
    def locked(self) -> bool:
        """Whether a process works on the run; taken to be so if the lock cannot be opened."""
        if not self._lock.exists():
            return False
        try:
            with self.lock() as free:
                return not free
        except OSError:  # not ours, or a read-only file system
            return True

    @property
    def step(self) -> int | None:
        """Finished steps of the process that works on the run, or was killed; otherwise None."""
        step = _read_note(self._progress, "step")
        return step if type(step) is int and step >= 0 else None

    @property
    def doing(self) -> Doing:
        """What the process that works on the run does."""
        found = _read_note(self._progress, "doing")
        doing: Doing = found if found in get_args(Doing) else "training"
        return doing

    @property
    def failure(self) -> str | None:
        """Error message of the last attempt, if it failed."""
        error = _read_note(self._failure, "error")
        return error if isinstance(error, str) else None

    def write_progress(self, step: int, doing: Doing) -> None:
        note = {"step": step, "doing": doing}
        _write_json(self._progress, note, flush=False)  # often, and needed only now

    def remove_progress(self) -> None:
        self._progress.unlink(missing_ok=True)

    def remove_checkpoints(self) -> None:
        for path in self._checkpoints:
            path.unlink(missing_ok=True)

    def write_failure(self, message: str) -> None:
        _write_json(self._failure, {"error": message})

    def write_curve(self, lines: str) -> None:
        """Write all lines of the curve."""
        write_text(self.curve, lines)

    def clean(self) -> None:
        """Delete what earlier processes left: their notes, and files that a kill leaves."""
        for path in [self._progress, self._failure, *self._left()]:
            path.unlink(missing_ok=True)

    def tidy(self) -> None:
        """Delete what is left beside a finished run, unless a process still works on it."""
        left = [*self._checkpoints, self._progress, self._failure, *self._left()]
        if self.finished and any(path.exists() for path in left):
            with self.lock() as locked:
                for path in left if locked else []:
                    path.unlink(missing_ok=True)

    def _left(self) -> list[Path]:
        """Temporary files, and the jobs of versions before schema 3."""
        return [*self.path.glob(".*.tmp"), *self.path.glob("job-*.json")]

    @contextmanager
    def lock(self) -> Iterator[bool]:
        """Whether this process got the lock; the system frees it however the process ends. It waits
        a moment, because `state` of another process may hold the lock for a moment."""
        try:
            acquired = FileLock(self._lock).acquire(timeout=0.1)
        except Timeout:
            yield False
        else:
            with acquired:
                yield True


@dataclass(frozen=True)
class Run:
    """One finished run on disk; large files are read when they are needed.

    Attributes: directory; record, the content of `run.json` with the keys `schema`,
    `spec_id`, `spec` (the fields of `RunSpec`), `split` (protocol, fingerprint, counts),
    `data_checksum`, `picture_names` and `validation_names` (digests, see `Thumbnails`;
    earlier runs lack the first, runs without a history the second), `loss_source` (digest of the
    code of its loss, which earlier runs lack), `scores`
    and `untrained` (metric -> value in 0..1, or a number of queries), `cost` (seconds, images),
    `trained` (whether any step had a gradient other than 0), `parameters` (count, sha256),
    `environment`, `diverged` (why the training of a trial ended early), `files` (name -> digest of
    each file that it keeps) and `digest`, of all other fields.
    """

    directory: Path
    record: Mapping[str, Any]

    @property
    def files(self) -> RunDir:
        return RunDir(self.directory)

    @property
    def name(self) -> str:
        return self.directory.name

    @property
    def spec_id(self) -> str:
        return str(self.record["spec_id"])

    @property
    def spec(self) -> Mapping[str, Any]:
        spec: Mapping[str, Any] = self.record["spec"]
        return spec

    def with_method(self, name: str) -> "Run":
        """The run with another name of its method, which changes no number."""
        return Run(self.directory, {**self.record, "spec": {**self.spec, "method": name}})

    @property
    def scores(self) -> Mapping[str, float]:
        scores: Mapping[str, float] = self.record["scores"]
        return scores

    @property
    def steps(self) -> int:
        """Steps that were taken: fewer than its specification has where validation ended it."""
        steps: int = self.record["cost"]["images"] // self.spec["batch_size"]
        return steps

    @property
    def by_cameras(self) -> bool:
        """Whether a query is not compared with images of its class by its own camera."""
        return "map" in self.scores

    @property
    def problem(self) -> str:
        """Why its scores are not those of a trained network; usually empty."""
        if self.record.get("trained", True) or not self.spec["steps"]:
            return ""
        steps = f"each of its {self.steps:,} steps"
        return f"nothing was trained, because the gradient was 0 at {steps}"

    @property
    def digests(self) -> Mapping[str, str]:
        """SHA-256 of the files that the run keeps, by name."""
        digests: Mapping[str, str] = self.record["files"]
        return digests

    @property
    def digest(self) -> str:
        """Of its record and thereby of its files: another run of that name has another one."""
        return str(self.record["digest"])

    @property
    def keeps_embeddings(self) -> bool:
        return self.files.embeddings.name in self.digests

    @property
    def keeps_queries(self) -> bool:
        """Whether it keeps what each query retrieves."""
        return self.files.queries.name in self.digests

    @property
    def keeps_history(self) -> bool:
        """Whether it keeps embeddings of some validations."""
        return self.files.history.name in self.digests

    @cached_property
    def curve(self) -> list[dict[str, Any]]:
        """Validation points in order of step."""
        path = self.files.curve
        with naming(path):
            return [json.loads(line) for line in self._read(path).decode().splitlines()]

    @property
    def embeddings(self) -> dict[str, np.ndarray]:
        """`embeddings` (N, D) float32 and `labels` (N,) of the test images, queries first."""
        return self._arrays(self.files.embeddings)

    @cached_property
    def embeddings_on_disk(self) -> np.ndarray:
        """Embeddings (N, D) float32 of the test images, which are read when they are used."""
        return self._mapped(self.files.embeddings)

    @cached_property
    def queries(self) -> dict[str, np.ndarray]:
        """Per query of the test split, in the order of its pictures: `neighbors` (Q, K) positions
        among the test images, `similarities` (Q, K), `relevant` (Q,) number of positives,
        `first_hit` (Q,) rank from 1 or 0 for none, `average_precision` and `r_precision` (Q,)."""
        return self._arrays(self.files.queries)

    @cached_property
    def roc(self) -> dict[str, np.ndarray] | None:
        """Shares `far` and `tar` (200,) of impostor and genuine pairs accepted, or None."""
        path = self.files.roc
        return self._arrays(path) if path.name in self.digests else None

    @property
    def history(self) -> dict[str, np.ndarray] | None:
        """At N validations: `steps` (N,), `embeddings` (N, V, D) float32, `first_hit` (N, V) rank
        from 1 or 0 for none, and `average_precision` (N, V), AP@R, of the V validation images with
        `labels` (V,), their positions in the data set `images` (V,), and `cameras` (V,) if their
        rule held. None if the run kept none."""
        if (found := self.outcomes) is None:
            return None
        return {**found, "embeddings": np.asarray(self.history_on_disk)}

    @property
    def outcomes(self) -> dict[str, np.ndarray] | None:
        """`history` without its embeddings, which may be large. None if the run kept none."""
        path = self.files.history
        if path.name not in self.digests:
            return None
        with naming(path):
            self.compare(path)
            with safe_open(path, "numpy") as arrays:
                names = [name for name in arrays.keys() if name != "embeddings"]  # noqa: SIM118
                return {name: arrays.get_tensor(name) for name in names}

    @property
    def history_on_disk(self) -> np.ndarray:
        """Embeddings (N, V, D) float32 of `history`, which are read when they are used; its file is
        open as long as they are kept."""
        return self._mapped(self.files.history)

    @property
    def chain(self) -> StoredChain | None:
        """The digests of its training, or None if it kept none."""
        path = self.files.chain
        if path.name not in self.digests:
            return None
        arrays = self._arrays(path)
        with naming(path), safe_open(path, "numpy") as stored:
            return StoredChain.of(stored.metadata() or {}, arrays)

    def check_files(self) -> None:
        """Compare every file that the run keeps with its digest and with `run.json`.

        Raises: StoredRunError naming the first file that is missing, changed or contradicts it.
        """
        checks: dict[str, Callable[[Path], None]] = {
            "curve.jsonl": lambda path: check_curve(self.curve, self.record),
            "chain.safetensors": lambda path: self._check_chain(),
            "embeddings.safetensors": lambda path: check_embeddings(
                self._arrays(path), self.record
            ),
            "history.safetensors": self._check_history,
            "model.safetensors": self._check_model,
            "queries.safetensors": lambda path: check_queries(
                self._arrays(path), self.record, self._labels()
            ),
            "roc.safetensors": lambda path: check_roc(self._arrays(path)),
        }
        for name in self.digests:
            path = self.directory / name
            with naming(path):
                checks.get(name, self.compare)(path)
                if name in ARRAYS:
                    self._check_owner(path)

    def _labels(self) -> np.ndarray | None:
        """The labels of the test images; None if the run did not keep them."""
        if self.files.embeddings.name not in self.digests:
            return None
        with naming(self.files.embeddings), safe_open(self.files.embeddings, "numpy") as arrays:
            labels: np.ndarray = arrays.get_tensor("labels")
        return labels

    def _check_chain(self) -> None:
        chain = self.chain
        assert chain is not None
        chain.check(self.steps, self.spec["steps"])

    def _check_history(self, path: Path) -> None:
        """The embeddings, which are large, are read step by step."""
        arrays = self.outcomes or {}
        with safe_open(path, "numpy") as stored:
            embeddings = stored.get_slice("embeddings")
            kind, shape = embeddings.get_dtype(), tuple(embeddings.get_shape())
        check_history(arrays, kind, shape, self.record, self.curve)
        for vectors in map_tensor(path, "embeddings"):
            check_finite(vectors)

    def _check_model(self, path: Path) -> None:
        """The network, which is large, is not read into memory."""
        self.compare(path)
        with safe_open(path, "numpy") as tensors:
            check_model(tensors.metadata() or {}, self.record)

    def _check_owner(self, path: Path) -> None:
        """Arrays name the run that they were stored for."""
        with safe_open(path, "numpy") as arrays:
            stored = arrays.metadata() or {}
        owner = {"spec_id": self.spec_id, "fingerprint": self.record["split"]["fingerprint"]}
        for key, expected in owner.items():
            if stored.get(key) != expected:
                raise ValueError(f"is of another run, whose {key} is {stored.get(key)}")

    def _arrays(self, path: Path) -> dict[str, np.ndarray]:
        content = self._read(path)
        with naming(path):
            arrays: dict[str, np.ndarray] = load(content)
        return arrays

    def _mapped(self, path: Path) -> np.ndarray:
        """The embeddings of a file that the run keeps, which stay on disk."""
        if path.name not in self.digests:
            raise damage(path, "was not kept")
        with naming(path):
            self.compare(path)
            return map_tensor(path, "embeddings")

    def _read(self, path: Path) -> bytes:
        """The content of a file that the run keeps, which must be what it stored."""
        if path.name not in self.digests:
            raise damage(path, "was not kept")
        with naming(path):
            content = path.read_bytes()
            self._match(path, hashlib.sha256(content).hexdigest())
        return content

    def compare(self, path: Path) -> None:
        """Raise ValueError unless a file that the run keeps is what it stored."""
        self._match(path, digest_of(path))

    def _match(self, path: Path, found: str) -> None:
        if found != (stored := self.digests[path.name]):
            raise ValueError(
                f"was changed after the run: it has the digest {found[:12]}, run.json {stored[:12]}"
            )


def save_run(files: RunDir, record: Mapping[str, Any]) -> None:
    """Write `run.json`, after everything else: from then on the run counts as finished."""
    paths = [files.path / name for name in get_args(StoredFile)]
    digests = {path.name: digest_of(path) for path in paths if path.exists()}
    write_record(files, {**record, "files": digests})


def write_record(files: RunDir, record: Mapping[str, Any]) -> None:
    """Write `run.json` with its schema and digest."""
    content = json.loads(json.dumps({**record, "schema": SCHEMA}, allow_nan=False))
    _write_json(files.record, sealed(content))


def digest_of(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load_run(files: RunDir, purpose: Purpose = "result") -> Run:
    """Read a finished run and check its `run.json`, but not yet its other files.

    Raises: StoredRunError naming the file if it cannot be read, was changed, contradicts itself, is
    of another schema or of another purpose: trials of a search are not results.
    """
    path, directory = files.record, files.path
    with naming(path):
        record = json.loads(path.read_text(encoding="utf-8"))
    found = record.get("schema") if isinstance(record, dict) else None
    if found != SCHEMA:
        raise StoredRunError(
            f"{path} has schema {found!r}, this version reads schema {SCHEMA}; "
            "nothing was changed. Read it with the version that wrote it, "
            "or choose another folder with --results"
        )
    if (protocol := protocol_of(record)) < PROTOCOL:
        raise StoredRunError(
            f"{path} was made under version {protocol} of the protocol, whose scores are not "
            f"comparable with those of version {PROTOCOL}; nothing was changed. Run its suite "
            "again in another folder (--results), or read it with the version that wrote it"
        )
    with naming(path):
        name = check_record(record)
    if directory.name != name:
        raise StoredRunError(f"{path} is that of the run {name}; rename its directory or delete it")
    if (found := record["spec"].get("purpose", "result")) != purpose:
        raise StoredRunError(
            f"{path} is a {found}, expected a {purpose}: the trials of a search are kept in its "
            "folder, and results in `runs`; move it there or delete it"
        )
    return Run(directory, record)


def protocol_of(record: Mapping[str, Any]) -> int:
    """The protocol version of a record; the present one where that cannot be read."""
    spec = record.get("spec")
    found = spec.get("protocol") if isinstance(spec, dict) else None
    return found if isinstance(found, int) else PROTOCOL


def read_runs(
    directories: Iterable[RunDir],
    report: Progress | None = None,
    purpose: Purpose = "result",
    known: Mapping[Path, Run] = MappingProxyType({}),
) -> tuple[list[Run], list[StoredRunError]]:
    """The finished runs, all their files checked, and the errors of those that are damaged.

    report: called with the number of directories that are read, and of all; purpose: what the runs
    are for, any other is an error; known: runs by directory that were read and checked before.
    """
    runs: list[Run] = []
    problems: list[StoredRunError] = []
    places = list(directories)
    for done, files in enumerate(places):
        if report:
            report(done, len(places))
        if files.path in known:
            runs.append(known[files.path])
        elif files.finished:
            try:
                run = load_run(files, purpose)
                run.check_files()
            except StoredRunError as error:
                problems.append(error)
            else:
                runs.append(run)
        elif files.lost:
            lost = f"{files.record} is missing beside the other files of the run"
            problems.append(StoredRunError(f"{lost}; run its suite again"))
    return runs, problems


def directories(results: Path) -> list[RunDir]:
    """All run directories under `<results>/runs`, by name."""
    folder = results / "runs"
    return [RunDir(path) for path in sorted(folder.iterdir())] if folder.exists() else []


def scan(
    results: Path,
    report: Progress | None = None,
    known: Mapping[Path, Run] = MappingProxyType({}),
) -> tuple[list[Run], list[StoredRunError]]:
    """`read_runs` of all run directories under `<results>/runs`, by name."""
    return read_runs(directories(results), report, known=known)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Turn every error of a damaged file into one that names the file and the way out."""
    try:
        yield
    except StoredRunError:
        raise
    except FileNotFoundError as error:
        raise damage(path, "is missing") from error
    except UNREADABLE as error:
        what = f"cannot be read ({error})"
        raise (unreachable(path, what) if is_beyond(error) else damage(path, what)) from error
    except ValueError as error:
        raise damage(path, str(error)) from error


def damage(path: Path, what: str) -> StoredRunError:
    return StoredRunError(f"{path} {what}; delete {path.parent} to run it again")


def unreachable(path: Path, what: str) -> StoredRunError:
    return StoredRunError(f"{path} {what}; check its permissions and the disk")


def is_beyond(error: Exception) -> bool:
    """Whether the system refuses to read a file, which may be whole: permissions, the disk, too
    many open files. Parsers of damaged files raise EINVAL, when they go to where no byte is."""
    gone = FileNotFoundError | IsADirectoryError | NotADirectoryError
    refused = isinstance(error, OSError) and not isinstance(error, gone)
    return refused and getattr(error, "errno", None) not in (None, errno.EINVAL)


def save_arrays(path: Path, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> None:
    """Write named arrays as safetensors, atomically."""
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    with atomic(path) as temporary:
        temporary.write_bytes(save(contiguous, dict(metadata)))


def set_aside(path: Path, mark: str) -> Path:
    """Rename a file that would be lost: the mark, and from the second one on a number, follow its
    stem. Returns the new path."""
    numbers = ("", *range(2, 10**6))
    names = (path.with_stem(f"{path.stem}{mark}{number}") for number in numbers)
    kept = next(name for name in names if not name.exists())
    path.rename(kept)
    return kept


def write_text(path: Path, text: str, *, flush: bool = True) -> None:
    """Write a text in UTF-8 atomically, its line ends as they are; lone surrogates are escaped."""
    with atomic(path, flush=flush) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace", newline="")


def _write_json(path: Path, content: Mapping[str, Any], *, flush: bool = True) -> None:
    text = json.dumps(content, indent=2, sort_keys=True, allow_nan=False)
    write_text(path, text + "\n", flush=flush)


def _read_note(path: Path, key: str) -> Any:
    """One value of a small JSON file that another process writes or removes; None without it."""
    try:
        note = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return note.get(key) if isinstance(note, dict) else None
