"""Lists as pandas and spreadsheets write them, near misses, and images in query and gallery."""

import os
from pathlib import Path
from unicodedata import normalize

import pytest

from bench.datasets import load, remarks, verify
from bench.datasets.types import Dataset
from tests.support.photographs import write_pictures
from tests.support.tiny import quiet

NAMES = [f"{label}/{i}.png" for label in "abcdefg" for i in range(2)]
SPLITS = ["train"] * 4 + ["val"] * 4 + ["query", "gallery"] * 3
CAMERAS = [""] * 8 + ["1", "2"] * 3


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PROXY_BENCH_CACHE", str(tmp_path / "cache"))
    write_pictures(tmp_path / "zoo", NAMES)
    return tmp_path / "zoo"


def _load(zoo: Path, text: str, protocol: str = "re-identification") -> Dataset:
    (zoo / "images.csv").write_bytes(text.encode())
    return load("folder:zoo", zoo.parent, protocol)


def _rows(form: str) -> str:
    """A line for each image; the form holds {i}, {path}, {label}, {split} and {camera}."""
    columns = enumerate(zip(NAMES, SPLITS, CAMERAS, strict=True))
    return "".join(
        form.format(i=i, path=path, label=path[0], split=split, camera=camera) + "\n"
        for i, (path, split, camera) in columns
    )


