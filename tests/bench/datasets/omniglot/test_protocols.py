"""Omniglot's further protocols: five alphabets, and the few-shot literature's rotated classes."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.datasets.omniglot import dataset as omniglot
from bench.datasets.omniglot.dataset import OMNIGLOT, load_omniglot
from bench.datasets.omniglot.protocols import MINIMAL, ROTATIONS, class_names, part_of
from bench.datasets.omniglot.reading import SMALL, characters, items
from bench.datasets.types import Dataset

EVALUATION = {name.split("/")[1] for name in characters() if name.startswith("images_evaluation")}
NOISE = np.random.default_rng(4).integers(0, 256, (32460, SMALL, SMALL), dtype=np.uint8)


@pytest.fixture(scope="module")
def datasets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Dataset]:
    """Every protocol under the genuine names, with noise in place of the drawings."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(omniglot, "examine", lambda root, report: (NOISE, []))
        root = tmp_path_factory.mktemp("without_runs")
        return {protocol: load_omniglot(root, protocol) for protocol in OMNIGLOT.protocols}


def _alphabets(dataset: Dataset, part: str) -> set[str]:
    labels = dataset.labels[dataset.split.parts()[part]]
    return {dataset.class_names[label].split("/")[0] for label in labels}


def _sizes(dataset: Dataset) -> list[tuple[int, int]]:
    """Images and classes of each part."""
    parts = dataset.split.parts().values()
    return [(len(part), len(np.unique(dataset.labels[part]))) for part in parts]


def test_every_split_is_the_pinned_one(datasets: dict[str, Dataset]) -> None:
    found = {protocol: dataset.fingerprint for protocol, dataset in datasets.items()}
    assert found == OMNIGLOT.fingerprints
    assert [dataset.split.protocol for dataset in datasets.values()] == list(found)


@pytest.mark.parametrize(
    ("protocol", "train", "validation", "held_out"),
    [
        ("minimal-1", (2200, 110), (520, 26), "Latin"),
        ("minimal-2", (2780, 139), (340, 17), "Tagalog"),
    ],
)
def test_minimal_protocols_use_five_background_alphabets(
    datasets: dict[str, Dataset],
    protocol: str,
    train: tuple[int, int],
    validation: tuple[int, int],
    held_out: str,
) -> None:
    dataset = datasets[protocol]
    assert _sizes(dataset) == [train, validation, (13180, 659), (13180, 659)]
    assert _alphabets(dataset, "validation") == {held_out}
    assert _alphabets(dataset, "train") == set(MINIMAL[protocol]) - {held_out}
    assert _alphabets(dataset, "query") == _alphabets(dataset, "gallery") == EVALUATION
    np.testing.assert_array_equal(dataset.pixels, datasets["class-disjoint"].pixels)


def test_vinyals_counts(datasets: dict[str, Dataset]) -> None:
    test = (33840, 1692)
    assert _sizes(datasets["vinyals"]) == [(82240, 4112), (13760, 688), test, test]
    assert datasets["vinyals"].pixels.shape == (129840, 28, 28)
    assert set(np.bincount(datasets["vinyals"].labels)) == {20}


def test_vinyals_parts_are_the_published_lists(data_root: Path) -> None:
    listed = {
        part: (data_root / "omniglot" / "vinyals_split" / f"{file}.txt").read_text().split()
        for part, file in (("train", "train"), ("validation", "val"), ("test", "test"))
    }
    assert sorted(name for names in listed.values() for name in names) == sorted(class_names())
    for part, names in listed.items():
        assert {part_of(name) for name in names} == {part}


def test_no_character_is_in_two_parts_in_whatever_turn(datasets: dict[str, Dataset]) -> None:
    dataset = datasets["vinyals"]
    parts = {
        part: {dataset.class_names[label].rsplit("/", 1)[0] for label in dataset.labels[positions]}
        for part, positions in dataset.split.parts().items()
    }
    sets = [parts["train"], parts["validation"], parts["query"]]
    assert [len(names) for names in sets] == [1028, 172, 423]
    assert len(set.union(*sets)) == 1623
    gurmukhi = [{name for name in names if name.startswith("Gurmukhi/")} for names in sets]
    assert [len(names) for names in gurmukhi] == [41, 0, 4]
    assert gurmukhi[2] == {f"Gurmukhi/character{number}" for number in range(42, 46)}


@pytest.mark.parametrize("character", [0, 191, 1622])
def test_a_turn_turns_against_the_clock(datasets: dict[str, Dataset], character: int) -> None:
    dataset = datasets["vinyals"]
    name, drawn = characters()[character].split("/", 1)[1], items()[character]
    for turn, rotation in enumerate(ROTATIONS):
        label = 4 * character + turn
        assert dataset.class_names[label] == f"{name}/{rotation}"
        positions = np.flatnonzero(dataset.labels == label)
        for person, position in enumerate(positions):
            upright = Image.fromarray(NOISE[20 * character + person])
            expected = np.asarray(upright.rotate(int(rotation[3:])))
            np.testing.assert_array_equal(dataset.pixels[position], expected)
            folder, file = drawn[person].rsplit("/", 1)
            assert dataset.items[position] == f"{folder}/{rotation}/{file}"
