"""A user's own images: `folder` is the data root itself, `folder:NAME` the folder NAME in it."""

from dataclasses import replace
from functools import partial
from pathlib import Path

from bench.datasets.doubts import equal_files, equal_pictures, similar_classes
from bench.datasets.files.looks import look_at
from bench.datasets.files.photographs import Photographs
from bench.datasets.files.verify import data_root
from bench.datasets.files.work import Progress
from bench.datasets.folder.left_out import left_out, unused
from bench.datasets.folder.pictures import picture_problems
from bench.datasets.folder.rows import read_images
from bench.datasets.folder.splits import RULES, intended
from bench.datasets.source import Source
from bench.datasets.types import Dataset

PREFIX = "folder:"


def load_folder(name: str, root: Path | None, protocol: str) -> Dataset:
    """Load a user's images, from a list or from a folder per class.

    If the folder holds images.csv, its rows are the images: columns path (from the folder), label,
    and optionally split (train, val, test, query, gallery) and camera (whole numbers). Else every
    folder in it is a class, with the images in and below it, without hidden ones.
    The protocols are the functions in ``RULES``; nothing is pinned.

    Raises: FileNotFoundError without the folder; ValueError with every mistake of the list, or with
    what the protocol lacks.
    """
    folder = _find(name, root)
    return RULES[protocol](name, folder, read_images(folder))


def check_folder(name: str, root: Path | None, report: Progress) -> list[str]:
    """Decode every image, list files that are not used, and try the splits.

    Also problems: images of almost one colour, cut, with further pictures or too dark; equal files
    or pictures and look-alike classes in parts that should share none.
    """
    folder = _find(name, root)
    rows = read_images(folder)
    photographs = Photographs(folder, tuple(row.path for row in rows))
    broken, looks = look_at(photographs, report)
    doubtful = picture_problems(photographs.names, looks)
    problems = [*broken, *(f"{folder}: {text}" for text in doubtful)]
    problems += unused(folder, rows)
    for protocol in intended(rows):
        try:
            dataset = RULES[protocol](name, folder, rows)
        except ValueError as error:
            problems.append(str(error))
        else:
            problems += similar_classes(dataset)[0]
            problems += equal_files(dataset)[0]
            problems += [] if broken else equal_pictures(dataset)[0]
    return list(dict.fromkeys(problems))  # both protocols of a list may lack the same


def left_out_of_folder(name: str, root: Path | None, dataset: Dataset) -> str:
    """What the folder of a loaded data set holds beside its images; empty if nothing."""
    folder = _find(name, root)
    return left_out(folder, read_images(folder), len(dataset.items), dataset.split.protocol)


def _find(name: str, root: Path | None) -> Path:
    folder = data_root(name, root) / name[len(PREFIX) :]
    if not folder.is_dir():
        raise FileNotFoundError(
            f"{name} is the folder {folder}, which does not exist; name the folder that holds it "
            "with --data-root"
        )
    return folder


def folder_source(name: str) -> Source:
    """The Source of ``folder:NAME``; ValueError unless NAME is a possible name of a folder."""
    place = name.removeprefix(PREFIX)
    if place.strip() in ("", ".", "..") or set(place) & set("/\\:\0") or not place.isprintable():
        raise ValueError(
            f"{name!r} names no folder: write the name of a folder in the data root after "
            f"{PREFIX!r}, without /, .. and control characters"
        )
    return replace(
        FOLDER,
        load=partial(load_folder, name),
        check=partial(check_folder, name),
        left_out=partial(left_out_of_folder, name),
        by_hand=FOLDER.by_hand.replace("DATA_ROOT", f"DATA_ROOT/{place}"),
    )


FOLDER = Source(
    title="Your own images",
    description="your own images in the data root, a folder per class or listed in images.csv; "
    "folder:NAME takes them from the folder NAME in it",
    licence="as you have them",
    citation="nothing to cite",
    homepage="none",
    fingerprints=dict.fromkeys(RULES),
    load=partial(load_folder, "folder"),
    check=partial(check_folder, "folder"),
    left_out=partial(left_out_of_folder, "folder"),
    photographs=True,
    by_hand="Nothing is downloaded. Put your images into folders named after their classes, "
    "DATA_ROOT/CLASS/IMAGE.jpg, or list them in DATA_ROOT/images.csv with the columns path, label "
    "and, if you wish, split (train, val, test, query, gallery) and camera (a whole number).",
)
