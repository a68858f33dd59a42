"""Market-1501: 36,036 pictures of 1,501 pedestrians, taken by six cameras."""

import hashlib
import os
import re
from pathlib import Path

import numpy as np

from bench.datasets.files.litter import is_litter
from bench.datasets.files.photographs import Photographs
from bench.datasets.files.verify import examine, find_place, official_advice, require_published
from bench.datasets.files.work import Progress
from bench.datasets.source import Archive, Source
from bench.datasets.splits import Split
from bench.datasets.types import Dataset

IDENTITIES = 1501  # numbered from 1; 0 are distractors, -1 is junk
NAMES = {  # of each folder, the number of photographs and SHA-256 (hex) of their sorted names
    "bounding_box_train": (
        12_936,
        "6665d2f686d98426d2253ab9acc5c60a3abd81ce7207726c72b49ab40178d4d6",
    ),
    "query": (3_368, "6981ba13f71377071831b5f258dbe603ced4fd90e4cfed179918ca3842e4f470"),
    "bounding_box_test": (
        19_732,
        "234d677d2896ea6522b9d9a7a12d4e21767fffed21a731d305e2b065e7a38568",
    ),
}
# Identity and camera in a name such as 0002_c1s1_000451_03.jpg; 24 of those published end twice.
_NAME = re.compile(r"/(-1|\d{4})_c([1-6])s\d_\d{6}_\d{2}\.jpg(?:\.jpg)?\Z")

Names = dict[str, list[str]]  # of photographs, by folder


def load_market1501(root: Path | None, protocol: str) -> Dataset:
    """Load Market-1501 from the names in its folders, without opening photographs.

    N = 36,036: bounding_box_train (12,936 of 751 identities, every tenth validates), query (3,368
    of 750) and the gallery, bounding_box_test (19,732: 13,115 of those 750, 2,798 of the class
    "distractors", and 3,819 junk, label -1). Labels are the identities' numbers, 0 for distractors;
    cameras, 1 to 6, are in the names.

    Raises: FileNotFoundError with the missing folders; ValueError for photographs that are not
    those published.
    """
    folder, names = _read_names(root)
    advice = "`proxy-bench data verify market1501` lists everything"
    require_published("market1501 is", differences(folder, names), advice)
    files = _files(names)
    numbers = [found.groups() for found in map(_NAME.search, files) if found]
    labels, cameras = np.array(numbers, dtype=np.int64).T.copy()
    return Dataset(
        name="market1501",
        images=Photographs(folder, files),
        labels=labels,
        class_names=("distractors", *(f"{number:04d}" for number in range(1, IDENTITIES + 1))),
        items=files,
        split=_split(protocol, labels, [len(listed) for listed in names.values()]),
        cameras=cameras,
    )


def _split(protocol: str, labels: np.ndarray, counts: list[int]) -> Split:
    training, query, gallery = np.split(np.arange(len(labels)), np.cumsum(counts)[:2])
    validating = np.isin(labels[training], np.unique(labels[training])[9::10])
    return Split(protocol, training[~validating], training[validating], query, gallery)


def check_market1501(root: Path | None, report: Progress) -> list[str]:
    """Compare the names in the folders with the published ones; decode every photograph."""
    folder, names = _read_names(root)
    files = tuple(file for file in _files(names) if _NAME.search(file))
    return differences(folder, names) + examine(Photographs(folder, files), report)


def _read_names(root: Path | None) -> tuple[Path, Names]:
    """The folder, and the sorted names that end in .jpg in each folder in it."""
    advice = official_advice("market1501")
    folder = find_place("market1501", root, "market1501/Market-1501-v15.09.15", "market1501")
    absent = [part for part in NAMES if not (folder / part).is_dir()]
    if absent and (folder / "pytorch").is_dir():
        raise ValueError(
            f"{folder} is a re-packed copy: photographs sorted by identity in pytorch/; {advice}"
        )
    if absent:
        raise FileNotFoundError(
            f"market1501 is not complete: {', '.join(absent)} missing from {folder}; {advice}"
        )
    listed = {part: sorted(os.listdir(folder / part)) for part in NAMES}
    return folder, {
        part: [name for name in names if name.endswith(".jpg") and not is_litter(name)]
        for part, names in listed.items()
    }


def _files(names: Names) -> tuple[str, ...]:
    return tuple(f"{part}/{name}" for part, listed in names.items() for name in listed)


def differences(folder: Path, names: Names) -> list[str]:
    """Problems: folders whose photographs do not have the published names."""
    problems = []
    for part, (count, digest) in NAMES.items():
        if hashlib.sha256("\n".join(names[part]).encode()).hexdigest() != digest:
            problems.append(
                f"{folder / part}: the names of its {len(names[part]):,} photographs are not those "
                f"of the {count:,} published ones (some of which end in .jpg.jpg)"
            )
    return problems


MARKET1501 = Source(
    title="Market-1501",
    description="36,036 pictures of 1,501 pedestrians, taken by six cameras",
    licence="For research only; not to be passed on or used commercially",
    citation="L. Zheng, L. Shen, L. Tian, S. Wang, J. Wang, Q. Tian, Scalable Person "
    "Re-identification: A Benchmark, ICCV 2015, https://doi.org/10.1109/ICCV.2015.133",
    homepage="https://zheng-lab.cecs.anu.edu.au/Project/project_reid.html",
    fingerprints={
        "re-identification": "02b2d94084420de4f65ca0de697dc76a884abfd27dee7562f7564036e1a685bd",
    },
    load=load_market1501,
    check=check_market1501,
    photographs=True,
    by_hand="Get Market-1501-v15.09.15.zip from the authors at "
    "https://zheng-lab.cecs.anu.edu.au/Project/project_reid.html and put it at "
    "market1501/Market-1501-v15.09.15.zip under the data root, or its unpacked folder at "
    "market1501/Market-1501-v15.09.15. (No checksum of it is published: names and pictures are "
    "checked by `proxy-bench data verify market1501`.)",
    archives=(
        Archive(
            path="market1501/Market-1501-v15.09.15.zip",
            checksum=None,
            into="market1501/Market-1501-v15.09.15",
        ),
    ),
)
