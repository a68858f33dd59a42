"""The files in a user's folder: which are there, and which class each image lies in."""

import os
from collections.abc import Iterable
from pathlib import Path
from unicodedata import normalize

from bench.datasets.files.csv_records import mistakes
from bench.datasets.files.verify import is_image
from bench.datasets.folder.image_list import NAME, Row
from bench.suggest import first_names

_LITTER = (NAME, "Thumbs.db", "desktop.ini")  # the list, and what file managers leave


def files(folder: Path) -> list[str]:
    """Paths from a folder to every file in it and below, sorted, without what is hidden.

    Links are followed. Raises ValueError for a folder that is reached on two ways, by links or in
    a circle, and for names that are not text; OSError for a folder which cannot be read.
    """
    found: list[str] = []
    seen: dict[str, str] = {}
    for path, folders, names in os.walk(folder, followlinks=True, onerror=_raise):
        other = seen.setdefault(os.path.realpath(path), path)
        if other != path:
            raise ValueError(f"{path} and {other} are the same folder; take the link out")
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [os.path.join(path, name) for name in names if not name.startswith(".")]
    start = os.path.join(folder, "")
    paths = [path.removeprefix(start).replace(os.sep, "/") for path in found]
    mistakes(folder, (f"{path!r}: this name is not text; rename it" for path in _no_text(paths)))
    return sorted(paths)


def read_classes(folder: Path) -> list[Row]:
    """The images in the folders of a folder, each of which is a class with all that is below it.

    Raises ValueError where there is none, and for what is called like an image and is no file: to
    read a pipe would last for ever.
    """
    images = [path for path in files(folder) if "/" in path and is_image(path)]
    odd = (path for path in images if not os.path.isfile(os.path.join(folder, path)))
    mistakes(folder, (f"{path} is a broken link, pipe or device; take it out" for path in odd))
    if not images:
        raise ValueError(
            f"{folder} holds no images: make a folder in it for each class and put its images "
            f"there, {folder}/CLASS/IMAGE.jpg, or list them in {folder / NAME}"
        )
    return [Row(path, normalize("NFC", path.split("/")[0])) for path in images]


def unused(folder: Path, rows: Iterable[Row]) -> list[str]:
    """What is in the folder and named by no row, as one problem in words."""
    known = {row.path for row in rows}
    there = (path for path in files(folder) if os.path.basename(path) not in _LITTER)
    extra = [path for path in there if path not in known]
    if not extra:
        return []
    return [f"{folder}: files not used as images of a class ({len(extra):,}): {first_names(extra)}"]


def _raise(error: OSError) -> None:
    raise error


def _no_text(paths: Iterable[str]) -> list[str]:
    """Names in bytes that are no UTF-8, which Python keeps as halves of surrogate pairs."""
    return [path for path in paths if any("\ud800" <= sign <= "\udfff" for sign in path)]
