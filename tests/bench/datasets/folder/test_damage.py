"""What is said about a user's folder or list that cannot be used: file, line, what to do."""

from pathlib import Path

import pytest

from bench.datasets import load, verify
from tests.support.photographs import write_pictures

NAMES = [f"{label}/{i}.png" for label in "abcd" for i in range(3)]
SPLITS = ["train"] * 4 + ["val"] * 4 + ["test"] * 4
LABELS = [*"aabbbbccddee"]


@pytest.fixture
def zoo(tmp_path: Path) -> Path:
    write_pictures(tmp_path / "zoo", NAMES)
    return tmp_path / "zoo"


def _fields(**changed: list[str]) -> dict[str, list[str]]:
    """The columns of a good list, some of them changed or more."""
    return {"path": NAMES, "label": LABELS, "split": SPLITS} | changed


def _with(column: list[str], **changed: str) -> list[str]:
    """A column with other values on some lines, given as line_5="value"."""
    lines = {int(name.removeprefix("line_")): value for name, value in changed.items()}
    return [lines.get(line, value) for line, value in enumerate(column, start=2)]


def _write(zoo: Path, columns: dict[str, list[str]]) -> None:
    rows = [columns.keys(), *zip(*columns.values(), strict=True)]
    (zoo / "images.csv").write_text("\n".join(map(",".join, rows)), encoding="utf-8")


def _refused(zoo: Path, protocol: str = "official") -> str:
    with pytest.raises(ValueError, match=r"^/") as caught:
        load("folder:zoo", zoo.parent, protocol)
    assert str(caught.value) in verify("folder:zoo", zoo.parent, lambda done, total: None)
    return str(caught.value)


def _mistakes(zoo: Path, protocol: str = "official") -> list[str]:
    """The lines after the first, which must name the list and the number of mistakes."""
    first, *lines = _refused(zoo, protocol).splitlines()
    assert first in {f"{zoo}/images.csv has {n}:" for n in ("a mistake", f"{len(lines)} mistakes")}
    return [line.removeprefix("  ") for line in lines]


def test_the_undamaged_list_is_good(zoo: Path) -> None:
    _write(zoo, _fields())
    assert verify("folder:zoo", zoo.parent, lambda done, total: None) == []


UNKNOWN = "unknown {} (known: {})"
SPLIT = "'tset'; did you mean 'test'? (known: train, val, test, query, gallery)"
ROWS: list[tuple[dict[str, list[str]], str]] = [
    ({"split": _with(SPLITS, line_13="tset")}, f"line 13: unknown split {SPLIT}"),
    ({"path": _with(NAMES, line_3="")}, "line 3: the path is empty; name the image's file"),
    ({"label": _with(LABELS, line_3=" ")}, "line 3: the label is empty; name the image's class"),
    (
        {"path": _with(NAMES, line_4="b/größe.png")},
        "line 4: b/größe.png is no file in {zoo}; correct the path or remove the line",
    ),
    (
        {"path": _with(NAMES, line_4="a")},
        "line 4: a is no file in {zoo}; correct the path or remove the line",
    ),
    (
        {"path": _with(NAMES, line_4="../zoo/a/2.png")},
        "line 4: ../zoo/a/2.png is outside {zoo}; begin at the folder of the list, without '..'",
    ),
    (
        {"path": _with(NAMES, line_4="a/../a/2.png")},
        "line 4: a/../a/2.png is outside {zoo}; begin at the folder of the list, without '..'",
    ),
    (
        {"path": _with(NAMES, line_4="/etc/passwd")},
        "line 4: /etc/passwd is an absolute path; begin at the folder of the list",
    ),
    (
        {"path": _with(NAMES, line_4="C:\\a.png")},
        "line 4: C:\\a.png is an absolute path; begin at the folder of the list",
    ),
    ({"path": _with(NAMES, line_4="a\\2.png")}, "line 4: a\\2.png has backslashes; write /"),
    (
        {"path": _with(NAMES, line_4="./a//1.png")},
        "line 4: a/1.png is in line 3 already; remove one of them",
    ),
    (
        {"camera": _with([""] * 12, line_9="1.5")},
        "line 9: the camera '1.5' is not a whole number; number the cameras",
    ),
    (
        {"camera": _with(["3"] * 12, line_9="99999999999999999999")},
        "line 9: the camera '99999999999999999999' is not a whole number; number the cameras",
    ),
    (
        {"label": _with(LABELS, line_13="-1")},
        "line 13: the label -1 means junk, which only split gallery may hold",
    ),
    (
        {"label": _with(LABELS, line_13="c,x")},
        "line 13: 4 fields under 3 columns; put double quotes around a value with a comma",
    ),
    (
        {"label": _with(LABELS, line_13="c\0\0"), "path": _with(NAMES, line_13="d/2.png\0")},
        "line 13: d/2.png\0 is no file in {zoo}; correct the path or remove the line",
    ),
    ({"label": _with(LABELS, line_13='"c')}, "line 13: this is not CSV (unexpected end of data)"),
]


