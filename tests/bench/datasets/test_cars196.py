"""Cars196: both published layouts give the same data set; damage and re-packed copies."""

import shutil
from collections import Counter
from pathlib import Path

import pytest
from scipy.io import loadmat

from bench.datasets import load, verify
from bench.datasets.files.photographs import Photographs
from tests.support.tiny import decode_only, fill

BOX = ("bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2")
LABELLED = "devkit/cars_test_annos_withlabels.mat"
TOGETHER = [f"car_ims/{number:06d}.jpg" for number in range(1, 16186)]
APART = [f"cars_train/{number:05d}.jpg" for number in range(1, 8145)]
APART += [f"cars_test/{number:05d}.jpg" for number in range(1, 8042)]


@pytest.fixture
def together(data_root: Path, tmp_path: Path) -> Path:
    """The data root of the layout of car_ims/, without pictures."""
    (tmp_path / "together/cars196").mkdir(parents=True)
    shutil.copyfile(data_root / "cars196/cars_annos.mat", _annos(tmp_path / "together"))
    return tmp_path / "together"


@pytest.fixture
def apart(data_root: Path, tmp_path: Path) -> Path:
    """The data root of the layout of the devkit, without pictures."""
    devkit = tmp_path / "apart/cars196/devkit"
    shutil.copytree(data_root / "cars196/devkit", devkit, copy_function=shutil.copyfile)
    devkit.chmod(0o755)
    return tmp_path / "apart"


def _annos(root: Path) -> Path:
    return root / "cars196/cars_annos.mat"


@pytest.mark.parametrize("protocol", ["class-disjoint", "official"])
def test_both_layouts_are_one_data_set(together: Path, apart: Path, protocol: str) -> None:
    one, other = load("cars196", together, protocol), load("cars196", apart, protocol)
    assert one.fingerprint == other.fingerprint
    assert one.items == other.items
    assert isinstance(other.images, Photographs)
    assert sorted(other.images.names) == sorted(APART)


def test_both_layouts_have_one_content_in_the_order_of_car_ims(together: Path, apart: Path) -> None:
    """Class, part and box of every image agree, so its number in car_ims/ is right."""
    fields = ("class", *BOX)
    one = loadmat(_annos(together), squeeze_me=True)["annotations"]
    paths = (apart / "cars196/devkit/cars_train_annos.mat", apart / "cars196" / LABELLED)
    lists = [loadmat(path, squeeze_me=True)["annotations"] for path in paths]
    rows = {
        f"{folder}/{row['fname']}": tuple(int(row[field]) for field in fields)
        for folder, table in zip(("cars_train", "cars_test"), lists, strict=True)
        for row in table
    }
    images = load("cars196", apart, "official").images
    assert isinstance(images, Photographs)
    found = [(name.startswith("cars_test"), *rows[name]) for name in images.names]
    expected = [tuple(int(row[field]) for field in ("test", *fields)) for row in one]
    assert found == expected
    counts = Counter(found)
    assert [i for i, row in enumerate(found) if counts[row] > 1] == [9764, 10095]  # the equal ones


def test_tiny_pictures_in_both_layouts_verify(
    together: Path, apart: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode_only([*TOGETHER[::40], *APART[::40]], monkeypatch)
    shutil.move(apart / "cars196" / LABELLED, apart / "cars196")  # where it was published
    seen: list[tuple[int, int]] = []
    for root, names in ((together, TOGETHER), (apart, APART)):
        fill(root / "cars196", names)
        assert verify("cars196", root, lambda *step: seen.append(step)) == []
        assert seen[-1] == (405, 405)


def test_other_folders_beside_the_official_ones_do_no_harm(together: Path, apart: Path) -> None:
    fill(together / "cars196", ["car_ims/000001.jpg", "cars_train/00001.jpg", "train/x/1.jpg"])
    shutil.copytree(apart / "cars196/devkit", together / "cars196/devkit")
    cars = load("cars196", together, "official")
    assert isinstance(cars.images, Photographs)
    assert cars.images.names[0] == "car_ims/000001.jpg"
    fill(apart / "cars196", ["cars_train/00001.jpg", "train/x/1.jpg"])
    assert load("cars196", apart, "official").fingerprint == cars.fingerprint


def test_altered_annotations_are_refused(together: Path, apart: Path) -> None:
    train = apart / "cars196/devkit/cars_train_annos.mat"
    for root, path in ((together, _annos(together)), (apart, train)):
        path.write_bytes(path.read_bytes()[:-1])
        name = path.relative_to(root / "cars196")
        with pytest.raises(ValueError, match=f"{name} is not the published list: SHA-256 "):
            load("cars196", root, "class-disjoint")


def test_missing_lists_are_named(apart: Path) -> None:
    (apart / "cars196" / LABELLED).unlink()
    with pytest.raises(FileNotFoundError, match=r"devkit/cars_test_annos_withlabels\.mat; "):
        load("cars196", apart, "official")
    (apart / "cars196/devkit/cars_meta.mat").unlink()
    with pytest.raises(FileNotFoundError, match=r"devkit/cars_meta\.mat, devkit/cars_test_a"):
        load("cars196", apart, "official")
    shutil.rmtree(apart / "cars196/devkit")
    with pytest.raises(FileNotFoundError, match=r"missing from .*cars196: cars_annos\.mat; "):
        load("cars196", apart, "official")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("car_data/car_data/train/Acura TL Sedan 2012/00198.jpg", "by class, without the official"),
        ("train/Acura TL Sedan 2012/000100.jpg", "cars196 is a re-packed copy: photographs sorted"),
        ("cars_train/cars_train/00001.jpg", r"re-packed copy \(as stanford-cars-dataset\)"),
        ("cars_train/00001.jpg", r"missing from .*cars196: devkit/cars_train_annos\.mat, "),
    ],
)
def test_re_packed_copies_are_named(tmp_path: Path, name: str, expected: str) -> None:
    fill(tmp_path / "cars196", [name])
    with pytest.raises((ValueError, FileNotFoundError), match=expected):
        load("cars196", tmp_path, "official")
