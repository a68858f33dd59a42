"""Commands are killed, or find the disk full, wherever they change files, and are repeated."""

import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.commands.cases import CASES, Prepare, Run, compare, content, is_half, succeed
from tests.faults.outcome import Outcome
from tests.faults.processes import orphans
from tests.faults.writes import BYTES, INODES, full_from, kill_at

PARTS = 3
IN_PARTS = [
    pytest.param(name, slice(part, None, PARTS), marks=pytest.mark.faults)
    for name in CASES
    for part in range(PARTS)
]


@pytest.mark.parametrize(("name", "chosen"), [("pack", slice(9, 10)), *IN_PARTS])
def test_a_kill_at_any_place_loses_nothing(
    name: str,
    chosen: slice,
    tmp_path: Path,
    run: Run,
    prepare: Prepare,
    add: Callable[..., None],
) -> None:
    ready, wrong = prepare(name), {}
    places = range(len(ready.kinds))[chosen]
    assert places or chosen.step  # a part of few places may hold none
    for place in places:
        folder = tmp_path / str(place)
        shutil.copytree(ready.folder, folder, symlinks=True)
        assert run(folder, CASES[name].words, kill_at(place)) == -signal.SIGKILL
        left = orphans(folder)
        succeed(run, folder, CASES[name].words)
        found = compare(content(folder), ready, left)
        add(kills=1, **found._asdict())
        if found != Outcome():
            wrong[place] = found
    assert not wrong


@pytest.mark.parametrize("lacking", [BYTES, INODES], ids=["bytes", "inodes"])
@pytest.mark.parametrize(("name", "chosen"), [("export scores", slice(1)), *IN_PARTS])
def test_a_full_disk_is_said_and_leaves_nothing_half(
    name: str,
    lacking: set[str],
    chosen: slice,
    tmp_path: Path,
    run: Run,
    prepare: Prepare,
    add: Callable[..., None],
) -> None:
    if name == "weights" and lacking is INODES:
        pytest.skip("the hub's library then moves files that it else would link to")
    ready, wrong = prepare(name), {}
    places = [place for place, kind in enumerate(ready.kinds) if kind in lacking][chosen]
    assert places or chosen.step
    for place in places:
        folder = tmp_path / str(place)
        shutil.copytree(ready.folder, folder, symlinks=True)
        code = run(folder, CASES[name].words, full_from(place, lacking))
        said, left = (folder / "output.txt").read_text(), content(folder)
        (folder / "output.txt").unlink()
        succeed(run, folder, CASES[name].words)
        found = compare(content(folder), ready)
        add(full_disks=1, **found._asdict())
        if found != Outcome() or code != 1 or not is_clear(said) or is_half(left, ready):
            wrong[place] = found, code, said, is_half(left, ready)
    assert not wrong


def is_clear(said: str) -> bool:
    """Whether an error is one line that names what lacks."""
    lines = [line for line in said.splitlines() if line.startswith(("proxy-bench: ", "demo: "))]
    return len(lines) == 1 and "No space left on device" in lines[0] and "Traceback" not in said
