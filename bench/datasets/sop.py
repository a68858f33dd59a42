"""Stanford Online Products: 120,053 photographs of 22,634 products on offer, of twelve kinds."""

from pathlib import Path

import numpy as np

from bench.datasets.files.photographs import Photographs
from bench.datasets.files.verify import find_place, read_lists
from bench.datasets.source import Archive, Source
from bench.datasets.splits import class_disjoint
from bench.datasets.types import Dataset

TRAIN_CLASSES = 11_318
LISTS = {  # SHA-256 (hex)
    "Ebay_train.txt": "77abb1e82af49f2f1f272dc6bd0b8480904f58742091764f9511b152cad1824e",
    "Ebay_test.txt": "63d559dc1ca1e03671224c58a26b18985bbff22ae20344d41dabcfe3873cc276",
}
OTHER_COPIES = {"Info_Files": "is a re-packed copy: lists in Info_Files/, photographs in images/"}


def load_sop(root: Path | None, protocol: str) -> Dataset:
    """Load Stanford Online Products from its lists, without opening photographs.

    N = 120,053 in order of image id, items as in the lists. The official lists are class-disjoint:
    Ebay_train.txt trains (59,551 images of 11,318 products), and every tenth product of it
    validates; Ebay_test.txt tests (60,502 of 11,316). coarse holds each product's kind.

    Raises: what ``read_lists`` raises.
    """
    folder = find_place("sop", root, "sop/Stanford_Online_Products", "sop")
    lists = read_lists("sop", folder, LISTS, OTHER_COPIES)
    rows = [line.split() for file in lists for line in lists[file].decode().splitlines()[1:]]
    paths = tuple(path for *_, path in rows)
    products = np.array([int(row[1]) for row in rows])
    classes, first, labels = np.unique(products, return_index=True, return_inverse=True)
    kinds = [paths[i].split("/")[0].removesuffix("_final") for i in first]
    return Dataset(
        name="sop",
        images=Photographs(folder, paths),
        labels=labels.astype(np.int64),
        class_names=tuple(f"{k} {c}" for k, c in zip(kinds, classes.tolist(), strict=True)),
        items=paths,
        split=class_disjoint(
            labels,
            validation=np.arange(9, TRAIN_CLASSES, 10),
            test=np.arange(TRAIN_CLASSES, len(classes)),
        ),
        coarse=tuple(kinds),
    )


SOP = Source(
    title="Stanford Online Products",
    description="120,053 photographs of 22,634 products; class-disjoint are the official lists",
    licence="Photographs of offers on eBay, under their owners' copyright; the authors state no "
    "licence: for research only",
    citation="H. Oh Song, Y. Xiang, S. Jegelka, S. Savarese, Deep Metric Learning via Lifted "
    "Structured Feature Embedding, CVPR 2016, https://arxiv.org/abs/1511.06452",
    homepage="https://cvgl.stanford.edu/projects/lifted_struct/",
    fingerprints={
        "class-disjoint": "fe384e01076222705c81707babec922df8c4c6626d1d3ff1fa9df99ace8e2744",
    },
    load=load_sop,
    photographs=True,
    by_hand="Get Stanford_Online_Products.zip (2.9 GB) from the authors at "
    "https://cvgl.stanford.edu/projects/lifted_struct/ and put it at "
    "sop/Stanford_Online_Products.zip under the data root, or its unpacked folder at "
    "sop/Stanford_Online_Products.",
    archives=(
        Archive(
            path="sop/Stanford_Online_Products.zip",
            checksum="md5:7f73d41a2f44250d4779881525aea32e",
            into="sop/Stanford_Online_Products",
        ),
    ),
)
