"""Real file systems of a few bytes or files, in memory."""

import ctypes
import os
from pathlib import Path

CLONE_NEWNS, CLONE_NEWUSER, MS_REMOUNT = 0x20000, 0x10000000, 32
NO_MOUNT = 99


def mount(folder: Path, options: str, flags: int = 0) -> bool:
    """Mount an empty file system in memory, or change one."""
    libc = ctypes.CDLL(None, use_errno=True)
    kind, place = b"tmpfs", os.fsencode(folder)
    done: int = libc.mount(kind, place, kind, flags, options.encode())
    return done == 0


def alone() -> None:
    """Give this process file systems of its own, as a user may where the system permits that."""
    user, group = os.getuid(), os.getgid()
    ctypes.CDLL(None).unshare(CLONE_NEWUSER | CLONE_NEWNS)
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"0 {user} 1"),
        ("gid_map", f"0 {group} 1"),
    ):
        try:
            Path("/proc/self", name).write_text(text)
        except OSError:
            return
