"""`data download` of what is brought by hand: wrong and half copies are told, with the way out."""

import dataclasses
import hashlib
import zipfile
from pathlib import Path

import numpy as np
import pytest

from bench.datasets import DATASETS, Archive, Dataset, class_disjoint, download
from bench.datasets.files.photographs import Photographs
from tests.support.photographs import write_pictures

NAMES = tuple(f"{label}/{i}.png" for label in "abc" for i in range(2))
REPACKED = "is a re-packed copy: photographs sorted into train/"


def _quiet(name: str, done: int, total: int | None) -> None:
    return None


def _load(root: Path | None, protocol: str) -> Dataset:
    """The data set zoo, a list and pictures; a folder train is the mark of a re-packed copy."""
    assert root is not None
    place = root / "zoo" if (root / "zoo").is_dir() else root
    if (place / "train").is_dir():
        raise ValueError(f"{place} {REPACKED}")
    if not (place / "list.txt").is_file():
        raise FileNotFoundError(f"list.txt is missing from {place}: `data download zoo` gets it")
    labels = np.repeat(np.arange(3), 2)
    split = class_disjoint(labels, validation=np.array([1]), test=np.array([2]))
    images = Photographs(place, NAMES)
    return Dataset("zoo", images, labels, ("a", "b", "c"), NAMES, split)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data root, where the set zoo is to be brought as zoo.zip."""
    source = dataclasses.replace(
        DATASETS["sop"],
        load=_load,
        archives=(Archive("zoo.zip", None, "zoo"),),
        by_hand="Ask the keeper.",
    )
    monkeypatch.setitem(DATASETS, "zoo", source)
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def _bring(root: Path) -> None:
    """The official archive, put in its place."""
    write_pictures(root.parent / "zoo", NAMES)
    with zipfile.ZipFile(root / "zoo.zip", "w") as archive:
        archive.writestr("zoo/list.txt", "")
        for name in NAMES:
            archive.write(root.parent / "zoo" / name, f"zoo/{name}")


def test_what_is_whole_stays_with_and_without_its_archive(root: Path) -> None:
    _bring(root)
    assert download("zoo", root, _quiet) == [root / "zoo"]
    assert download("zoo", root, _quiet) == []
    (root / "zoo.zip").unlink()
    assert download("zoo", root, _quiet) == []


def test_without_anything_there_is_said_what_to_bring_and_no_more(root: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        download("zoo", root, _quiet)
    told = f"{root}/zoo.zip is not there and must be brought by hand. Ask the keeper."
    assert str(caught.value) == told


def test_of_a_re_packed_copy_the_way_to_the_official_one_is_told(root: Path) -> None:
    (root / "train").mkdir()
    message = f"zoo.zip is not there .*{root} {REPACKED}\nAsk the keeper"
    with pytest.raises(FileNotFoundError, match=message):
        download("zoo", root, _quiet)
    _bring(root)  # what it says leads out
    assert download("zoo", root, _quiet) == [root / "zoo"]
    assert download("zoo", root, _quiet) == []


@pytest.mark.parametrize("brought", [True, False])
@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("a/0.png", "is not complete: missing or unreadable: a/0.png\n"),
        ("list.txt", ""),
        ("train", f"{REPACKED}\n"),
    ],
)
def test_a_half_folder_is_told_and_left_to_its_user(
    root: Path, brought: bool, name: str, wrong: str
) -> None:
    _bring(root)
    download("zoo", root, _quiet)
    if name == "train":
        (root / "zoo" / "train").mkdir()
    else:
        (root / "zoo" / name).unlink()
    if not brought:
        (root / "zoo.zip").unlink()
    before = sorted(root.rglob("*"))
    with pytest.raises(FileExistsError) as caught:
        download("zoo", root, _quiet)
    put = "" if brought else f", put the archive at {root}/zoo.zip"
    start = f"{root}/zoo is there but is not the whole data set; delete or rename it{put} and give"
    assert str(caught.value).startswith(start)
    assert str(caught.value).endswith(f"{wrong}Ask the keeper.")
    assert sorted(root.rglob("*")) == before
    (root / "zoo").rename(root / "old")
    if brought:
        assert download("zoo", root, _quiet) == [root / "zoo"]


def test_of_an_empty_clone_the_lack_and_the_way_out_are_told(tmp_path: Path) -> None:
    clone = tmp_path / "grocery_store" / "GroceryStoreDataset"
    with pytest.raises(FileNotFoundError, match=f"^Clone the .* {clone}") as caught:
        download("grocery_store", tmp_path, _quiet)
    assert "DATA_ROOT" not in str(caught.value)
    clone.mkdir(parents=True)
    message = f"^train.txt is missing from {clone}\nClone the .* {clone}"
    with pytest.raises(FileNotFoundError, match=message):
        download("grocery_store", tmp_path, _quiet)


def test_download_verifies_and_unpacks_what_was_brought(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "zoo").mkdir()
    archive = tmp_path / "zoo/zoo.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("zoo/a/1.jpg", b"one")
    notes = tmp_path / "zoo/notes.mat"
    archives = (
        Archive("zoo/notes.mat", f"md5:{hashlib.md5(b'notes').hexdigest()}", "zoo/notes.mat"),
        Archive("zoo/zoo.zip", f"md5:{hashlib.md5(archive.read_bytes()).hexdigest()}", "zoo/zoo"),
    )
    source = dataclasses.replace(DATASETS["cars196"], archives=archives, by_hand="Ask the keeper.")
    monkeypatch.setitem(DATASETS, "cars196", source)
    with pytest.raises(FileNotFoundError, match=f"{notes} is not there .* by hand. Ask the keeper"):
        download("cars196", tmp_path, _quiet)
    assert not (tmp_path / "zoo/zoo").exists()
    notes.write_bytes(b"other")
    with pytest.raises(ValueError, match=r"notes\.mat is not the official archive: found md5:\w+,"):
        download("cars196", tmp_path, _quiet)
    notes.write_bytes(b"notes")
    assert download("cars196", tmp_path, _quiet) == [notes, tmp_path / "zoo/zoo"]
    assert (tmp_path / "zoo/zoo/a/1.jpg").read_bytes() == b"one"


@pytest.mark.parametrize("name", ["cub200", "cub200_boxes", "cars196", "sop", "market1501"])
def test_what_must_be_brought_is_told(name: str, tmp_path: Path) -> None:
    source = DATASETS[name]
    message = f"{tmp_path / source.archives[0].path} is not there and must be brought by hand"
    with pytest.raises(FileNotFoundError, match=message) as error:
        download(name, tmp_path, _quiet)
    assert "https://" in str(error.value)
    for archive in source.archives:
        assert archive.path in str(error.value)
