"""Digits: the 1,797 handwritten digits, 8x8, which ship inside scikit-learn.

They are the test part of the UCI Optical Recognition of Handwritten Digits data set
(https://archive.ics.uci.edu/dataset/80).
"""

from pathlib import Path

import numpy as np

from bench.datasets.files.work import Progress
from bench.datasets.images import ArrayImages
from bench.datasets.source import Source
from bench.datasets.splits import class_disjoint, number_in_class, split_by_masks
from bench.datasets.types import Dataset

COUNT = 1797
CONTENT = "f6ee3cb097130f0305087e60d2317b79e86bdb89842b4da793fd009e7fa71cb3"


def load_digits(root: Path | None, protocol: str) -> Dataset:
    """Load the digits: 0-2 train, 3 and 4 validate, 5-9 test; or all of them in every part.

    Images (1797, 8, 8) uint8, white ink on black; the source's 0..16 counts of inked pixels become
    0..255. ``root`` is not used: the images are inside scikit-learn. Under "class-disjoint" the
    first half of the classes trains, as in the literature, and the last two of that half validate.
    Under "official" of every five images of a class, in order, the fourth validates and the fifth
    tests: UCI publishes no split of these images, so this one is the suite's own.
    """
    from sklearn import datasets

    bunch = datasets.load_digits()
    images = np.rint(bunch.images * (255 / 16)).astype(np.uint8)
    labels = bunch.target.astype(np.int64)
    fifth = number_in_class(labels) % 5
    items = tuple(f"{digit}/{position:04d}" for position, digit in enumerate(labels))
    return Dataset(
        name="digits",
        images=ArrayImages(images, items),
        labels=labels,
        class_names=tuple(str(digit) for digit in range(10)),
        items=items,
        split=split_by_masks("official", validation=fifth == 3, test=fifth == 4)
        if protocol == "official"
        else class_disjoint(labels, validation=np.array([3, 4]), test=np.arange(5, 10)),
    )


def check_digits(root: Path | None, report: Progress) -> list[str]:
    """Compare the installed scikit-learn's digits with the pinned pixels."""
    dataset = load_digits(root, "class-disjoint")
    report(len(dataset.items), COUNT)
    if dataset.checksum == CONTENT:
        return []
    return [f"digits: scikit-learn's pixels have checksum {dataset.checksum}, expected {CONTENT}"]


DIGITS = Source(
    title="Digits",
    description="1,797 handwritten digits of 8x8 pixels, from scikit-learn; seconds per run",
    licence="CC BY 4.0",
    citation="E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI, 1998",
    homepage="https://archive.ics.uci.edu/dataset/80",
    fingerprints={
        "class-disjoint": "77c3fca9be398b8d1ff626edfb0591f7914ccdcb3c0dd5472d577fab5eac0001",
        "official": "eee6ff8043d95a3f5db89186a077c06585f9cac8def96a56f570dfa40bfb1bf8",
    },
    load=load_digits,
    check=check_digits,
    embedded=True,
)
