"""Omniglot: 1,623 handwritten characters of 50 alphabets, each drawn by 20 people."""

from pathlib import Path

import numpy as np

from bench.datasets.files.verify import data_root, require_published
from bench.datasets.files.work import Progress
from bench.datasets.images import ArrayImages
from bench.datasets.omniglot.protocols import (
    ADDRESS,
    RUNS,
    alphabet_split,
    read_one_shot,
    rotated,
    runs_problems,
)
from bench.datasets.omniglot.reading import DRAWINGS, PARTS, characters, examine, items
from bench.datasets.source import Download, Source
from bench.datasets.types import Dataset


def load_omniglot(root: Path | None, protocol: str) -> Dataset:
    """Load Omniglot: background alphabets train, the 20 evaluation alphabets test.

    Images (32460, 28, 28) uint8, white ink on black, area-averaged from 105x105 (the few-shot
    literature resizes with filters of its own). Of the background classes, 964 of 30 alphabets
    under "class-disjoint", 136 and 156 of five under "minimal-1" and "minimal-2", those of every
    fifth alphabet in order of name validate; 659 test. Lake's one-shot runs are part of the data
    set if ``<root>/omniglot/all_runs.zip`` exists. Under "vinyals" classes and split are the
    few-shot literature's, with rotations and without runs: see ``rotated``.
    Reads ``images_background`` and ``images_evaluation`` in ``<root>/omniglot``: the zip archive
    if it exists, else the unpacked folder.

    Raises: FileNotFoundError if one is missing; ValueError for anything but the published drawings
    and runs.
    """
    images, problems = examine(root, lambda done, total: None)
    advice = "`proxy-bench data verify omniglot` lists everything"
    require_published("omniglot is", problems, advice)
    if protocol == "vinyals":
        return rotated(images)
    labels = np.repeat(np.arange(len(characters())), DRAWINGS)
    split = alphabet_split(labels, protocol)
    names = tuple(item for drawn in items() for item in drawn)
    return Dataset(
        name="omniglot",
        images=ArrayImages(images, names),
        labels=labels,
        class_names=tuple(character.split("/", 1)[1] for character in characters()),
        items=names,
        split=split,
        one_shot=read_one_shot(data_root("omniglot", root), images, split.query),
    )


def check_omniglot(root: Path | None, report: Progress) -> list[str]:
    """Compare every drawing, and the archive of the runs if it exists, with the published ones."""
    return examine(root, report)[1] + runs_problems(data_root("omniglot", root))


OMNIGLOT = Source(
    title="Omniglot",
    description="1,623 handwritten characters of 50 alphabets, 20 drawings each; minutes per run",
    licence="MIT",
    citation="B. M. Lake, R. Salakhutdinov, J. B. Tenenbaum, Human-level concept learning through "
    "probabilistic program induction, Science 350 (2015), https://doi.org/10.1126/science.aab3050",
    homepage="https://github.com/brendenlake/omniglot",
    fingerprints={
        "class-disjoint": "b4bf676d1ba9b28c4ecb19eee336683e28d11f09c2e97cc624bbdaee40d767e6",
        "minimal-1": "7da8e334c7701e936d60b6e5ebdfe084f5134a4636d04079b3b3dea466ba0199",
        "minimal-2": "c035e1d18fecdd9d7e14b00c1c07a42a86ae05ae942f04374801fd29085469f4",
        "vinyals": "78f476bd191cf70e27a7f16f142ce8daf195594d62b106a7346079842d7aabf5",
    },
    files=(
        Download(
            url=f"{ADDRESS}/{PARTS[0]}.zip",
            path=f"omniglot/{PARTS[0]}.zip",
            checksum="sha256:ad41ab679c8b5d90b271ef46be6987cc81211774a695c29dcc5367b2b26ee640",
            size=9464212,
        ),
        Download(
            url=f"{ADDRESS}/{PARTS[1]}.zip",
            path=f"omniglot/{PARTS[1]}.zip",
            checksum="sha256:1f61a8f3366785b057fc117d9228e78a16e3d976c8953b2a10fcc74cf0609cee",
            size=6462886,
        ),
        RUNS,
    ),
    load=load_omniglot,
    check=check_omniglot,
)
