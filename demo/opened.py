"""The results folder that is open: its library, read again when runs came, went or changed."""

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from threading import Lock

from bench.store.runs import Run
from demo.library import REFERENCE, Library, Shelf, open_library
from demo.own.folder import open_folder
from demo.page import draw
from demo.view import address_of

GONE = "no finished run is left in {}: these pages show what was read before"


class Opened:
    """A results folder, given with its library.

    One page is drawn at a time, as the settings of matplotlib are those of the whole process;
    pictures are served meanwhile.
    """

    def __init__(self, results: Path, library: Library) -> None:
        self.results, self.library = results, library
        self._finished, self._lock = finished(results), Lock()

    def draw(self, parameters: Mapping[str, object]) -> str:
        """The page of an address, over the runs that are there now."""
        with self._lock:
            return draw(self._read_again(), parameters)

    def current(self) -> Library:
        """The library of the runs that are there now; it waits for a page that is drawn."""
        with self._lock:
            return self._read_again()

    def _read_again(self) -> Library:
        """The library, in which only runs that are new or changed are read."""
        found, before = finished(self.results), self._finished
        if found != before:
            known = {
                run.directory: run
                for run in self.library.stored
                if found.get(run.directory) == before.get(run.directory) is not None
            }
            self.library = reopened(self.results, self.library, known)
            self._finished = found
        return self.library


def finished(results: Path) -> dict[Path, tuple[int, int, int]]:
    """By directory, what shows that a run of a results folder, or of the reference in it, is
    another one: when its record was written, which file that is, and its size."""
    found = {}
    for folder in (results / "runs", results / REFERENCE / "runs"):
        for name in os.listdir(folder) if folder.is_dir() else []:
            with suppress(OSError):  # there is none, or the page says that it cannot be read
                seen = os.stat(folder / name / "run.json")
                found[folder / name] = (seen.st_mtime_ns, seen.st_ino, seen.st_size)
    return found


def reopened(results: Path, before: Library, known: Mapping[Path, Run]) -> Library:
    """The library as it is now, with the data sets of before where they are the same; that of
    before, which says so, if no run is left. known: its runs that did not change."""
    try:
        library = open_library(results, known=known)
    except FileNotFoundError:
        problems = (*before.problems, GONE.format(results))
        return replace(before, problems=tuple(dict.fromkeys(problems)))
    kept = [next((old for old in before.shelves if same(old, new)), new) for new in library.shelves]
    return replace(library, shelves=tuple(kept), uploads=before.uploads, folder=before.folder)


def same(old: Shelf, new: Shelf) -> bool:
    """Whether two shelves hold the same runs."""
    return (old.results, old.key, old.runs) == (new.results, new.key, new.runs)


def with_folder(library: Library, name: str, place: Path) -> tuple[Library, str]:
    """The library with a folder of images, embedded by the network of a run, and the query part of
    its address; ValueError without a run."""
    if not name:
        raise ValueError("--images needs --run RUN, the run whose network embeds the images")
    first = address_of(library, name)
    run = next(run for shelf in library.shelves for run in shelf.runs if run.name == name)
    return replace(library, folder=open_folder(run, place)), f"{first}&tab=folder"