PLAIN = "path,label,split,camera\n" + _rows("{path},{label},{split},{camera}")


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("\ufeff" + PLAIN, ""),
        (PLAIN.replace("\n", "\r\n"), ""),
        (PLAIN.replace("\n", "\r"), ""),
        (PLAIN.replace("path,label", "Path,LABEL"), ""),
        (PLAIN.replace("train", "Train").replace(",query", ",QUERY"), ""),
        (PLAIN.replace(",1\n", ",1.0\n").replace(",2\n", ",2.\n"), ""),
        (
            ",path,label,split,camera\n" + _rows("{i},{path},{label},{split},{camera}"),
            "1 column of images.csv (one without a name)",
        ),
        (
            "Unnamed: 0,path,name,label,split,camera,width\n"
            + _rows("{i},{path},x,{label},{split},{camera},640"),
            "3 columns of images.csv (Unnamed: 0, name, width)",
        ),
        (
            "path,label,split,camera,,\n" + _rows("{path},{label},{split},{camera},,"),
            "2 columns of images.csv (one without a name, one without a name)",
        ),
    ],
)
def test_what_programs_write_is_read_and_what_is_not_used_is_said(
    zoo: Path, text: str, columns: str
) -> None:
    plain = _load(zoo, PLAIN)
    usual = remarks(plain, zoo.parent)
    found = _load(zoo, text)
    assert found.fingerprint == plain.fingerprint
    assert found.cameras is not None
    assert plain.cameras is not None
    assert found.cameras.tolist() == plain.cameras.tolist()
    assert remarks(found, zoo.parent) == [*([f"left out: {columns}"] if columns else []), *usual]
    assert verify("folder:zoo", zoo.parent, quiet) == []


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("path,label,spilt,camera", "unknown column 'spilt'; did you mean 'split'"),
        ("path,label,split,cmaera", "unknown column 'cmaera'; did you mean 'camera'"),
        ("path,class,split,camera", "unknown column 'class' .*\n.*'label' is missing"),
        ("path,label,Label,camera", "the column 'label' occurs more than once"),
    ],
)
def test_a_column_that_seems_misspelled_is_not_passed_by(
    zoo: Path, header: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        _load(zoo, PLAIN.replace("path,label,split,camera", header))


@pytest.mark.parametrize(
    ("path", "near"),
    [
        ("A/0.png", "did you mean 'a/0.png'?"),
        ("a/0.PNG", "did you mean 'a/0.png'?"),
        ("a/0.jpg", "did you mean 'a/0.png'?"),
        ("a/0", "did you mean 'a/0.png'?"),
        ("zoo/a/0.png", "did you mean 'a/0.png'?"),
        ("data/zoo/a/0.png", "did you mean 'a/0.png'?"),
        ("h/two%20words.png", "did you mean 'h/two words.png'?"),
        ("two words.png", "did you mean 'h/two words.png'?"),
        ("h/{}.png", "the name that is there is in another Unicode form (NFC or NFD); copy it"),
        ("x/0.png", "correct the path or remove the line"),  # seven have this name
        (".", "correct the path or remove the line"),
    ],
)
def test_a_near_miss_of_a_path_is_named(zoo: Path, path: str, near: str) -> None:
    accented = "\xe9mu"
    write_pictures(zoo, ["h/two words.png", f"h/{normalize('NFD', accented)}.png"], first=60)
    if os.path.isfile(zoo / path.format(accented)):
        pytest.skip("for this file system the names are one")
    with pytest.raises(ValueError, match="mistake") as caught:
        _load(zoo, PLAIN + f"{path.format(accented)},a,train,\n")
    assert str(caught.value).endswith(f"is not a file in {zoo}; {near}")


def test_other_images_may_join_the_gallery_of_a_test(zoo: Path) -> None:
    """The images of test are query and gallery, those of gallery are distractors."""
    splits = ["train"] * 4 + ["val"] * 4 + ["test"] * 4 + ["gallery"] * 2
    rows = [f"{name},{name[0]},{split}" for name, split in zip(NAMES, splits, strict=True)]
    dataset = _load(zoo, "\n".join(["path,label,split", *rows]), "official")
    assert dataset.split.query.tolist() == [8, 9, 10, 11]
    assert dataset.split.gallery.tolist() == [8, 9, 10, 11, 12, 13]
    assert dataset.has_own_gallery
    assert verify("folder:zoo", zoo.parent, quiet) == []


def test_queries_may_search_the_images_of_a_test_too(zoo: Path) -> None:
    """An image that only searches beside images that do both, with cameras."""
    splits = ["train"] * 4 + ["val"] * 4 + ["test"] * 4 + ["query", "gallery"]
    cameras = [""] * 8 + ["1", "2", "1", "2", "1", "2"]
    columns = zip(NAMES, splits, cameras, strict=True)
    rows = [f"{name},{name[0]},{split},{camera}" for name, split, camera in columns]
    dataset = _load(zoo, "\n".join(["path,label,split,camera", *rows]))
    assert dataset.split.query.tolist() == [8, 9, 10, 11, 12]
    assert dataset.split.gallery.tolist() == [8, 9, 10, 11, 13]
    assert verify("folder:zoo", zoo.parent, quiet) == []


@pytest.mark.parametrize(
    ("first", "separator"),
    [
        *(("sep=,\n", ","), ("sep=,\r\n", ","), ("SEP=,\n", ","), ('"sep=,"\n', ",")),
        *(("\ufeffsep=,\n", ","), ("sep=,,,,\n", ","), ("sep=;\n", ";"), ("sep=\t\n", "\t")),
    ],
)
def test_the_line_by_which_a_spreadsheet_names_the_separator_is_read(
    zoo: Path, first: str, separator: str
) -> None:
    plain = _load(zoo, PLAIN)
    usual = remarks(plain, zoo.parent)
    found = _load(zoo, first + PLAIN.replace(",", separator))
    assert found.fingerprint == plain.fingerprint
    assert remarks(found, zoo.parent) == usual


def test_lines_are_counted_from_that_of_the_separator(zoo: Path) -> None:
    with pytest.raises(ValueError, match=r"line 3: b/9.png is not a file"):
        _load(zoo, "sep=,\npath,label,split\nb/9.png,b,train\n")
    with pytest.raises(ValueError, match=r"line 1: found one column, 'sep=x'"):
        _load(zoo, "sep=x\n" + PLAIN)


def test_cameras_of_some_validation_images_are_a_mistake(zoo: Path) -> None:
    """Else the one that lacks its own would switch the rule off for all."""
    lines = PLAIN.splitlines()
    validated = [n for n, line in enumerate(lines) if ",val," in line]
    bare = {n: lines[n].rpartition(",")[0] for n in validated}
    without = [f"{bare[n]}," if n in bare else line for n, line in enumerate(lines)]
    assert _load(zoo, "\n".join(without) + "\n").cameras is not None
    some = [*without]
    some[validated[0]] = f"{bare[validated[0]]},1"
    with pytest.raises(ValueError, match="has no camera, but other images of the split val have"):
        _load(zoo, "\n".join(some) + "\n")
    every = [f"{bare[n]},1" if n in bare else line for n, line in enumerate(lines)]
    assert _load(zoo, "\n".join(every) + "\n").cameras is not None
