"""What is wrong with the files of photographs: missing, surplus, broken."""

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.datasets.decoding import decode
from bench.datasets.photographs import OpenPlace, Photographs
from bench.datasets.progress import Progress

_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")


def is_image(name: str) -> bool:
    """Whether a file's name says that it is an image; what file managers leave is none."""
    base = name.rsplit("/", 1)[-1]
    return base.lower().endswith(_SUFFIXES) and not base.startswith("._")


def broken(photographs: Photographs, report: Progress) -> list[str]:
    """Decode every photograph; returns, in words and in order, those that are missing or broken."""
    found: list[str] = []
    with photographs.opened() as place, ThreadPoolExecutor(os.cpu_count()) as threads:
        checks = threads.map(lambda name: _problem(place, name), photographs.names)
        for done, problem in enumerate(checks, start=1):
            found += [problem] if problem else []
            report(done, len(photographs))
    return found


def _problem(place: OpenPlace, name: str) -> str:
    try:
        decode(name, place.read(name))
    except ValueError as error:
        return str(error)
    return ""


def surplus(folder: Path, known: Iterable[str]) -> list[str]:
    """Images under a folder whose paths from it are not among the known ones, in words."""
    paths = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    extra = {name for name in paths if is_image(name)} - set(known)
    return [f"{folder}: {name} does not belong here" for name in sorted(extra)]
