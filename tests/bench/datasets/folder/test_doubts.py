"""What is left out of a user's folder, equal files, look-alike classes and empty pictures."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.cli.data import split_lines
from bench.datasets import load, remarks
from bench.datasets.doubts import equal_files
from bench.datasets.splits import Split
from bench.running.preflight import describe
from tests.support.photographs import write_pictures
from tests.support.zoo import NAMES, verify_zoo

ROWS = [f"{name},{name[0]}" for name in NAMES]


def _remarks(zoo: Path, protocol: str = "class-disjoint") -> list[str]:
    return remarks(load("folder:zoo", zoo.parent, protocol), zoo.parent)


def _list(zoo: Path, rows: list[str], header: str = "path,label") -> None:
    (zoo / "images.csv").write_text("\n".join([header, *rows]), encoding="utf-8")


def test_of_clean_images_only_their_number_is_said(zoo: Path) -> None:
    dataset = load("folder:zoo", zoo.parent, "class-disjoint")
    assert describe(dataset, zoo.parent) == ["folder:zoo, class-disjoint: 14 images of 7 classes"]
    assert len(split_lines("folder:zoo", zoo.parent)) == 1


def test_classes_that_join_folders_are_named(zoo: Path) -> None:
    write_pictures(zoo, ["a/old/0.png", "b/old/0.png", "b/new/0.png"], first=80)
    assert _remarks(zoo) == ["classes that join several folders: b (new, old)"]
    _list(zoo, [*ROWS, "b/old/0.png,b", "b/new/0.png,b"])
    assert len(_remarks(zoo)) == 1  # the list says which class they are of
    assert _remarks(zoo)[0].startswith("left out: 1 image not listed")


RANDOM = "R@1 of random neighbors is about"


def test_the_chance_of_a_test_with_one_large_class_is_said(zoo: Path) -> None:
    more = write_pictures(zoo, [f"g/{number}.png" for number in range(2, 30)], first=100)
    parts = dict(zip("abcdefg", ["train"] * 2 + ["val"] * 2 + ["test"] * 3, strict=True))
    rows = [f"{name},{name[0]},{parts[name[0]]}" for name in (*NAMES, *more)]
    _list(zoo, rows, "path,label,split")
    expected = (4 * 1 / 33 + 30 * 29 / 33) / 34
    said = (
        f"official: {RANDOM} {100 * expected:.0f} %, since up to 29 of the 33 images that a query"
    )
    lines = split_lines("folder:zoo", zoo.parent)
    assert [line for line in lines if line.startswith("official")][1].startswith(said)
    described = describe(load("folder:zoo", zoo.parent, "official"), zoo.parent)
    assert described[1].startswith(f"  {said}")


def test_by_chance_a_query_finds_no_image_that_its_camera_rule_leaves_out(zoo: Path) -> None:
    """Of e and f, each by the cameras 1 and 2, a query searches 3: 1 positive and 2 of the other;
    the third image of e is by camera 1."""
    more = write_pictures(zoo, ["e/2.png"], first=100)
    names = sorted([*NAMES[:12], *more])
    cameras = {"e/0.png": 1, "e/1.png": 2, "e/2.png": 1, "f/0.png": 1, "f/1.png": 2}
    parts = {"a": "train", "b": "train", "c": "val", "d": "val", "e": "test", "f": "test"}
    rows = [f"{name},{name[0]},{parts[name[0]]},{cameras.get(name, 0)}" for name in names]
    _list(zoo, rows, "path,label,split,camera")
    # e/0, e/2: 1 of 3; e/1: 2 of 4; f: 1 of 4
    expected = (2 / 3 + 2 / 4 + 2 / 4) / 5
    (said,) = [one for one in _remarks(zoo, "re-identification") if RANDOM in one]
    assert said.startswith(
        f"re-identification: {RANDOM} {100 * expected:.0f} %, since up to 2 of the 4 images"
    )


@pytest.mark.parametrize(
    ("cameras", "said"),
    [
        ({"c": (1, 2), "d": (1, 2)}, []),
        ({"c": (1, 2), "d": (2, 2)}, ["2 of 4 validation images are left out of the retrieval"]),
        ({"c": (1, 1), "d": (2, 2)}, ["validation ignores cameras"]),
        ({"c": ("", ""), "d": ("", "")}, ["validation ignores cameras"]),
    ],
)
def test_validation_images_that_the_rule_of_cameras_takes_out_are_said(
    zoo: Path, cameras: dict[str, tuple[object, object]], said: list[str]
) -> None:
    parts = dict(zip("abcdefg", ["train"] * 2 + ["val"] * 2 + ["test"] * 3, strict=True))
    rows = [
        f"{name},{name[0]},{parts[name[0]]},{cameras.get(name[0], (1, 2))[int(name[2])]}"
        for name in NAMES
    ]
    _list(zoo, rows, "path,label,split,camera")
    notes = [note for note in _remarks(zoo, "re-identification") if "validation" in note]
    assert len(notes) == len(said)
    for note, start in zip(notes, said, strict=True):
        assert note.startswith(f"re-identification: {start}")
    assert not any("validation" in note for note in _remarks(zoo, "official"))


@pytest.mark.parametrize(("trained", "said"), [("", False), ("a", True), ("abcd", False)])
def test_test_images_of_untrained_classes_are_said(zoo: Path, trained: str, said: bool) -> None:
    """a to d are tested; where none of them is trained there are no accuracies."""
    more = write_pictures(zoo, [f"{name}/{n}.png" for name in "abcd" for n in (2, 3)], first=100)
    used = (
        dict.fromkeys("efg", "train") | dict.fromkeys("fg", "val") | dict.fromkeys("abcd", "test")
    )
    rows = [f"{name},{name[0]},{used[name[0]]}" for name in NAMES]
    rows += [f"{name},{name[0]},{'train' if name[0] in trained else 'test'}" for name in more]
    _list(zoo, rows, "path,label,split")
    tested = 8 + 8 - 2 * len(trained)
    note = f"official: {tested - 2} of {tested} test images are of classes without training images:"
    notes = [line for line in split_lines("folder:zoo", zoo.parent) if "without training" in line]
    assert [one.startswith(note) for one in notes] == [True] * said
    assert all(one.endswith(f"no accuracy can exceed {200 / tested:.1f} %") for one in notes)


@pytest.mark.parametrize("word", ["nan", "None", "NULL", "?"])
def test_classes_that_may_be_missing_labels_are_named(zoo: Path, word: str) -> None:
    (zoo / "a").rename(zoo / word)
    assert _remarks(zoo) == [f"a class that may be missing labels: {word!r} (2 images)"]


@pytest.mark.parametrize(
    "name",
    [
        *("FOUND.012/0.png", "LOST.DIR/0.png", "_thumbs/0.png", "@thumb/0.png"),
        *("@eaDir/a.png@SynoEAStream/SYNOFILE_THUMB_M.jpg", "a/@eaDir/0.png", "#recycle/a/0.png"),
        *("$RECYCLE.BIN/S-1-5/0.png", "__MACOSX/a/._0.png", "lost+found/0.png", "a/Thumbs/0.jpg"),
        *("thumbnails/0.png", "a/Thumbnails/0.png", "a/.thumbnails/0.png", "a/._0.png", "._a.jpg"),
        *("a/THUMBS.DB", "a/Desktop.ini", "DESKTOP.INI", ".DS_Store", ".git/x/y", "Icon\r"),
        *(
            "System Volume Information/x.dat",
            "a/0.xmp",
            "a/0.AAE",
            "a/2.jpg.crdownload",
            "a/0.png~",
        ),
        *(".svn/pristine/0.png", "a/CVS/0.png", "a/RCS/0.png,v", ".hg/0.png", ".bzr/0.png"),
        *("_svn/0.png", "a/_darcs/0.png", "~snapshot/a/0.png", "a/_gsdata_/0.png", ".gitignore"),
        *(".Trash-1000/files/0.png", "a/~$0.png", "@Recycle/a/0.png", "a/_vti_cnf/0.jpg"),
    ],
)
def test_litter_is_left_out_at_any_depth_in_any_case(zoo: Path, name: str) -> None:
    before = load("folder:zoo", zoo.parent, "class-disjoint")
    write_pictures(zoo, [name], first=80)
    assert load("folder:zoo", zoo.parent, "class-disjoint").fingerprint == before.fingerprint
    assert verify_zoo(zoo) == []
    (remark,) = _remarks(zoo)
    assert remark.startswith("left out: 1 file hidden or of other programs (")


def test_a_folder_of_the_system_that_cannot_be_read_is_passed_by(zoo: Path) -> None:
    (zoo / "lost+found").mkdir(mode=0)
    assert verify_zoo(zoo) == []


def test_a_list_may_name_any_folder(zoo: Path) -> None:
    (name,) = write_pictures(zoo, ["thumbnails/x.png"], first=80)
    _list(zoo, [*ROWS, f"{name},a"])
    assert len(load("folder:zoo", zoo.parent, "class-disjoint").items) == 15
    assert _remarks(zoo) == []


def test_everything_that_is_not_used_is_said_with_the_reason(zoo: Path) -> None:
    for name in ("a/1.avif", "a/2.avif", "b/1.HEIC", "c/readme"):
        (zoo / name).write_bytes(b"x")
    write_pictures(zoo, ["top.jpg", ".hidden/x.png", "a/@eaDir/y.png", "a/@eaDir/z.png"], first=60)
    (zoo / "owl").mkdir()
    (zoo / "yak").mkdir()
    (zoo / "yak" / "1.jp2").write_bytes(b"x")
    assert _remarks(zoo) == [
        "left out: 1 image not in the folder of a class (top.jpg); 5 files of formats that are not "
        "read (.avif 2, .heic 1, without a suffix 1, .jp2 1); 2 class folders without an image "
        "(owl, yak); 3 files hidden or of other programs (@eaDir 2, .hidden 1)"
    ]
    problems = verify_zoo(zoo)
    assert problems[0].startswith(f"{zoo}: files not used as images of a class (6): a/1.avif, ")
    assert problems[1] == f"{zoo}: class folders without an image (2): owl, yak"


def test_of_a_list_images_that_it_does_not_name_and_junk_are_said(zoo: Path) -> None:
    write_pictures(zoo, ["g/7.png"], first=80)
    _list(zoo, [*(f"{row},train" for row in ROWS), "g/7.png,-1,gallery"], "path,label,split")
    write_pictures(zoo, ["h/1.png"], first=90)
    assert _remarks(zoo) == [
        "left out: 1 image not listed in images.csv (h/1.png); the splits of images.csv, which "
        "class-disjoint does not use; 1 image listed as junk"
    ]


@pytest.mark.parametrize(
    ("protocol", "expected"),
    [
        ("class-disjoint", "the splits and the cameras of images.csv, which class-disjoint does"),
        ("official", "the cameras of images.csv, which official does"),
        ("re-identification", ""),
    ],
)
def test_what_a_list_says_and_a_protocol_does_not_use_is_said(
    zoo: Path, protocol: str, expected: str
) -> None:
    splits = ["train"] * 4 + ["val"] * 4 + ["test"] * 6
    rows = [
        f"{row},{split},{n % 2}" for n, (row, split) in enumerate(zip(ROWS, splits, strict=True))
    ]
    _list(zoo, rows, "path,label,split,camera")
    assert _remarks(zoo, protocol) == ([f"left out: {expected} not use"] if expected else [])


@pytest.mark.parametrize(
    ("one", "other", "shown"),
    [
        ("Heron", "heron", "'Heron' (2 images) and 'heron' (2 images)"),
        ("03", "3", "'03' (2 images) and '3' (2 images)"),
        ("heron", "heron\u200b", r"'heron' (2 images) and 'heron\u200b' (2 images)"),
        ("heron", "h\u0435ron", r"'heron' (2 images) and 'h\u0435ron' (2 images)"),
        ("gr\u00fc", "Gr\u00fc", "'Gr\u00fc' (2 images) and 'gr\u00fc' (2 images)"),
    ],
)
def test_classes_that_look_alike_are_named_and_stay_apart(
    zoo: Path, one: str, other: str, shown: str
) -> None:
    rows = ROWS + [f"x{i}.png,{label}" for i, label in enumerate([one, one, other, other])]
    write_pictures(zoo, [f"x{i}.png" for i in range(4)], first=80)
    splits = ["train"] * 6 + ["val"] * 4 + ["test"] * 8
    _list(zoo, [",".join(row) for row in zip(rows, splits, strict=True)], "path,label,split")
    assert {one, other} <= set(load("folder:zoo", zoo.parent, "official").class_names)
    assert verify_zoo(zoo) == []
    (remark,) = _remarks(zoo, "official")
    assert remark == f"classes that look alike count as different classes: {shown}"
    assert split_lines("folder:zoo", zoo.parent)[-1].endswith(shown)


def test_three_groups_of_classes_that_look_alike_are_shown(zoo: Path) -> None:
    names = [f"{word}{i}" for word in ("Owl ", "owl ") for i in range(5)]
    write_pictures(zoo, [f"{name}/{i}.png" for name in names for i in range(2)], first=80)
    found = _remarks(zoo)
    assert len(found) == 3
    assert "'Owl 2' (2 images) and 'owl 2'" in found[-1]
    assert found[-1].endswith("if they are one class; and 2 more")


@pytest.mark.parametrize("name", ["Recycled", "recycler", "Thumbs", "thumbs", "CVS"])
def test_words_that_may_be_classes_are_used_as_folders_of_classes(zoo: Path, name: str) -> None:
    write_pictures(zoo, [f"{name}/0.png", f"{name}/1.png"], first=80)
    write_pictures(zoo, ["a/Thumbs/0.png", "a/Recycler/0.png"], first=90)
    assert name in load("folder:zoo", zoo.parent, "class-disjoint").class_names
    assert _remarks(zoo) == ["left out: 2 files hidden or of other programs (Recycler 1, Thumbs 1)"]
    (zoo / "Thumbs.db").touch()
    assert "Thumbs.db 1" in _remarks(zoo)[0]


def test_too_few_classes_are_refused_with_the_folders_left_out(zoo: Path) -> None:
    for name, other in (("f", "thumbnails"), ("g", "lost+found")):
        (zoo / name).rename(zoo / other)
    with pytest.raises(ValueError, match=r"two to test; left out are the folders lost\+found, thu"):
        load("folder:zoo", zoo.parent, "class-disjoint")


def test_each_image_has_its_parts_found_once(zoo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A search in a part for each image takes seconds for ten thousands of copies."""
    for name in NAMES:
        (zoo / name).write_bytes((zoo / NAMES[0]).read_bytes())
    dataset = load("folder:zoo", zoo.parent, "class-disjoint")
    calls = []
    parts = Split.parts

    def counted(split: Split) -> dict[str, np.ndarray]:
        calls.append(split)
        return parts(split)

    monkeypatch.setattr(Split, "parts", counted)
    problems, _ = equal_files(dataset)
    assert problems[0].startswith("14 equal files are in different classes or parts: a/0.png (a, t")
    assert len(calls) == 1


