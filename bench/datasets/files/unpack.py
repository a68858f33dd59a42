"""Archives of data sets: verified, and unpacked completely or not at all."""

import filecmp
import gzip
import lzma
import os
import stat
import tarfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from bench.datasets.files.download import ADVICE, checksum
from bench.datasets.files.litter import litter_in
from bench.datasets.files.work import Report, require_space
from bench.datasets.source import Archive
from bench.temporary import temporary_folder

_UNREADABLE = (NotImplementedError, RuntimeError)  # unknown compression, encryption
_DAMAGED = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    gzip.BadGzipFile,
)


def settle(archive: Archive, root: Path, advice: str, report: Report) -> Path:
    """Verify an archive that the user put under the data root, and unpack it.

    Call it for a data set that is not complete: an existing folder is the user's and is not
    deleted. ``advice`` says what is wrong and how to get the archive.

    Raises: FileExistsError if the folder exists; FileNotFoundError if the archive is missing;
    ValueError if it is not the official one; what ``unpack`` raises.
    """
    path, into = root / archive.path, root / archive.into
    packed = archive.into != archive.path
    if packed and into.is_dir():
        then = "" if path.is_file() else f", put the archive at {path}"
        raise FileExistsError(
            f"{into} exists but is not the whole data set; delete or rename it{then} and run the "
            f"same command again. {advice}"
        )
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing, and you have to get it by hand. {advice}")
    if archive.checksum and (found := checksum(path, archive.checksum)) != archive.checksum:
        raise ValueError(
            f"{path} is not the official archive: found {found}, expected {archive.checksum}; it "
            "may be incomplete or packed again by somebody else: get the official one"
        )
    if packed:
        unpack(path, into, report)
    return into


def unpack(archive: Path, into: Path, report: Report) -> None:
    """Unpack a .tgz or .zip archive whose main folder has the name of ``into``.

    Entries are unpacked to a temporary folder, and then moved beside ``into``, the main folder
    last: if it exists, everything does.

    Raises: ValueError for a damaged archive, one without the main folder, and for links, devices,
    names outside the folder, repeated names and entries that would replace another file, each
    named; OSError if the disk is full.
    """
    try:
        with temporary_folder(into) as aside:
            (_unpack_tar if archive.suffix == ".tgz" else _unpack_zip)(archive, aside, report)
            _move(aside, into, archive)
    except _DAMAGED as error:
        raise ValueError(f"{archive} is damaged ({error}); get it again") from error


def _unpack_tar(archive: Path, aside: Path, report: Report) -> None:
    total = archive.stat().st_size
    names: set[str] = set()

    def checked(member: tarfile.TarInfo, folder: str) -> tarfile.TarInfo | None:
        plain = member.isreg() or member.isdir()
        if not _is_wanted(archive, member.name, plain, member.isdir(), names):
            return None
        require_space(aside, member.size, f"cannot unpack {archive}", ADVICE)
        report(f"unpacking {archive.name}", raw.tell(), total)
        kept = tarfile.data_filter(member, folder)
        # A new time makes stored digests invalid, and modes follow the umask.
        return kept.replace(mtime=None, mode=None, deep=False)  # type: ignore[arg-type]

    with (
        archive.open("rb") as raw,
        gzip.GzipFile(fileobj=raw) as unzipped,
        tarfile.open(fileobj=unzipped, mode="r|") as tar,
    ):
        tar.extractall(aside, filter=checked)
        while unzipped.read(1 << 20):
            pass  # to the end, which holds the checksum of gzip
    report(f"unpacking {archive.name}", total, total)


def _unpack_zip(archive: Path, aside: Path, report: Report) -> None:
    done, total = 0, archive.stat().st_size
    names: set[str] = set()
    with zipfile.ZipFile(archive) as file:
        size = sum(entry.file_size for entry in file.infolist())
        require_space(aside, size, f"cannot unpack {archive}", ADVICE)
        for entry in file.infolist():
            plain = stat.S_IFMT(entry.external_attr >> 16) in (0, stat.S_IFREG, stat.S_IFDIR)
            if not _is_wanted(archive, entry.filename, plain, entry.is_dir(), names):
                continue
            try:
                file.extract(entry, aside)
            except _UNREADABLE as error:
                raise ValueError(f"{archive}: cannot read {entry.filename} ({error})") from error
            done += entry.compress_size
            report(f"unpacking {archive.name}", done, total)
    report(f"unpacking {archive.name}", total, total)


def _is_wanted(archive: Path, name: str, plain: bool, folder: bool, names: set[str]) -> bool:
    """Whether an entry is unpacked: litter is not. ``names`` holds the files before it.

    Raises: ValueError for what is not plain, a file or folder; a name outside; a repeated file.
    """
    if not plain:
        raise ValueError(f"{archive}: {name} is a link or a device; nothing was unpacked")
    if name.startswith("/") or ".." in PurePosixPath(name).parts or "\\" in name or ":" in name:
        raise ValueError(f"{archive}: {name} is outside the archive's folder; nothing was unpacked")
    if litter_in(name):
        return False
    path = PurePosixPath(name).as_posix()
    if not folder and path in names:
        raise ValueError(f"{archive}: {name} occurs more than once")
    names.add(path)
    return True


def _move(aside: Path, into: Path, archive: Path) -> None:
    """Move what was unpacked beside ``into``, the main folder last."""
    if not (aside / into.name).is_dir():
        raise ValueError(f"{archive} has no folder {into.name}: it is not the official archive")
    beside = [path for path in sorted(aside.iterdir()) if path.name != into.name]
    for path in beside:
        target = into.with_name(path.name)
        if os.path.lexists(target) and not _same(path, target):
            raise ValueError(
                f"{archive}: {path.name} would replace another file, {target}; rename that one; "
                "nothing was unpacked"
            )
    for path in beside:
        os.replace(path, into.with_name(path.name))
    os.replace(aside / into.name, into)


def _same(one: Path, other: Path) -> bool:
    """Whether both are files of one content, as after a call that was killed while it moved."""
    return one.is_file() and other.is_file() and filecmp.cmp(one, other, shallow=False)