@pytest.mark.parametrize(("changed", "expected"), ROWS)
@pytest.mark.parametrize("protocol", ["official", "class-disjoint"])
def test_each_wrong_row_is_one_mistake_with_its_line(
    zoo: Path, changed: dict[str, list[str]], expected: str, protocol: str
) -> None:
    _write(zoo, _fields(**changed))
    assert _mistakes(zoo, protocol) == [expected.format(zoo=zoo)]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("path,label,spilt", ["unknown column 'spilt'; did you mean 'split'? (known: path,"]),
        ("file,label,split", ["unknown column 'file' (known: path", "column 'path' is missing;"]),
        ("path,label,label", ["the column 'label' occurs more than once"]),
        ("path;label;split", ["found one column, 'path;label;split'; separate path and label"]),
        ("path", ["the column 'label' is missing; the first line names the columns"]),
    ],
)
def test_wrong_columns(zoo: Path, header: str, expected: list[str]) -> None:
    (zoo / "images.csv").write_text(f"{header}\na/0.png,a,train\n")
    found = _mistakes(zoo)
    assert len(found) == len(expected)
    for line, text in zip(found, expected, strict=True):
        assert line.startswith("line 1: ")
        assert text in line


def test_an_empty_list(zoo: Path) -> None:
    (zoo / "images.csv").write_text("\n\n")
    assert len(_mistakes(zoo)) == 2
    (zoo / "images.csv").write_text("path,label\n\n,,\n\n")
    assert _mistakes(zoo) == ["it lists no image; add a line for each"]


def test_text_that_is_not_utf_8_is_told_with_its_line(zoo: Path) -> None:
    content = "path,label\na/0.png,a\na/1.png,größe\n"
    (zoo / "images.csv").write_bytes(content.encode("latin-1"))
    assert _mistakes(zoo) == ["line 3: this is not UTF-8; save the file as CSV UTF-8"]
    (zoo / "images.csv").write_bytes(content.encode("utf-16"))
    assert _mistakes(zoo) == ["line 1: this is not UTF-8; save the file as CSV UTF-8"]


def test_all_mistakes_are_told_together_five_of_them_in_words(zoo: Path) -> None:
    wrong = _with(SPLITS, line_2="tset", line_4="tset")
    _write(zoo, _fields(split=wrong, label=_with(LABELS, line_4="", line_8="")))
    assert [line.split(":")[0] for line in _mistakes(zoo)] == [
        "line 2",
        "line 4",
        "line 4",
        "line 8",
    ]
    _write(zoo, _fields(split=["x"] * 12, label=_with(LABELS, line_4="", line_13="")))
    first, *lines = _refused(zoo).splitlines()
    assert first == f"{zoo}/images.csv has 14 mistakes:"
    assert len(lines) == 6
    assert lines[-1] == "  and 9 more"
