"""CUB-200-2011: splits of the genuine lists, boxes, damage and re-packed copies."""

import shutil
from collections import Counter
from pathlib import Path

import pytest

from bench.datasets import load, verify
from bench.datasets.cub200 import LISTS
from bench.datasets.files.photographs import Photographs
from tests.support.tiny import decode_only, fill, jpeg, quiet, replace

FIRST = "images/001.Black_footed_Albatross/Black_Footed_Albatross_0046_18.jpg"
SECOND = "images/001.Black_footed_Albatross/Black_Footed_Albatross_0009_34.jpg"
THIRD = "images/001.Black_footed_Albatross/Black_Footed_Albatross_0002_55.jpg"


@pytest.fixture
def folder(data_root: Path, tmp_path: Path) -> Path:
    """A copy of the genuine lists, which may be damaged; no pictures."""
    copy = tmp_path / "cub200_2011"
    copy.mkdir()
    for name in LISTS:
        shutil.copyfile(data_root / "cub200_2011" / name, copy / name)
    return copy


def _pictures(folder: Path) -> list[str]:
    lines = (folder / "images.txt").read_text().splitlines()
    return [f"images/{line.split()[1]}" for line in lines]


def _rewrite(path: Path, line: int, text: str) -> None:
    lines = path.read_text().splitlines()
    lines[line - 1 : line] = [text] if text else []
    path.write_text("\n".join(lines) + "\n")


def test_official_validates_with_every_fifth_training_image_of_a_class(
    folder: Path, tmp_path: Path
) -> None:
    cub = load("cub200", tmp_path, "official")
    seen: Counter[str] = Counter()
    train: list[int] = []
    validation: list[int] = []
    test: list[int] = []
    flags = (folder / "train_test_split.txt").read_text().splitlines()
    for i, flag in enumerate(flags):
        bird = cub.items[i].split("/")[0]
        if flag.split()[1] == "0":
            test.append(i)
            continue
        seen[bird] += 1
        (train if seen[bird] % 5 else validation).append(i)
    assert (len(train) + len(validation), len(test)) == (5994, 5794)
    assert cub.split.train.tolist() == train
    assert cub.split.validation.tolist() == validation
    assert cub.split.query.tolist() == cub.split.gallery.tolist() == test


def test_boxes_cut_each_photograph(folder: Path, tmp_path: Path) -> None:
    fill(folder, [FIRST])
    replace(folder / FIRST, jpeg(500, 350))
    cub = load("cub200_boxes", tmp_path, "class-disjoint")
    assert cub.fingerprint == load("cub200", tmp_path, "class-disjoint").fingerprint
    assert isinstance(cub.images, Photographs)
    with cub.images.opened() as place:
        assert cub.images.pixels(place, 0, 304).shape == (304, 325, 3)  # 1 60.0 27.0 325.0 304.0


def test_boxes_are_compared_with_their_photographs(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(folder, _pictures(folder)[1:])  # without the first: boxes must stay with their pictures
    replace(folder / THIRD, jpeg(500, 350))
    decode_only([SECOND, THIRD], monkeypatch)
    place = f"{folder}: {FIRST} is missing"
    outside = f"{SECOND}: its box [139.0, 30.0, 153.0, 264.0] lies outside its (4, 3) pixels"
    assert verify("cub200_boxes", tmp_path, quiet) == [place, outside]
    assert verify("cub200", tmp_path, quiet) == [place]


def test_tiny_pictures_under_the_genuine_names_verify(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(folder, _pictures(folder))
    decode_only(_pictures(folder)[::10], monkeypatch)
    seen: list[tuple[int, int]] = []
    assert verify("cub200", tmp_path, lambda done, total: seen.append((done, total))) == []
    assert seen[0] == (1, 1179)
    assert seen[-1] == (1179, 1179)
    (folder / "train").mkdir()  # made by its user beside the official folder
    assert len(load("cub200", tmp_path, "official").items) == 11788


def test_every_damage_is_named(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(folder, [name for name in _pictures(folder) if "/033." not in name])
    decode_only([FIRST], monkeypatch)
    replace(folder / FIRST, jpeg()[:-20])
    (folder / THIRD).unlink()
    (folder / "images/one_more.png").write_bytes(b"")
    _rewrite(folder / "image_class_labels.txt", 5000, "5000 87")
    problems = verify("cub200_boxes", tmp_path, quiet)
    assert problems[0].startswith(f"{folder}/image_class_labels.txt is not the published file: SHA")
    assert problems[1].startswith(f"{folder}/image_class_labels.txt, line 5000: 086.Pacific_Loon/")
    assert problems[1].endswith("is labelled 87")
    birds = "images/033.Yellow_billed_Cuckoo is missing (59 photographs)"
    assert problems[2:4] == [f"{folder}: {birds}", f"{folder}: {THIRD} is missing"]
    assert problems[4].startswith(f"{FIRST} is damaged and cannot be decoded")
    assert problems[5:] == [f"{folder}: images/one_more.png does not belong here"]
    with pytest.raises(ValueError, match=r"class-disjoint split of cub200 is not the pinned one"):
        load("cub200", tmp_path, "class-disjoint")


@pytest.mark.parametrize(
    ("file", "line", "text", "message"),
    [
        ("images.txt", 7, "", r"images\.txt, line 7: has number 8; a line is lost or moved"),
        ("images.txt", 11788, "", r"11,787 lines, published are 11,788: a trimmed or"),
        ("classes.txt", 3, "3", r"classes\.txt, line 3: expected 2 values, found 1: '3'"),
        ("image_class_labels.txt", 9, "9 201", r"line 9: classes have numbers 1 to 200"),
        ("bounding_boxes.txt", 1, "1 2 3 x 4", r"bounding_boxes\.txt cannot be used: could not"),
    ],
)
def test_unusable_lists_are_refused(
    folder: Path, tmp_path: Path, file: str, line: int, text: str, message: str
) -> None:
    _rewrite(folder / file, line, text)
    with pytest.raises(ValueError, match=message):
        load("cub200", tmp_path, "official")


def test_missing_lists_are_all_named(tmp_path: Path) -> None:
    (tmp_path / "cub200_2011/CUB_200_2011").mkdir(parents=True)
    (tmp_path / "cub200_2011/CUB_200_2011/images.txt").touch()
    message = r"missing from .*CUB_200_2011: image_class_labels\.txt, train_test_split\.txt, .* DIR"
    with pytest.raises(FileNotFoundError, match=message):
        load("cub200", tmp_path, "official")
    with pytest.raises(FileNotFoundError, match="data download cub200_boxes --data-root"):
        load("cub200_boxes", tmp_path / "nowhere", "official")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("images/001.Black_footed_Albatross/Black_footed_Albatross_0001_2950163169.jpg", "2010"),
        ("lists/train.txt", r"holds CUB-200-2010 \(6,033 photographs"),
        ("images/train/001.Black_footed_Albatross/x.jpg", "images is a re-packed copy: .*train/"),
        ("train/001.Black_footed_Albatross/x.jpg", "cub200_2011 is a re-packed copy: .*train/"),
        ("001.Black_footed_Albatross/x.jpg", "folders of classes without the lists"),
    ],
)
def test_re_packed_copies_are_named(tmp_path: Path, name: str, expected: str) -> None:
    fill(tmp_path / "cub200_2011", [name])
    with pytest.raises(ValueError, match=expected):
        load("cub200", tmp_path, "official")
    (problem,) = verify("cub200", tmp_path, quiet)
    assert problem.endswith("archive: `proxy-bench data download cub200` shows how")
