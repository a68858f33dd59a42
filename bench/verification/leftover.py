"""What an interrupted verification left of its runs: used by the same program alone.

A run that another version of the program trained would pass for one that this version gives.
"""

import fcntl
import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import bench
import proxy_core
from bench.store.environment import describe
from bench.store.runs import write_text
from bench.temporary import remove_folder

VARIES = ("commit", "finished")  # the digest has the first, and the second is a time


@contextmanager
def folder_of_runs(folder: Path, device: str, keep_embeddings: int) -> Iterator[str]:
    """A folder for the runs that are trained again, which no other verification uses meanwhile.

    Arguments: keep_embeddings, the validations whose embeddings each of the runs keeps.
    Yields: a sentence on what an interrupted verification left there; empty if it left nothing.
    Raises: ValueError if another verification is at work in it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ValueError(
                f"another verification is at work in {folder}; wait until it ends"
            ) from error
        try:
            made = {**program(device), "keep_embeddings": keep_embeddings}
            yield take_over(folder, json.dumps(made, indent=1, sort_keys=True) + "\n")
        finally:
            if not any(path.is_file() for path in (folder / "runs").rglob("*")):  # of no use
                shutil.rmtree(folder, ignore_errors=True)


def take_over(folder: Path, made: str) -> str:
    """Remove runs that were made by another program, in another environment, or that keep other
    files; returns what was done, in words."""
    path, runs = folder / "program.json", folder / "runs"
    same = path.exists() and path.read_text(encoding="utf-8") == made
    found = runs.exists()
    if found and not same:
        remove_folder(runs)
    write_text(path, made)
    if not found:
        return ""
    if same:
        return f"what an interrupted verification trained is used, from {folder}"
    return (
        f"what an interrupted verification left in {folder} was trained by another version of the "
        "program, in another environment or with other arithmetic, or keeps other files; it is "
        "removed and trained again"
    )


def program(device: str) -> dict[str, object]:
    """A digest of this program, and the environment."""
    from bench.training.device import device_name  # loads torch

    here = {
        name: value
        for name, value in describe(device_name(device), 1).items()
        if name not in VARIES
    }
    return {**here, "program": program_digest()}


def program_digest() -> str:
    """SHA-256 of all files of both packages, with their names."""
    digest = hashlib.sha256()
    for package in (bench, proxy_core):
        (root,) = package.__path__
        files = (path for path in Path(root).rglob("*") if path.is_file())
        for path in sorted(path for path in files if "__pycache__" not in path.parts):
            digest.update(f"{path.relative_to(root)}\n".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
