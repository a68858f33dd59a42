"""Files and folders that appear whole or not at all, and what killed processes left of them."""

import os
import platform
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from zlib import crc32


@contextmanager
def atomic(path: Path, *, flush: bool = True) -> Iterator[Path]:
    """A temporary path beside `path` that replaces it when the block ends without error; `flush`
    writes it to disk before. An OSError names `path`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_path(path)
    try:
        yield temporary
        if flush:
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        if error.errno and error.filename in (None, str(temporary)):
            error.filename = str(path)
            del error.filename2  # which None would print
        raise
    finally:
        with suppress(OSError):  # of a read-only file system, beside the error that is raised
            temporary.unlink(missing_ok=True)


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A temporary folder that becomes `folder` when the block ends without error.

    Raises: ValueError if something is in `folder` already.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{folder} is not empty; name a new folder")
    with temporary_folder(folder) as made:
        yield made
        made.rename(folder)  # which may exist and be empty


@contextmanager
def temporary_folder(path: Path) -> Iterator[Path]:
    """A new folder beside `path`, which is removed at the end if it is still there. An OSError of
    a file in it, or of none, names `path`."""
    path = path.absolute()
    path.parent.mkdir(parents=True, exist_ok=True)
    made = temporary_path(path)
    try:
        made.mkdir()
        yield made
    except OSError as error:
        if error.errno and str(error.filename or made).startswith(str(made)):
            error.filename = str(path)
            del error.filename2
        raise
    finally:
        shutil.rmtree(made, ignore_errors=True)


def temporary_path(path: Path) -> Path:
    """A name beside `path` with this machine and the number of this process; what processes that
    have ended left under such names for `path` is deleted."""
    remove_leftovers(path.parent, path.name)
    return path.parent / f".{path.name}.{machine()}.{token_hex(4)}.{os.getpid()}.tmp"


def remove_folder(folder: Path) -> None:
    """Remove a folder, of which a kill leaves no part under its name."""
    shutil.rmtree(folder.rename(temporary_path(folder)))


def machine() -> str:
    """Eight digits for this machine: a process of another one may write to the same disk, and its
    number says nothing here."""
    return f"{crc32(platform.node().encode()):08x}"


def remove_leftovers(folder: Path, name: str = "") -> None:
    """Delete what `leftovers` finds, but for what belongs to another user."""
    for path in leftovers(folder, name):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(OSError):
                path.unlink()


def leftovers(folder: Path, name: str = "") -> list[Path]:
    """The temporary files and folders in a folder whose processes, of this machine, have ended;
    name: only those that were to become the file or folder of this name."""
    whose = re.escape(name) if name else ".+"
    form = re.compile(rf"\.{whose}\.{machine()}\.[0-9a-f]{{8}}\.([0-9]+)\.tmp")
    found = [(form.fullmatch(path.name), path) for path in folder.glob(".*.tmp")]
    return [path for match, path in found if match and not is_running(match[1])]


def is_running(process: str) -> bool:
    try:
        os.kill(int(process), 0)
    except (ValueError, OverflowError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True
