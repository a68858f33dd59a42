"""The files of a data set: where they are, what its lists hold, and which are missing or broken."""

import hashlib
import os
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from functools import partial
from pathlib import Path

from bench.datasets.files.photographs import OpenPlace, Photographs
from bench.datasets.files.work import Progress, on_all_cores

DATA_VARIABLE = "PROXY_BENCH_DATA"
_JPEG = (".jpg", ".jpeg", ".jfif")
_SUFFIXES = (*_JPEG, ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")


def data_root(name: str, root: Path | None) -> Path:
    """The given root, or $PROXY_BENCH_DATA; FileNotFoundError with how to name one."""
    chosen = root or os.environ.get(DATA_VARIABLE)
    if not chosen:
        raise FileNotFoundError(f"{name} needs a data root. {_advice(name)}")
    return Path(chosen)


def find_place(name: str, root: Path | None, *candidates: str) -> Path:
    """The first existing candidate under the data root.

    Raises: FileNotFoundError with every path and the command that gets the data.
    """
    paths = [data_root(name, root) / candidate for candidate in candidates]
    for path in paths:
        if path.exists():
            return path
    looked = " and ".join(str(path) for path in paths)
    raise FileNotFoundError(f"{name} is not complete: looked for {looked}. {_advice(name)}")


def _advice(name: str) -> str:
    if name.split(":")[0] == "folder":
        return f"Name the folder of your images with --data-root or with {DATA_VARIABLE}"
    return (
        f"Get it with `proxy-bench data download {name} --data-root DIR`, or say where it is "
        f"with --data-root or the environment variable {DATA_VARIABLE}"
    )


def require(name: str, folder: Path, files: Iterable[str]) -> None:
    """Raise FileNotFoundError with every one of the files that is not in the folder."""
    absent = [file for file in files if not (folder / file).is_file()]
    if absent:
        raise FileNotFoundError(
            f"{name} is not complete: missing from {folder}: {', '.join(absent)}; `proxy-bench "
            f"data download {name} --data-root DIR` unpacks its archive or says where to get it"
        )


def require_published(name: str, problems: list[str], advice: str) -> None:
    """Raise ValueError with the first problem and the number of the others, if there are any."""
    if problems:
        more = f" (and {len(problems) - 1:,} more problems)" if len(problems) > 1 else ""
        raise ValueError(f"{name} not as published: {problems[0]}{more}; {advice}")


def read_rows(path: Path, columns: int) -> list[list[str]]:
    """The lines of a list, split at spaces; ValueError with the first of another width."""
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
    """Problems: files that are not those published, by their SHA-256 (hex)."""
    found = {file: hashlib.sha256((folder / file).read_bytes()).hexdigest() for file in published}
    return [
        f"{folder / file} is not the published file: SHA-256 {found[file]}, expected {digest}"
        for file, digest in published.items()
        if found[file] != digest
    ]


def examine(photographs: Photographs, folders: Iterable[str], report: Progress) -> list[str]:
    """Problems: published photographs that are missing or broken, and images that are surplus.

    Decodes every photograph, or its box. ``folders`` may hold no images but those published. A
    folder without any of its photographs is one problem.
    """
    with photographs.opened() as opened:
        found = opened.names()
    known = set(photographs.names)
    here = [i for i, name in enumerate(photographs.names) if name in found]
    start = f"{photographs.inside}/" if photographs.inside else ""
    surplus = sorted(
        name
        for name in found - known
        if is_image(name) and name.startswith(tuple(f"{folder}/" for folder in folders))
    )
    return [
        *_missing(photographs.place, known, found & known, start),
        *broken(photographs.only(here), report),
        *(f"{photographs.place}: {start}{name} does not belong here" for name in surplus),
    ]


def _missing(place: Path, known: set[str], here: Collection[str], start: str) -> list[str]:
    absent = sorted(known.difference(here))
    present = {_folder(name) for name in here}
    if absent and not present:
        return [f"{place}: all {len(absent):,} photographs are missing, as {start}{absent[0]}"]
    gone = Counter(_folder(name) for name in absent if _folder(name) not in present)
    folders = [
        f"{place}: {start}{folder} is missing ({count} photograph{'s' * (count > 1)})"
        for folder, count in gone.items()
    ]
    single = [name for name in absent if _folder(name) in present]
    return folders + [f"{place}: {start}{name} is missing" for name in single]


def _folder(name: str) -> str:
    return name.rpartition("/")[0]


def broken(photographs: Photographs, report: Progress) -> list[str]:
    """Problems, in order: photographs that cannot be read or decoded.

    Raises: ValueError if the archive cannot be opened.
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


def is_image(name: str) -> bool:
    """Whether a file has the name of an image and is not hidden."""
    base = name.rsplit("/", 1)[-1]
    return base.lower().endswith(_SUFFIXES) and not base.startswith(".")
