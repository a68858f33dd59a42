"""Archives that their user brings: known again by checksum, unpacked whole or not at all."""

import errno
import filecmp
import gzip
import lzma
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from bench.datasets.files.archives import is_litter
from bench.datasets.files.download import checksum
from bench.datasets.files.progress import Report
from bench.datasets.source import Archive

_DAMAGE = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    gzip.BadGzipFile,
)


@dataclass(frozen=True)
class _Entry:
    """One entry of an archive; ``content`` is None for a folder."""

    name: str
    size: int
    content: IO[bytes] | None
    done: int  # bytes of the archive that were read so far


def settle(archive: Archive, root: Path, advice: str, report: Report) -> Path:
    """Verify an archive that was put under the data root, and unpack it.

    It is for a data set that is not complete. So FileExistsError is raised where the folder is
    there already: nothing of the user's is deleted. Raises FileNotFoundError where the archive is
    not there, ValueError where it is not the official one, and what ``unpack`` raises. ``advice``
    says what is wrong and how to get the archive.
    """
    path, into = root / archive.path, root / archive.into
    packed = archive.into != archive.path
    if packed and into.is_dir():
        then = "" if path.is_file() else f", put the archive at {path}"
        raise FileExistsError(
            f"{into} is there but is not the whole data set; delete or rename it{then} and give "
            f"the same command again. {advice}"
        )
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there and must be brought by hand. {advice}")
    if archive.checksum and (found := checksum(path, archive.checksum)) != archive.checksum:
        raise ValueError(
            f"{path} is not the official archive: found {found}, expected {archive.checksum}; it "
            "may be incomplete or packed anew: get it again"
        )
    if packed:
        unpack(path, into, report)
    return into


def unpack(archive: Path, into: Path, report: Report) -> None:
    """Unpack a .tgz or .zip archive whose main folder is called as ``into``.

    Its entries come to lie beside ``into``, the main folder last: where that is, all is. Until then
    they lie in ``<into>.unpacking``, which is removed when anything goes wrong, and by the next
    call if the process was killed. Nothing is written outside of it. Links, devices, names that
    lead out and entries that would replace another file are refused. Raises ValueError naming the
    entry, or the archive where it is damaged or has no such folder; OSError where the disk is full.
    """
    aside = into.with_name(f"{into.name}.unpacking")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    try:
        total = archive.stat().st_size
        with closing(_entries(archive, aside)) as entries:
            for entry in entries:
                _write(entry, aside, archive)
                report(f"unpacking {archive.name}", entry.done, total)
        _move(aside, into, archive)
    except _DAMAGE as error:
        raise ValueError(f"{archive} is damaged ({error}); get it again") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    report(f"unpacking {archive.name}", total, total)


def _entries(archive: Path, aside: Path) -> Generator[_Entry, None, None]:
    return _tar_entries(archive) if archive.suffix == ".tgz" else _zip_entries(archive, aside)


def _tar_entries(archive: Path) -> Generator[_Entry, None, None]:
    with (
        archive.open("rb") as raw,
        gzip.GzipFile(fileobj=raw) as unzipped,
        tarfile.open(fileobj=unzipped, mode="r|") as tar,
    ):
        for member in tar:
            if not (member.isreg() or member.isdir()):
                raise ValueError(
                    f"{archive}: {member.name} is a link or a device; nothing was unpacked"
                )
            content = tar.extractfile(member)
            yield _Entry(member.name, member.size, content, raw.tell())
        while unzipped.read(1 << 20):
            pass  # to the end, where gzip's own checksum is


def _zip_entries(archive: Path, aside: Path) -> Generator[_Entry, None, None]:
    done = 0
    with zipfile.ZipFile(archive) as file:
        _require_room(aside, sum(info.file_size for info in file.infolist()))
        for info in file.infolist():
            done += info.compress_size
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise ValueError(
                    f"{archive}: {info.filename} is a link or a device; nothing was unpacked"
                )
            if info.is_dir():
                yield _Entry(info.filename, 0, None, done)
                continue
            try:
                with file.open(info) as content:
                    yield _Entry(info.filename, info.file_size, content, done)
            except (NotImplementedError, RuntimeError) as error:  # unknown compression, encryption
                raise ValueError(f"{archive}: {info.filename} cannot be read ({error})") from error


def _write(entry: _Entry, aside: Path, archive: Path) -> None:
    name = PurePosixPath(entry.name)
    if name.is_absolute() or ".." in name.parts or "\\" in entry.name or ":" in entry.name:
        raise ValueError(
            f"{archive}: {entry.name} leads out of the archive's folder; nothing was unpacked"
        )
    if is_litter(entry.name):
        return
    target = aside / name
    if entry.content is None:
        target.mkdir(parents=True, exist_ok=True)
        return
    _require_room(aside, entry.size)
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with target.open("xb") as file:
            shutil.copyfileobj(entry.content, file, 1 << 20)
    except FileExistsError as error:
        raise ValueError(f"{archive}: {entry.name} occurs more than once") from error


def _require_room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise OSError(
            errno.ENOSPC,
            f"cannot unpack into {folder} ({needed:,} bytes needed, {free:,} free); free some "
            "space, or name another folder with --data-root, and run the same command again",
        )


def _move(aside: Path, into: Path, archive: Path) -> None:
    """Move what was unpacked beside ``into``, which comes last."""
    if not (aside / into.name).is_dir():
        raise ValueError(f"{archive} has no folder {into.name}: it is not the official archive")
    beside = [path for path in sorted(aside.iterdir()) if path.name != into.name]
    for path in beside:
        place = into.with_name(path.name)
        if os.path.lexists(place) and not _same(path, place):
            raise ValueError(
                f"{archive}: {path.name} would replace {place}, which is another; rename that one; "
                "nothing was unpacked"
            )
    for path in beside:
        os.replace(path, into.with_name(path.name))
    os.replace(aside / into.name, into)


def _same(one: Path, other: Path) -> bool:
    """Whether both are files of one content, as after a call that was killed while it moved."""
    return one.is_file() and other.is_file() and filecmp.cmp(one, other, shallow=False)
