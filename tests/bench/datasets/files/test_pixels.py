"""The cache of decoded photographs: right pixels, decoded once, after kills, damage and races."""

import dataclasses
import errno
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bench.datasets.files import photographs as reading
from bench.datasets.files import pixels, work
from bench.datasets.files.photographs import OpenPlace, Photographs
from tests.support.photographs import (
    NAMES,
    check_decoded,
    count_work,
    decoded,
    pack,
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


def test_every_position_equals_decoding_it(photographs: Photographs, tmp_path: Path) -> None:
    found = decoded(photographs, 7)
    assert len({found[i].shape for i in range(11)}) > 1
    check_decoded(photographs, 7)
    for count in (1, 3, 4, 5, 8):  # around the borders of parts
        check_decoded(Photographs(photographs.place, NAMES[:count]), 5)
    with pytest.raises(IndexError):
        found[11]
    pack(tmp_path / "a.zip", photographs.place, NAMES, "in")
    check_decoded(Photographs(tmp_path / "a.zip", NAMES, np.array([[0, 1, 4, 3.5]] * 11), "in"), 9)


def test_a_second_call_decodes_nothing_and_needs_no_lock(
    photographs: Photographs, monkeypatch: pytest.MonkeyPatch
) -> None:
    worked = count_work(monkeypatch)
    reports: list[tuple[str, int, int | None]] = []
    decoded(photographs, 6, lambda *report: reports.append(report))
    assert sorted(worked) == list(range(11))
    progress = [done for what, done, total in reports if what == "decoding" and total == 11]
    assert [progress[0], progress[-1]] == [0, 11]
    assert progress == sorted(progress)
    monkeypatch.setattr(pixels, "locked", None)
    decoded(Photographs(photographs.place, NAMES), 6)
    assert len(worked) == 11
    check_decoded(photographs, 6)


def test_another_side_file_box_name_or_decoder_is_another_folder(
    photographs: Photographs, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded(photographs, 6)
    decoded(photographs, 5)
    decoded(photographs, 6, name="folder:Zoo / ü")
    boxes = np.array([[0, 0, 3, 3]] * 11, dtype=np.float64)
    decoded(dataclasses.replace(photographs, boxes=boxes), 6)
    (photographs.place / NAMES[8]).write_bytes(picture(99))
    check_decoded(Photographs(photographs.place, NAMES), 6)
    monkeypatch.setattr(reading, "DECODERS", (__file__,))
    decoded(Photographs(photographs.place, NAMES), 6)
    names = [path.name.rsplit("-", 1)[0] for path in cache.iterdir() if path.is_dir()]
    assert Counter(names) == {"folder-zoo-4e3d41-6": 1, "zoo-5": 1, "zoo-6": 4}


def test_no_file_stays_open(photographs: Photographs) -> None:
    """A process may open few files, by default 256 on some systems; parts are thousands."""
    found = decoded(photographs, 6)
    before = len(os.listdir("/dev/fd"))
    kept = [found.batch(np.arange(11)), *(found.thumbnail(i) for i in range(11))]
    kept += [np.array(found[i].mean()) for i in range(11)]
    assert len(os.listdir("/dev/fd")) == before


def test_ctrl_c_ends_the_threads_within_a_photograph(
    photographs: Photographs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of the eleven takes a tenth of a second; complete parts are kept."""
    monkeypatch.setattr(work, "cores", lambda: 2)
    before = threading.active_count()
    worked: list[int] = []
    genuine = Photographs.pixels

    def slowly(
        self: Photographs,
        place: OpenPlace,
        position: int,
        *rest: Any,
    ) -> np.ndarray:
        worked.append(position)
        time.sleep(0.1)
        return genuine(self, place, position, *rest)

    def interrupt(what: str, done: int, total: int | None) -> None:
        if what == "decoding" and done:
            raise KeyboardInterrupt

    monkeypatch.setattr(Photographs, "pixels", slowly)
    with pytest.raises(KeyboardInterrupt) as caught:  # whose traceback keeps the frames alive
        decoded(photographs, 6, interrupt)
    assert 0 < len(worked) < 8
    assert threading.active_count() == before
    del caught
    monkeypatch.setattr(Photographs, "pixels", genuine)
    check_decoded(photographs, 6)


def _swapped(content: bytes) -> bytes:
    """Height and width of the first photograph change places in the table."""
    return content[8:16] + content[:8] + content[16:]


@pytest.mark.parametrize(
    "damage",
    {
        "gone": lambda content: None,
        "empty": lambda content: b"",
        "short": lambda content: content[:-1],
        "long": lambda content: content + b"x",
        "sizes": lambda content: b"\1" * 64 + content[64:],
        "swapped": _swapped,
        "pixel": lambda content: content[:100] + bytes([content[100] ^ 1]) + content[101:],
        "digest": lambda content: content[:-1] + bytes([content[-1] ^ 1]),
        "no digest": lambda content: content[:-32],
        "zeros": lambda content: bytes(len(content)),
    }.items(),
    ids=lambda damage: damage[0],
)
def test_a_damaged_part_is_decoded_again(
    photographs: Photographs,
    cache: Path,
    damage: tuple[str, Callable[[bytes], bytes | None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    decoded(photographs, 6)
    before = parts(cache)
    path, content = list(before.items())[1]
    assert _swapped(content) != content
    damaged = damage[1](content)
    path.unlink()
    if damaged is not None:
        path.write_bytes(damaged)
    worked = count_work(monkeypatch)
    decoded(photographs, 6)
    assert sorted(worked) == [4, 5, 6, 7]
    assert parts(cache) == before
    check_decoded(photographs, 6)


def test_a_part_under_the_name_of_another_is_decoded_again(
    photographs: Photographs, cache: Path
) -> None:
    decoded(photographs, 6)
    before = parts(cache)
    one, other, _ = before
    one.write_bytes(before[other])
    check_decoded(photographs, 6)
    assert parts(cache) == before


def test_a_cache_that_is_damaged_after_decoding_is_refused(
    photographs: Photographs, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = pixels.write_part

    def damaging(path: Path, images: list[np.ndarray]) -> None:
        plain(path, images)
        path.write_bytes(bytes(path.stat().st_size))

    monkeypatch.setattr(pixels, "write_part", damaging)
    with pytest.raises(OSError, match=r"zoo-6-\w+ does not hold what was written to it: the disk"):
        decoded(photographs, 6)


KILLED = """
import os, signal, sys
from pathlib import Path
from bench.datasets.files import pixels
from tests.support.photographs import NAMES, decoded
from bench.datasets.files.photographs import Photographs
pixels.PART = 4
plain = pixels.write_part
def write(path, images):
    if path.stem == "00002":
        path.with_suffix(".partial").write_bytes(b"half of it")
        os.kill(os.getpid(), signal.SIGKILL)
    plain(path, images)
pixels.write_part = write
decoded(Photographs(Path(sys.argv[1]), NAMES), 6)
"""


def test_after_a_kill_complete_parts_are_used_and_the_rest_is_removed(
    photographs: Photographs, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(photographs.place)])
    assert done.returncode == -signal.SIGKILL
    assert [path.name for path in parts(cache)] == ["00000.rgb", "00001.rgb"]
    assert list(cache.rglob("*.partial"))
    worked = count_work(monkeypatch)
    decoded(photographs, 6)
    assert sorted(worked) == [8, 9, 10]
    assert not list(cache.rglob("*.partial"))
    check_decoded(photographs, 6)


WAITING = """
import sys
from pathlib import Path
import pytest
from bench.datasets.files import pixels
from bench.datasets.files.photographs import Photographs
from tests.support.photographs import NAMES, count_work, decoded
pixels.PART = 4
with pytest.MonkeyPatch.context() as patch:
    worked = count_work(patch)
    photographs = Photographs(Path(sys.argv[1]), NAMES)
    decoded(photographs, 6, lambda what, done, total: total or print(what, flush=True))
print(len(worked))
"""


def test_of_two_processes_one_decodes_and_the_other_waits(
    photographs: Photographs, cache: Path
) -> None:
    decoded(photographs, 6)
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


def test_all_broken_photographs_are_named_and_their_parts_not_written(
    photographs: Photographs, cache: Path
) -> None:
    for i, content in ((1, b"a note"), (2, picture(2)[:60]), (9, b"")):
        (photographs.place / NAMES[i]).write_bytes(content)
    with pytest.raises(ValueError, match=f"{photographs.place}: 3 photographs cannot") as caught:
        decoded(photographs, 6)
    assert all(NAMES[i] in str(caught.value) for i in (1, 2, 9))
    assert [path.name for path in parts(cache)] == ["00001.rgb"]
    assert not list(cache.rglob("*.partial"))


@pytest.mark.filterwarnings("ignore:digests could not be stored")
def test_a_folder_that_cannot_be_written_is_named_with_the_way_out(
    photographs: Photographs, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.mkdir()
    (cache / "file").write_text("in the way")
    monkeypatch.setenv("PROXY_BENCH_CACHE", str(cache / "file"))
    message = rf"cannot be stored in {cache}/file/zoo-6-.*; set PROXY_BENCH_CACHE to a folder that"
    with pytest.raises(OSError, match=message):
        decoded(photographs, 6)


def test_a_full_disk_is_reported_with_the_folder(
    photographs: Photographs, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=rf"stored in {cache}/zoo-6-.*No space left") as caught:
        decoded(photographs, 6)
    assert caught.value.errno == errno.ENOSPC
    assert not list(cache.rglob("*.partial"))


def test_too_little_space_is_reported_before_anything_is_decoded(
    photographs: Photographs, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded(photographs, 6)
    list(parts(cache))[1].unlink()  # four photographs at 6 x 8 pixels of three bytes
    worked = count_work(monkeypatch)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=575))
    message = (
        rf"4 photographs decoded at a side of 6 cannot be stored in {cache}/zoo-6-\w* \(576 "
        r"bytes needed, 575 free\); set PROXY_BENCH_CACHE to a folder that"
    )
    with pytest.raises(OSError, match=message) as caught:
        decoded(photographs, 6)
    assert caught.value.errno == errno.ENOSPC
    assert worked == []
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=576))
    check_decoded(photographs, 6)


@pytest.mark.parametrize("broken_at", [0, 11])
def test_an_error_of_the_progress_callback_is_not_taken_for_the_disk(
    photographs: Photographs, broken_at: int
) -> None:
    def closed(what: str, done: int, total: int | None) -> None:
        if (what, done) == ("decoding", broken_at):
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    with pytest.raises(BrokenPipeError, match=r"^\[Errno \d+\] Broken pipe$"):
        decoded(photographs, 6, closed)
    check_decoded(photographs, 6)
