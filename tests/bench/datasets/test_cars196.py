"""Cars196: both published layouts give the same data set; damage and re-packed copies."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from bench.datasets import load, verify
from bench.datasets.cars196 import dataset as module
from bench.datasets.files.photographs import Photographs
from tests.support.tiny import decode_only, fill, jpeg, quiet, replace

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


def _altered(path: Path, row: int, field: str, value: int | str) -> None:
    """Write the annotations with one value altered."""
    content: dict[str, Any] = {
        key: found for key, found in loadmat(path).items() if not key.startswith("__")
    }
    content["annotations"][0, row][field] = np.array([[value]])
    savemat(path, content)


def test_official_validates_with_every_fifth_training_image_of_a_class(together: Path) -> None:
    cars = load("cars196", together, "official")
    annotations = loadmat(_annos(together), squeeze_me=True)["annotations"]
    training: dict[int, list[int]] = {}
    for i, (image, test) in enumerate(zip(annotations["class"], annotations["test"], strict=True)):
        assert cars.labels[i] == image - 1
        if not test:
            training.setdefault(int(image), []).append(i)
    validation = sorted(i for positions in training.values() for i in positions[4::5])
    assert cars.split.validation.tolist() == validation
    assert len(cars.split.train) + len(validation) == 8144
    assert len(cars.split.query) == 8041


@pytest.mark.parametrize("protocol", ["class-disjoint", "official"])
def test_both_layouts_are_one_data_set(together: Path, apart: Path, protocol: str) -> None:
    one, other = load("cars196", together, protocol), load("cars196", apart, protocol)
    assert one.fingerprint == other.fingerprint
    assert one.items == other.items
    np.testing.assert_array_equal(one.labels, other.labels)
    for part, positions in one.split.parts().items():
        np.testing.assert_array_equal(positions, other.split.parts()[part])
    assert isinstance(other.images, Photographs)
    assert sorted(other.images.names) == sorted(APART)


def test_both_layouts_have_one_content_in_the_order_of_car_ims(together: Path, apart: Path) -> None:
    """Class, part and box of every image agree, so its number in car_ims/ is right."""
    one, other = module.read_lists(together), module.read_lists(apart)
    for field in ("labels", "testing", "boxes"):
        np.testing.assert_array_equal(getattr(one, field), getattr(other, field))
    rows = np.column_stack((one.labels, one.testing, one.boxes))
    _, inverse, counts = np.unique(rows, axis=0, return_inverse=True, return_counts=True)
    assert np.flatnonzero(counts[inverse] > 1).tolist() == [9764, 10095]  # the only equal ones


def test_other_files_than_those_of_the_devkit_are_refused(apart: Path) -> None:
    _altered(apart / "cars196/devkit/cars_train_annos.mat", 70, "fname", "8145.jpg")
    with pytest.raises(ValueError, match=r"does not list the published files 00001\.jpg and so on"):
        load("cars196", apart, "official")


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


def test_every_damage_is_named(together: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = together / "cars196"
    fill(folder, [*TOGETHER[:99], *TOGETHER[100:], "car_ims/016186.jpg"])
    decode_only(TOGETHER[:1], monkeypatch)
    replace(folder / TOGETHER[0], jpeg()[:-20])
    _altered(_annos(together), 999, "class", 3)
    problems = verify("cars196", together, quiet)
    assert problems[0].startswith(f"{_annos(together)} is not the published file: SHA-256 ")
    assert problems[1] == "image 001000.jpg of car_ims/ is labelled 3 among images of class 13"
    assert problems[2] == f"{folder}: car_ims/000100.jpg is missing"
    assert problems[3].startswith("car_ims/000001.jpg is damaged and cannot be decoded")
    assert problems[4:] == [f"{folder}: car_ims/016186.jpg does not belong here"]


def test_altered_annotations_of_the_devkit_are_refused(apart: Path) -> None:
    file = "devkit/cars_train_annos.mat"
    _altered(apart / "cars196" / file, 70, "class", 101)
    with pytest.raises(ValueError, match="are not those published: a class, a box or a part diff"):
        load("cars196", apart, "class-disjoint")
    assert f"{file} is not the published file: SHA-256" in verify("cars196", apart, quiet)[0]


def test_unusable_annotations_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("CLASSES", 2), ("TRAINING", 3), ("TESTING", 1)):
        monkeypatch.setattr(module, name, value)
    path = tmp_path / "cars196/cars_annos.mat"
    path.parent.mkdir()
    names = np.array(["Aston Martin V8", "Ford GT"], dtype=object)
    table = np.zeros(4, dtype=[(field, object) for field in ("relative_im_path", "class", *BOX)])
    table["class"] = [1, 2, 3, 1]
    table["relative_im_path"] = "car_ims/000001.jpg"
    for content, message in (
        ({"annotations": table[1:]}, "has 3 annotations, published are 4: a trimmed or extended"),
        ({"annotations": table}, r"cars_annos\.mat: classes are numbered 1 to 2"),
        (
            {"annotations": table["class"].astype([("class", object)])},
            r"cars_annos\.mat has no usable relative_im_path",
        ),
        ({"class_names": names}, r"cars_annos\.mat is damaged or has no annotations"),
    ):
        savemat(path, content)
        with pytest.raises(ValueError, match=message):
            load("cars196", tmp_path, "official")
    path.write_bytes(path.read_bytes()[:150])
    with pytest.raises(ValueError, match=r"cars_annos\.mat is damaged or has no annotations"):
        load("cars196", tmp_path, "official")


def test_missing_lists_are_named(apart: Path) -> None:
    (apart / "cars196" / LABELLED).unlink()
    message = "cars_test_annos_withlabels.mat is missing .* cars_test_annos.mat .* has no classes"
    with pytest.raises(FileNotFoundError, match=message):
        load("cars196", apart, "official")
    (apart / "cars196/devkit/cars_meta.mat").unlink()
    with pytest.raises(FileNotFoundError, match=r"cars196: devkit/cars_meta\.mat; "):
        load("cars196", apart, "official")
    shutil.rmtree(apart / "cars196/devkit")
    with pytest.raises(FileNotFoundError, match=r"cars_annos\.mat for car_ims/, or devkit/ for"):
        load("cars196", apart, "official")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("car_data/car_data/train/Acura TL Sedan 2012/00198.jpg", "by class, without the official"),
        ("train/Acura TL Sedan 2012/000100.jpg", "cars196 is a re-packed copy: photographs sorted"),
        ("cars_train/cars_train/00001.jpg", r"re-packed copy \(as stanford-cars-dataset\)"),
        ("cars_train/00001.jpg", "lacks the annotations: .* devkit/ for cars_train/"),
    ],
)
def test_re_packed_copies_are_named(together: Path, name: str, expected: str) -> None:
    fill(together / "cars196", [name])
    with pytest.raises((ValueError, FileNotFoundError), match=expected):
        load("cars196", together, "official")
