"""Stanford Online Products: 120,053 photographs of 22,634 products on offer, of twelve kinds."""

from itertools import pairwise
from pathlib import Path

import numpy as np

from bench.datasets.files.photographs import Photographs
from bench.datasets.files.verify import changed, examine, find_place, read_rows, require
from bench.datasets.files.work import Progress
from bench.datasets.source import Archive, Source
from bench.datasets.splits import class_disjoint
from bench.datasets.types import Dataset

KINDS = (
    "bicycle",
    "cabinet",
    "chair",
    "coffee_maker",
    "fan",
    "kettle",
    "lamp",
    "mug",
    "sofa",
    "stapler",
    "table",
    "toaster",
)
TRAIN_CLASSES = 11_318

# Photographs in each list and its SHA-256 (hex).
COUNTS = {"Ebay_train.txt": 59_551, "Ebay_test.txt": 60_502}
LISTS = {
    "Ebay_train.txt": "77abb1e82af49f2f1f272dc6bd0b8480904f58742091764f9511b152cad1824e",
    "Ebay_test.txt": "63d559dc1ca1e03671224c58a26b18985bbff22ae20344d41dabcfe3873cc276",
}
_HEADER = ["image_id", "class_id", "super_class_id", "path"]
_ADVICE = "get the official archive: `proxy-bench data download sop` shows how"


def load_sop(root: Path | None, protocol: str) -> Dataset:
    """Load Stanford Online Products from its lists, without opening photographs.

    N = 120,053 in order of image id, items as in the lists. The official lists are class-disjoint:
    Ebay_train.txt trains (59,551 images of 11,318 products), and every tenth product of it
    validates; Ebay_test.txt tests (60,502 of 11,316). coarse holds each product's kind.

    Raises: FileNotFoundError with the missing lists; ValueError for lists that are not as published
    and for re-packed copies.
    """
    folder, rows = _read_lists(root)
    products = np.array([int(row[1]) for row in rows])
    classes, first, labels = np.unique(products, return_index=True, return_inverse=True)
    kinds = [_kind(rows[position][3]) for position in first]
    return Dataset(
        name="sop",
        images=Photographs(folder, tuple(row[3] for row in rows)),
        labels=labels.astype(np.int64),
        class_names=tuple(f"{k} {c}" for k, c in zip(kinds, classes.tolist(), strict=True)),
        items=tuple(row[3] for row in rows),
        split=class_disjoint(
            labels,
            validation=np.arange(9, TRAIN_CLASSES, 10),
            test=np.arange(TRAIN_CLASSES, len(classes)),
        ),
        coarse=tuple(kinds),
    )


def check_sop(root: Path | None, report: Progress) -> list[str]:
    """Compare lists and names with the published ones; decode every photograph."""
    folder, rows = _read_lists(root)
    problems = changed(folder, LISTS) + _mislabelled(rows)
    photographs = Photographs(folder, tuple(row[3] for row in rows))
    return problems + examine(photographs, [f"{kind}_final" for kind in KINDS], report)


def _read_lists(root: Path | None) -> tuple[Path, list[list[str]]]:
    """The folder, and the rows of both lists: image, product and kind (numbers from 1), path."""
    folder = find_place("sop", root, "sop/Stanford_Online_Products", "sop")
    if (folder / "Info_Files").is_dir():
        raise ValueError(
            f"{folder} is a re-packed copy: lists in Info_Files/, photographs in images/; {_ADVICE}"
        )
    require("sop", folder, LISTS)
    rows: list[list[str]] = []
    for file, count in COUNTS.items():
        header, *listed = read_rows(folder / file, len(_HEADER)) or [[]]
        if header != _HEADER:
            raise ValueError(f"{folder / file}, line 1: expected {' '.join(_HEADER)!r}")
        if len(listed) != count:
            raise ValueError(
                f"{folder / file} lists {len(listed):,} photographs, published are {count:,}: a "
                f"trimmed or extended copy; {_ADVICE}"
            )
        if odd := [row for row in listed if not row[1].isdecimal()]:
            raise ValueError(f"{folder / file}: class_id must be a number, found {odd[0][1]!r}")
        rows += listed
    return folder, rows


def _mislabelled(rows: list[list[str]]) -> list[str]:
    """Problems: photographs of another product than that of their paths.

    In the lists a product is one eBay item, whose number begins the file's name, and its
    photographs follow each other.
    """
    problems = []
    for (_, other, _, before), (image, product, _, path) in pairwise(rows):
        if (other == product) != (_item(before) == _item(path)):
            listed = "the product of" if other == product else "another product than"
            problems.append(f"image {image}: {path} is listed under {listed} {before}")
    return problems


def _kind(path: str) -> str:
    return path.split("/")[0].removesuffix("_final")


def _item(path: str) -> str:
    return path.rsplit("_", 1)[0]


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
    check=check_sop,
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
