"""Omniglot: 1,623 handwritten characters of 50 alphabets, each drawn by 20 people."""

from pathlib import Path

import numpy as np

from bench.datasets.base import Dataset
from bench.datasets.omniglot_contents import ALPHABETS, CHARACTERS, DRAWINGS, FIRST_EVALUATION
from bench.datasets.omniglot_reading import PARTS, characters, examine, items
from bench.datasets.places import data_root
from bench.datasets.progress import Progress
from bench.datasets.source import Download, Source
from bench.datasets.splits import class_disjoint


def load_omniglot(root: Path | None, protocol: str) -> Dataset:
    """Load Omniglot: the 30 background alphabets train, the 20 evaluation alphabets test.

    Images (32460, 28, 28) uint8, white ink on black, area-averaged from 105x105 (the few-shot
    literature resizes with filters of its own and adds rotated classes; this does not).
    964 classes train, of which every fifth alphabet in order of name validates; 659 test.
    Reads ``images_background`` and ``images_evaluation`` in ``<root>/omniglot``: the zip archive
    where there is one, else the folder it was unpacked to. Raises FileNotFoundError where one is
    missing, ValueError for anything but the published drawings.
    """
    images, problems = examine(data_root("omniglot", root), lambda done, total: None)
    if problems:
        more = f" (and {len(problems) - 1:,} more problems)" if len(problems) > 1 else ""
        raise ValueError(
            f"omniglot is not as published: {problems[0]}{more}; "
            "`proxy-bench data verify omniglot` lists everything"
        )
    labels = np.repeat(np.arange(CHARACTERS), DRAWINGS)
    test = np.arange(FIRST_EVALUATION - 1, CHARACTERS)
    return Dataset(
        name="omniglot",
        images=images,
        labels=labels,
        class_names=tuple(character.split("/", 1)[1] for character in characters()),
        items=tuple(item for drawn in items() for item in drawn),
        split=class_disjoint(labels, validation=_validation_labels(), test=test),
    )


def check_omniglot(root: Path | None, report: Progress) -> list[str]:
    """Compare every drawing with the published ones; returns problems in words."""
    return examine(data_root("omniglot", root), report)[1]


def _validation_labels() -> np.ndarray:
    background = sorted(name for name, first in ALPHABETS.items() if first < FIRST_EVALUATION)
    held_out = background[4::5]
    alphabets = [character.split("/")[1] for character in characters()]
    return np.flatnonzero(np.isin(alphabets, held_out))


_ADDRESS = "https://raw.githubusercontent.com/brendenlake/omniglot/master/python"

OMNIGLOT = Source(
    title="Omniglot",
    description="1,623 handwritten characters of 50 alphabets, 20 drawings each; minutes per run",
    licence="MIT",
    citation="B. M. Lake, R. Salakhutdinov, J. B. Tenenbaum, Human-level concept learning through "
    "probabilistic program induction, Science 350 (2015), https://doi.org/10.1126/science.aab3050",
    homepage="https://github.com/brendenlake/omniglot",
    embedded=False,
    protocols=("class-disjoint",),
    fingerprints={
        "class-disjoint": "b4bf676d1ba9b28c4ecb19eee336683e28d11f09c2e97cc624bbdaee40d767e6",
    },
    files=(
        Download(
            url=f"{_ADDRESS}/{PARTS[0]}.zip",
            path=f"omniglot/{PARTS[0]}.zip",
            checksum="sha256:ad41ab679c8b5d90b271ef46be6987cc81211774a695c29dcc5367b2b26ee640",
            size=9464212,
        ),
        Download(
            url=f"{_ADDRESS}/{PARTS[1]}.zip",
            path=f"omniglot/{PARTS[1]}.zip",
            checksum="sha256:1f61a8f3366785b057fc117d9228e78a16e3d976c8953b2a10fcc74cf0609cee",
            size=6462886,
        ),
    ),
    load=load_omniglot,
    check=check_omniglot,
)
