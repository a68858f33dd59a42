"""Stanford Online Products: classes, lists and re-packed copies on a miniature."""

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from bench.datasets import DATASETS, sop, verify
from bench.datasets.sop import load_sop
from tests.support.tiny import fill, quiet

KINDS = ("bicycle", "cabinet", "chair")
HEADER = "image_id class_id super_class_id path"


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
    monkeypatch.setattr(sop, "TRAIN_CLASSES", 12)
    fill(folder, [row.split()[3] for row in rows])
    pinned = {"class-disjoint": load_sop(tmp_path, "class-disjoint").fingerprint}
    monkeypatch.setitem(DATASETS, "sop", replace(sop.SOP, fingerprints=pinned))
    return folder


def test_the_undamaged_miniature_verifies(miniature: Path) -> None:
    seen: list[tuple[int, int]] = []
    assert verify("sop", miniature.parent, lambda *step: seen.append(step)) == []
    assert seen == [(done, 30) for done in range(1, 31)]
    products = load_sop(miniature.parent, "class-disjoint")
    assert products.split.validation.tolist() == [18, 19]  # the tenth product
    assert products.split.query.tolist() == [24, 25, 26, 27, 28, 29]
    assert products.class_names[9:11] == ("bicycle 10", "cabinet 11")
    assert products.coarse == KINDS * 5
    assert products.items[:2] == ("bicycle_final/70_0.JPG", "bicycle_final/70_1.JPG")
    shutil.move(miniature, miniature.with_name("Stanford_Online_Products"))
    miniature.mkdir()
    shutil.move(miniature.with_name("Stanford_Online_Products"), miniature)
    assert verify("sop", miniature.parent, quiet) == []


def test_missing_lists_and_re_packed_copies_are_named(miniature: Path) -> None:
    (miniature / "Ebay_test.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"sop: Ebay_test\.txt; `proxy-bench data"):
        load_sop(miniature.parent, "class-disjoint")
    (miniature / "Info_Files").mkdir()
    with pytest.raises(ValueError, match="sop is a re-packed copy: lists in Info_Files/"):
        load_sop(miniature.parent, "class-disjoint")
    with pytest.raises(FileNotFoundError, match=r"looked for .*sop/Stanford_Online_Products and "):
        load_sop(miniature, "class-disjoint")
