"""Market-1501: 36,036 pictures of 1,501 pedestrians, taken by six cameras."""

from pathlib import Path

import numpy as np

from bench.datasets.files.listed import examine
from bench.datasets.files.photographs import Photographs
from bench.datasets.files.places import data_root, find_place
from bench.datasets.files.progress import Progress
from bench.datasets.market1501.contents import FOLDERS, IDENTITIES
from bench.datasets.market1501.reading import differences, identity_and_camera, read_names
from bench.datasets.source import Archive, Source
from bench.datasets.splits import Split
from bench.datasets.types import Dataset


def load_market1501(root: Path | None, protocol: str) -> Dataset:
    """Load Market-1501 from the names in its folders; no photograph is opened.

    N = 36,036: bounding_box_train (12,936 of 751 identities, of which every tenth validates), query
    (3,368 of 750) and the gallery, bounding_box_test (19,732: 13,115 of those 750, 2,798 of the
    class "distractors", and 3,819 junk, label -1). Labels are the identities' numbers, 0 for
    distractors; cameras, 1 to 6, are in the names. Raises FileNotFoundError naming the folders that
    are missing, ValueError for photographs that are not those published.
    """
    folder = _find(root)
    names, others = read_names(folder)
    if problems := others + differences(folder, names):
        more = f" (and {len(problems) - 1:,} more problems)" if len(problems) > 1 else ""
        raise ValueError(
            f"market1501 is not as published: {problems[0]}{more}; "
            "`proxy-bench data verify market1501` lists everything"
        )
    parsed = [identity_and_camera(name) for part in FOLDERS for name in names[part]]
    labels, cameras = np.array(parsed, dtype=np.int64).T.copy()
    files = tuple(f"{part}/{name}" for part in FOLDERS for name in names[part])
    return Dataset(
        name="market1501",
        images=Photographs(folder, files),
        labels=labels,
        class_names=("distractors", *(f"{number:04d}" for number in range(1, IDENTITIES + 1))),
        items=files,
        split=_split(protocol, labels, [len(names[part]) for part in FOLDERS]),
        cameras=cameras,
    )


def check_market1501(root: Path | None, report: Progress) -> list[str]:
    """Compare the names in the folders with the published ones, decode every photograph."""
    folder = _find(root)
    names, _ = read_names(folder)
    files = tuple(f"{part}/{name}" for part in FOLDERS for name in names[part])
    return differences(folder, names) + examine(Photographs(folder, files), FOLDERS, report)


def _find(root: Path | None) -> Path:
    places = ("market1501/Market-1501-v15.09.15", "market1501")
    return find_place("market1501", data_root("market1501", root), places)


def _split(protocol: str, labels: np.ndarray, counts: list[int]) -> Split:
    training, query, gallery = np.split(np.arange(len(labels)), np.cumsum(counts)[:2])
    validating = np.isin(labels[training], np.unique(labels[training])[9::10])
    return Split(protocol, training[~validating], training[validating], query, gallery)


MARKET1501 = Source(
    title="Market-1501",
    description="36,036 pictures of 1,501 pedestrians, taken by six cameras",
    licence="For research only; not to be passed on or used commercially",
    citation="L. Zheng, L. Shen, L. Tian, S. Wang, J. Wang, Q. Tian, Scalable Person "
    "Re-identification: A Benchmark, ICCV 2015, https://doi.org/10.1109/ICCV.2015.133",
    homepage="https://zheng-lab.cecs.anu.edu.au/Project/project_reid.html",
    embedded=False,
    protocols=("re-identification",),
    fingerprints={
        "re-identification": "fdf29f139245d929b4c0e4d3d06e12be98d335caa74801cafc31107c1a7dcbe2",
    },
    files=(),
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
