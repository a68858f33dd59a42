"""CUB-200-2011: 11,788 photographs of 200 bird species, whole or cut to their bounding boxes."""

import dataclasses
from pathlib import Path

import numpy as np

from bench.datasets.cub200_attributes import wrong_attributes
from bench.datasets.cub200_reading import LISTS, Lists, mislabelled, read_lists
from bench.datasets.files.listed import changed, examine
from bench.datasets.files.photographs import Photographs
from bench.datasets.files.places import data_root, find_place
from bench.datasets.files.progress import Progress
from bench.datasets.source import Archive, Source
from bench.datasets.splits import Split, class_disjoint, official
from bench.datasets.types import Dataset

_PLACES = ("cub200_2011/CUB_200_2011", "cub200_2011")


def load_cub200(root: Path | None, protocol: str) -> Dataset:
    """Load CUB-200-2011 from its lists; no photograph is opened.

    N = 11,788 in order of image id, items as in images.txt. Protocol "class-disjoint": classes 1 to
    100 train (5,864 images), of which 5, 10, ..., 100 validate; 101 to 200 test (5,924). Protocol
    "official": train_test_split.txt (5,994 / 5,794), of whose training list every fifth image of
    each class validates. Raises FileNotFoundError naming the lists that are missing, ValueError for
    lists that are not as published and for re-packed copies, which it names.
    """
    return _load("cub200", root, protocol, cut=False)


def load_cub200_boxes(root: Path | None, protocol: str) -> Dataset:
    """The same data set with each photograph cut to its bounding box (bounding_boxes.txt)."""
    return _load("cub200_boxes", root, protocol, cut=True)


def check_cub200(root: Path | None, report: Progress) -> list[str]:
    """Compare lists, attributes and names with the published ones, decode every photograph."""
    return _check("cub200", root, report, cut=False)


def check_cub200_boxes(root: Path | None, report: Progress) -> list[str]:
    """The same, and compare each bounding box with its photograph."""
    return _check("cub200_boxes", root, report, cut=True)


def _check(name: str, root: Path | None, report: Progress, cut: bool) -> list[str]:
    folder = find_place(name, data_root(name, root), _PLACES)
    lists = read_lists(name, folder)
    problems = changed(folder, LISTS) + mislabelled(folder, lists) + wrong_attributes(folder)
    return problems + examine(_photographs(folder, lists, cut), ("images",), report)


def _load(name: str, root: Path | None, protocol: str, cut: bool) -> Dataset:
    folder = find_place(name, data_root(name, root), _PLACES)
    lists = read_lists(name, folder)
    return Dataset(
        name=name,
        images=_photographs(folder, lists, cut),
        labels=lists.labels,
        class_names=lists.class_names,
        items=lists.paths,
        split=_split(lists, protocol),
    )


def _photographs(folder: Path, lists: Lists, cut: bool) -> Photographs:
    names = tuple(f"images/{path}" for path in lists.paths)
    return Photographs(folder, names, lists.boxes if cut else None)


def _split(lists: Lists, protocol: str) -> Split:
    if protocol == "official":
        return official(lists.labels, lists.training)
    return class_disjoint(lists.labels, validation=np.arange(4, 100, 5), test=np.arange(100, 200))


CUB200 = Source(
    title="Caltech-UCSD Birds-200-2011",
    description="11,788 photographs of 200 bird species",
    licence="Photographs of Flickr, under their owners' copyright; for non-commercial research and "
    "education only",
    citation="C. Wah, S. Branson, P. Welinder, P. Perona, S. Belongie, The Caltech-UCSD "
    "Birds-200-2011 Dataset, technical report CNS-TR-2011-001, California Institute of "
    "Technology (2011)",
    homepage="https://www.vision.caltech.edu/datasets/cub_200_2011/",
    embedded=False,
    protocols=("class-disjoint", "official"),
    fingerprints={
        "class-disjoint": "022dc90dc12ebb9214828df50c94419eb750036fd65c997a97ac0983fd91ff34",
        "official": "e13114492d2cc1e5c18c443fc5d3dbaffd6d8f48f3dd88d2acba08f61d4b6457",
    },
    files=(),
    load=load_cub200,
    check=check_cub200,
    photographs=True,
    by_hand="Get CUB_200_2011.tgz (1.1 GB) from the authors at "
    "https://data.caltech.edu/records/65de6-vp158 and put it at cub200_2011/CUB_200_2011.tgz under "
    "the data root, or its unpacked folder at cub200_2011/CUB_200_2011.",
    archives=(
        Archive(
            path="cub200_2011/CUB_200_2011.tgz",
            checksum="md5:97eceeb196236b17998738112f37df78",
            into="cub200_2011/CUB_200_2011",
        ),
    ),
)

CUB200_BOXES = dataclasses.replace(
    CUB200,
    title=f"{CUB200.title}, cut to bounding boxes",
    description="the photographs of cub200, each cut to its bird",
    load=load_cub200_boxes,
    check=check_cub200_boxes,
)
