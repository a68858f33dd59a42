"""What is used up on a full disk: bytes, or the number of files that its file system allows."""

import errno
import os
from pathlib import Path

FILES = 16  # about as many as a run has


def full_disk(folder: Path) -> str:
    """What is used up, and what to do."""
    if no_inodes(folder):
        return "no more files can be created, its file system has no free inodes; delete some files"
    return "no space is left; free some space"


def no_inodes(folder: Path) -> bool:
    """Whether no file could be created although bytes may be free; False where that is unknown.
    What failed has removed its temporary files since, so that a few may be free again."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return False
    return found.f_files > 0 and found.f_favail < FILES  # some file systems count no files


def is_full(error: BaseException) -> bool:
    return isinstance(error, OSError) and error.errno == errno.ENOSPC


def advice(error: Exception) -> str:
    """What a full disk lacks, which the system's words do not always say."""
    if not is_full(error):
        return ""
    name = getattr(error, "filename", None)
    return f"; {full_disk(Path(name).parent if name else Path())} and repeat the command"
