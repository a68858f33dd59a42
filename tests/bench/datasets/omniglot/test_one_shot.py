"""Genuine Omniglot: counts, and Lake's twenty one-shot runs with their known error rate."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import KDTree

from bench.datasets import load
from bench.datasets.omniglot import dataset as omniglot
from bench.datasets.omniglot.dataset import OMNIGLOT
from bench.datasets.omniglot.reading import characters, decode, examine
from bench.datasets.splits import OneShot
from bench.datasets.types import Dataset
from tests.support.plain_hausdorff import inked, modified_hausdorff

Drawings = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def drawings(data_root: Path) -> Drawings:
    """The runs' 800 drawings (105, 105) bool by name."""
    with zipfile.ZipFile(data_root / "omniglot" / "all_runs.zip") as packed:
        names = [name for name in packed.namelist() if name.endswith(".png")]
        return {name: decode(name, packed.read(name)) for name in names}


@pytest.fixture(scope="module")
def datasets(data_root: Path) -> Iterator[dict[str, Dataset]]:
    """The data set by protocol; while it is used, the drawings are not examined again."""
    examined = examine(data_root, lambda done, total: None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(omniglot, "examine", lambda root, report: examined)
        yield {protocol: load("omniglot", data_root, protocol) for protocol in OMNIGLOT.protocols}


def test_genuine_data_has_the_published_counts_and_known_duplicate(
    datasets: dict[str, Dataset],
) -> None:
    dataset = datasets["class-disjoint"]
    sizes = {
        part: (len(positions), len(np.unique(dataset.labels[positions])))
        for part, positions in dataset.split.parts().items()
    }
    expected = {"train": (14620, 731), "validation": (4660, 233)}
    assert sizes == {**expected, "query": (13180, 659), "gallery": (13180, 659)}
    validating = dataset.labels[dataset.split.validation]
    held_out = {dataset.class_names[label].split("/")[0] for label in validating}
    background = {name.split("/")[1] for name in characters()[:964]}
    assert held_out == set(sorted(background)[4::5])
    braille = "images_background/Braille/character01/0192"
    one, other = (dataset.items.index(f"{braille}_{person}.png") for person in ("03", "19"))
    assert dataset.class_names[dataset.labels[one]] == "Braille/character01"
    np.testing.assert_array_equal(dataset.pixels[one], dataset.pixels[other])


def _runs(dataset: Dataset) -> OneShot:
    assert dataset.one_shot is not None
    return dataset.one_shot


def _answers(data_root: Path) -> list[list[str]]:
    """Of each run, which class file each item file belongs to, in order of items."""
    with zipfile.ZipFile(data_root / "omniglot" / "all_runs.zip") as packed:
        texts = [packed.read(f"run{n:02d}/class_labels.txt").decode() for n in range(1, 21)]
    return [[line.split()[1] for line in sorted(text.splitlines())] for text in texts]


def test_every_drawing_of_the_runs_is_pixel_for_pixel_the_published_one(
    data_root: Path, datasets: dict[str, Dataset], drawings: Drawings
) -> None:
    dataset = datasets["class-disjoint"]
    runs = _runs(dataset)
    with zipfile.ZipFile(data_root / "omniglot" / "images_evaluation.zip") as packed:
        for kind, positions in (("test/item", runs.query), ("training/class", runs.support)):
            assert positions.shape == (20, 20)
            assert positions.dtype == np.int64
            for (run, i), position in np.ndenumerate(positions):
                item = dataset.items[position]
                own = drawings[f"run{run + 1:02d}/{kind}{i + 1:02d}.png"]
                np.testing.assert_array_equal(decode(item, packed.read(item)), own)


def test_the_truth_is_the_published_one_and_agrees_with_the_labels(
    data_root: Path, datasets: dict[str, Dataset]
) -> None:
    dataset = datasets["class-disjoint"]
    runs = _runs(dataset)
    published = [[int(name[-6:-4]) - 1 for name in answers] for answers in _answers(data_root)]
    assert runs.truth.tolist() == published
    assert runs.truth.dtype == np.int64
    right = np.take_along_axis(runs.support, runs.truth, axis=1)
    np.testing.assert_array_equal(dataset.labels[right], dataset.labels[runs.query])
    assert (runs.query != right).all()


def test_protocols_with_the_evaluation_alphabets_in_test_have_the_runs(
    datasets: dict[str, Dataset],
) -> None:
    reference = _runs(datasets["class-disjoint"])
    for protocol in ("minimal-1", "minimal-2"):
        runs = _runs(datasets[protocol])
        np.testing.assert_array_equal(runs.support, reference.support)
        np.testing.assert_array_equal(runs.query, reference.query)
        np.testing.assert_array_equal(runs.truth, reference.truth)
    assert datasets["vinyals"].one_shot is None


@pytest.mark.slow
def test_modified_hausdorff_distance_errs_as_published(data_root: Path, drawings: Drawings) -> None:
    """38.8 percent, says https://github.com/brendenlake/omniglot of its demo: 155 of 400."""
    trees = {name: KDTree(inked(paper), leafsize=16) for name, paper in drawings.items()}
    wrong = 0
    for run, answers in enumerate(_answers(data_root), start=1):
        classes = [f"run{run:02d}/training/class{i:02d}.png" for i in range(1, 21)]
        for i, answer in enumerate(answers, start=1):
            item = trees[f"run{run:02d}/test/item{i:02d}.png"]
            costs = [modified_hausdorff(item, trees[name]) for name in classes]
            wrong += classes[int(np.argmin(costs))] != answer
    assert wrong / 400 == 0.3875
