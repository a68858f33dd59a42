"""A user's own images: by class or by list, and how each protocol splits them."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.datasets import download, find, load, verify
from bench.datasets.files.photographs import Photographs
from bench.datasets.files.work import quiet
from bench.datasets.folder.rows import Row
from bench.datasets.folder.splits import by_classes, fitting
from bench.datasets.types import Dataset
from bench.spec import file_name
from bench.store.thumbnails import thumbnails_path
from bench.suites.model import known_dataset
from tests.support.fabricated import make_spec
from tests.support.photographs import check_decoded, picture, write_pictures
from tests.support.tiny import quiet as ignore

CLASSES = ("bee", "ant", "cat", "émeu", "dog", "Yak")  # by code points: Yak first, émeu last
NAMES = [f"{name}/{i}.png" for name in CLASSES for i in range(2)]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data root, which holds nothing but the folder zoo."""
    monkeypatch.setenv("PROXY_BENCH_CACHE", str(tmp_path / "cache"))
    write_pictures(tmp_path / "data" / "zoo", NAMES)
    return tmp_path / "data"


def _list(root: Path, rows: list[str], header: str = "path,label,split") -> None:
    (root / "zoo" / "images.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")


def _parts(dataset: Dataset) -> dict[str, list[str]]:
    """Items of each part."""
    return {
        part: sorted(dataset.items[i] for i in positions)
        for part, positions in dataset.split.parts().items()
    }


def _classes(dataset: Dataset, part: str) -> list[str]:
    return sorted({dataset.class_of(i) for i in dataset.split.parts()[part]})


def test_a_folder_per_class_is_split_by_name(root: Path) -> None:
    dataset = load("folder:zoo", root, "class-disjoint")
    assert dataset.name == "folder:zoo"
    assert dataset.class_names == ("Yak", "ant", "bee", "cat", "dog", "émeu")
    assert dataset.items == tuple(sorted(NAMES))
    assert [dataset.class_of(i) for i in range(12)] == [
        item.split("/")[0] for item in sorted(NAMES)
    ]
    assert _classes(dataset, "train") == ["Yak", "ant"]
    assert _classes(dataset, "validation") == ["bee", "cat"]
    assert _classes(dataset, "query") == _classes(dataset, "gallery") == ["dog", "émeu"]
    assert dataset.cameras is None
    assert verify("folder:zoo", root, ignore) == []