@pytest.mark.parametrize(("one", "twin"), [("Zo", "zo"), ("0", "\uff10"), ("-1.50", "\u22121.5")])
def test_look_alikes_in_training_and_test_are_a_problem(zoo: Path, one: str, twin: str) -> None:
    """The first of the classes by code points trains, the last tests."""
    (zoo / "a").rename(zoo / one)
    (zoo / "g").rename(zoo / twin)
    (problem,) = verify_zoo(zoo)
    assert problem.startswith(
        f"classes that look alike are trained and tested by class-disjoint: {one!r} (2 images) and "
    )
    assert problem.endswith(" (2 images); give them one label if they are one class")
    assert _remarks(zoo) == [problem]


def test_equal_files_in_two_parts_or_classes_are_a_problem(zoo: Path) -> None:
    (zoo / "g" / "1.png").write_bytes((zoo / "a" / "0.png").read_bytes())
    assert verify_zoo(zoo) == [
        "2 equal files are in different classes or parts: a/0.png (a, train) = g/1.png (g, test)"
    ]
    (zoo / "f" / "0.png").write_bytes((zoo / "g" / "1.png").read_bytes())
    (problem,) = verify_zoo(zoo)
    assert problem.endswith("a/0.png (a, train) = f/0.png (f, test) = g/1.png (g, test)")


