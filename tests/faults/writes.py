"""The places at which a process changes files, one after the other, and what may happen there."""

import builtins
import errno
import io
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
CHANGES = {  # kind of place, and which arguments are the path and the folder that it is in
    "os.mkdir": ("create", 0, 2),
    "os.symlink": ("create", 1, 2),
    "os.rename": ("rename", 0, 2),
    "os.remove": ("remove", 0, 1),
    "os.rmdir": ("remove", 0, 1),
}
BYTES = {"half", "flush"}  # kinds of places that fail where no byte is free
INODES = {"create"}  # and where no file is
Place = tuple[str, str]  # kind, and name of the file
Fault = Callable[[int, Place], None]


def watch(folder: Path, fault: Fault) -> list[Place]:
    """Call `fault` with the number of each place and with the place before this process changes
    anything below a folder; for as long as the process lives, and not in those that it starts.

    Kinds of places: "create" a file or folder, "open" an existing file to write, "half", between
    the halves of a write, "flush" to the disk, "rename", "remove".
    Returns: the places, as they are reached. Source: the audit events of Python, see `sys.audit`.
    """
    places: list[Place] = []
    process = os.getpid()

    def reach(kind: str, path: object) -> None:
        if os.getpid() == process and below(folder, path):
            places.append((kind, Path(os.fsdecode(path)).name))  # type: ignore[arg-type]
            fault(len(places) - 1, places[-1])

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and arguments[2] & WRITING:
            reach("open" if os.path.exists(arguments[0]) else "create", arguments[0])
        elif event in CHANGES:
            kind, path, within = CHANGES[event]
            changed = whole_path(arguments[path], arguments[within])
            if os.path.lexists(changed) != (kind == "create"):
                reach(kind, changed)

    sys.addaudithook(audit)
    halve_writes(folder, reach)
    return places


def whole_path(path: Any, folder: int) -> Any:
    """A path, relative to an open folder if the number of one is given and not -1."""
    return path if folder < 0 else os.path.join(os.readlink(f"/proc/self/fd/{folder}"), path)


def halve_writes(folder: Path, reach: Callable[[str, object], None]) -> None:
    """Let every write reach a place once its first half is written, and every `fsync` another."""
    open_plainly, flush = io.open, os.fsync
    vars(shutil)["_USE_CP_SENDFILE"] = False  # which writes without `write`

    class Halved(io.FileIO):
        def write(self, data: Any) -> int:
            content = memoryview(data).cast("B")
            done = super().write(content[: len(content) // 2])
            reach("half", self.name)
            return done + super().write(content[done:])

    def open_halved(file: Any, mode: str = "r", *rest: Any, **named: Any) -> Any:
        if not set(mode) & set("wax+") or not below(folder, file):
            return open_plainly(file, mode, *rest, **named)
        opener = named.pop("opener", None)
        raw = Halved(file, mode.translate({ord("b"): None, ord("t"): None}), opener=opener)
        if "b" in mode:
            return io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
        return io.TextIOWrapper(io.BufferedWriter(raw), *rest[1:], **without_buffering(named))

    def flush_watched(file: int) -> None:
        reach("flush", os.readlink(f"/proc/self/fd/{file}"))
        flush(file)

    io.open = builtins.open = open_halved
    os.fsync = flush_watched  # type: ignore[assignment]


def without_buffering(named: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in named.items() if name != "buffering"}


def below(folder: Path, path: object) -> bool:
    """Whether a path, not the number of an open file, lies below a folder."""
    if not isinstance(path, str | bytes | os.PathLike):
        return False
    return os.path.abspath(os.fsdecode(path)).startswith(f"{folder}{os.sep}")


def no_fault(number: int, place: Place) -> None:
    """Nothing happens."""


def list_kinds(path: Path) -> Fault:
    """Nothing happens but that a file gets the kind of each place as a line."""

    def fault(number: int, place: Place) -> None:
        with path.open("a") as file:
            file.write(f"{place[0]}\n")

    return fault


def kill_at(chosen: int) -> Fault:
    """The process is killed at one place."""

    def fault(number: int, place: Place) -> None:
        if number == chosen:
            os.kill(os.getpid(), signal.SIGKILL)

    return fault


def full_from(chosen: int, kinds: set[str]) -> Fault:
    """From one place on, the disk is full: all places of some kinds fail."""

    def fault(number: int, place: Place) -> None:
        if number >= chosen and place[0] in kinds:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), place[1])

    return fault
