"""What a kill leaves is cleared by the next command; full disks and missing locks are explained."""

import errno
import fcntl
import io
import os
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from bench.reporting.page import write_report
from bench.running.preflight import check_results, clear_litter
from bench.running.sweep import reason
from bench.running.worker import FAILED, FINISHED, FULL, disk_is_full, end, write_failure
from bench.spec import RunSpec
from bench.store.disk import advice
from bench.store.runs import RunDir, scan
from bench.store.thumbnails import load_thumbnails, save_thumbnails, thumbnails_path
from tests.support.fabricated import FINGERPRINT, make_spec, write_pictures, write_run
from tests.support.processes import temporary_name

pytestmark = pytest.mark.usefixtures("without_figures")

LITTER = [
    "checkpoint.pt",
    "checkpoint-before.pt",
    "progress.json",
    "failed.json",
    "job-abc123.json",
    ".run.json.1.tmp",
]
LITTER += [".checkpoint.pt.77.tmp", ".digits-ffffffffffff.npz.5.tmp"]


@pytest.fixture
def spec() -> RunSpec:
    return make_spec("digits", "Proxy-NCA", 0)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("name", LITTER)
def test_litter_beside_a_finished_run_is_cleared(tmp_path: Path, spec: RunSpec, name: str) -> None:
    directory = write_run(tmp_path, spec, gain=0.1)
    before = names(directory)
    (directory / name).write_bytes(b"left")
    clear_litter([spec], tmp_path)
    assert names(directory) - {"lock"} == before
    assert scan(tmp_path)[1] == []


def test_a_run_that_a_process_works_on_or_resumes_keeps_its_files(
    tmp_path: Path, spec: RunSpec
) -> None:
    directory = write_run(tmp_path, spec, gain=0.1)
    (directory / "checkpoint.pt").touch()
    with RunDir(directory).lock():
        clear_litter([spec], tmp_path)
    assert "checkpoint.pt" in names(directory)
    (directory / "run.json").unlink()
    clear_litter([spec], tmp_path)
    assert "checkpoint.pt" in names(directory)


def test_a_clean_folder_is_not_touched(tmp_path: Path, spec: RunSpec) -> None:
    directory = write_run(tmp_path, spec, gain=0.1)
    before = names(directory)
    clear_litter([spec], tmp_path)
    assert names(directory) == before


def test_pictures_are_written_beside_their_file_and_cleared_once_the_process_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each folder may be a file system of its own, between which nothing can be renamed."""
    write_pictures(tmp_path, "digits")
    path = thumbnails_path(tmp_path, "digits", FINGERPRINT)
    pictures = load_thumbnails(path)
    (path.parent / temporary_name("digits.npz")).touch()
    (path.parent / ".own.tmp").touch()
    whole = {path.name, ".own.tmp"}
    seen: list[set[str]] = []

    def save(*arguments: object, **arrays: object) -> None:
        clear_litter([], tmp_path)
        seen.append(names(path.parent))
        raise OSError

    monkeypatch.setattr(np, "savez_compressed", save)
    with pytest.raises(OSError, match=r"^$"):
        save_thumbnails(path, pictures)
    ((own,),) = [names - whole for names in seen]
    assert re.fullmatch(rf"\.{re.escape(path.name)}(?:\.\w{{8}}){{2}}\.{os.getpid()}\.tmp", own)
    assert names(path.parent) == whole


def test_a_report_clears_what_ended_processes_left(tmp_path: Path, spec: RunSpec) -> None:
    write_run(tmp_path / "results", spec, gain=0.1)
    folder = tmp_path / "report"
    left, alive = (tmp_path / temporary_name("report", *of) for of in ([], [os.getppid()]))
    for place in (left, alive):
        (place / "figures").mkdir(parents=True)
        (place / "table.csv").touch()
    (tmp_path / temporary_name("other")).touch()  # of another report
    write_report(scan(tmp_path / "results")[0], folder, title="x")
    assert {*tmp_path.glob(".*")} == {alive, tmp_path / temporary_name("other")}
    assert not any(path.name.startswith(".") for path in folder.rglob("*"))


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EIO])
def test_a_results_folder_without_locks_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def flock(file: object, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    check_results(tmp_path)
    monkeypatch.setattr(fcntl, "flock", flock)
    message = f"the results folder {tmp_path} cannot be locked \\({os.strerror(number)}\\); choose"
    with pytest.raises(OSError, match=message):
        check_results(tmp_path)
    assert names(tmp_path) == set()


@pytest.fixture(params=["inodes", "few inodes", "bytes", "files are not counted"])
def lacking(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A full disk, and the words for what it lacks."""
    counts = {"inodes": (100, 0), "few inodes": (100, 3), "bytes": (100, 70)}
    total, free = counts.get(request.param, (0, 0))
    found = SimpleNamespace(f_files=total, f_favail=free)
    monkeypatch.setattr("os.statvfs", lambda folder: found)
    return "no free inodes" if "inodes" in request.param else "no space is left; free some space"


def test_a_full_disk_says_what_it_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lacking: str
) -> None:
    full = OSError(errno.ENOSPC, "No space left on device", str(tmp_path / "a"))
    assert lacking in reason(RunDir(tmp_path), FULL)
    assert lacking in advice(full)
    assert advice(OSError(errno.EACCES, "Permission denied")) == ""
    assert disk_is_full(full)

    def no_file(**arguments: object) -> None:
        raise full

    monkeypatch.setattr("bench.running.preflight.TemporaryFile", no_file)
    with pytest.raises(OSError, match=f"cannot be written to .*{lacking}"):
        check_results(tmp_path)


@pytest.mark.parametrize(
    "error",
    [
        FloatingPointError("the loss became nan"),
        ValueError("the labels are wrong"),
        OSError(errno.EACCES, "Permission denied"),
        RuntimeError("no memory"),
    ],
)
def test_other_failures_keep_their_text_where_no_free_inodes_or_bytes_are_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """Some file systems report so while files can be created."""
    found = SimpleNamespace(f_files=9, f_favail=0, f_bavail=0, f_blocks=9, f_bfree=0, f_frsize=512)
    monkeypatch.setattr("os.statvfs", lambda folder: found)
    files = RunDir(tmp_path)
    assert write_failure(files, error) == FAILED
    assert str(error) in (files.failure or "")


def test_a_failure_that_cannot_be_stored_on_a_full_disk_is_that_of_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(files: RunDir, message: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(RunDir, "write_failure", refuse)
    assert write_failure(RunDir(tmp_path), ValueError("the labels are wrong")) == FULL


def test_a_log_that_a_full_disk_cuts_changes_no_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.StringIO):
        def flush(self) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    codes: list[int] = []
    monkeypatch.setattr("os._exit", codes.append)
    monkeypatch.setattr("sys.stdout", Full())
    end(FINISHED)
    assert codes == [FINISHED]
