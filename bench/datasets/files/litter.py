"""Files and folders that other programs leave among images: never part of a data set."""

from pathlib import PurePosixPath

# In small letters. Network drives and their bins, thumbnails, systems, archivers, editors.
_NAMES = frozenset(
    (
        *("@eadir", "@recycle", "@recently-snapshot", "@tmp", "@sharebin", "#recycle", "#snapshot"),
        *("$recycle.bin", "recycler", "recycled", "system volume information", "lost+found"),
        *("network trash folder", "temporary items", "found.000", "msocache"),
        *("thumbnails", "thumbs", "_vti_cnf", "zbthumbnail.info", "picasa.ini", "originals.ini"),
        *("thumbs.db", "thumbs.db:encryptable", "ehthumbs.db", "ehthumbs_vista.db", "iconcache.db"),
        *("desktop.ini", "folder.htt", "autorun.inf", "icon\r", "__macosx", "__pycache__"),
    )
)
# Beside an image, by cameras and editors: its data, its small copy, what is not written yet.
_SUFFIXES = (".xmp", ".aae", ".thm", ".lrv", ".pp3", ".crdownload", ".part", ".partial", ".tmp")


def litter_in(path: str) -> str:
    """The first part of a path that is hidden or left by another program; empty if none is."""
    return next((part for part in PurePosixPath(path).parts if is_litter(part)), "")


def is_litter(name: str) -> bool:
    """Whether a file or folder is hidden or left by another program; capitals do not matter."""
    small = name.lower()
    left = small in _NAMES or small.endswith(_SUFFIXES)
    return left or small.startswith((".", "~$")) or small.endswith("~")
