"""Data sets: one file each and one line each in DATASETS; load, verify, download by name."""

from pathlib import Path

from bench.datasets.cars196.dataset import CARS196
from bench.datasets.cub200 import CUB200, CUB200_BOXES
from bench.datasets.digits import DIGITS
from bench.datasets.files.download import fetch
from bench.datasets.files.places import DATA_VARIABLE, data_root
from bench.datasets.files.progress import Progress, Report
from bench.datasets.files.unpack import settle
from bench.datasets.folder.dataset import FOLDER, PREFIX, folder_source
from bench.datasets.glyphs.dataset import GLYPHS
from bench.datasets.grocery_store import GROCERY_STORE
from bench.datasets.market1501.dataset import MARKET1501
from bench.datasets.omniglot.dataset import OMNIGLOT
from bench.datasets.sop import SOP
from bench.datasets.source import Archive, Download, Source
from bench.datasets.splits import Split, class_disjoint
from bench.datasets.types import Dataset
from bench.suggest import unknown

__all__ = [
    "DATASETS",
    "DATA_VARIABLE",
    "Archive",
    "Dataset",
    "Download",
    "Progress",
    "Report",
    "Source",
    "Split",
    "class_disjoint",
    "download",
    "find",
    "load",
    "verify",
]

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


def find(name: str) -> Source:
    """The data set of that name, a user's own ``folder:NAME`` among them.

    Raises ValueError with the nearest and all names where there is none.
    """
    if name.startswith(PREFIX):
        return folder_source(name)
    if name not in DATASETS:
        raise ValueError(unknown("data set", name, DATASETS))
    return DATASETS[name]


def load(name: str, root: Path | None, protocol: str) -> Dataset:
    """Load a data set under a protocol and check that its split is the pinned one.

    ``root`` is the data root; where it is None the environment variable PROXY_BENCH_DATA is used,
    and embedded data sets need neither. Raises ValueError for an unknown name or protocol, for
    damaged files and for a split which is not the pinned one; FileNotFoundError for missing data.
    A user's own images have no pinned split.
    """
    source = find(name)
    if protocol not in source.protocols:
        raise ValueError(unknown(f"protocol of {name}", protocol, source.protocols))
    dataset = source.load(root, protocol)
    expected = source.fingerprints.get(protocol)
    if expected is not None and dataset.fingerprint != expected:
        raise ValueError(
            f"the {protocol} split of {name} is not the pinned one: found fingerprint "
            f"{dataset.fingerprint}, expected {expected}"
        )
    return dataset


def verify(name: str, root: Path | None, report: Progress) -> list[str]:
    """Check every image and pinned split of a data set; returns problems in words, none if good.

    Missing data is a problem like any other. Raises ValueError for an unknown name.
    """
    source = find(name)
    try:
        problems = source.check(root, report)
        if not problems:
            for protocol in source.fingerprints:
                load(name, root, protocol)
    except (FileNotFoundError, ValueError) as error:
        return [str(error)]
    return problems


def download(name: str, root: Path | None, report: Report) -> list[Path]:
    """Fetch a data set's official archives; verify and unpack those that are brought by hand.

    Nothing for an embedded one (no files, no paths). What is there and verified, or unpacked,
    stays. Raises what ``fetch`` and ``settle`` raise, ValueError for an unknown name,
    FileNotFoundError without a data root and for what must be brought by hand, with what is wrong
    with a copy that is there, and what to get from whom and where to put it. Show the Source's
    licence before.
    """
    source = find(name)
    if source.embedded:
        return []
    try:
        folder = data_root(name, root)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{error}. {source.by_hand}".rstrip()) from error
    if not source.by_hand:
        return [fetch(file, folder, report) for file in source.files]
    wrong = lack(source, root)
    if wrong is None:
        return []
    advice = "\n".join([*wrong, source.by_hand.replace("DATA_ROOT", str(folder))])
    if not source.archives:
        raise FileNotFoundError(advice)
    return [settle(archive, folder, advice, report) for archive in source.archives]


def lack(source: Source, root: Path | None) -> list[str] | None:
    """None where a data set's lists and pictures are in their place, good or not.

    Else what is wrong with the copy that is there, in words; no words where there is none.
    """
    try:
        images = source.load(root, source.protocols[0]).images
    except FileNotFoundError:
        return []  # its words send to the download
    except ValueError as error:
        return [str(error)]
    try:
        images.require_files()
    except FileNotFoundError as error:
        return [str(error)]
    return None
