"""What a user's folder holds beside the images that are used, with the reason."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from bench.datasets.files.litter import is_litter, litter_in
from bench.datasets.files.verify import is_image, within
from bench.datasets.folder.rows import NAME, NO_CAMERA, Row, files, other_columns
from bench.suggest import first_names


def unused(folder: Path, rows: Sequence[Row]) -> list[str]:
    """Problems: files of the folder that no row names, and class folders without an image."""
    problems = []
    if extra := _extra(folder, rows):
        count = f"({len(extra):,}): {first_names(extra)}"
        problems.append(f"{folder}: files not used as images of a class {count}")
    if empty := _empty(folder, rows):
        count = f"({len(empty):,}): {first_names(empty)}"
        problems.append(f"{folder}: class folders without an image {count}")
    return problems


def left_out(folder: Path, rows: Sequence[Row], count: int, protocol: str) -> str:
    """What is not used, with the reason, in one line; empty if everything is.

    rows: all images of classes or of the list; count: how many of them a protocol uses.
    """
    return "; ".join(_reasons(folder, rows, count, protocol))


def _reasons(folder: Path, rows: Sequence[Row], count: int, protocol: str) -> Iterator[str]:
    images, others = [], Counter[str]()
    for path in _extra(folder, rows):
        if is_image(path):
            images.append(path)
        else:
            others[PurePosixPath(path).suffix.lower() or "without a suffix"] += 1
    if images:
        reason = f"not listed in {NAME}" if rows[0].line else "not in the folder of a class"
        yield f"{_count(len(images), 'image')} {reason} ({first_names(images)})"
    if others:
        yield f"{_count(others.total(), 'file')} of formats that are not read ({_counted(others)})"
    if empty := _empty(folder, rows):
        yield f"{_count(len(empty), 'class folder')} without an image ({first_names(empty)})"
    if rows[0].line and (columns := other_columns(folder / NAME)):
        names = first_names(name or "one without a name" for name in columns)
        yield f"{_count(len(columns), 'column')} of {NAME} ({names})"
    if unused := list(_unused_columns(rows, protocol)):
        yield f"{' and '.join(unused)} of {NAME}, which {protocol} does not use"
    if count < len(rows):
        yield f"{_count(len(rows) - count, 'image')} listed as junk"
    if litter := Counter(_litter(folder, rows)):
        yield f"{_count(litter.total(), 'file')} hidden or of other programs ({_counted(litter)})"


def _unused_columns(rows: Sequence[Row], protocol: str) -> Iterator[str]:
    """What a list says and a protocol does not use."""
    if protocol not in ("official", "re-identification") and any(row.split for row in rows):
        yield "the splits"
    if protocol != "re-identification" and any(row.camera != NO_CAMERA for row in rows):
        yield "the cameras"


def _extra(folder: Path, rows: Sequence[Row]) -> list[str]:
    known = {row.path for row in rows} | {NAME}
    return [path for path in files(folder) if path not in known]


def _empty(folder: Path, rows: Sequence[Row]) -> list[str]:
    """Folders that would be classes, if they held an image; none where a list names the images."""
    if rows[0].line:
        return []
    used = {row.path.split("/")[0] for row in rows}
    folders = (entry.name for entry in os.scandir(folder) if entry.is_dir())
    return [name for name in folders if not is_litter(name, first=True) and name not in used]


def _litter(folder: Path, rows: Sequence[Row]) -> Iterator[str]:
    """For each file that is hidden or left by another program, the name that shows it."""
    known = {row.path for row in rows}  # a list may name any file
    for folder_path, _, names in os.walk(folder):
        for name in names:
            path = within(folder, os.path.join(folder_path, name))
            if path not in known and (mark := litter_in(path)):
                yield mark


def _count(number: int, name: str) -> str:
    return f"{number:,} {name}{'s' * (number != 1)}"


def _counted(found: Counter[str]) -> str:
    """`.avif 12, .heic 2`, of five at most."""
    more = [f"and {len(found) - 5} more kinds"] * (len(found) > 5)
    return ", ".join([*(f"{name} {count:,}" for name, count in found.most_common(5)), *more])
