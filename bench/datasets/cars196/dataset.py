"""Cars196: 16,185 photographs of 196 car models, in either of the two published layouts."""

from pathlib import Path

import numpy as np

from bench.datasets.cars196.annotations import CONTENT, Lists, read_lists
from bench.datasets.files.photographs import Photographs
from bench.datasets.files.verify import changed, examine
from bench.datasets.files.work import Progress
from bench.datasets.source import Archive, Source
from bench.datasets.splits import Split, class_disjoint, official
from bench.datasets.types import Dataset


def load_cars196(root: Path | None, protocol: str) -> Dataset:
    """Load Cars196 from its annotations, without opening photographs.

    N = 16,185 in order of the number in car_ims/, which is also the item, in both layouts: car_ims/
    with cars_annos.mat, and cars_train/ with cars_test/ and devkit/. Protocol "class-disjoint":
    classes 1 to 98 train (8,054 images), every fifth of them validates; 99 to 196 test (8,131).
    Protocol "official": the two halves (8,144 / 8,041); every fifth image of each class of the
    first validates. Classes are numbered as published, which is not quite alphabetical.

    Raises: FileNotFoundError with the missing lists; ValueError for lists that are not as published
    and for re-packed copies.
    """
    lists = read_lists(root)
    if lists.content != CONTENT:
        raise ValueError(
            f"the annotations in {lists.folder} are not those published: a class, a box or a part "
            "differs; `proxy-bench data verify cars196` says which file"
        )
    return Dataset(
        name="cars196",
        images=Photographs(lists.folder, lists.files),
        labels=lists.labels,
        class_names=lists.class_names,
        items=lists.items,
        split=_split(lists, protocol),
    )


def check_cars196(root: Path | None, report: Progress) -> list[str]:
    """Compare annotations and names with the published ones; decode every photograph."""
    lists = read_lists(root)
    problems = changed(lists.folder, lists.published) + _mislabelled(lists)
    folders = {name.split("/")[0] for name in lists.files}
    return problems + examine(Photographs(lists.folder, lists.files), folders, report)


def _mislabelled(lists: Lists) -> list[str]:
    """Problems: images of another class than the ones before and after, which agree.

    The numbers in car_ims/ run through one class after the other.
    """
    before, label, after = lists.labels[:-2], lists.labels[1:-1], lists.labels[2:]
    found = 1 + np.flatnonzero((before == after) & (label != before))
    return [
        f"image {lists.items[i]} of car_ims/ is labelled {lists.labels[i] + 1} among images "
        f"of class {lists.labels[i - 1] + 1}"
        for i in found
    ]


def _split(lists: Lists, protocol: str) -> Split:
    if protocol == "official":
        return official(lists.labels, ~lists.testing)
    return class_disjoint(lists.labels, validation=np.arange(4, 98, 5), test=np.arange(98, 196))


CARS196 = Source(
    title="Cars196 (Stanford Cars)",
    description="16,185 photographs of 196 car models",
    licence="Photographs from the web, under their owners' copyright; the authors state no "
    "licence: for research only",
    citation="J. Krause, M. Stark, J. Deng, L. Fei-Fei, 3D Object Representations for Fine-Grained "
    "Categorization, 3dRR workshop at ICCV 2013, https://doi.org/10.1109/ICCVW.2013.77",
    homepage="https://ai.stanford.edu/~jkrause/cars/car_dataset.html",
    fingerprints={
        "class-disjoint": "72219d77f99d23531d5d0977bc8c4b2f43ead8a9bdbf0d60eff40ec5410e8ffb",
        "official": "55c5964687048ee38534cdcb06abab2831b2db61beed0a42df86d91aa7a9d236",
    },
    load=load_cars196,
    check=check_cars196,
    photographs=True,
    by_hand="The authors' page, https://ai.stanford.edu/~jkrause/cars/car_dataset.html, has not "
    "answered since 2023 (https://github.com/pytorch/vision/issues/7545): ask colleagues for their "
    "copy. Put car_ims.tgz (1.9 GB) at cars196/car_ims.tgz and cars_annos.mat at "
    "cars196/cars_annos.mat under the data root. Of the other layout put the unpacked cars_train/, "
    "cars_test/ and devkit/ and cars_test_annos_withlabels.mat into cars196/; nothing is to be "
    "unpacked then, check with `proxy-bench data verify cars196`.",
    archives=(
        Archive(
            path="cars196/cars_annos.mat",
            checksum="md5:b407c6086d669747186bd1d764ff9dbc",
            into="cars196/cars_annos.mat",
        ),
        Archive(
            path="cars196/car_ims.tgz",
            checksum="md5:d5c8f0aa497503f355e17dc7886c3f14",
            into="cars196/car_ims",
        ),
    ),
)
