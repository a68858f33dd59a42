"""What is wrong with the files of photographs: missing, surplus, broken."""

from collections.abc import Iterable
from functools import partial
from pathlib import Path

from bench.datasets.files.photographs import OpenPlace, Photographs, on_all_cores
from bench.datasets.files.progress import Progress

_JPEG = (".jpg", ".jpeg", ".jfif")
_SUFFIXES = (*_JPEG, ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")


def is_image(name: str) -> bool:
    """Whether a file's name says that it is an image; what is hidden is none."""
    base = name.rsplit("/", 1)[-1]
    return base.lower().endswith(_SUFFIXES) and not base.startswith(".")


def broken(photographs: Photographs, report: Progress) -> list[str]:
    """Decode every photograph; returns, in words and in order, those that are missing or broken.

    Raises ValueError where the place itself cannot be opened.
    """
    found: list[str] = []
    with photographs.opened() as place:
        problems = on_all_cores(partial(_problem, photographs, place), range(len(photographs)))
        for done, problem in enumerate(problems, start=1):
            found += [problem] if problem else []
            report(done, len(photographs))
    return found


def _problem(photographs: Photographs, place: OpenPlace, position: int) -> str:
    try:
        photographs.photograph(place, position)
    except ValueError as error:
        return str(error)
    return ""


def surplus(place: Path, known: Iterable[str], inside: str = "") -> list[str]:
    """Images in a folder or archive whose paths are not among the known ones, in words.

    ``inside``: the folder in the place where paths begin, and outside of which all is allowed.
    A place that is missing holds none.
    """
    if not place.exists():
        return []
    with Photographs(place, (), inside=inside).opened() as opened:
        extra = {name for name in opened.names() if is_image(name)} - set(known)
    start = f"{inside}/" if inside else ""
    return [f"{place}: {start}{name} does not belong here" for name in sorted(extra)]
