"""Commands on a real file system that gets full of bytes or of files, and then has space again."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.commands.cases import CASES, Prepare, Run, compare, content, is_half
from tests.faults.disks import MS_REMOUNT, NO_MOUNT, alone, mount
from tests.faults.outcome import Outcome
from tests.faults.processes import exit_code
from tests.faults.writes import no_fault

LARGE = "size=99m,nr_inodes=9999"
Limits = Callable[[int, int], str]  # of bytes and files there before


def on_a_small_disk(folder: Path, before: Path, words: str, run: Run, limits: Limits) -> int:
    """Execute a command until the disk is full, and again once it is not; keep what both leave."""
    alone()
    folder.mkdir()
    if not mount(folder, LARGE):
        return NO_MOUNT
    shutil.copytree(before, folder, symlinks=True, dirs_exist_ok=True)
    (folder / "output.txt").unlink(missing_ok=True)
    (folder / "output.txt").symlink_to(folder.with_suffix(".said"))  # where there is space
    found = os.statvfs(folder)
    used = (found.f_blocks - found.f_bfree) * found.f_frsize, found.f_files - found.f_ffree
    assert mount(folder, limits(*used), MS_REMOUNT)
    assert run(folder, words, no_fault) == 1
    shutil.copytree(folder, folder.with_suffix(".full"), symlinks=True)
    folder.with_suffix(".said").rename(folder.with_suffix(".first"))
    assert mount(folder, LARGE, MS_REMOUNT)
    assert run(folder, words, no_fault) == 0
    shutil.copytree(folder, folder.with_suffix(".again"), symlinks=True)
    return 0


@pytest.mark.faults
@pytest.mark.parametrize("share", [0.0, 0.4, 0.9])
@pytest.mark.parametrize("lacking", ["bytes", "inodes"])
@pytest.mark.parametrize("name", [name for name in CASES if name != "verify"])  # adds nothing
def test_a_command_on_a_full_disk_succeeds_once_there_is_space(
    name: str,
    lacking: str,
    share: float,
    tmp_path: Path,
    run: Run,
    prepare: Prepare,
    add: Callable[..., None],
) -> None:
    """Share: of what the command adds, for which there is space."""
    ready, folder = prepare(name), tmp_path / "disk"
    added = [item for path, item in ready.after.items() if path not in ready.before]
    pages = sum(-(-len(item) // 4096) for item in added if isinstance(item, bytes))

    def limits(size: int, files: int) -> str:
        if lacking == "bytes":
            return f"size={size + int(share * pages) * 4096},nr_inodes=9999"
        return f"size=99m,nr_inodes={files + int(share * len(added))}"

    words = CASES[name].words
    code = exit_code(on_a_small_disk, folder, ready.folder, words, run, limits)
    if code == NO_MOUNT:
        pytest.skip("this system lets its users mount nothing")
    said = folder.with_suffix(".first").read_text()
    assert code == 0, said
    assert "no space" in said.lower() or "no free inodes" in said
    assert "Traceback" not in said
    assert not is_half(content(folder.with_suffix(".full")), ready), said
    found = compare(content(folder.with_suffix(".again")), ready)
    add(full_disks=1, **found._asdict())
    assert found == Outcome()
