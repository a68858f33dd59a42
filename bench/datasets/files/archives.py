"""Files of a data set, from its zip archive or the folder it was unpacked to."""

import lzma
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

_LITTER = ("__MACOSX", ".DS_Store", "Thumbs.db")  # left by file managers, never part of a data set


def read_entries(place: Path, largest: int) -> tuple[dict[str, bytes], dict[str, str]]:
    """Read every file of a zip archive, or of a folder, into memory.

    Names are POSIX style; a folder's begin with its own name, as in the zip of that folder.
    ``largest`` is the number of bytes above which an entry cannot belong to the data set and is
    not read. Returns the contents by name, and by name what is wrong in words: unreadable or
    oversized entries, names that occur twice or lead out of the folder; under the name "" an
    archive which cannot be opened at all.
    """
    contents: dict[str, bytes] = {}
    problems: dict[str, str] = {}
    entries = _folder_entries(place, largest) if place.is_dir() else _zip_entries(place, largest)
    for name, found in entries:
        if isinstance(found, str):
            problems[name] = f"{place}: {found}"
        elif name in contents:
            problems[name] = f"{place}: {name} occurs more than once"
        else:
            contents[name] = found
    return contents, problems


def _folder_entries(folder: Path, largest: int) -> Iterator[tuple[str, bytes | str]]:
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder.parent).as_posix()
        if is_litter(name):
            continue
        try:
            too_large = path.stat().st_size > largest
            yield name, _too_large(name, largest) if too_large else path.read_bytes()
        except OSError as error:
            yield name, f"{name} cannot be read ({error.strerror})"


def _zip_entries(archive: Path, largest: int) -> Iterator[tuple[str, bytes | str]]:
    try:
        file = zipfile.ZipFile(archive)
    except (zipfile.BadZipFile, OSError) as error:
        yield "", f"not a complete zip archive ({error}); delete it and download it again"
        return
    with file:
        for entry in file.infolist():
            if not entry.is_dir() and not is_litter(entry.filename):
                yield entry.filename, _read_entry(file, entry, largest)


def _read_entry(file: zipfile.ZipFile, entry: zipfile.ZipInfo, largest: int) -> bytes | str:
    name = entry.filename
    if name.startswith("/") or ".." in PurePosixPath(name).parts or "\\" in name or ":" in name:
        return f"{name} leads out of the archive's folder; it was not read"
    if entry.file_size > largest:
        return _too_large(name, largest)
    try:
        return file.read(entry)
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError) as error:
        return f"{name} is damaged ({error})"
    except (NotImplementedError, RuntimeError) as error:  # unknown compression, encryption
        return f"{name} cannot be unpacked ({error})"


def _too_large(name: str, largest: int) -> str:
    return f"{name} is larger than {largest:,} bytes; it was not read"


def is_litter(name: str) -> bool:
    """Whether a file's name says that a file manager left it."""
    parts = PurePosixPath(name).parts
    return any(part in _LITTER or part.startswith("._") for part in parts)
