"""Files and folders that other programs leave among images: never part of a data set."""

import re
from pathlib import PurePosixPath

# Bins, thumbnails and versions, unless a folder of the first level: there they may be classes.
_WORDS = ("recycled", "recycler", "thumbs", "cvs", "rcs", "sccs")
# In small letters. Network drives and their bins, thumbnails, systems, archivers, editors,
# versions; those that begin with a dot, as .git and .svn, are hidden.
_NAMES = frozenset(
    (
        *("@eadir", "@recycle", "@recently-snapshot", "@tmp", "@sharebin", "#recycle", "#snapshot"),
        *("$recycle.bin", "system volume information", "lost+found", *_WORDS),
        *("network trash folder", "temporary items", "lost.dir", "msocache"),
        *(
            "thumbnails",
            "_thumbs",
            "@thumb",
            "_vti_cnf",
            "zbthumbnail.info",
            "picasa.ini",
            "originals.ini",
        ),
        *("thumbs.db", "thumbs.db:encryptable", "ehthumbs.db", "ehthumbs_vista.db", "iconcache.db"),
        *("desktop.ini", "folder.htt", "autorun.inf", "icon\r", "__macosx", "__pycache__"),
        *("_svn", "_darcs", "_gsdata_", "~snapshot", "dfsrprivate", "sync.ffs_db", "cvsroot"),
    )
)
# Beside an image, by cameras and editors: its data, its small copy, what is not written yet.
_SUFFIXES = (".xmp", ".aae", ".thm", ".lrv", ".pp3", ".crdownload", ".part", ".partial", ".tmp")


def litter_in(path: str) -> str:
    """The first part of a path that is hidden or left by another program; empty if none is."""
    parts = PurePosixPath(path).parts
    levels = enumerate(parts, start=1)
    found = (part for n, part in levels if is_litter(part, first=n == 1 < len(parts)))
    return next(found, "")


def is_litter(name: str, *, first: bool = False) -> bool:
    """Whether a file or folder is hidden or left by another program; capitals do not matter.

    first: whether it is a folder of the first level, whose name may be that of a class.
    """
    small = name.lower()
    if first and small in _WORDS:
        return False
    left = small in _NAMES or small.endswith(_SUFFIXES) or re.fullmatch(r"found\.\d{3}", small)
    return bool(left) or small.startswith((".", "~$")) or small.endswith("~")
