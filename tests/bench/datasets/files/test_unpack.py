"""Archives: unpacked completely or not at all, never outside their folder."""

import gzip
import io
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.datasets.files.unpack import unpack
from bench.datasets.files.work import quiet
from tests.support.processes import temporary_name

FILES = {"zoo/a/1.jpg": b"one" * 99, "zoo/b.txt": b"two", "names.txt": b"beside"}
Pack = Callable[[Path, dict[str, bytes]], Path]


def _tgz(folder: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(folder / "zoo.tgz", "w:gz") as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return folder / "zoo.tgz"


def _zip(folder: Path, files: dict[str, bytes], kind: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(folder / "zoo.zip", "w", kind) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data, kind)
    return folder / "zoo.zip"


_lzma = partial(_zip, kind=zipfile.ZIP_LZMA)


def _found(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix not in (".tgz", ".zip")
    }


@pytest.mark.parametrize("pack", [_tgz, _zip])
def test_entries_are_unpacked_beside_the_main_folder(pack: Pack, tmp_path: Path) -> None:
    litter = {"__MACOSX/zoo/._b.txt": b"x", "zoo/Thumbs.db": b"x"}
    archive = pack(tmp_path, {**FILES, **litter})
    left = tmp_path / temporary_name("zoo")
    left.mkdir()
    (left / "by a killed process").touch()
    (tmp_path / "names.txt").write_bytes(FILES["names.txt"])  # which that process moved already
    steps: list[tuple[str, int, int | None]] = []
    unpack(archive, tmp_path / "zoo", lambda *step: steps.append(step))
    assert _found(tmp_path) == FILES
    assert not left.exists()
    size = archive.stat().st_size
    assert {step[0] for step in steps} == {f"unpacking {archive.name}"}
    assert [step[1] for step in steps] == sorted(step[1] for step in steps)
    assert steps[-1][1:] == (size, size)


@pytest.mark.parametrize("pack", [_tgz, _zip])
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("../outside.txt", r"\.\./outside\.txt is outside the archive's folder; nothing was"),
        ("zoo/../../outside.txt", "is outside"),
        ("/tmp/outside.txt", "/tmp/outside.txt is outside"),
        ("zoo\\..\\..\\outside.txt", "is outside"),
        ("C:outside.txt", "C:outside.txt is outside"),
        ("./zoo/b.txt", r"\./zoo/b\.txt occurs more than once"),
    ],
)
def test_names_outside_the_folder_are_refused(
    pack: Pack, name: str, message: str, tmp_path: Path
) -> None:
    archive = pack(tmp_path, {**FILES, name: b"evil"})
    with pytest.raises(ValueError, match=f"{archive}: .*{message}"):
        unpack(archive, tmp_path / "zoo", quiet)
    assert [path.name for path in tmp_path.iterdir()] == [archive.name]
    assert not (tmp_path.parent / "outside.txt").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, None])
def test_links_and_devices_are_refused(kind: bytes | None, tmp_path: Path) -> None:
    archive = tmp_path / ("zoo.tgz" if kind else "zoo.zip")
    if kind:
        with tarfile.open(archive, "w:gz") as tar:
            tar.addfile(tarfile.TarInfo("zoo/b.txt"))
            entry = tarfile.TarInfo("zoo/odd")
            entry.type, entry.linkname = kind, "/etc/passwd"
            tar.addfile(entry)
    else:
        link = zipfile.ZipInfo("zoo/odd")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        with zipfile.ZipFile(archive, "w") as packed:
            packed.writestr(link, "/etc/passwd")
    with pytest.raises(ValueError, match=f"{archive}: zoo/odd is a link or a device; nothing was"):
        unpack(archive, tmp_path / "zoo", quiet)
    assert [path.name for path in tmp_path.iterdir()] == [archive.name]


def _half(data: bytes) -> bytes:
    return data[: len(data) // 2]


def _flip(position: int) -> Callable[[bytes], bytes]:
    """Other bits in the byte at a position, from the end if it is negative."""

    def damage(data: bytes) -> bytes:
        place = position % len(data)
        return bytes([*data[:place], data[place] ^ 255, *data[place + 1 :]])

    return damage


PROPERTIES = 30 + len("zoo/a/1.jpg") + 4  # of the first LZMA stream, after header and name


@pytest.mark.parametrize(
    ("pack", "damage"),
    [
        (_tgz, _half),
        (_tgz, _flip(60)),
        (_tgz, _flip(-8)),  # the checksum at the end of a gzip file
        (_tgz, lambda data: b"no archive at all"),
        (_tgz, lambda data: gzip.compress(b"no tar" * 200)),
        (_zip, _half),
        (_zip, _flip(60)),
        (_zip, lambda data: b"no archive at all"),
        (_lzma, lambda data: data[:PROPERTIES] + b"\xff" + data[PROPERTIES + 1 :]),
    ],
)
def test_damaged_archives_leave_nothing(
    pack: Pack, damage: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    archive = pack(tmp_path, FILES)
    archive.write_bytes(damage(archive.read_bytes()))
    with pytest.raises(ValueError, match=rf"{archive} is damaged \(.*\); get it again"):
        unpack(archive, tmp_path / "zoo", quiet)
    assert [path.name for path in tmp_path.iterdir()] == [archive.name]


@pytest.mark.parametrize("pack", [_tgz, _zip])
def test_no_existing_file_is_replaced(pack: Pack, tmp_path: Path) -> None:
    for name in ("names.txt", "folder", pack(tmp_path, {}).name):
        root = tmp_path / f"with {name}"
        (root / "folder").mkdir(parents=True)
        (root / "names.txt").write_bytes(b"the user's")
        files = {"a.txt": b"first", "zoo/b.txt": b"two", name: b"another"}
        archive = pack(root, files)
        before = {path: path.is_file() and path.read_bytes() for path in root.rglob("*")}
        with pytest.raises(
            ValueError, match=f"{archive}: {name} would replace another file, {root / name}; ren"
        ):
            unpack(archive, root / "zoo", quiet)
        assert {path: path.is_file() and path.read_bytes() for path in root.rglob("*")} == before


def test_an_archive_of_something_else_is_refused(tmp_path: Path) -> None:
    archive = _zip(tmp_path, {"house/b.txt": b"two"})
    with pytest.raises(ValueError, match="has no folder zoo: it is not the official archive"):
        unpack(archive, tmp_path / "zoo", quiet)
    assert [path.name for path in tmp_path.iterdir()] == ["zoo.zip"]


def test_an_encrypted_archive_is_refused(tmp_path: Path) -> None:
    archive = _zip(tmp_path, FILES)
    data = bytearray(archive.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + offset] |= 1
    archive.write_bytes(data)
    with pytest.raises(ValueError, match=r"cannot read zoo/a/1\.jpg \(.*encrypted"):
        unpack(archive, tmp_path / "zoo", quiet)


@pytest.mark.parametrize("pack", [_tgz, _zip])
def test_a_full_disk_is_reported_before_it_is_full(
    pack: Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = pack(tmp_path, FILES)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=8))
    with pytest.raises(OSError, match=r"bytes needed, 8 free\); free some space, or name another"):
        unpack(archive, tmp_path / "zoo", quiet)
    assert [path.name for path in tmp_path.iterdir()] == [archive.name]


def test_an_interruption_leaves_nothing(tmp_path: Path) -> None:
    archive = _tgz(tmp_path, FILES)

    def interrupt(name: str, done: int, total: int | None) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        unpack(archive, tmp_path / "zoo", interrupt)
    assert [path.name for path in tmp_path.iterdir()] == ["zoo.tgz"]
