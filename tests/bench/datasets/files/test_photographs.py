"""Photographs in a folder and in an archive: read alike, digests kept until a file changes."""

import hashlib
import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image

from bench.datasets.files import photographs as module
from bench.datasets.files import work
from bench.datasets.files.decode import decode, shrink_to
from bench.datasets.files.photographs import OpenPlace, Photographs
from bench.datasets.files.pixels import decode_missing
from bench.datasets.files.verify import broken, examine, is_image
from bench.datasets.files.work import quiet
from tests.support.photographs import pack, picture, write_pictures
from tests.support.tiny import quiet as ignore

NAMES = ("cat/a.png", "cat/größe 鳥.png", "dog/c.png", "dog/d.png")


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROXY_BENCH_CACHE", str(tmp_path / "cache"))


@pytest.fixture(params=["folder", "folder in a folder", "zip"])
def photographs(request: pytest.FixtureRequest, tmp_path: Path) -> Photographs:
    write_pictures(tmp_path / "photos" / "in", NAMES)
    if request.param == "folder":
        return Photographs(tmp_path / "photos" / "in", NAMES)
    if request.param == "folder in a folder":
        return Photographs(tmp_path / "photos", NAMES, inside="in")
    pack(tmp_path / "photos.zip", tmp_path / "photos" / "in", NAMES, "repository/in")
    return Photographs(tmp_path / "photos.zip", NAMES, inside="repository/in")