def test_equal_files_of_one_class_are_named_in_one_part_and_a_problem_in_two(zoo: Path) -> None:
    write_pictures(zoo, ["a/2.png", "a/3.png"], first=70)
    for name in ("a/2.png", "a/3.png", "g/1.png"):
        other = "a/0.png" if name[0] == "a" else "g/0.png"
        (zoo / name).write_bytes((zoo / other).read_bytes())
    assert verify_zoo(zoo) == []
    assert split_lines("folder:zoo", zoo.parent)[1:] == [
        "5 equal files are several images of one class: a/0.png (a, train) = a/2.png (a, train) = "
        "a/3.png (a, train), g/0.png (g, test) = g/1.png (g, test)"
    ]
    write_pictures(zoo, ["a/4.png"], first=95)
    splits = ["test", *["train"] * 3, "test", *["train"] * 4, *["val"] * 4, *["test"] * 4]
    names = sorted([*NAMES, "a/2.png", "a/3.png", "a/4.png"])
    rows = [f"{name},{name[0]},{split}" for name, split in zip(names, splits, strict=True)]
    _list(zoo, rows, "path,label,split")
    (problem,) = verify_zoo(zoo)
    assert "a/0.png (a, test) = a/2.png (a, train) = a/3.png (a, train)" in problem


