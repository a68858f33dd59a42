"""Genuine lists have the published counts, and lists without photographs are one problem."""

from pathlib import Path

import pytest

from bench.datasets import load, verify
from tests.support.tiny import quiet

# Images that train and validate, and that test; classes of training with validation, validation
# and test.
SPLITS = {
    "digits": (901, 896, range(5), range(3, 5), range(5, 10)),
    "cub200": (5864, 5924, range(100), range(4, 100, 5), range(100, 200)),
    "cars196": (8054, 8131, range(98), range(4, 98, 5), range(98, 196)),
    "sop": (59551, 60502, range(11318), range(9, 11318, 10), range(11318, 22634)),
    "grocery_store": (3051, 2370, range(41), range(4, 41, 5), range(41, 81)),
}


@pytest.mark.parametrize("name", SPLITS)
def test_class_disjoint_has_the_published_counts(name: str, data_root: Path) -> None:
    seen, tested, *classes = SPLITS[name]
    dataset = load(name, data_root, "class-disjoint")
    parts = {part: positions.tolist() for part, positions in dataset.split.parts().items()}
    assert dataset.split.protocol == "class-disjoint"
    assert parts["query"] == parts["gallery"]
    found = [parts["train"] + parts["validation"], parts["validation"], parts["query"]]
    assert (len(found[0]), len(found[2])) == (seen, tested)
    assert [set(dataset.labels[part].tolist()) for part in found] == [*map(set, classes)]


@pytest.mark.parametrize(
    ("name", "item", "first", "last"),
    [
        ("cub200", "images/001.", "001.Black_footed_Albatross", "200.Common_Yellowthroat"),
        ("cars196", "car_ims/000001.jpg", "AM General Hummer SUV 2000", "smart fortwo"),
        ("sop", "bicycle_final/111085122871_0.JPG", "bicycle 1", "toaster 22634"),
    ],
)
def test_lists_without_photographs_are_one_problem(
    name: str, item: str, first: str, last: str, data_root: Path
) -> None:
    dataset = load(name, data_root, "class-disjoint")
    assert dataset.class_names[0] == first
    assert dataset.class_names[-1].startswith(last)
    (problem,) = verify(name, data_root, quiet)
    start = f"all {len(dataset.items):,} files are missing, as {item}"
    assert problem.split(": ", 1)[1].startswith(start)
