"""Data sets: one file or folder each and one line each in DATASETS; load, verify, download."""

from pathlib import Path

from bench.datasets.cars196.dataset import CARS196
from bench.datasets.cub200 import CUB200, CUB200_BOXES
from bench.datasets.digits import DIGITS
from bench.datasets.doubts import (
    chance,
    joined_folders,
    similar_classes,
    unscored_validation,
    untrained_queries,
)
from bench.datasets.files.download import fetch
from bench.datasets.files.photographs import Photographs
from bench.datasets.files.unpack import settle
from bench.datasets.files.verify import data_root, examine
from bench.datasets.files.work import Progress, Report
from bench.datasets.folder.dataset import FOLDER, PREFIX, folder_source
from bench.datasets.glyphs.dataset import GLYPHS
from bench.datasets.grocery_store import GROCERY_STORE
from bench.datasets.market1501.dataset import MARKET1501
from bench.datasets.omniglot.dataset import OMNIGLOT
from bench.datasets.sop import SOP
from bench.datasets.source import Source
from bench.datasets.types import Dataset
from bench.suggest import unknown
from bench.temporary import remove_leftovers

DATASETS: dict[str, Source] = {
    "digits": DIGITS,
    "glyphs": GLYPHS,
    "omniglot": OMNIGLOT,
    "grocery_store": GROCERY_STORE,
    "cub200": CUB200,
    "cub200_boxes": CUB200_BOXES,
    "cars196": CARS196,
    "sop": SOP,
    "market1501": MARKET1501,
    "folder": FOLDER,
}


# The same photographs under another name: one unit where data sets are counted.
SAME_PHOTOGRAPHS = {"cub200_boxes": "cub200"}


def photographs_of(name: str) -> str:
    """The data set that counts as one with others of the same photographs."""
    return SAME_PHOTOGRAPHS.get(name, name)


def find(name: str) -> Source:
    """The data set with a name, including a user's own ``folder:NAME``.

    Raises: ValueError with the most similar and all names if there is none.
    """
    if name.startswith(PREFIX):
        return folder_source(name)
    if name not in DATASETS:
        raise ValueError(unknown("data set", name, DATASETS))
    return DATASETS[name]


def load(name: str, root: Path | None, protocol: str) -> Dataset:
    """Load a data set under a protocol and check that its split is the pinned one.

    ``root`` is the data root, or None for the environment variable PROXY_BENCH_DATA; embedded data
    sets need neither. A user's own images have no pinned split.

    Raises: ValueError for an unknown name or protocol, damaged files and another split than the
    pinned one; FileNotFoundError for missing data.
    """
    source = find(name)
    if protocol not in source.protocols:
        raise ValueError(unknown(f"protocol of {name}", protocol, source.protocols))
    dataset = source.load(root, protocol)
    expected = source.fingerprints[protocol]
    if expected is not None and dataset.fingerprint != expected:
        raise ValueError(
            f"the {protocol} split of {name} is not the pinned one: found fingerprint "
            f"{dataset.fingerprint}, expected {expected}"
        )
    return dataset


def remarks(dataset: Dataset, root: Path | None) -> list[str]:
    """What is left out of a data set and why, what is doubtful about its classes, what R@1 is by
    chance, what accuracy is possible and which validation images count; nothing if all is well."""
    source = find(dataset.name)
    rest = source.left_out(root, dataset) if source.left_out else ""
    problems, notes = similar_classes(dataset)
    # A pinned fingerprint is of a published data set, whose classes are known.
    joined = joined_folders(dataset) if source.fingerprints[dataset.split.protocol] is None else []
    scores = [*chance(dataset), *untrained_queries(dataset), *unscored_validation(dataset)]
    return [*([f"left out: {rest}"] if rest else []), *problems, *notes, *joined, *scores]


def verify(name: str, root: Path | None, report: Progress) -> list[str]:
    """Check every image and pinned split of a data set.

    Returns: the problems, one sentence each; missing data is one of them. Raises: ValueError for
    an unknown name.
    """
    source = find(name)
    try:
        if source.check:
            problems = source.check(root, report)
        else:
            problems = examine(_photographs(source, root), report)
        if not problems:
            for protocol, pinned in source.fingerprints.items():
                if pinned is not None:
                    load(name, root, protocol)
    except (FileNotFoundError, ValueError) as error:
        return [str(error)]
    return problems


def _photographs(source: Source, root: Path | None) -> Photographs:
    """The photographs of a data set that holds some."""
    images = source.load(root, source.protocols[0]).images
    assert isinstance(images, Photographs)
    return images


def download(name: str, root: Path | None, report: Report) -> list[Path]:
    """Download a data set's official archives, or verify and unpack those that users get by hand.

    What is complete stays as it is. Show the Source's licence before. Returns: the files and
    folders, none for an embedded data set.

    Raises: what ``fetch`` and ``settle`` raise; ValueError for an unknown name; FileNotFoundError
    without a data root, and for what users have to get by hand, with what is wrong with an existing
    copy, what to get from whom, and where to put it.
    """
    source = find(name)
    if source.embedded:
        return []
    try:
        folder = data_root(name, root)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{error}. {source.by_hand}".rstrip()) from error
    for made in (*(file.path for file in source.files), *(item.into for item in source.archives)):
        remove_leftovers((folder / made).parent, Path(made).name)
    if not source.by_hand:
        return [fetch(file, folder, report) for file in source.files]
    wrong = _incomplete(source, root)
    if wrong is None:
        return []
    advice = "\n".join([*wrong, source.by_hand.replace("DATA_ROOT", str(folder))])
    if not source.archives:
        raise FileNotFoundError(advice)
    return [settle(archive, folder, advice, report) for archive in source.archives]


def _incomplete(source: Source, root: Path | None) -> list[str] | None:
    """None if all lists and photographs exist; else what is wrong with an existing copy."""
    try:
        photographs = _photographs(source, root)
    except FileNotFoundError:
        return []  # its message recommends this very download
    except ValueError as error:
        return [str(error)]
    try:
        photographs.require_files()
    except FileNotFoundError as error:
        return [str(error)]
    return None
