"""Cars196: 16,185 photographs of 196 car models, in either of the two published layouts."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from bench.datasets.files.photographs import Photographs
from bench.datasets.files.verify import find_place, read_lists
from bench.datasets.source import Archive, Source
from bench.datasets.splits import class_disjoint, official
from bench.datasets.types import Dataset

ANNOTATIONS = {  # SHA-256 (hex) of the lists of the layout with car_ims/
    "cars_annos.mat": "1cfb9206f1336038fc27c70a926e47d1c5d3ed0c870aec48cf5aa1b3880d42bf",
}
DEVKIT = {  # and of the layout with cars_train/ and cars_test/
    "devkit/cars_train_annos.mat": (
        "1c1973dd828a2964060b0bbc0e423466393fe3001a3f8e303f41fbf22067dfb1"
    ),
    "devkit/cars_meta.mat": "fe43dfda289448f97c25b09e09fafc0414e22fc4143831537780884a0a5f4a1a",
}
LABELLED = "cars_test_annos_withlabels.mat"  # published beside the devkit
LABELLED_DIGEST = "790f75be8ea34eeded134cc559332baf23e30e91367e9ddca97d26ed9b895f05"
_BY_CLASS = (
    "is a re-packed copy: photographs sorted into train/ and test/ by class, without the official "
    "annotations (as stanford-car-dataset-by-classes-folder)"
)
OTHER_COPIES = {
    "train": _BY_CLASS,
    "car_data": _BY_CLASS,
    "cars_train/cars_train": "is a re-packed copy (as stanford-cars-dataset): cars_train/ is "
    "inside cars_train/, and its cars_annos.mat numbers the photographs of car_ims/, not these; "
    "move them up one folder and add the official devkit/",
}


class Lists(NamedTuple):
    """The annotations in order of the images' numbers in car_ims/, and their folder.

    files: N photographs, relative to the folder; labels (N,) int64; testing (N,) bool;
    class_names: C.
    """

    folder: Path
    files: np.ndarray
    labels: np.ndarray
    testing: np.ndarray
    class_names: np.ndarray


def load_cars196(root: Path | None, protocol: str) -> Dataset:
    """Load Cars196 from its annotations, without opening photographs.

    N = 16,185 in order of the number in car_ims/, which is also the item, in both layouts: car_ims/
    with cars_annos.mat, and cars_train/ with cars_test/ and devkit/. Protocol "class-disjoint":
    classes 1 to 98 train (8,054 images), every fifth of them validates; 99 to 196 test (8,131).
    Protocol "official": the two halves (8,144 / 8,041); every fifth image of each class of the
    first validates. Classes are numbered as published, which is not quite alphabetical.

    Raises: what ``read_lists`` raises.
    """
    lists = _read(root)
    return Dataset(
        name="cars196",
        images=Photographs(lists.folder, tuple(lists.files.tolist())),
        labels=lists.labels,
        class_names=tuple(lists.class_names.tolist()),
        items=tuple(f"{number:06d}.jpg" for number in range(1, len(lists.files) + 1)),
        split=official(lists.labels, ~lists.testing)
        if protocol == "official"
        else class_disjoint(lists.labels, np.arange(4, 98, 5), test=np.arange(98, 196)),
    )


def _read(root: Path | None) -> Lists:
    """The annotations of the layout under the data root."""
    folder = find_place("cars196", root, "cars196")
    separate = (folder / "cars_train").is_dir() and not (folder / "car_ims").is_dir()
    devkit = (folder / "devkit").is_dir() and not (folder / "cars_annos.mat").is_file()
    return _read_devkit(folder) if separate or devkit else _read_car_ims(folder)


def _read_car_ims(folder: Path) -> Lists:
    """The layout of car_ims/ and cars_annos.mat."""
    read_lists("cars196", folder, ANNOTATIONS, OTHER_COPIES)
    path = folder / "cars_annos.mat"
    table, class_names = _variable(path, "annotations"), _variable(path, "class_names")
    labels, testing = table["class"].astype(np.int64) - 1, table["test"].astype(bool)
    return Lists(folder, table["relative_im_path"].astype(str), labels, testing, class_names)


def _read_devkit(folder: Path) -> Lists:
    """The layout of cars_train/, cars_test/ and devkit/.

    car_ims_numbers.npy holds the number that each of its photographs has in car_ims/. Class, part
    and box identify an image in both layouts, except for two test images of class 119 that share
    them, so that it does not matter which is which.
    """
    labelled = LABELLED if (folder / LABELLED).is_file() else f"devkit/{LABELLED}"
    read_lists("cars196", folder, DEVKIT | {labelled: LABELLED_DIGEST}, OTHER_COPIES)
    train = _variable(folder / "devkit/cars_train_annos.mat", "annotations")
    test = _variable(folder / labelled, "annotations")
    files = [f"cars_train/{name}" for name in train["fname"]]
    files += [f"cars_test/{name}" for name in test["fname"]]
    order = np.argsort(np.load(Path(__file__).with_name("car_ims_numbers.npy")))
    return Lists(
        folder,
        np.array(files)[order],
        np.concatenate((train["class"], test["class"])).astype(np.int64)[order] - 1,
        order >= len(train),
        _variable(folder / "devkit/cars_meta.mat", "class_names"),
    )


def _variable(path: Path, name: str) -> np.ndarray:
    from scipy.io import loadmat

    found: np.ndarray = loadmat(path, squeeze_me=True)[name]
    return found


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
    photographs=True,
    by_hand="The authors' page, https://ai.stanford.edu/~jkrause/cars/car_dataset.html, has not "
    "answered since 2023 (https://github.com/pytorch/vision/issues/7545): ask colleagues for their "
    "copy. Put car_ims.tgz (1.9 GB) at cars196/car_ims.tgz and cars_annos.mat at "
    "cars196/cars_annos.mat under the data root. Of the other layout put the unpacked cars_train/, "
    "cars_test/ and devkit/ and cars_test_annos_withlabels.mat (cars_test_annos.mat has no "
    "classes) into cars196/; nothing is to be unpacked then, check with `proxy-bench data "
    "verify cars196`.",
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
