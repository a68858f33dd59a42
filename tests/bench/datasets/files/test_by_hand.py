"""`data download` of archives that users get by hand: wrong and partial copies, and what to do."""

import dataclasses
import hashlib
import zipfile
from pathlib import Path

import numpy as np
import pytest

from bench.datasets import DATASETS, download
from bench.datasets.files.photographs import Photographs
from bench.datasets.files.work import quiet
from bench.datasets.source import Archive
from bench.datasets.splits import class_disjoint
from bench.datasets.types import Dataset
from tests.support.photographs import write_pictures

NAMES = tuple(f"{label}/{i}.png" for label in "abc" for i in range(2))
REPACKED = "is a re-packed copy: photographs sorted into train/"


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


def _put_archive(root: Path) -> None:
    """Put the official archive under the data root."""
    write_pictures(root.parent / "zoo", NAMES)
    with zipfile.ZipFile(root / "zoo.zip", "w") as archive:
        archive.writestr("zoo/list.txt", "")
        for name in NAMES:
            archive.write(root.parent / "zoo" / name, f"zoo/{name}")


def test_a_missing_archive_is_requested_and_a_complete_copy_stays(root: Path) -> None:
    missing = f"{root}/zoo.zip is missing, and you have to get it by hand. "
    with pytest.raises(FileNotFoundError, match=f"^{missing}Ask the keeper.$"):
        download("zoo", root, quiet)
    (root / "train").mkdir()
    with pytest.raises(FileNotFoundError, match=f"^{missing}{root} {REPACKED}\nAsk the keeper.$"):
        download("zoo", root, quiet)
    _put_archive(root)
    assert download("zoo", root, quiet) == [root / "zoo"]
    assert download("zoo", root, quiet) == []
    (root / "zoo.zip").unlink()
    assert download("zoo", root, quiet) == []


@pytest.mark.parametrize("brought", [True, False])
@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("a/0.png", "is not complete: missing or unreadable: a/0.png\n"),
        ("list.txt", ""),
        ("train", f"{REPACKED}\n"),
    ],
)
def test_a_partial_folder_is_named_and_stays_as_it_is(
    root: Path, brought: bool, name: str, wrong: str
) -> None:
    _put_archive(root)
    download("zoo", root, quiet)
    if name == "train":
        (root / "zoo" / "train").mkdir()
    else:
        (root / "zoo" / name).unlink()
    if not brought:
        (root / "zoo.zip").unlink()
    before = sorted(root.rglob("*"))
    with pytest.raises(FileExistsError) as caught:
        download("zoo", root, quiet)
    put = "" if brought else f", put the archive at {root}/zoo.zip"
    start = f"{root}/zoo exists but is not the whole data set; delete or rename it{put} and run"
    assert str(caught.value).startswith(start)
    assert str(caught.value).endswith(f"{wrong}Ask the keeper.")
    assert sorted(root.rglob("*")) == before
    (root / "zoo").rename(root / "old")
    if brought:
        assert download("zoo", root, quiet) == [root / "zoo"]


def test_an_empty_clone_is_named_with_what_to_do(tmp_path: Path) -> None:
    clone = tmp_path / "grocery_store" / "GroceryStoreDataset"
    with pytest.raises(FileNotFoundError, match=f"^Clone the .* {clone}") as caught:
        download("grocery_store", tmp_path, quiet)
    assert "DATA_ROOT" not in str(caught.value)
    clone.mkdir(parents=True)
    message = f"^train.txt is missing from {clone}\nClone the .* {clone}"
    with pytest.raises(FileNotFoundError, match=message):
        download("grocery_store", tmp_path, quiet)


def test_download_verifies_and_unpacks_archives(
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
    notes.write_bytes(b"other")
    with pytest.raises(ValueError, match=r"notes\.mat is not the official archive: found md5:\w+,"):
        download("cars196", tmp_path, quiet)
    assert not (tmp_path / "zoo/zoo").exists()
    notes.write_bytes(b"notes")
    assert download("cars196", tmp_path, quiet) == [notes, tmp_path / "zoo/zoo"]
    assert (tmp_path / "zoo/zoo/a/1.jpg").read_bytes() == b"one"


@pytest.mark.parametrize("name", ["cub200", "cub200_boxes", "cars196", "sop", "market1501"])
def test_what_to_get_by_hand_is_named(name: str, tmp_path: Path) -> None:
    source = DATASETS[name]
    message = f"{tmp_path / source.archives[0].path} is missing, and you have to get it by hand"
    with pytest.raises(FileNotFoundError, match=message) as error:
        download(name, tmp_path, quiet)
    assert "https://" in str(error.value)
    for archive in source.archives:
        assert archive.path in str(error.value)
