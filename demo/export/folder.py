"""Where an export is written: a folder or a .zip that appears whole or not at all, and replaces an
earlier export but nothing else."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zipfile import ZIP_DEFLATED, BadZipFile, ZipFile

from bench.temporary import leftovers, temporary_folder

LIST = "export.json"  # names every file of an export
KIND = "proxy-bench demo --export"
BEFORE = "before"  # the export that is replaced, for a moment


@contextmanager
def new_export(target: Path) -> Iterator[Path]:
    """A temporary folder that becomes `target`, zipped if that ends in .zip, when the block ends
    without error.

    Raises: ValueError if something else than an earlier export is there.
    """
    check(target)
    target = target.absolute()
    bring_back(target)
    with temporary_folder(target) as staging:
        made = staging / "new"
        made.mkdir()
        yield made
        names = sorted(found.relative_to(made).as_posix() for found in files_in(made))
        (made / LIST).write_text(json.dumps({"made by": KIND, "files": names}, indent=1) + "\n")
        if is_zip(target):
            made = zipped(made, staging / "new.zip", target.stem)
        check(target)  # again: pictures take minutes, in which something may have come there
        replace(target, made, staging / BEFORE)


def bring_back(target: Path) -> None:
    """Put an earlier export back that a process was killed in the middle of replacing."""
    for staging in leftovers(target.parent, target.name):
        if (staging / BEFORE).exists() and not os.path.lexists(target):
            (staging / BEFORE).rename(target)


def replace(target: Path, made: Path, before: Path) -> None:
    """Put what was made where an earlier export may be, which stays if that fails."""
    if target.is_dir():
        target.rename(before)
    try:
        os.replace(made, target)
    except OSError:
        if before.exists():
            before.rename(target)
        raise


def check(target: Path) -> None:
    """Raises: ValueError if something else than one export is there."""
    advice = "; name another folder or file"
    if not os.path.lexists(target):
        return
    if is_zip(target):
        if not zip_is_export(target):
            raise ValueError(f"{target} is not an export{advice}")
        return
    if not target.is_dir() or target.is_symlink():
        raise ValueError(f"{target} is a file or a link{advice}")
    found = {path.relative_to(target).as_posix() for path in files_in(target)}
    others = sorted(found - {LIST} - listed(target / LIST))
    if others:
        raise ValueError(
            f"{target} holds {others[0]}, which no export has written, and an export replaces the "
            f"whole folder{advice}"
        )


def listed(path: Path) -> set[str]:
    """The files of the export whose list this is; none if it is not one."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return set(content["files"]) if content["made by"] == KIND else set()
    except (OSError, ValueError, KeyError, TypeError):
        return set()


def files_in(folder: Path) -> list[Path]:
    """All files, and links, in a folder and those within."""
    return [path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()]


def zip_is_export(path: Path) -> bool:
    """Whether a file is the .zip of an export."""
    try:
        with ZipFile(path) as file:
            names = [name for name in file.namelist() if Path(name).name == LIST]
            return any(KIND in file.read(name).decode() for name in names)
    except (OSError, ValueError, RuntimeError, BadZipFile):  # RuntimeError: needs a password
        return False


def zipped(folder: Path, path: Path, name: str) -> Path:
    """A .zip of a folder, which unpacks as a folder of that name."""
    with ZipFile(path, "w", ZIP_DEFLATED) as file:
        for found in sorted(files_in(folder)):
            file.write(found, f"{name}/{found.relative_to(folder).as_posix()}")
    return path


def measure(target: Path) -> tuple[int, int]:
    """The number of files of an export, and its bytes."""
    if is_zip(target):
        with ZipFile(target) as file:
            return len(file.namelist()), target.stat().st_size
    sizes = [path.stat().st_size for path in files_in(target)]
    return len(sizes), sum(sizes)


def is_zip(target: Path) -> bool:
    return target.suffix.lower() == ".zip"
