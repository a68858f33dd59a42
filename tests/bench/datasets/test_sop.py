"""Stanford Online Products: the genuine lists; damage and re-packed copies on a miniature."""

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest

from bench.datasets import load, sop
from bench.datasets.sop import KINDS, check_sop, load_sop
from tests.support.tiny import fill, jpeg, quiet, replace

HEADER = "image_id class_id super_class_id path"


def _lists(root: Path) -> tuple[list[str], list[str]]:
    train, test = (
        (root / "sop" / file).read_text().splitlines()[1:]
        for file in ("Ebay_train.txt", "Ebay_test.txt")
    )
    return train, test


@pytest.fixture
def miniature(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twelve products of two pictures train, three test; with the pictures."""
    folder = tmp_path / "sop"
    folder.mkdir()
    rows = [
        f"{2 * product + view + 1} {product + 1} {product % 3 + 1} "
        f"{KINDS[product % 3]}_final/{70 + product}_{view}.JPG"
        for product in range(15)
        for view in (0, 1)
    ]
    (folder / "Ebay_train.txt").write_text("\n".join([HEADER, *rows[:24]]) + "\n")
    (folder / "Ebay_test.txt").write_text("\n".join([HEADER, *rows[24:]]) + "\n")
    lists = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in sop.LISTS}
    monkeypatch.setattr(sop, "LISTS", lists)
    monkeypatch.setattr(sop, "COUNTS", {"Ebay_train.txt": 24, "Ebay_test.txt": 6})
    monkeypatch.setattr(sop, "TRAIN_CLASSES", 12)
    fill(folder, [row.split()[3] for row in rows])
    return folder


def _edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


def test_genuine_lists_have_the_published_counts(data_root: Path) -> None:
    products = load("sop", data_root, "class-disjoint")
    train, test = _lists(data_root)
    validation = [i for i, row in enumerate(train) if int(row.split()[1]) % 10 == 0]
    parts = products.split.parts()
    assert parts["validation"].tolist() == validation
    assert sorted([*parts["train"].tolist(), *validation]) == list(range(59551))
    assert parts["query"].tolist() == parts["gallery"].tolist() == list(range(59551, 120053))
    assert products.items == tuple(row.split()[3] for row in [*train, *test])
    labels = products.labels
    assert [len(np.unique(half)) for half in (labels[:59551], labels[59551:])] == [11318, 11316]
    assert len(products.class_names) == 22634
    assert products.class_names[0] == "bicycle 1"


def test_genuine_kinds_are_those_of_the_lists(data_root: Path) -> None:
    products = load("sop", data_root, "class-disjoint")
    train, test = _lists(data_root)
    assert products.coarse is not None
    assert set(products.coarse) == set(KINDS)
    for label, row in zip(products.labels.tolist(), [*train, *test], strict=True):
        assert products.coarse[label] == KINDS[int(row.split()[2]) - 1]


def test_the_undamaged_miniature_verifies(miniature: Path) -> None:
    seen: list[tuple[int, int]] = []
    assert check_sop(miniature.parent, lambda *step: seen.append(step)) == []
    assert seen == [(done, 30) for done in range(1, 31)]
    products = load_sop(miniature.parent, "class-disjoint")
    assert products.split.validation.tolist() == [18, 19]  # the tenth product
    assert products.split.query.tolist() == [24, 25, 26, 27, 28, 29]
    assert products.class_names[9:11] == ("bicycle 10", "cabinet 11")
    shutil.move(miniature, miniature.with_name("Stanford_Online_Products"))
    miniature.mkdir()
    shutil.move(miniature.with_name("Stanford_Online_Products"), miniature)
    assert check_sop(miniature.parent, quiet) == []


def test_every_damage_is_named(miniature: Path) -> None:
    (miniature / "chair_final/72_0.JPG").unlink()
    replace(miniature / "chair_final/75_1.JPG", jpeg()[:-20])
    replace(miniature / "bicycle_final/more.jpg", jpeg())
    _edit(miniature / "Ebay_train.txt", "\n8 4 1 ", "\n8 5 1 ")
    problems = check_sop(miniature.parent, quiet)
    assert problems[0].startswith(f"{miniature}/Ebay_train.txt is not the published file: SHA-256")
    assert problems[1:4] == [
        "image 8: bicycle_final/73_1.JPG is listed under another product than "
        "bicycle_final/73_0.JPG",
        "image 9: cabinet_final/74_0.JPG is listed under the product of bicycle_final/73_1.JPG",
        f"{miniature}: chair_final/72_0.JPG is missing",
    ]
    assert problems[4].startswith("chair_final/75_1.JPG is damaged and cannot be decoded")
    assert problems[5:] == [f"{miniature}: bicycle_final/more.jpg does not belong here"]


def test_a_mislabelled_photograph_changes_the_fingerprint(miniature: Path) -> None:
    before = load_sop(miniature.parent, "class-disjoint").fingerprint
    _edit(miniature / "Ebay_train.txt", "\n8 4 1 ", "\n8 5 1 ")
    assert load_sop(miniature.parent, "class-disjoint").fingerprint != before


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("\n8 4 1 bicycle_final/73_1.JPG", "", "lists 23 photographs, published are 24: a trimmed"),
        (HEADER, "id class super path", r"train\.txt, line 1: expected 'image_id class_id super_"),
        ("\n8 4 1 ", "\n8 four 1 ", r"train\.txt: class_id must be a number, found 'four'"),
        ("\n8 4 1 ", "\n8 4 ", r"train\.txt, line 9: expected 4 values, found 3"),
    ],
)
def test_unusable_lists_are_refused(miniature: Path, old: str, new: str, message: str) -> None:
    _edit(miniature / "Ebay_train.txt", old, new)
    with pytest.raises(ValueError, match=message):
        load_sop(miniature.parent, "class-disjoint")


def test_missing_lists_and_re_packed_copies_are_named(miniature: Path) -> None:
    (miniature / "Ebay_test.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"sop: Ebay_test\.txt; `proxy-bench data"):
        load_sop(miniature.parent, "class-disjoint")
    (miniature / "Info_Files").mkdir()
    with pytest.raises(ValueError, match="sop is a re-packed copy: lists in Info_Files/"):
        load_sop(miniature.parent, "class-disjoint")
    with pytest.raises(FileNotFoundError, match=r"looked for .*sop/Stanford_Online_Products and "):
        load_sop(miniature, "class-disjoint")
