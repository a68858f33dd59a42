"""What appears whole or not at all, and which litter of killed processes is deleted."""

import errno
import os
from pathlib import Path

import pytest

from bench.temporary import atomic, machine, new_folder, remove_leftovers, temporary_folder
from tests.support.processes import NO_PROCESS, temporary_name

ENDED = temporary_name("a.csv")
OF_OTHERS = [temporary_name(name) for name in ("b.csv", "aa.csv", "axcsv")]
KEPT = [
    *(temporary_name("a.csv", process) for process in (os.getpid(), os.getppid())),
    ENDED.replace(machine(), "0a1b2c3d"),  # of another machine
    *(ENDED[1:], ENDED.replace(".tmp", ".part"), f".a.csv.{NO_PROCESS}.tmp", ".a.csv.tmp"),
]


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("kind", ["files", "folders"])
def test_what_ended_processes_left_for_a_name_is_deleted_once_it_is_written(
    kind: str, tmp_path: Path
) -> None:
    for name in (ENDED, *OF_OTHERS, *KEPT):
        if kind == "files":
            (tmp_path / name).touch()
        else:
            (tmp_path / name / "within").mkdir(parents=True)
    with atomic(tmp_path / "a.csv") as temporary:
        temporary.write_text("whole")
    assert names(tmp_path) == {"a.csv", *OF_OTHERS, *KEPT}
    remove_leftovers(tmp_path)
    assert names(tmp_path) == {"a.csv", *KEPT}


def test_what_may_not_be_deleted_stops_no_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = tmp_path / ENDED  # of another user, in a folder that all write to
    left.touch()

    def refuse(path: Path, missing_ok: bool = False) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted", str(path))

    monkeypatch.setattr(Path, "unlink", refuse)
    with atomic(tmp_path / "a.csv") as temporary:
        temporary.write_text("whole")
    assert names(tmp_path) == {"a.csv", left.name}


def test_a_file_may_be_written_twice_at_once(tmp_path: Path) -> None:
    with atomic(tmp_path / "a") as one, atomic(tmp_path / "a") as other:
        one.write_text("one")
        other.write_text("other")
    assert (tmp_path / "a").read_text() == "one"
    assert names(tmp_path) == {"a"}


def test_a_folder_takes_the_place_of_an_empty_one_with_usual_permissions(tmp_path: Path) -> None:
    (tmp_path / "usual").mkdir()
    (tmp_path / "new").mkdir(mode=0o700)
    with new_folder(tmp_path / "new") as made:
        (made / "a").touch()
    assert names(tmp_path / "new") == {"a"}
    modes = [(tmp_path / name).stat().st_mode for name in ("usual", "new")]
    assert modes[0] == modes[1]
    assert names(tmp_path) == {"usual", "new"}


def test_an_error_within_a_temporary_folder_names_what_was_to_become_of_it(tmp_path: Path) -> None:
    with (
        pytest.raises(FileNotFoundError, match=f"directory: '{tmp_path}/new'$"),
        temporary_folder(tmp_path / "new") as made,
    ):
        (made / "missing").read_text()
    assert names(tmp_path) == set()
