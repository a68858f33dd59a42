"""Grocery Store: the genuine lists and their splits; a miniature in each of its three places."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from bench.datasets import grocery_store, load, verify
from bench.datasets.files.decode import FORMATS
from bench.datasets.files.photographs import Photographs
from bench.datasets.files.verify import examine
from bench.datasets.grocery_store import PLACES, load_grocery_store
from tests.support.photographs import pack, write_pictures
from tests.support.tiny import quiet

HEADER = "Class Name (str),Class ID (int),Coarse Class Name (str),Coarse Class ID (int),a,b\r\n"
CLASSES = HEADER + "Red-Pepper,0,Pepper,0,,\r\nLeek,1,Leek,1,,\r\nGreen-Pepper,2,Pepper,0,,"
ROWS = {
    "train": [("train/Pepper/Red_001.jpg", 0, 0), ("train/Leek_001.jpg", 1, 1)],
    "val": [("val/Leek_001.jpg", 1, 1), ("val/Leek_002.jpg", 1, 1)],
    "test": [(f"test/{name}.jpg", 2, 0) for name in "ab"],
}


def _text(part: str) -> str:
    return "".join(f"{name}, {fine}, {coarse}\n" for name, fine, coarse in ROWS[part])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A miniature repository, whose lists are pinned in place of the genuine ones."""
    texts = {f"{part}.txt": _text(part) for part in ROWS} | {"classes.csv": CLASSES}
    names = [name for part in ROWS for name, _, _ in ROWS[part]]
    dataset = tmp_path / "repository" / "dataset"
    write_pictures(dataset, [*names, "iconic/Leek/Leek_Iconic.jpg"])
    for name, text in texts.items():
        (dataset / name).write_bytes(text.encode())
        pinned = hashlib.sha256(text.replace("\r\n", "\n").encode()).hexdigest()
        monkeypatch.setitem(grocery_store.LISTS, name, pinned)
    monkeypatch.setenv("PROXY_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(grocery_store, "TRAINED", 2)
    return tmp_path / "repository"


def _place(folder: Path, place: str) -> Path:
    """Put the repository into one of its places under a data root."""
    root = folder.parent / "data"
    target = root / place
    target.parent.mkdir(parents=True)
    if target.suffix == ".zip":
        names = [p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()]
        pack(target, folder, names, "GroceryStoreDataset-master")
    else:
        folder.rename(target)
    return root


@pytest.mark.parametrize("place", PLACES)
def test_the_repository_is_read_in_each_of_its_places(folder: Path, place: str) -> None:
    root = _place(folder, place)
    dataset = load_grocery_store(root, "official")
    assert dataset.items == tuple(name for part in ROWS for name, _, _ in ROWS[part])
    assert dataset.labels.tolist() == [0, 1, 1, 1, 2, 2]
    assert dataset.class_names == ("Red-Pepper", "Leek", "Green-Pepper")
    assert dataset.coarse == ("Pepper", "Leek", "Pepper")
    parts = {part: positions.tolist() for part, positions in dataset.split.parts().items()}
    assert parts == {"train": [0, 1], "validation": [2, 3], "query": [4, 5], "gallery": [4, 5]}
    assert isinstance(dataset.images, Photographs)
    assert examine(dataset.images, quiet) == []


def test_a_list_that_is_not_the_published_one_is_refused(folder: Path) -> None:
    path = folder / "dataset" / "test.txt"
    path.write_text(path.read_text().replace("a.jpg, 2", "a.jpg, 1"))
    root = _place(folder, PLACES[1])
    message = r"dataset: test.txt is not the published list: SHA-256 \w{64}, expected \w{64}"
    for protocol in ("official", "class-disjoint"):
        with pytest.raises(ValueError, match=message):
            load_grocery_store(root, protocol)
    (problem,) = verify("grocery_store", root, quiet)
    assert "dataset: test.txt is not the published list" in problem


def test_missing_broken_and_surplus_photographs_are_listed(folder: Path) -> None:
    (folder / "dataset" / "val" / "Leek_002.jpg").unlink()
    (folder / "dataset" / "test" / "a.jpg").write_bytes(b"a note")
    write_pictures(folder / "dataset", ["train/Pepper/more.jpg", "iconic/more.jpg"])
    root = _place(folder, PLACES[2])
    place = root / PLACES[2]
    assert verify("grocery_store", root, quiet) == [
        f"{place}: dataset/val/Leek_002.jpg is missing",
        f"{place}: dataset/train/Pepper/more.jpg does not belong here",
        f"test/a.jpg is not an image file (6 bytes) of {', '.join(FORMATS)}",
    ]


def test_a_missing_list_and_a_missing_repository_are_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"looked for .*r.zip and .*master and .*Datas"):
        load_grocery_store(tmp_path, "official")
    (folder / "dataset" / "classes.csv").unlink()
    root = _place(folder, PLACES[1])
    with pytest.raises(ValueError, match=f"classes.csv is missing from {root / PLACES[1]}"):
        load_grocery_store(root, "official")


def test_the_genuine_lists_are_split_as_published(data_root: Path) -> None:
    dataset = load("grocery_store", data_root, "official")
    assert isinstance(dataset.images, Photographs)
    sizes = {part: len(positions) for part, positions in dataset.split.parts().items()}
    assert sizes == {"train": 2640, "validation": 296, "query": 2485, "gallery": 2485}
    assert (len(dataset.class_names), len(set(dataset.coarse or ()))) == (81, 43)
    named = {name: (dataset.coarse or ())[i] for i, name in enumerate(dataset.class_names)}
    assert (named["Golden-Delicious"], named["Zucchini"]) == ("Apple", "Zucchini")
    tested = np.bincount(dataset.labels[dataset.split.query])
    assert (len(tested), tested.min()) == (81, 10)  # so every query has something to find
    validated = np.bincount(dataset.labels[dataset.split.validation])
    assert np.count_nonzero(validated) == 60
    assert validated[validated > 0].min() == 3


def test_the_genuine_photographs_are_readable(data_root: Path) -> None:
    assert verify("grocery_store", data_root, quiet) == []
