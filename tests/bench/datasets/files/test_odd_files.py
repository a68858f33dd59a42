"""Files that must not be read: pipes, sockets, broken links, and files that are far too large."""

import os
import socket
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.datasets import load, verify
from bench.datasets.files import photographs
from bench.datasets.files.photographs import LARGEST_FILE, Photographs
from bench.datasets.files.verify import broken, examine
from tests.support.photographs import picture, write_pictures
from tests.support.tiny import quiet

NAMES = [f"{label}/{i}.png" for label in "abcdef" for i in range(2)]
ODD = "is a broken link, pipe or device; remove it"


@pytest.fixture
def zoo(tmp_path: Path) -> Path:
    write_pictures(tmp_path / "zoo", NAMES)
    return tmp_path / "zoo"


def test_pipes_sockets_and_broken_links_called_like_images_are_named(
    zoo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(zoo / "a" / "pipe.png")
    (zoo / "b" / "gone.jpg").symlink_to(zoo / "nowhere.jpg")
    monkeypatch.chdir(zoo)  # the path of a socket must be short
    with socket.socket(socket.AF_UNIX) as there:
        there.bind("c/socket.gif")
        problems = verify("folder:zoo", zoo.parent, quiet)
    names = ("a/pipe.png", "b/gone.jpg", "c/socket.gif")
    expected = [f"{zoo} has 3 mistakes:", *(f"  {name} {ODD}" for name in names)]
    assert problems == ["\n".join(expected)]
    with pytest.raises(ValueError, match=f"a/pipe.png {ODD}"):
        load("folder:zoo", zoo.parent, "class-disjoint")


def test_pipes_that_are_not_called_like_images_are_not_read(zoo: Path) -> None:
    os.mkfifo(zoo / "a" / "pipe")
    os.mkfifo(zoo / "images.csv")
    assert len(load("folder:zoo", zoo.parent, "class-disjoint").items) == 12
    unused = f"{zoo}: files not used as images of a class (1): a/pipe"
    assert verify("folder:zoo", zoo.parent, quiet) == [unused]


def test_pipes_in_a_data_set_are_named_and_not_read(zoo: Path) -> None:
    os.mkfifo(zoo / "a" / "pipe.png")
    problems = broken(Photographs(zoo, ("a/0.png", "a/pipe.png")), quiet)
    assert problems == [f"a/pipe.png in {zoo} is not a file; take it out"]
    assert examine(Photographs(zoo, tuple(NAMES)), quiet) == []


def test_a_file_that_is_too_large_is_named_before_it_is_read(
    zoo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (zoo / "a" / "0.png").open("wb") as file:
        file.truncate(LARGEST_FILE + 1)  # takes no room on the disk
    monkeypatch.setattr(Path, "read_bytes", None)
    (problem,) = broken(Photographs(zoo, ("a/0.png",)), quiet)
    assert problem == (
        f"a/0.png in {zoo} has 268,435,457 bytes, more than the 268,435,456 that are read; make it "
        "smaller or leave it out"
    )


def test_an_entry_that_is_too_large_once_unpacked_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(photographs, "LARGEST_FILE", 3000)
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("large.png", bytes(3001))
        archive.writestr("small.png", picture(1))
    place = Photographs(tmp_path / "a.zip", ("small.png", "large.png"))
    told = rf"large.png in {tmp_path}/a.zip has 3,001 bytes, more than the 3,000 that are read"
    with place.opened() as opened:
        assert opened.read("small.png") == picture(1)
        monkeypatch.setattr(zipfile.ZipFile, "open", None)
        with pytest.raises(ValueError, match=told):
            opened.read("large.png")


def _larger_than_it_says(content: bytes) -> bytes:
    return content.replace((10**6).to_bytes(4, "little"), (10).to_bytes(4, "little"))


def _wrong_lzma_properties(content: bytes) -> bytes:
    return content[:39] + b"\xff" + content[40:]  # after the header's 30 bytes and the name's 5


@pytest.mark.parametrize(
    ("kind", "damage", "reason"),
    [
        (zipfile.ZIP_DEFLATED, _larger_than_it_says, "Bad CRC-32"),
        (zipfile.ZIP_LZMA, _wrong_lzma_properties, ""),
    ],
)
def test_a_damaged_entry_is_named_and_not_unpacked_further(
    tmp_path: Path, kind: int, damage: Callable[[bytes], bytes], reason: str
) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", kind) as archive:
        archive.writestr("a.png", bytes(10**6))
    content = path.read_bytes()
    assert damage(content) != content
    path.write_bytes(damage(content))
    (problem,) = broken(Photographs(path, ("a.png",)), quiet)
    assert problem.startswith(f"a.png in {path} cannot be read ({reason}")
