"""A suite's stored runs as a folder to send: nothing of who made it, and nothing left out."""

import json
import shutil
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from bench.spec import PROTOCOL
from bench.store.community import PLAN, SUBMISSION, SUITE, Submission
from bench.store.environment import PACKAGES, installed_version
from bench.store.record import first_mistake
from bench.store.runs import Run, RunDir, digest_of, write_record, write_text
from bench.submissions.form import unverifiable
from bench.submissions.personal import find_traces
from bench.temporary import new_folder

SCHEMA = 1


@dataclass(frozen=True)
class Content:
    """What is packed: the suite's file, how its seeds grew (or None), and its runs."""

    suite: Path
    plan: Path | None
    runs: Sequence[Run]


@dataclass(frozen=True)
class Labels:
    """What the submitter says: title and author of the submission, whether networks are sent, and
    words that may occur although they are names of this machine."""

    title: str | None = None
    author: str | None = None
    models: bool = False
    allowed: Collection[str] = ()


def pack(content: Content, folder: Path, labels: Labels, searched: dict[str, str]) -> int:
    """Write a submission, which appears whole or not at all; returns its bytes.

    searched: as of `find_traces`.
    Raises: ValueError if the folder holds something, if a run cannot be verified by others, or if
    a file has a trace of its maker.
    """
    problems = [f"{run.name}: {what}" for run in content.runs for what in unverifiable(run)]
    if problems:
        raise ValueError("\n".join(problems))
    with new_folder(folder) as made:
        fill(made, content, labels)
        if found := [*find_traces(made, searched, labels.allowed)]:
            raise ValueError(
                f"nothing was packed: {'; '.join(found)}. Change these, or allow a word that "
                "names nobody there with --allow"
            )
        write_submission(made, labels)
        size = sum(path.stat().st_size for path in files_of(made))
    return size


def fill(folder: Path, content: Content, labels: Labels) -> None:
    """Write everything but `submission.json`."""
    shutil.copyfile(content.suite, folder / SUITE)
    if content.plan:
        (folder / PLAN).parent.mkdir()
        shutil.copyfile(content.plan, folder / PLAN)
    for run in content.runs:
        copy_run(run, RunDir(folder / "runs" / run.name), models=labels.models)
    write_submission(folder, Labels())  # whose versions are looked at too


def copy_run(run: Run, files: RunDir, *, models: bool) -> None:
    """Copy the files that a run keeps, without its history, which nothing is verified by, and
    without its network unless `models`."""
    files.path.mkdir(parents=True)
    left = {files.history.name, *([] if models else [files.model.name])}
    kept = {name: digest for name, digest in run.digests.items() if name not in left}
    for name in kept:
        shutil.copyfile(run.directory / name, files.path / name)
    write_record(files, {**run.record, "files": kept})


def write_submission(folder: Path, labels: Labels) -> None:
    """Write `submission.json` with the digests of all other files."""
    given = {"title": labels.title, "author": labels.author}
    document = {
        "schema": SCHEMA,
        "protocol": PROTOCOL,
        "versions": {name: installed_version(name) for name in PACKAGES},
        **{name: text for name, text in given.items() if text},
        "files": {
            path.relative_to(folder).as_posix(): digest_of(path)
            for path in files_of(folder)
            if path.name != SUBMISSION
        },
    }
    try:
        Submission.model_validate(document)
    except ValidationError as error:
        raise ValueError(first_mistake(error)) from error
    write_text(folder / SUBMISSION, json.dumps(document, indent=2, sort_keys=True) + "\n")


def files_of(folder: Path) -> list[Path]:
    """All files below a folder, by name."""
    return sorted(path for path in folder.rglob("*") if path.is_file())
