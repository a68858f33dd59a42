"""Grocery Store: 5,421 photographs of fruit, vegetables and cartons, taken in shops."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from bench.datasets.files.photographs import Photographs
from bench.datasets.files.verify import find_place, published
from bench.datasets.source import Source
from bench.datasets.splits import class_disjoint, split_by_masks
from bench.datasets.types import Dataset

REPOSITORY = "GroceryStoreDataset-master"
PLACES = tuple(
    f"grocery_store/{name}" for name in (f"{REPOSITORY}.zip", REPOSITORY, "GroceryStoreDataset")
)
PARTS = ("train", "val", "test")
LISTS = {  # SHA-256 (hex)
    "train.txt": "b6d6a4d25fc2a7604f4bbd4e8010516f3bb643f727fc60ef5fca042edd01294f",
    "val.txt": "a2a2bdf8ce34196c1a1dd554bd67e780793aab9363dd40d6cf50fe2d168a78b6",
    "test.txt": "9a464934780665c0024db405571c0dd2d149488a245f476557de7f1c31cf8a93",
    "classes.csv": "c069970ae22a3ccf95a15e24e2e9ba49e6d90acce63d7e16fb9e4f3a4c93ecff",
}
TRAINED = 41  # of 81 classes, in order of label, under the class-disjoint protocol


def load_grocery_store(root: Path | None, protocol: str) -> Dataset:
    """Load the photographs' names, their 81 classes and the 43 coarse classes above them.

    official: the repository's lists; 2,640 images train, 296 (of 60 classes) validate, 2,485 are
    query and gallery. class-disjoint, a split of the suite's own: of the images of all three lists,
    the first 41 classes in order of label train, every fifth of them validates, and the other 40
    test. Reads the repository's zip archive in ``<root>/grocery_store``, or the repository cloned
    or unpacked there.

    Raises: FileNotFoundError without either; ValueError for a list that is not the published one.
    """
    place, inside, lists = _read(root)
    rows = [line.split(", ") for part in PARTS for line in lists[f"{part}.txt"].splitlines()]
    names = tuple(name for name, _, _ in rows)
    labels = np.array([int(label) for _, label, _ in rows], dtype=np.int64)
    classes = list(csv.DictReader(io.StringIO(lists["classes.csv"])))
    parts = np.array([name.split("/")[0] for name in names])
    return Dataset(
        name="grocery_store",
        images=Photographs(place, names, inside=inside),
        labels=labels,
        class_names=tuple(row["Class Name (str)"] for row in classes),
        items=names,
        split=split_by_masks("official", validation=parts == "val", test=parts == "test")
        if protocol == "official"
        else class_disjoint(labels, np.arange(TRAINED)[4::5], np.arange(TRAINED, len(classes))),
        coarse=tuple(row["Coarse Class Name (str)"] for row in classes),
    )


def _read(root: Path | None) -> tuple[Path, str, Mapping[str, str]]:
    """The archive or folder, the folder inside it, and the published lists by name."""
    place = find_place("grocery_store", root, *PLACES)
    inside = "dataset" if place.is_dir() else f"{REPOSITORY}/dataset"
    with Photographs(place, (), inside=inside).opened() as opened:
        contents = {name: opened.read(name) for name in LISTS}
    lists = published("grocery_store", place / inside, contents, LISTS)
    return place, inside, {name: content.decode() for name, content in lists.items()}


GROCERY_STORE = Source(
    title="Grocery Store",
    description="5,421 photographs of 81 kinds of fruit, vegetables and cartons in shops",
    licence="MIT",
    citation="M. Klasson, C. Zhang, H. Kjellström, A Hierarchical Grocery Store Image Dataset with "
    "Visual and Semantic Labels, WACV 2019, https://arxiv.org/abs/1901.00711",
    homepage="https://github.com/marcusklasson/GroceryStoreDataset",
    fingerprints={
        "official": "791db13f2e2590e900ca8912814b955b0084ec581ae4fbe903b5aafb245ef7bd",
        "class-disjoint": "de339fb64df3debad2942b67141d7f546ed606eca6f3319ce838961f0786319a",
    },
    load=load_grocery_store,
    photographs=True,
    by_hand="Clone the repository into the folder grocery_store of the data root: `git clone "
    "--depth 1 https://github.com/marcusklasson/GroceryStoreDataset DATA_ROOT/grocery_store/"
    "GroceryStoreDataset`. Or save "
    "https://github.com/marcusklasson/GroceryStoreDataset/archive/refs/heads/master.zip as "
    "DATA_ROOT/grocery_store/GroceryStoreDataset-master.zip; it is read as it is, and has no "
    "checksum because GitHub packs it for every request.",
)
