"""The files of a data set: where they are, what its lists hold, and which are missing or broken."""

import hashlib
import os
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from bench.datasets.files.litter import litter_in
from bench.datasets.files.looks import look_at
from bench.datasets.files.photographs import Photographs
from bench.datasets.files.work import Progress

DATA_VARIABLE = "PROXY_BENCH_DATA"
_JPEG = (".jpg", ".jpeg", ".jfif")
_TEXT = (".txt", ".csv")
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


def read_lists(
    name: str, folder: Path, lists: Mapping[str, str], other_copies: Mapping[str, str]
) -> dict[str, bytes]:
    """The published lists in a data set's folder, by name; text has the line ends of Unix.

    lists: SHA-256 (hex) by name; other_copies: descriptions of copies that are not the official
    one, by the pattern of a path in them.

    Raises: FileNotFoundError with the missing lists; ValueError if the folder is such a copy, or if
    a list is not the published one.
    """
    if absent := [file for file in lists if not (folder / file).is_file()]:
        for pattern, description in other_copies.items():
            if any(folder.glob(pattern)):
                raise ValueError(f"{folder} {description}; {official_advice(name)}")
        raise FileNotFoundError(
            f"{name} is not complete: missing from {folder}: {', '.join(absent)}; `proxy-bench "
            f"data download {name} --data-root DIR` unpacks its archive or says where to get it"
        )
    return published(name, folder, {file: (folder / file).read_bytes() for file in lists}, lists)


def published(
    name: str, place: Path, contents: Mapping[str, bytes], lists: Mapping[str, str]
) -> dict[str, bytes]:
    """The contents of lists, text with the line ends of Unix, since git may have changed them.

    Raises: ValueError naming those whose SHA-256 (hex) is not the one in ``lists``.
    """
    unix = {
        file: content.replace(b"\r\n", b"\n") if file.endswith(_TEXT) else content
        for file, content in contents.items()
    }
    found = {file: hashlib.sha256(content).hexdigest() for file, content in unix.items()}
    problems = [
        f"{place}: {file} is not the published list: SHA-256 {found[file]}, expected {digest}"
        for file, digest in lists.items()
        if found[file] != digest
    ]
    require_published(f"{name} is", problems, official_advice(name))
    return unix


def official_advice(name: str) -> str:
    """How to get the official archive, as the end of a message."""
    return f"get the official archive: `proxy-bench data download {name}` shows how"


def require_published(name: str, problems: list[str], advice: str) -> None:
    """Raise ValueError with the first problem and the number of the others, if there are any."""
    if problems:
        more = f" (and {len(problems) - 1:,} more problems)" if len(problems) > 1 else ""
        raise ValueError(f"{name} not as published: {problems[0]}{more}; {advice}")


def examine(photographs: Photographs, report: Progress) -> list[str]:
    """Problems: published photographs that are missing or broken, and images that are surplus.

    Decodes every photograph, or its box. Their folders may hold no images but those published.
    """
    with photographs.opened() as opened:
        names = set(opened.names())
    known = set(photographs.names)
    folders = {name.split("/")[0] for name in known}
    surplus = [name for name in names - known if is_image(name) and name.split("/")[0] in folders]
    here = [i for i, name in enumerate(photographs.names) if name in names]
    start = f"{photographs.inside}/" if photographs.inside else ""
    problems = differences(f"{photographs.place}: {start}", known, [*names & known, *surplus])
    return problems + broken(photographs.only(here), report)


def differences(start: str, known: Collection[str], found: Iterable[str]) -> list[str]:
    """Problems: known names that are missing, and names that are surplus or repeated.

    start: what messages begin with. A folder without any of its files is one problem.
    """
    counts = Counter(found)
    absent = Counter(_folder(name) for name in known if name not in counts)
    present = {_folder(name) for name in known if name in counts}
    whole = {folder for folder, count in absent.items() if folder not in present and count > 1}
    missing = [f"{folder} is missing ({absent[folder]} files)" for folder in sorted(whole)]
    missing += [
        f"{name} is missing"
        for name in sorted(known)
        if name not in counts and _folder(name) not in whole
    ]
    if known and not present:
        missing = [f"all {len(known):,} files are missing, as {min(known)}"]
    surplus = sorted(counts - Counter(known))
    return [start + text for text in missing + [f"{name} does not belong here" for name in surplus]]


def _folder(name: str) -> str:
    return name.rpartition("/")[0]


def broken(photographs: Photographs, report: Progress) -> list[str]:
    """Problems, in order: photographs that cannot be read or decoded.

    Raises: ValueError if the archive cannot be opened.
    """
    return look_at(photographs, report)[0]


def is_image(name: str) -> bool:
    """Whether a file has the name of an image, and nothing in its path is hidden or litter."""
    return name.lower().endswith(_SUFFIXES) and not litter_in(name)


def within(folder: Path, path: str) -> str:
    """A path from a folder, POSIX style."""
    return path.removeprefix(os.path.join(folder, "")).replace(os.sep, "/")
