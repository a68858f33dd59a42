"""CUB-200-2011: splits of the genuine lists, boxes, damage and re-packed copies."""

import shutil
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


def test_every_damage_is_named(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(folder, [name for name in _pictures(folder) if "/033." not in name])
    decode_only(_pictures(folder)[::10], monkeypatch)
    (folder / "train").mkdir()  # made by its user beside the official folder
    birds = f"{folder}: images/033.Yellow_billed_Cuckoo is missing (59 files)"
    seen: list[tuple[int, int]] = []
    assert verify("cub200", tmp_path, lambda *step: seen.append(step)) == [birds]
    assert (seen[0], seen[-1]) == ((1, 1173), (1173, 1173))
    replace(folder / FIRST, jpeg()[:-20])
    (folder / THIRD).unlink()
    (folder / "images/one_more.png").write_bytes(b"")
    problems = verify("cub200_boxes", tmp_path, quiet)
    assert problems[:2] == [birds, f"{folder}: {THIRD} is missing"]
    assert problems[2] == f"{folder}: images/one_more.png does not belong here"
    assert problems[3].startswith(f"{FIRST} is damaged and cannot be decoded")


@pytest.mark.parametrize("file", LISTS)
def test_lists_that_are_not_the_published_ones_are_refused(
    folder: Path, tmp_path: Path, file: str
) -> None:
    published = (folder / file).read_bytes()
    (folder / file).write_bytes(published.replace(b"\n", b"\r\n"))
    load("cub200", tmp_path, "official")
    (folder / file).write_bytes(published[:-2] + b"\n")
    message = f"cub200 is not as published: {folder}: {file} is not the published list: SHA-256"
    with pytest.raises(ValueError, match=message):
        load("cub200", tmp_path, "official")
    (problem,) = verify("cub200", tmp_path, quiet)
    assert problem.startswith(message)


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
        (
            "images/train/001.Black_footed_Albatross/x.jpg",
            "cub200_2011 is a re-packed copy: .*train/",
        ),
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
