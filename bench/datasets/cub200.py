"""CUB-200-2011: 11,788 photographs of 200 bird species, whole or cut to their bounding boxes."""

import dataclasses
from functools import partial
from pathlib import Path

import numpy as np

from bench.datasets.files.photographs import Photographs
from bench.datasets.files.verify import find_place, read_lists
from bench.datasets.source import Archive, Source
from bench.datasets.splits import class_disjoint, official
from bench.datasets.types import Dataset

LISTS = {  # SHA-256 (hex)
    "images.txt": "e1cfc5ed1f4bd1b838040784b6f75c44f7a25d9b31707a3adab49ec694618c1f",
    "image_class_labels.txt": "e9df8c96d897994a245746fe2c98914b9b31f5342bddc6e8b06bdfbf45e49b02",
    "train_test_split.txt": "8bbbfcc09b4d3c9c6e3e40c9874bd863eb6658f4f456e472df1b33d3403d2600",
    "classes.txt": "66a884364a73edde6c71eeb7fd5d8bb791e80979b64759bd6a5d5d209bdc02ba",
    "bounding_boxes.txt": "c19d9f096c15564793408e5ba054b8d715a6805819d98f037c977f369ef4abd3",
}
PLACES = ("cub200_2011/CUB_200_2011", "cub200_2011")
_FLICKR = f"*_{'[0-9]' * 7}*.jpg"  # numbers in names of 2010; those of 2011 have six digits
_CUB_2010 = (
    "holds CUB-200-2010 (6,033 photographs with the numbers of Flickr in their names, lists in "
    "lists/), not CUB-200-2011, which has other photographs"
)
_SORTED = "is a re-packed copy: photographs sorted into train/ and other folders"
OTHER_COPIES = {
    "lists": _CUB_2010,
    f"images/001.Black_footed_Albatross/{_FLICKR}": _CUB_2010,
    "images/train": _SORTED,
    "train": _SORTED,
    "001.Black_footed_Albatross": "is a re-packed copy: folders of classes without the lists",
}


def load_cub200(name: str, cut: bool, root: Path | None, protocol: str) -> Dataset:
    """Load CUB-200-2011 from its lists, without opening photographs.

    N = 11,788 in order of image id, items as in images.txt. Protocol "class-disjoint": classes 1 to
    100 train (5,864 images), of which 5, 10, ..., 100 validate; 101 to 200 test (5,924). Protocol
    "official": train_test_split.txt (5,994 / 5,794); every fifth training image of each class
    validates. ``cut`` cuts each photograph to its bounding box (bounding_boxes.txt).

    Raises: what ``read_lists`` raises.
    """
    folder = find_place(name, root, *PLACES)
    lists = read_lists(name, folder, LISTS, OTHER_COPIES)
    rows = {
        file: [line.split()[1:] for line in content.decode().splitlines()]
        for file, content in lists.items()
    }
    paths = tuple(path for (path,) in rows["images.txt"])
    labels = np.array(rows["image_class_labels.txt"], dtype=np.int64)[:, 0] - 1
    training = np.array(rows["train_test_split.txt"], dtype=np.int64)[:, 0] == 1
    boxes = np.array(rows["bounding_boxes.txt"], dtype=np.float64) if cut else None
    return Dataset(
        name=name,
        images=Photographs(folder, tuple(f"images/{path}" for path in paths), boxes),
        labels=labels,
        class_names=tuple(name for (name,) in rows["classes.txt"]),
        items=paths,
        split=official(labels, training)
        if protocol == "official"
        else class_disjoint(labels, validation=np.arange(4, 100, 5), test=np.arange(100, 200)),
    )


CUB200 = Source(
    title="Caltech-UCSD Birds-200-2011",
    description="11,788 photographs of 200 bird species",
    licence="Photographs of Flickr, under their owners' copyright; for non-commercial research and "
    "education only",
    citation="C. Wah, S. Branson, P. Welinder, P. Perona, S. Belongie, The Caltech-UCSD "
    "Birds-200-2011 Dataset, technical report CNS-TR-2011-001, California Institute of "
    "Technology (2011)",
    homepage="https://www.vision.caltech.edu/datasets/cub_200_2011/",
    fingerprints={
        "class-disjoint": "022dc90dc12ebb9214828df50c94419eb750036fd65c997a97ac0983fd91ff34",
        "official": "e13114492d2cc1e5c18c443fc5d3dbaffd6d8f48f3dd88d2acba08f61d4b6457",
    },
    load=partial(load_cub200, "cub200", False),
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
    load=partial(load_cub200, "cub200_boxes", True),
)