def test_the_data_root_itself_is_a_folder_too(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named, whole = load("folder:zoo", root, "class-disjoint"), root / "zoo"
    monkeypatch.setenv("PROXY_BENCH_DATA", str(whole))
    for folder in (whole, None):
        found = load("folder", folder, "class-disjoint")
        assert (found.name, found.fingerprint) == ("folder", named.fingerprint)
        assert found.checksum == named.checksum
    assert verify("folder", whole, ignore) == []


def test_nested_images_belong_to_the_class_and_hidden_ones_to_none(root: Path) -> None:
    more = ["ant/2019/spring/a.JPEG", "ant/2019/b.TIFF"]
    write_pictures(root / "zoo", more, first=60)
    hidden = [".trash/a.png", "ant/.thumbnails/a.png", "ant/.a.png", "ant/._b.png"]
    write_pictures(root / "zoo", hidden)
    (root / "zoo" / "Thumbs.db").write_bytes(b"x")
    dataset = load("folder:zoo", root, "class-disjoint")
    assert set(dataset.items) == {*NAMES, *more}
    assert {dataset.class_of(dataset.items.index(name)) for name in more} == {"ant"}
    assert verify("folder:zoo", root, ignore) == []


def test_one_name_typed_in_two_ways_is_one_class_and_items_are_composed(root: Path) -> None:
    write_pictures(root / "zoo", ["e\u0301meu/7.png"], first=50)
    dataset = load("folder:zoo", root, "class-disjoint")
    assert len(dataset.class_names) == 6
    assert "\xe9meu/7.png" in dataset.items
    assert isinstance(dataset.images, Photographs)
    check_decoded(dataset.images, 4)


@pytest.mark.parametrize(
    ("count", "train", "validation", "test"),
    [(6, 2, 2, 2), (7, 2, 2, 3), (9, 3, 2, 4), (12, 4, 2, 6), (17, 7, 2, 8), (19, 8, 2, 9)],
)
def test_sizes_of_the_parts(count: int, train: int, validation: int, test: int) -> None:
    rows = [Row(f"{label:03d}/{i}.png", f"{label:03d}") for label in range(count) for i in (0, 1)]
    dataset = by_classes("folder", Path("zoo"), rows)
    found = [len(_classes(dataset, part)) for part in ("train", "validation", "query")]
    assert found == [train, validation, test]
    positions = [dataset.split.parts()[part] for part in ("train", "validation", "query")]
    assert sorted(np.concatenate(positions).tolist()) == [*range(2 * count)]
    validating = {9: ["003", "004"], 12: ["004", "005"], 17: ["007", "008"], 19: ["004", "009"]}
    if count in validating:
        assert _classes(dataset, "validation") == validating[count]


def test_by_classes_junk_is_left_out() -> None:
    rows = [Row(f"{label}/{i}.png", label, "train") for label in "abcdef" for i in (0, 1)]
    junk = Row("x.png", "-1", "gallery")
    dataset = by_classes("folder", Path("zoo"), [junk, *rows])
    assert dataset.fingerprint == by_classes("folder", Path("zoo"), rows).fingerprint
    assert "x.png" not in dataset.items


def test_a_folder_may_be_called_as_junk_is_in_lists(root: Path) -> None:
    (root / "zoo" / "ant").rename(root / "zoo" / "-1")
    assert load("folder:zoo", root, "class-disjoint").class_names[0] == "-1"


@given(st.permutations(range(14)))
def test_the_rule_does_not_depend_on_the_order_of_files(order: list[int]) -> None:
    rows = [Row(f"{label}/{i}.png", str(label)) for label in range(7) for i in (0, 1)]
    shuffled = by_classes("folder", Path("zoo"), [rows[i] for i in order])
    assert shuffled.fingerprint == by_classes("folder", Path("zoo"), rows).fingerprint


def test_a_list_gives_class_and_part(root: Path) -> None:
    splits = ["train", "train", "val", "val", "val", "val", *["test"] * 6]
    labels = ["a", "b", "a", "b", "b", "a", "c", "c", "c", "a", "a", "größe 鳥"]
    write_pictures(root / "zoo", ["größe 鳥.png"], first=70)
    columns = zip(NAMES, labels, splits, strict=True)
    rows = [",".join(fields) for fields in columns]
    _list(root, [*rows, '"größe 鳥.png", "größe 鳥", test', ""])
    dataset = load("folder:zoo", root, "official")
    assert dataset.split.protocol == "official"
    assert dataset.class_names == ("a", "b", "c", "größe 鳥")
    test = sorted([*NAMES[6:], "größe 鳥.png"])
    expected = {"train": NAMES[:2], "validation": NAMES[2:6], "query": test, "gallery": test}
    assert _parts(dataset) == {part: sorted(items) for part, items in expected.items()}
    assert verify("folder:zoo", root, ignore) == []


def test_by_classes_a_list_gives_labels_only(root: Path) -> None:
    rows = [f"{name},{i // 2},{'train' if i else 'test'},1" for i, name in enumerate(NAMES)]
    _list(root, rows, "path,label,split,camera")
    dataset = load("folder:zoo", root, "class-disjoint")
    assert dataset.class_names == ("0", "1", "2", "3", "4", "5")
    assert [len(items) for items in _parts(dataset).values()] == [4, 4, 4, 4]
    assert dataset.cameras is None
    _list(root, [f"{name},{i // 2}" for i, name in enumerate(NAMES)], "path,label")
    assert load("folder:zoo", root, "class-disjoint").fingerprint == dataset.fingerprint
    assert verify("folder:zoo", root, ignore) == []


REID = [
    *(f"{name},{i},train,{i}" for i, name in enumerate(NAMES[:2])),
    *(f"{name},val {i % 2},val," for i, name in enumerate(NAMES[2:6])),
    f"{NAMES[6]},p,query,1",
    f"{NAMES[7]},q,query,2",
    f"{NAMES[8]},p,gallery,2",
    f"{NAMES[9]},q,gallery,1",
    f"{NAMES[10]},-1,gallery,3",
    f"{NAMES[11]},0 distractor,gallery,1",
]


def test_re_identification_has_cameras_junk_and_its_own_gallery(root: Path) -> None:
    _list(root, REID, "path,label,split,camera")
    dataset = load("folder:zoo", root, "re-identification")
    assert dataset.split.protocol == "re-identification"
    assert dataset.class_names == ("0", "0 distractor", "1", "p", "q", "val 0", "val 1")
    assert dataset.items == tuple(sorted(NAMES))
    of = {item: position for position, item in enumerate(dataset.items)}
    positions = [of[name] for name in NAMES]
    assert dataset.labels[positions].tolist() == [0, 2, 5, 6, 5, 6, 3, 4, 3, 4, -1, 1]
    assert dataset.cameras is not None
    assert dataset.cameras[positions].tolist() == [0, 1, -1, -1, -1, -1, 1, 2, 2, 1, 3, 1]
    assert dataset.split.query.tolist() == sorted(positions[6:8])
    assert dataset.split.gallery.tolist() == sorted(positions[8:])
    assert verify("folder:zoo", root, ignore) == []
    assert load("folder:zoo", root, "official").cameras is None


@pytest.mark.parametrize("junk", ["-1.0", "-1.", "-1.00", "-01", "\u22121", "\uff0d\uff11"])
def test_junk_is_the_number_however_it_is_written(root: Path, junk: str) -> None:
    """A column of numbers with gaps is written as -1.0."""
    _list(root, [row.replace(",-1,", f",{junk},") for row in REID], "path,label,split,camera")
    dataset = load("folder:zoo", root, "re-identification")
    assert (dataset.labels == -1).sum() == 1
    assert len(dataset.class_names) == 7
    _list(root, [f"{name},{junk},train" for name in NAMES], "path,label,split")
    with pytest.raises(ValueError, match="means junk, which only split gallery may hold"):
        load("folder:zoo", root, "official")


def test_the_order_of_lines_has_no_meaning(root: Path) -> None:
    _list(root, REID, "path,label,split,camera")
    sorted_by_path = load("folder:zoo", root, "re-identification")
    _list(root, REID[::-1], "path,label,split,camera")
    dataset = load("folder:zoo", root, "re-identification")
    assert dataset.items == sorted_by_path.items
    assert dataset.labels.tolist() == sorted_by_path.labels.tolist()
    assert dataset.cameras is not None
    assert sorted_by_path.cameras is not None
    assert dataset.cameras.tolist() == sorted_by_path.cameras.tolist()


def test_another_camera_is_another_split(root: Path) -> None:
    _list(root, REID, "path,label,split,camera")
    before = load("folder:zoo", root, "re-identification").fingerprint
    _list(root, [row.replace("p,query,1", "p,query,3") for row in REID], "path,label,split,camera")
    assert load("folder:zoo", root, "re-identification").fingerprint != before


def test_a_class_called_junk_is_another_split_than_junk(root: Path) -> None:
    columns = "path,label,split,camera"
    _list(root, REID, columns)
    junk = load("folder:zoo", root, "re-identification")
    _list(root, [row.replace(",-1,", ",junk,") for row in REID], columns)
    named = load("folder:zoo", root, "re-identification")
    assert [junk.class_of(i) for i in range(12)] == [named.class_of(i) for i in range(12)]
    assert len(named.searched) == len(junk.searched) + 1
    assert named.fingerprint != junk.fingerprint
    _list(root, [row.replace(",0,train", ",junk,train") for row in REID], columns)
    trained = load("folder:zoo", root, "re-identification")  # it shares no class with the gallery
    assert trained.class_of(int(trained.split.train[0])) == "junk"


def test_byte_order_mark_line_ends_and_order_of_columns_do_not_matter(root: Path) -> None:
    lines = ["label, path", *(f'"{i // 2}", {name}' for i, name in enumerate(NAMES))]
    path = root / "zoo" / "images.csv"
    path.write_bytes("\r\n".join(lines).encode("utf-8-sig"))
    dataset = load("folder:zoo", root, "class-disjoint")
    assert dataset.items == tuple(sorted(NAMES))
    assert dataset.class_names == ("0", "1", "2", "3", "4", "5")


def test_names_of_folders(root: Path) -> None:
    assert known_dataset("folder:zoo") == "folder:zoo"
    assert "official" in find("folder:zoo").protocols
    assert "DATA_ROOT/zoo/images.csv" in find("folder:zoo").by_hand
    assert download("folder:zoo", root, quiet) == []
    for name in ("", " ", "..", ".", "a/b", "a\\b", "/etc", "C:", "a\n"):
        with pytest.raises(ValueError, match=r"^'folder:.*' names no folder: write the name"):
            known_dataset(f"folder:{name}")
    with pytest.raises(FileNotFoundError, match=f"folder:no is the folder {root}/no, which"):
        load("folder:no", root, "class-disjoint")


def test_files_are_named_without_signs_that_a_system_forbids(tmp_path: Path) -> None:
    assert file_name("grocery_store") == "grocery_store"
    assert file_name("folder:birds") == "folder-birds"
    alike = ["folder:Birds", "folder:my birds", "folder:My birds", "folder:my-birds", "folder:a b"]
    alike += ["folder:鳥", "folder:花", "folder:a_b", "folder:a-b", "folder:a:b", "folder:birds"]
    assert len({file_name(name).lower() for name in alike}) == len(alike)
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+", file_name(name)) for name in alike)
    assert thumbnails_path(tmp_path, "digits", "0" * 64).name == f"digits-{'0' * 12}.npz"
    assert (
        thumbnails_path(tmp_path, "folder:鳥/x", "0" * 64).name == f"folder-x-23ca4f-{'0' * 12}.npz"
    )
    assert make_spec("folder:鳥", "Proxy-NCA", 0).run_name.startswith("folder-proxy-nca-s0-")


def test_without_a_data_root_the_message_speaks_of_a_folder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("PROXY_BENCH_DATA", raising=False)
    for name in ("folder", "folder:zoo"):
        with pytest.raises(FileNotFoundError, match=rf"{name} needs .* Name the folder of your im"):
            load(name, None, "class-disjoint")
    assert picture(1) != picture(2)


def test_few_classes_are_split_within_each(root: Path) -> None:
    names = [f"{label}/{i:02d}.png" for label in "abc" for i in range(10)]
    write_pictures(root / "pets", [*names, *(f"few/{i}.png" for i in range(6))])
    dataset = load("folder:pets", root, "within-classes")
    parts = _parts(dataset)
    assert [name for name in parts["validation"] if name[0] == "a"] == ["a/05.png", "a/06.png"]
    assert [name for name in parts["query"] if name[0] == "b"] == [f"b/0{i}.png" for i in (7, 8, 9)]
    assert [len(parts[part]) for part in ("train", "validation", "query")] == [17, 8, 11]
    assert all(set(_classes(dataset, part)) == {"a", "b", "c", "few"} for part in parts)
    (root / "pets" / "few" / "0.png").unlink()
    with pytest.raises(ValueError, match=r"6 images or more of each class.*fewer have few \(5\)"):
        load("folder:pets", root, "within-classes")


def test_few_classes_are_verified_as_they_are_split(root: Path) -> None:
    pets = root / "pets"
    write_pictures(pets, [f"{label}/{i}.png" for label in "abc" for i in range(6)])
    assert verify("folder:pets", root, ignore) == []
    (pets / "a" / "5.png").write_bytes((pets / "a" / "0.png").read_bytes())
    assert verify("folder:pets", root, ignore) == [
        "2 equal files are in different classes or parts: a/0.png (a, train) = a/5.png (a, test)"
    ]


@pytest.mark.parametrize("parts", ["train val", "Test TRAIN valid", "query gallery training"])
def test_parts_of_a_data_set_are_no_classes(root: Path, parts: str) -> None:
    names = [f"{part}/heron/{i}.png" for part in parts.split() for i in range(6)]
    write_pictures(root / "whole", names)
    with pytest.raises(ValueError, match=r"holds the folders .*, which are parts of a data set"):
        load("folder:whole", root, "within-classes")
    write_pictures(root / "whole", [f"bus/{i}.png" for i in range(6)], first=90)
    assert "bus" in load("folder:whole", root, "within-classes").class_names


@pytest.mark.parametrize(
    ("labels", "split", "protocol"),
    [
        ("abcde", "", "within-classes"),
        ("abcdef", "", "class-disjoint"),
        ("abc", "test", "official"),
    ],
)
def test_the_protocol_that_fits(labels: str, split: str, protocol: str) -> None:
    assert fitting([Row(f"{label}.png", label, split) for label in labels]) == protocol
