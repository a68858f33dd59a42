"""A run on a real file system that is full, of bytes or of files, and then has space again."""

import shutil
from pathlib import Path

import pytest

from bench.running.sweep import reason
from bench.running.worker import FINISHED, FULL, Job, work
from bench.store.runs import RunDir
from bench.suites import load_suite
from tests.faults.conftest import Judge
from tests.faults.disks import MS_REMOUNT, NO_MOUNT, alone, mount
from tests.faults.outcome import Outcome
from tests.faults.processes import exit_code


def on_a_small_disk(folder: Path, small: str, large: str, message: str) -> int:
    """Run until the disk is full, make it larger, finish, and copy the results."""
    alone()
    results = folder / "results"
    results.mkdir()
    if not mount(results, small):
        return NO_MOUNT
    (spec,) = load_suite(str(folder / "one.toml")).specs
    job = Job(spec=spec, results=results, data_root=None, device="cpu", keep_model=True)
    files = RunDir.of(results, spec)
    assert work(job) == FULL
    assert message in reason(files, FULL)
    assert not files.finished
    assert mount(results, large, MS_REMOUNT)
    assert work(job) == FINISHED
    shutil.copytree(results, folder / "copy")  # what is mounted ends with this process
    return FINISHED


@pytest.mark.faults
@pytest.mark.parametrize(
    ("small", "large", "message"),
    [
        ("size=400k", "size=90m", "no space is left; free some space"),
        ("nr_inodes=8", "nr_inodes=900", "its file system has no free inodes; delete some files"),
    ],
)
def test_a_run_on_a_full_disk_goes_on_once_there_is_space(
    small: str, large: str, message: str, folder: Path, judge: Judge
) -> None:
    code = exit_code(on_a_small_disk, folder, small, large, message)
    if code == NO_MOUNT:
        pytest.skip("this system lets its users mount nothing")
    assert code == FINISHED
    (folder / "results").rmdir()
    (folder / "copy").rename(folder / "results")
    assert judge(folder, "one.toml", full_disks=1) == Outcome()
