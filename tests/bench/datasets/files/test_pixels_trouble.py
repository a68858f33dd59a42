"""Decoded photographs are whole after kills, damage, races, and what cannot be done is told."""

import errno
import fcntl
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.datasets.files import pixels
from bench.datasets.files.photographs import Photographs
from bench.datasets.files.pixels import decoded
from bench.datasets.files.progress import quiet
from tests.support.photographs import (
    NAMES,
    check_decoded,
    count_work,
    parts,
    picture,
    write_pictures,
)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, with parts of four photographs: 4, 4 and 3."""
    monkeypatch.setenv("PROXY_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(pixels, "PART", 4)
    return tmp_path / "cache"


@pytest.fixture
def photographs(tmp_path: Path) -> Photographs:
    write_pictures(tmp_path / "photos", NAMES)
    return Photographs(tmp_path / "photos", NAMES)


@pytest.mark.parametrize("damage", ["gone", "empty", "short", "long", "sizes"])
def test_a_damaged_part_is_made_again(
    photographs: Photographs, cache: Path, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded("zoo", photographs, 6, quiet)
    before = parts(cache)
    path, content = list(before.items())[1]
    path.write_bytes(
        {
            "empty": b"",
            "short": content[:-1],
            "long": content + b"x",
            "sizes": b"\1" * 64 + content[64:],
        }.get(damage, b"")
    )
    if damage == "gone":
        path.unlink()
    worked = count_work(monkeypatch)
    found = decoded("zoo", photographs, 6, quiet)
    assert sorted(worked) == [4, 5, 6, 7]
    assert parts(cache) == before
    check_decoded(found, photographs, 6)


def test_what_a_killed_process_left_is_removed(photographs: Photographs, cache: Path) -> None:
    decoded("zoo", photographs, 6, quiet)
    first = next(iter(parts(cache)))
    left = first.with_name("00001.partial")
    left.write_bytes(b"half")
    first.unlink()
    decoded("zoo", photographs, 6, quiet)
    assert not left.exists()


KILLED = """
import os, signal, sys
from pathlib import Path
from bench.datasets.files import photographs, pixels
pixels.PART = 4
pixels.cores = lambda: 1
plain = pixels._write
def write(path, images):
    if path.stem == "00002":
        path.with_suffix(".partial").write_bytes(b"half of it")
        os.kill(os.getpid(), signal.SIGKILL)
    plain(path, images)
pixels._write = write
names = tuple(f"{i // 4}/größe {i}.png" for i in range(11))
photographs = photographs.Photographs(Path(sys.argv[1]), names)
pixels.decoded("zoo", photographs, 6, lambda what, done, total: None)
"""


def test_after_a_kill_whole_parts_are_used(
    photographs: Photographs, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(photographs.place)])
    assert done.returncode == -signal.SIGKILL
    assert [path.name for path in parts(cache)] == ["00000.rgb", "00001.rgb"]
    assert list(cache.rglob("*.partial"))
    worked = count_work(monkeypatch)
    found = decoded("zoo", photographs, 6, quiet)
    assert sorted(worked) == [8, 9, 10]
    assert not list(cache.rglob("*.partial"))
    check_decoded(found, photographs, 6)


WAITING = """
import sys
from pathlib import Path
from bench.datasets.files import photographs, pixels
pixels.PART = 4
worked = []
plain = photographs.Photographs.pixels
def counted(self, place, position, side):
    worked.append(position)
    return plain(self, place, position, side)
photographs.Photographs.pixels = counted
names = tuple(f"{i // 4}/größe {i}.png" for i in range(11))
photographs = photographs.Photographs(Path(sys.argv[1]), names)
pixels.decoded("zoo", photographs, 6, lambda what, done, total: print(what, flush=True))
print(len(worked))
"""


def test_of_two_processes_one_decodes_and_the_other_waits(
    photographs: Photographs, cache: Path
) -> None:
    decoded("zoo", photographs, 6, quiet)
    before = parts(cache)
    for path in before:
        path.unlink()
    command = [sys.executable, "-c", WAITING, str(photographs.place)]
    with (next(iter(before)).parent / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
        for process in both:
            assert process.stdout is not None
            assert process.stdout.readline() == "waiting for another process\n"
    counts = sorted(process.communicate(timeout=30)[0].splitlines()[-1] for process in both)
    assert counts == ["0", "11"]
    assert parts(cache) == before


def test_all_broken_photographs_are_named_and_nothing_half_written(
    photographs: Photographs, cache: Path
) -> None:
    for i, content in ((1, b"a note"), (2, picture(2)[:60]), (9, b"")):
        (photographs.place / NAMES[i]).write_bytes(content)
    with pytest.raises(ValueError, match=f"{photographs.place}: 3 photographs cannot") as caught:
        decoded("zoo", photographs, 6, quiet)
    assert all(NAMES[i] in str(caught.value) for i in (1, 2, 9))
    assert [path.name for path in parts(cache)] == ["00001.rgb"]
    assert not list(cache.rglob("*.partial"))


def test_a_missing_photograph_is_named(photographs: Photographs) -> None:
    (photographs.place / NAMES[5]).unlink()
    with pytest.raises(FileNotFoundError, match=f"is not complete: .*{NAMES[5]}$"):
        decoded("zoo", photographs, 6, quiet)


@pytest.mark.filterwarnings("ignore:digests could not be kept")
def test_a_folder_that_cannot_be_written_is_named_with_the_way_out(
    photographs: Photographs, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.mkdir()
    (cache / "file").write_text("in the way")
    monkeypatch.setenv("PROXY_BENCH_CACHE", str(cache / "file"))
    message = rf"cannot be kept in {cache}/file/zoo-6-.*; set PROXY_BENCH_CACHE to a folder that"
    with pytest.raises(OSError, match=message):
        decoded("zoo", photographs, 6, quiet)


def test_a_full_disk_is_told_with_the_folder(
    photographs: Photographs, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=rf"kept in {cache}/zoo-6-.*No space left") as caught:
        decoded("zoo", photographs, 6, quiet)
    assert caught.value.errno == errno.ENOSPC
    assert not list(cache.rglob("*.partial"))


def test_too_little_room_is_told_before_anything_is_decoded(
    photographs: Photographs, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded("zoo", photographs, 6, quiet)
    list(parts(cache))[1].unlink()  # four photographs at 6 x 8 pixels of three bytes
    worked = count_work(monkeypatch)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=575))
    message = (
        rf"4 photographs decoded at a side of 6 cannot be kept in {cache}/zoo-6-\w* \(about 576 "
        r"bytes needed, 575 free\); set PROXY_BENCH_CACHE to a folder with room"
    )
    with pytest.raises(OSError, match=message) as caught:
        decoded("zoo", photographs, 6, quiet)
    assert caught.value.errno == errno.ENOSPC
    assert worked == []
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=576))
    check_decoded(decoded("zoo", photographs, 6, quiet), photographs, 6)


@pytest.mark.parametrize("broken_at", [0, 11])
def test_an_error_of_who_watches_is_not_taken_for_the_disk(
    photographs: Photographs, broken_at: int
) -> None:
    def closed(what: str, done: int, total: int | None) -> None:
        if (what, done) == ("decoding", broken_at):
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    with pytest.raises(BrokenPipeError, match=r"^\[Errno \d+\] Broken pipe$"):
        decoded("zoo", photographs, 6, closed)
    check_decoded(decoded("zoo", photographs, 6, quiet), photographs, 6)