def test_equal_files_of_query_and_gallery_are_a_problem(zoo: Path) -> None:
    splits = ["train"] * 4 + ["val"] * 4 + ["query", "gallery"] * 3
    rows = [f"{name},{name[0]},{split}" for name, split in zip(NAMES, splits, strict=True)]
    _list(zoo, rows, "path,label,split")
    assert verify_zoo(zoo) == []
    (zoo / "e" / "1.png").write_bytes((zoo / "e" / "0.png").read_bytes())
    (problem,) = verify_zoo(zoo)
    assert problem.endswith("e/0.png (e, query) = e/1.png (e, gallery)")


def _png(values: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("low", "high", "named"),
    [(0, 0, True), (255, 255, True), (0, 15, True), (240, 255, True), (100, 140, False)],
)
def test_pictures_of_almost_one_colour_are_named(
    zoo: Path, low: int, high: int, named: bool
) -> None:
    values = np.linspace(low, high, 64).astype(np.uint8).reshape(8, 8)
    (zoo / "a" / "0.png").write_bytes(_png(values))
    found = f"{zoo}: 1 of 14 images are almost one colour once decoded (a/0.png); look at them, and"
    assert [problem.startswith(found) for problem in verify_zoo(zoo)] == [True] * named


def test_a_drawing_with_a_single_stroke_is_not_empty(zoo: Path) -> None:
    paper = np.full((105, 105), 255, np.uint8)
    paper[50, 50:53] = 0
    (zoo / "a" / "0.png").write_bytes(_png(paper))
    assert verify_zoo(zoo) == []
