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
    remove_left(path.parent, path.name)
    return path.parent / f".{path.name}.{machine()}.{token_hex(4)}.{os.getpid()}.tmp"


def machine() -> str:
    """Eight digits for this machine: a process of another one may write to the same disk, and its
    number says nothing here."""
    return f"{crc32(platform.node().encode()):08x}"


def remove_left(folder: Path, name: str = "") -> None:
    """Delete what `left` finds, but for what belongs to another user."""
    for path in left(folder, name):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(OSError):
                path.unlink()


def left(folder: Path, name: str = "") -> list[Path]:
    """What processes of this machine that have ended left in a folder; name: only for a file or
    folder of it. Earlier versions wrote names without a machine."""
    whose = re.escape(name) if name else ".+?"
    form = re.compile(rf"\.{whose}(?:\.([0-9a-f]{{8}})\.[0-9a-f]{{8}})?\.([0-9]+)\.tmp")
    found = [(form.fullmatch(path.name), path) for path in folder.glob(".*.tmp")]
    return [
        path
        for match, path in found
        if match and match[1] in (None, machine()) and not is_running(match[2])
    ]


def is_running(process: str) -> bool:
    try:
        os.kill(int(process), 0)
    except (ValueError, OverflowError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True
