"""What is refused of a user's folder or list, with file, line and what to do."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from bench.datasets import load, verify
from bench.datasets.files.decode import FORMATS
from tests.support.photographs import write_pictures

NAMES = [f"{label}/{i}.png" for label in "abcdefg" for i in range(2)]
SPLITS = ["train"] * 4 + ["val"] * 5 + ["test"] * 5
SEARCH = [*SPLITS[:9], "query", "query", "gallery", "gallery", "gallery"]
LABELS = [*"aabbcccffdedde"]
CAMERAS = "-" * 9 + "11222"


@pytest.fixture
def zoo(tmp_path: Path) -> Path:
    write_pictures(tmp_path / "zoo", NAMES)
    return tmp_path / "zoo"


def _write(zoo: Path, splits: list[str], labels: list[str] = LABELS, cameras: str = "") -> None:
    """A list of all images; cameras, if any, are the digits of a text, with - for none."""
    numbers = ["" if sign == "-" else sign for sign in cameras or "-" * 14]
    rows = zip(NAMES, labels, splits, numbers, strict=True)
    lines = ["path,label,split,camera", *map(",".join, rows)]
    (zoo / "images.csv").write_text("\n".join(lines), encoding="utf-8")


def _refused(zoo: Path, protocol: str) -> str:
    with pytest.raises(ValueError, match=r"zoo") as caught:
        load("folder:zoo", zoo.parent, protocol)
    return str(caught.value)


def _mistakes(zoo: Path, protocol: str) -> list[str]:
    """The lines after the first, which must name the list and the number of mistakes."""
    first, *lines = _refused(zoo, protocol).splitlines()
    assert first in {f"{zoo}/images.csv has {n}:" for n in ("a mistake", f"{len(lines)} mistakes")}
    return [line.removeprefix("  ") for line in lines]


def _verify(zoo: Path) -> list[str]:
    return verify("folder:zoo", zoo.parent, lambda done, total: None)


def _at(line: int, value: str, column: list[str]) -> list[str]:
    """A column with another value on one line."""
    return [*column[: line - 2], value, *column[line - 1 :]]


UNKNOWN = "unknown split 'tset'; did you mean 'test'? (known: train, val, test, query, gallery)"
NO_FILE = "is not a file in {zoo}; correct the path or remove the line"
OUTSIDE = "is outside {zoo}; begin at the folder of the list, without '..'"
ABSOLUTE = "is an absolute path; begin at the folder of the list"
NUMBER = "is not a whole number; number the cameras"
COMMA = "5 fields under 4 columns; put double quotes around a value with a comma"


@pytest.mark.parametrize(
    ("column", "line", "value", "expected"),
    [
        ("split", 13, "tset", UNKNOWN),
        ("path", 3, "", "the path is empty; name the image's file"),
        ("label", 3, " ", "the label is empty; name the image's class"),
        ("path", 4, "b/größe.png", f"b/größe.png {NO_FILE}"),
        ("path", 4, "a", f"a {NO_FILE}"),
        ("path", 4, "../zoo/b/0.png", f"../zoo/b/0.png {OUTSIDE}"),
        ("path", 4, "a/../b/0.png", f"a/../b/0.png {OUTSIDE}"),
        ("path", 4, "/etc/passwd", f"/etc/passwd {ABSOLUTE}"),
        ("path", 4, "C:\\a.png", f"C:\\a.png {ABSOLUTE}"),
        ("path", 4, "b\\0.png", "b\\0.png has backslashes; write /"),
        ("path", 4, "./a//1.png", "a/1.png is in line 3 already; remove one of them"),
        ("path", 4, "b/0.png\0", "b/0.png\0 is not a file in {zoo}; did you mean 'b/0.png'?"),
        ("camera", 9, "1.5", f"the camera '1.5' {NUMBER}"),
        ("camera", 9, "9" * 20, f"the camera '{'9' * 20}' {NUMBER}"),
        ("label", 13, "-1", "the label -1 means junk, which only split gallery may hold"),
        ("label", 13, "c,x", COMMA),
        ("label", 15, '"c', "this is not CSV (unexpected end of data)"),
    ],
)
@pytest.mark.parametrize("protocol", ["official", "class-disjoint"])
def test_each_wrong_row_is_one_mistake_with_its_line(
    zoo: Path, column: str, line: int, value: str, expected: str, protocol: str
) -> None:
    columns = {"path": NAMES, "label": LABELS, "split": SPLITS, "camera": [""] * 14}
    columns[column] = _at(line, value, columns[column])
    rows = [columns.keys(), *zip(*columns.values(), strict=True)]
    (zoo / "images.csv").write_text("\n".join(map(",".join, rows)), encoding="utf-8")
    assert _mistakes(zoo, protocol) == [f"line {line}: {expected.format(zoo=zoo)}"]
    assert _verify(zoo) == [_refused(zoo, protocol)]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("path,label,spilt", ["unknown column 'spilt'; did you mean 'split'? (known: path,"]),
        (
            "file,label,split",
            ["unknown column 'file' (known: path", "the column 'path' is missing"],
        ),
        ("path,label,label", ["the column 'label' occurs more than once"]),
        ("path;label;split", ["found one column, 'path;label;split'; separate path and label"]),
        ("path", ["the column 'label' is missing; the first line names the columns"]),
        ("", ["the column 'path' is missing", "the column 'label' is missing"]),
    ],
)
def test_wrong_columns_are_named(zoo: Path, header: str, expected: list[str]) -> None:
    (zoo / "images.csv").write_text(f"{header}\na/0.png,a,train\n" if header else "\n\n")
    found = _mistakes(zoo, "official")
    assert len(found) == len(expected)
    starts = zip(found, expected, strict=True)
    assert all(line.startswith(f"line 1: {text}") for line, text in starts)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"path,label\n\n,,\n\n", "it lists no image; add a line for each"),
        (
            "path,label\na/0.png,a\na/1.png,größe\n".encode("latin-1"),
            "line 3: the byte 0xf6 is not UTF-8, but perhaps Latin-1",
        ),
        (
            "path,label\na/0.png,a\n".encode("utf-16"),
            "this is UTF-16 or UTF-32; save the file as UTF-8",
        ),
    ],
)
def test_an_unreadable_list_is_one_mistake(zoo: Path, content: bytes, expected: str) -> None:
    (zoo / "images.csv").write_bytes(content)
    (found,) = _mistakes(zoo, "official")
    assert found.startswith(expected)


def test_all_mistakes_are_counted_and_five_are_listed(zoo: Path) -> None:
    _write(zoo, _at(2, "tset", _at(4, "tset", SPLITS)), _at(4, "", _at(8, "", LABELS)))
    lines = [line.split(":")[0] for line in _mistakes(zoo, "official")]
    assert lines == ["line 2", "line 4", "line 4", "line 8"]
    _write(zoo, ["x"] * 14, _at(4, "", LABELS))
    first, *shown = _refused(zoo, "official").splitlines()
    assert first == f"{zoo}/images.csv has 15 mistakes:"
    assert len(shown) == 6
    assert shown[-1] == "  and 10 more"


NO_SPLIT = "there is no split: add a column split (train, val, and test or query and gallery"
NO_VAL = "no image has the split val: give it to some that train now, two or more of a class"
ONE_CLASS = "all images of the split {} are of the class '{}'; give it two classes or more"
NO_OTHER = "{} finds no other image of 'x' in {}; add images of this class or remove it"


@pytest.mark.parametrize(
    ("splits", "labels", "expected"),
    [
        ([""] * 14, LABELS, NO_SPLIT),
        (_at(8, "", SPLITS), LABELS, "line 8: d/0.png has no split"),
        (["val"] * 9 + ["test"] * 5, LABELS, "no image has the split train"),
        (["train"] * 9 + ["test"] * 5, LABELS, NO_VAL),
        (["train"] * 6 + ["val"] * 8, LABELS, "no image has the split test (or query and gallery)"),
        ([*SPLITS[:9], *["query"] * 5], LABELS, "no image has the split gallery"),
        ([*SPLITS[:9], *["gallery"] * 5], LABELS, "no image has the split query"),
        (_at(15, "gallery", SPLITS), "aabbcccffddddd", ONE_CLASS.format("test", "d")),
        (_at(15, "query", SPLITS), "aabbcccffddddd", ONE_CLASS.format("test and query", "d")),
        (
            _at(15, "gallery", SPLITS),
            _at(13, "x", LABELS),
            NO_OTHER.format("line 13: f/1.png", "test and gallery"),
        ),
        (SPLITS, "aaaacccffdedde", ONE_CLASS.format("train", "a")),
        (SPLITS, "aabbfffffdedde", ONE_CLASS.format("val", "f")),
        (SPLITS, "aabbcccffddddd", ONE_CLASS.format("test", "d")),
        (SEARCH, "aabbcccffdddde", ONE_CLASS.format("query", "d")),
        (SPLITS, _at(7, "x", LABELS), NO_OTHER.format("line 7: c/1.png", "val")),
        (SPLITS, _at(13, "x", LABELS), NO_OTHER.format("line 13: f/1.png", "test")),
        (SEARCH, _at(11, "x", LABELS), NO_OTHER.format("line 11: e/1.png", "gallery")),
    ],
)
def test_what_the_official_split_refuses(
    zoo: Path, splits: list[str], labels: Sequence[str], expected: str
) -> None:
    _write(zoo, splits, [*labels], CAMERAS)
    (found,) = _mistakes(zoo, "official")
    assert found.startswith(expected)
    if any(splits):
        (problem,) = _verify(zoo)
        assert expected in problem


def test_without_a_list_only_class_disjoint_is_possible(zoo: Path) -> None:
    for protocol in ("official", "re-identification"):
        assert _refused(zoo, protocol) == (
            f"the split {protocol} needs a list {zoo}/images.csv with the columns path, label and "
            "split (train, val, and test or query and gallery); without one, use class-disjoint"
        )
    assert _verify(zoo) == []


def test_class_disjoint_names_queries_without_positive(zoo: Path) -> None:
    for name in ("c/1.png", "f/0.png"):
        (zoo / name).unlink()
    expected = [
        f"{zoo} has 2 mistakes:",
        "  c/0.png finds no other image of 'c' in val; add images of this class or remove it",
        "  f/1.png finds no other image of 'f' in test; add images of this class or remove it",
    ]
    assert _refused(zoo, "class-disjoint").splitlines() == expected
    assert _verify(zoo) == ["\n".join(expected)]
    write_pictures(zoo, NAMES)
    _write(zoo, [""] * 14, [*"aabbccddeeeffg"])
    (found,) = _mistakes(zoo, "class-disjoint")
    assert found.startswith("line 15: g/1.png finds no other image of 'g' in test")


def test_classes_may_be_too_few(zoo: Path) -> None:
    for label in "fg":
        (zoo / label).rename(zoo / "e" / label)
    assert _refused(zoo, "class-disjoint") == (
        f"{zoo} has 5 classes (a, b, c, d, e); the split class-disjoint needs 6 or more: two to "
        "train, two to validate, two to test; the split within-classes takes fewer"
    )
    (zoo / "e" / "f").rename(zoo / "f")
    assert _verify(zoo) == []
    (zoo / "e" / "g").rename(zoo / "g")
    _write(zoo, SPLITS, [*"aabbaaabbbbaaa"])
    assert _verify(zoo) == []  # where a list gives a split, that one counts


@pytest.mark.parametrize(
    ("splits", "cameras", "expected"),
    [
        (SPLITS, "1" * 14, [f"line {line}: " for line in (11, 12, 13, 14, 15)]),
        (SPLITS, "1" * 9 + "1122-", ["line 15: g/1.png has no camera"]),
        (SEARCH, "-" * 9 + "1-222", ["line 12: f/0.png has no camera; give its number in the"]),
        (SEARCH, "-" * 14, [f"line {line}: " for line in (11, 12, 13, 14, 15)]),
        (_at(2, "", SEARCH), CAMERAS, ["line 2: a/0.png has no split"]),
        (
            SEARCH,
            "-" * 9 + "12122",
            [
                "line 12: f/0.png finds 'e' by its own camera 2 only; add images of "
                "this class by another camera or remove it"
            ],
        ),
        (SEARCH, "1" * 14, ["line 11: e/1.png finds 'd' by", "line 12: f/0.png finds 'e' by"]),
    ],
)
def test_what_re_identification_refuses(
    zoo: Path, splits: list[str], cameras: str, expected: list[str]
) -> None:
    _write(zoo, splits, cameras=cameras)
    found = _mistakes(zoo, "re-identification")
    assert len(found) == len(expected)
    assert all(line.startswith(text) for line, text in zip(found, expected, strict=True))


def test_what_both_protocols_of_a_list_refuse_is_one_problem(zoo: Path) -> None:
    _write(zoo, SEARCH, _at(11, "x", LABELS), CAMERAS)
    text = "line 11: e/1.png finds no other image of 'x' in gallery; add images of this class or"
    for protocol in ("official", "re-identification"):
        (found,) = _mistakes(zoo, protocol)
        assert found.startswith(text)
    (problem,) = _verify(zoo)
    assert text in problem


def test_training_identities_must_not_be_tested(zoo: Path) -> None:
    _write(zoo, SEARCH, [*"aabbcccffaeaae"], CAMERAS)
    assert "share the classes a, which the re-identification protocol forbids" in _refused(
        zoo, "re-identification"
    )
    load("folder:zoo", zoo.parent, "official")
    (problem,) = _verify(zoo)
    assert "re-identification protocol forbids" in problem


def test_a_folder_without_images(zoo: Path) -> None:
    for name in NAMES:
        (zoo / name).rename((zoo / name).with_suffix(".txt"))
    (zoo / "top.png").write_bytes(b"x")
    message = f"{zoo} holds no images: make a folder in it for each class and put its images there"
    assert _refused(zoo, "class-disjoint").startswith(message)
    assert _verify(zoo)[0].startswith(message)


def test_broken_and_unused_files_are_listed(zoo: Path) -> None:
    (zoo / "a" / "0.png").write_bytes(b"a note")
    for name in ("readme.txt", "top.png", "b/film.mp4"):
        (zoo / name).write_bytes(b"x")
    problems = [f"a/0.png is not an image file (6 bytes) of {', '.join(FORMATS)}"]
    unused = "files not used as images of a class"
    assert _verify(zoo) == [*problems, f"{zoo}: {unused} (3): b/film.mp4, readme.txt, top.png"]
    _write(zoo, SPLITS, [*"aabbcccffddeed"])
    text = (zoo / "images.csv").read_text().splitlines()
    (zoo / "images.csv").write_text("\n".join(text[:-1]))
    found = f"{zoo}: {unused} (4): b/film.mp4, g/1.png, readme.txt, top.png"
    assert _verify(zoo) == [*problems, found]


def test_links_are_followed_but_not_twice(zoo: Path) -> None:
    (zoo.parent / "elsewhere").mkdir()
    write_pictures(zoo.parent / "elsewhere", ["x.png"], first=40)
    (zoo / "a" / "more").symlink_to(zoo.parent / "elsewhere")
    dataset = load("folder:zoo", zoo.parent, "class-disjoint")
    assert dataset.class_of(dataset.items.index("a/more/x.png")) == "a"
    (zoo / "a" / "circle").symlink_to(zoo)
    assert _refused(zoo, "class-disjoint").endswith("are the same folder; remove the link")


def test_a_name_that_is_not_text_is_named(zoo: Path) -> None:
    name = os.fsencode(zoo / "a") + b"/\xff.png"
    try:
        Path(os.fsdecode(name)).write_bytes(b"x")
    except OSError:
        pytest.skip("this file system takes text only")
    assert "'a/\\udcff.png': this name is not text; rename it" in _refused(zoo, "class-disjoint")
