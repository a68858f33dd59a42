"""Data sets whose own lists say which images there are: reading the lists, comparing the files."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from bench.datasets.files.photographs import Photographs
from bench.datasets.files.progress import Progress
from bench.datasets.files.verify import broken, surplus


def require(name: str, folder: Path, files: Iterable[str]) -> None:
    """Raise FileNotFoundError, naming every one of the files that is not in the folder."""
    absent = [file for file in files if not (folder / file).is_file()]
    if absent:
        raise FileNotFoundError(
            f"{name} is not complete: missing from {folder}: {', '.join(absent)}; `proxy-bench "
            f"data download {name} --data-root DIR` unpacks its archive or says where to get it"
        )


def read_rows(path: Path, columns: int) -> list[list[str]]:
    """The lines of a list, each split at spaces; ValueError naming the first of another width."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not a text file ({error})") from error
    rows = [line.split() for line in lines]
    for number, row in enumerate(rows, start=1):
        if len(row) != columns:
            raise ValueError(
                f"{path}, line {number}: expected {columns} values, found {len(row)}: "
                f"{lines[number - 1][:80]!r}"
            )
    return rows


def changed(folder: Path, published: Mapping[str, str]) -> list[str]:
    """In words, which of the files are missing or not those published (SHA-256, hex)."""
    problems = []
    for file, digest in published.items():
        path = folder / file
        if not path.is_file():
            problems.append(f"{folder}: {file} is missing")
        elif (found := hashlib.sha256(path.read_bytes()).hexdigest()) != digest:
            problems.append(f"{path} is not the published file: SHA-256 {found}, expected {digest}")
    return problems


def examine(photographs: Photographs, folders: Iterable[str], report: Progress) -> list[str]:
    """In words, what is missing, broken and surplus, decoding every photograph, or its box.

    ``photographs`` are those published; ``folders``, relative to their place, are where no other
    image may be. A folder of which every photograph is missing is one problem.
    """
    place, names = photographs.place, photographs.names
    here = photographs.only([i for i, name in enumerate(names) if (place / name).is_file()])
    problems = missing(place, names, here.names) + broken(here, report)
    for folder in folders:
        known = (name.removeprefix(f"{folder}/") for name in names if name.startswith(f"{folder}/"))
        problems += surplus(place / folder, known)
    return problems


def missing(place: Path, names: Iterable[str], here: Iterable[str]) -> list[str]:
    """In words, which of the names are not here; a folder of which nothing is here is one."""
    absent = sorted(set(names) - set(here))
    present = {_folder(name) for name in here}
    if absent and not present:
        return [f"{place}: all {len(absent):,} photographs are missing, as {absent[0]}"]
    gone = Counter(_folder(name) for name in absent if _folder(name) not in present)
    folders = [
        f"{place}: {folder} is missing ({count} {'photographs' if count > 1 else 'photograph'})"
        for folder, count in gone.items()
    ]
    return folders + [f"{place}: {name} is missing" for name in absent if _folder(name) in present]


def _folder(name: str) -> str:
    return name.rpartition("/")[0]
