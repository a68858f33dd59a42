"""What a submission must be before its numbers are looked at: whole, plain files, and no others."""

import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from bench.datasets import find
from bench.running.until_decided import lost_runs, with_further
from bench.spec import PROTOCOL
from bench.store.community import PLAN, SUBMISSION, SUITE, changed, read_submission
from bench.store.record import StoredFile
from bench.store.runs import Run, directories, read_runs
from bench.store.seed_plan import read_plan
from bench.suites.stored import suite_to_read
from bench.weights import PRETRAINED

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,59}")  # of a submission
RUN_FILE = re.compile(r"runs/[a-z0-9][A-Za-z0-9_.-]{0,200}/([a-z]+\.[a-z]+)")
RUN_FILES = ("run.json", *get_args(StoredFile))
MOST_FILES = 100_000
MOST_BYTES = 2**32  # of all files
LARGEST = {".json": 2**24, ".toml": 2**20, ".jsonl": 2**24, ".safetensors": 2**30}  # of a file


@dataclass(frozen=True)
class Finding:
    """What is wrong: the check that found it, where, and what it found."""

    check: str
    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


def check_form(folder: Path) -> tuple[list[Run], list[Finding]]:
    """The runs of a submission, all their files checked, and what is wrong with its form; the runs
    are not read unless its files are what they should be."""
    if findings := [*files_wrong(folder)] or [*contents_wrong(folder)]:
        return [], findings
    runs, errors = read_runs(directories(folder))
    findings = [Finding("stored run", folder.name, str(error)) for error in errors]
    findings += suite_wrong(folder)
    findings += [found for run in runs for found in split_wrong(run)]
    return runs, findings


def files_wrong(folder: Path) -> Iterator[Finding]:
    """Files that a submission cannot have: links, odd names, other files, too many bytes."""
    if not NAME.fullmatch(folder.name):
        yield Finding("files", folder.name, f"its name must be like {NAME.pattern}")
    count = total = 0
    for path in folder.rglob("*"):
        name, status = path.relative_to(folder).as_posix(), path.lstat()
        count, total = count + 1, total + status.st_size
        if count > MOST_FILES:
            yield Finding("files", folder.name, f"has more than {MOST_FILES:,} files")
            return
        if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
            yield Finding("files", name, "is a link or no file")
        elif stat.S_ISREG(status.st_mode):
            yield from file_wrong(name, path.suffix, status.st_size)
    if total > MOST_BYTES:
        yield Finding("files", folder.name, f"has more than {MOST_BYTES:,} bytes")


def file_wrong(name: str, suffix: str, size: int) -> Iterator[Finding]:
    """Why a file cannot be one of a submission."""
    found = RUN_FILE.fullmatch(name)
    if name not in (SUBMISSION, SUITE, PLAN) and not (found and found[1] in RUN_FILES):
        yield Finding("files", name, "is not a file of a submission")
    elif size > LARGEST[suffix]:
        yield Finding("files", name, f"has {size:,} bytes, more than {LARGEST[suffix]:,}")


def contents_wrong(folder: Path) -> Iterator[Finding]:
    """Files that `submission.json` does not list, or lists otherwise."""
    try:
        submission = read_submission(folder)
    except ValueError as error:
        yield Finding("submission.json", folder.name, str(error))
        return
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    for name in sorted(submission.files.keys() - found):
        yield Finding("files", name, "is missing")
    for name in sorted(found - submission.files.keys() - {SUBMISSION}):
        yield Finding("files", name, f"is not listed in {SUBMISSION}")
    there = {name: digest for name, digest in submission.files.items() if name in found}
    yield from (Finding("digests", folder.name, problem) for problem in changed(folder, there))
    if submission.protocol != PROTOCOL:
        what = f"is of version {submission.protocol} of the protocol, expected {PROTOCOL}"
        yield Finding("protocol", SUBMISSION, what)


def suite_wrong(folder: Path) -> Iterator[Finding]:
    """Runs that the suite has and the submission lacks, or the other way round."""
    path = str(folder / SUITE)
    try:
        suite = suite_to_read(path, folder)
        plan = read_plan(folder, path, suite.seeds, suite.method_ids)
    except (ValueError, OSError) as error:
        yield Finding("suite", SUITE, str(error))
        return
    expected = {spec.run_name for spec in with_further(suite, plan, folder)}
    found = {files.name for files in directories(folder)}
    for name in sorted(expected - found):
        yield Finding("suite", name, "is a run of the suite, and is missing")
    for name in sorted(found - expected):
        yield Finding("suite", name, "is not a run of the suite")
    yield from (Finding("suite", SUITE, problem) for problem in lost_runs(suite, plan, folder))


def split_wrong(run: Run) -> Iterator[Finding]:
    """Whether the split is not the pinned one, or nobody can verify the run."""
    yield from (Finding("verifiable", run.name, what) for what in unverifiable(run))
    pinned, found = pinned_split(run), run.record["split"]["fingerprint"]
    if pinned and found != pinned:
        what = f"its split has the fingerprint {found[:12]}, that of the data set is {pinned[:12]}"
        yield Finding("split", run.name, what)


def pinned_split(run: Run) -> str | None:
    """The pinned fingerprint of the split of a run; None for an unknown one, or own images."""
    try:
        return find(run.spec["dataset"]).fingerprints.get(run.spec["split"])
    except ValueError:
        return None


def unverifiable(run: Run) -> Iterator[str]:
    """Why nobody but its maker can verify a run."""
    if run.files.embeddings.name not in run.digests:
        yield "its embeddings were not kept, so its scores cannot be verified"
    if pinned_split(run) is None:
        yield "its images are somebody's own, or its split is not known"
    if run.spec.get("weights") not in (None, PRETRAINED):
        yield "its weights are a file of somebody's own, so nobody else can train it again"
