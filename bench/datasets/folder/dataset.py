"""A user's own images: `folder` is the data root itself, `folder:NAME` the folder NAME in it."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from bench.datasets.files.photographs import Photographs
from bench.datasets.files.places import data_root
from bench.datasets.files.progress import Progress
from bench.datasets.files.verify import broken
from bench.datasets.folder.files import read_classes, unused
from bench.datasets.folder.image_list import NAME, Row, read_list
from bench.datasets.folder.splits import RULES, given
from bench.datasets.source import Source
from bench.datasets.types import Dataset

PREFIX = "folder:"


def load_folder(name: str, root: Path | None, protocol: str) -> Dataset:
    """Load a user's images, from a list or from a folder per class.

    Where the folder holds images.csv, its rows are the images: columns path (from the folder),
    label, and if wanted split (train, val, test, query, gallery) and camera (whole numbers). Else
    every folder in it is a class, with the images in and below it; what is hidden is left out.
    The protocols are the functions in ``RULES``; nothing is pinned. Raises FileNotFoundError
    where there is no such folder, ValueError with every mistake of the list, or with what the
    protocol lacks.
    """
    folder = _place(name, root)
    return RULES[protocol](name, folder, _rows(folder))


def check_folder(name: str, root: Path | None, report: Progress) -> list[str]:
    """Decode every image, list what is not used, and try the splits; problems in words."""
    folder = _place(name, root)
    rows = _rows(folder)
    problems = broken(Photographs(folder, tuple(row.path for row in rows)), report)
    problems += unused(folder, rows)
    for protocol in given(rows):
        try:
            RULES[protocol](name, folder, rows)
        except ValueError as error:
            problems.append(str(error))
    return list(dict.fromkeys(problems))  # both protocols of a list may lack the same


def _rows(folder: Path) -> Sequence[Row]:
    place = folder / NAME
    return read_list(place) if place.is_file() else read_classes(folder)


def _place(name: str, root: Path | None) -> Path:
    folder = data_root(name, root) / name[len(PREFIX) :]
    if not folder.is_dir():
        raise FileNotFoundError(
            f"{name} is to be the folder {folder}, which is not there; name the folder that it is "
            "in with --data-root"
        )
    return folder


def folder_source(name: str) -> Source:
    """The Source of ``folder:NAME``.

    Raises ValueError where NAME is not the name of a folder in the data root.
    """
    place = name.removeprefix(PREFIX)
    if place.strip() in ("", ".", "..") or set(place) & set("/\\:\0") or not place.isprintable():
        raise ValueError(
            f"{name!r} names no folder: after {PREFIX!r} stands the name of a folder in the data "
            "root, without / and .."
        )
    return replace(
        FOLDER,
        load=partial(load_folder, name),
        check=partial(check_folder, name),
        by_hand=FOLDER.by_hand.replace("DATA_ROOT", f"DATA_ROOT/{place}"),
    )


FOLDER = Source(
    title="Your own images",
    description="your own images in the data root, a folder per class or listed in images.csv; "
    "folder:NAME takes them from the folder NAME in it",
    licence="as you have them",
    citation="nothing to cite",
    homepage="none",
    embedded=False,
    protocols=tuple(RULES),
    fingerprints={},
    files=(),
    load=partial(load_folder, "folder"),
    check=partial(check_folder, "folder"),
    photographs=True,
    by_hand="Nothing is downloaded. Put your images into folders named after their classes, "
    "DATA_ROOT/CLASS/IMAGE.jpg, or list them in DATA_ROOT/images.csv with the columns path, label "
    "and, if you wish, split (train, val, test, query, gallery) and camera (a whole number).",
)