@pytest.fixture
def digested(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files whose digests were made, in no order."""
    names: list[str] = []
    digest = OpenPlace.digest

    def counted(self: OpenPlace, name: str) -> bytes:
        names.append(name)
        return digest(self, name)

    monkeypatch.setattr(OpenPlace, "digest", counted)
    monkeypatch.setattr(module, "TICK", 0)  # as if the files were written long ago
    return names


def test_files_are_read_decoded_and_summed(photographs: Photographs, tmp_path: Path) -> None:
    with photographs.opened() as place:
        assert [place.read(name) for name in NAMES] == [picture(seed) for seed in range(4)]
        assert sorted(place.names()) == list(NAMES)
        expected = shrink_to("a", decode("a", picture(1)), 4)
        np.testing.assert_array_equal(photographs.pixels(place, 1, 4), expected)
    rows = [hashlib.sha256(picture(seed)).digest() for seed in range(4)]
    assert [row.tobytes() for row in photographs.digests(quiet)] == rows
    assert len(photographs) == 4
    whole = hashlib.sha256()
    for name, row in zip(NAMES, rows, strict=True):  # in order already
        whole.update(name.encode() + b"\n" + row)
    assert photographs.checksum == whole.hexdigest()


def test_the_checksum_follows_contents_names_and_boxes_but_not_order(tmp_path: Path) -> None:
    write_pictures(tmp_path, NAMES)
    boxes = np.arange(16.0).reshape(4, 4)
    whole = Photographs(tmp_path, NAMES)
    turned = Photographs(tmp_path, NAMES[::-1])
    assert whole.checksum == turned.checksum
    boxed = Photographs(tmp_path, NAMES, boxes)
    assert boxed.checksum == Photographs(tmp_path, NAMES[::-1], boxes[::-1]).checksum
    others = [boxed, Photographs(tmp_path, NAMES, boxes + 1), Photographs(tmp_path, NAMES[:3])]
    (tmp_path / "e.png").write_bytes(picture(0))
    others.append(Photographs(tmp_path, ("e.png", *NAMES[1:])))
    assert len({whole.checksum, *(other.checksum for other in others)}) == 5


def test_only_the_box_is_decoded(tmp_path: Path) -> None:
    write_pictures(tmp_path, NAMES)
    boxes = np.array([[1, 2, 3, 3]] * 4, dtype=np.float64)
    photographs = Photographs(tmp_path, NAMES, boxes)
    with photographs.opened() as place:
        found = photographs.pixels(place, 2, 3)
    np.testing.assert_array_equal(found, np.asarray(decode("a", picture(2)))[2:5, 1:4])
    assert broken(photographs, lambda done, total: None) == []
    boxes[3, 0] = 99
    (problem,) = broken(Photographs(tmp_path, NAMES, boxes), lambda done, total: None)
    assert problem.startswith("dog/d.png: its box [99.0, ")


def test_a_box_is_cut_from_the_stored_pixels_and_then_turned(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (30, 60, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6  # to be shown turned clockwise, 30 wide and 60 high
    Image.fromarray(pixels).save(tmp_path / "a.jpg", exif=exif)
    Image.fromarray(pixels).save(tmp_path / "plain.jpg")
    stored = np.asarray(Image.open(tmp_path / "plain.jpg"))
    boxes = np.array([[40, 5, 15, 10]], dtype=np.float64)
    photographs = Photographs(tmp_path, ("a.jpg",), boxes)
    with photographs.opened() as place:
        found = np.asarray(photographs.photograph(place, 0))
    np.testing.assert_array_equal(found, np.rot90(stored[5:15, 40:55], -1))


def test_digests_are_kept(photographs: Photographs, digested: list[str]) -> None:
    reports: list[tuple[str, int, int | None]] = []
    first = photographs.digests(lambda *report: reports.append(report))
    assert sorted(digested) == sorted(NAMES)
    assert reports == [("reading", 0, 4), ("reading", 4, 4)]
    again = Photographs(photographs.place, NAMES, inside=photographs.inside)
    np.testing.assert_array_equal(again.digests(quiet), first)
    assert len(digested) == 4


def _rewrite(path: Path, content: bytes) -> None:
    """Other bytes in the same file."""
    path.write_bytes(content)


def _rename(path: Path, content: bytes) -> None:
    """Another file under the same name."""
    other = path.with_suffix(".new")
    other.write_bytes(content)
    os.utime(other, ns=(0, path.stat().st_mtime_ns))
    other.replace(path)


def _exchange(path: Path, content: bytes) -> None:
    """Two files exchange their names, as after a rename in the wrong order."""
    path.with_suffix(".new").write_bytes(content)
    os.rename(path, path.with_suffix(".old"))
    os.rename(path.with_suffix(".new"), path)


def _link(path: Path, content: bytes) -> None:
    """The name becomes a link to another file."""
    path.with_suffix(".new").write_bytes(content)
    path.unlink()
    path.symlink_to(path.with_suffix(".new"))


@pytest.mark.parametrize("times", ["as before", "now"])
@pytest.mark.parametrize("replace_file", [_rewrite, _rename, _exchange, _link])
def test_a_changed_file_of_one_size_is_read_again(
    tmp_path: Path, digested: list[str], replace_file: Callable[[Path, bytes], None], times: str
) -> None:
    write_pictures(tmp_path, NAMES)
    photographs = Photographs(tmp_path, NAMES)
    time.sleep(0.02)  # longer than the clock of the kernel takes to tick
    first = photographs.digests(quiet)
    path = tmp_path / NAMES[2]
    before, content = path.stat(), path.read_bytes()[::-1]
    replace_file(path, content)
    if times == "as before":
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    found = photographs.digests(quiet)
    assert found[2].tobytes() == hashlib.sha256(content).digest()
    assert (first != found).any(axis=1).tolist() == [False, False, True, False]
    assert len(digested) == 8


def test_a_file_replaced_between_its_digest_and_its_decoding_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pictures(tmp_path / "photos", NAMES)
    photographs = Photographs(tmp_path / "photos", NAMES)

    def replaced(*arguments: Any) -> list[str]:
        (tmp_path / "photos" / NAMES[2]).write_bytes(picture(9))
        return decode_missing(*arguments)

    monkeypatch.setattr(module, "decode_missing", replaced)
    with pytest.raises(ValueError, match=r"dog/c\.png changed while the photographs were read"):
        photographs.prepare("folder", 4, 4, quiet)


def test_digests_of_files_that_changed_just_now_are_not_kept(
    photographs: Photographs, digested: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TICK", 60)
    for _ in range(2):
        photographs.digests(quiet)
    assert len(digested) == 8


def test_a_file_dated_in_the_future_does_not_stop_the_cache(
    tmp_path: Path, digested: list[str]
) -> None:
    write_pictures(tmp_path, NAMES)
    later = time.time() + 1e6
    os.utime(tmp_path / NAMES[0], (later, later))
    time.sleep(0.02)
    for _ in range(2):
        Photographs(tmp_path, NAMES).digests(quiet)
    assert len(digested) == 4


@pytest.mark.parametrize("change", ["an entry", "its inode only"])
def test_a_changed_archive_is_read_again(tmp_path: Path, digested: list[str], change: str) -> None:
    write_pictures(tmp_path, NAMES)
    pack(tmp_path / "a.zip", tmp_path, NAMES, "in")
    photographs = Photographs(tmp_path / "a.zip", NAMES, inside="in")
    time.sleep(0.02)
    first = photographs.digests(quiet)
    moment = (tmp_path / "a.zip").stat().st_mtime_ns
    if change == "an entry":
        (tmp_path / NAMES[0]).write_bytes(picture(0)[::-1])
        pack(tmp_path / "a.zip", tmp_path, NAMES, "in")
    else:  # as by a picture of the same CRC
        (tmp_path / "a.zip").write_bytes((tmp_path / "a.zip").read_bytes())
    os.utime(tmp_path / "a.zip", ns=(moment, moment))
    second = photographs.digests(quiet)
    assert len(digested) == 8
    changed = [change == "an entry", False, False, False]
    assert (first != second).any(axis=1).tolist() == changed


def test_missing_files_are_named(photographs: Photographs) -> None:
    more = Photographs(photographs.place, (*NAMES, "e.png", "b.png"), inside=photographs.inside)
    message = f"{photographs.place} is not complete: missing or unreadable: b.png, e.png$"
    with pytest.raises(FileNotFoundError, match=message):
        more.digests(quiet)
    problems = broken(more, lambda done, total: None)
    assert problems == [f"{name} is missing from {more.place}" for name in ("e.png", "b.png")]


def test_what_is_no_archive_or_a_damaged_one_is_named(tmp_path: Path) -> None:
    write_pictures(tmp_path, NAMES)
    archive = tmp_path / "a.zip"
    for content in (b"", b"no archive"):
        archive.write_bytes(content)
        with pytest.raises(ValueError, match=f"{archive} is not a complete zip archive"):
            Photographs(archive, NAMES).digests(quiet)
    pack(archive, tmp_path, NAMES, "in")
    damaged = archive.read_bytes().replace(picture(3), picture(3)[::-1])
    archive.write_bytes(damaged)
    (problem,) = broken(Photographs(archive, NAMES, inside="in"), lambda done, total: None)
    assert problem.startswith(f"dog/d.png in {archive} cannot be read (Bad CRC-32")


def test_images_in_linked_folders_are_found_once(tmp_path: Path) -> None:
    names = write_pictures(tmp_path / "disk", ["a/0.png", "b/1.png"])
    (tmp_path / "place").mkdir()
    (tmp_path / "place" / "images").symlink_to(tmp_path / "disk")
    (tmp_path / "disk" / "a" / "circle").symlink_to(tmp_path / "disk")
    with Photographs(tmp_path / "place", ()).opened() as place:
        assert sorted(place.names()) == [f"images/{name}" for name in names]


def test_missing_and_surplus_images_are_problems(photographs: Photographs) -> None:
    place, inside = photographs.place, photographs.inside
    start = f"{inside}/" if inside else ""
    fewer = photographs.only([1, 2, 3])
    more = replace(photographs, names=(*NAMES, "dog/e.png"))
    surplus = f"{place}: {start}cat/a.png does not belong here"
    missing = f"{place}: {start}dog/e.png is missing"
    assert examine(photographs, ignore) == []
    assert examine(fewer, ignore) == [surplus]
    assert examine(photographs.only([2, 3]), ignore) == []  # other folders do not matter
    assert examine(more, ignore) == [missing]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *[("a/b.JPG", True), ("b.tiff", True), ("a/thumbnails of birds/b.jpg", True)],
        *[("b.txt", False), ("a/._b.jpg", False), ("jpg", False), ("a/@eaDir/b.jpg", False)],
    ],
)
def test_images_are_known_by_their_names(name: str, expected: bool) -> None:
    assert is_image(name) == expected


def test_work_is_in_order_spread_over_threads_and_soon_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(work, "_WAITING", 5)
    assert list(work.on_all_cores(str, range(13))) == [str(i) for i in range(13)]
    done: list[int] = []

    def record(item: int) -> int:
        done.append(item)
        return threading.get_ident()

    values = work.on_all_cores(record, range(1000))
    assert next(values) != threading.get_ident()
    time.sleep(0.05)  # enough for a thousand of them
    assert sorted(done) == [0, 1, 2, 3, 4]
