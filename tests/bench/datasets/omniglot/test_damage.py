"""Damaged Omniglot, on a miniature: 8 characters of 7 alphabets, and two one-shot runs of them."""

import hashlib
import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.datasets import verify
from bench.datasets.omniglot import protocols, reading
from bench.datasets.omniglot.dataset import check_omniglot, load_omniglot
from bench.datasets.omniglot.protocols import run_digest, run_names
from bench.datasets.omniglot.reading import shrink
from tests.support.tiny import quiet

RANDOM = np.random.default_rng(9)
BACKGROUND = ("Ewok", "Dovahzul", "Cirth", "Aurebesh", "Bajoran")  # in order of number, not name
KLINGON, QUENYA = "images_evaluation/Klingon", "images_evaluation/Quenya"
CHARACTERS = [f"images_background/{name}/character01" for name in BACKGROUND]
CHARACTERS += [f"{KLINGON}/character01", f"{KLINGON}/character02", f"{QUENYA}/character01"]
PAPER = RANDOM.random((160, 105, 105)) < 0.9
RUNS = np.stack([100 + RANDOM.permutation(60)[:40] for _ in range(2)])  # 20 to classify come first
TRUTH = np.stack([RANDOM.permutation(20) for _ in range(2)])

Contents = dict[str, bytes]
Damage = Callable[[Contents], None]


def _png(paper: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(paper).save(buffer, "PNG")
    return buffer.getvalue()


def _answers(run: int, ends: str = "\n") -> bytes:
    names = run_names(f"run{run:02d}")
    pairs = [f"{names[item]} {names[20 + right]}" for item, right in enumerate(TRUTH[run - 1])]
    return ends.join(pairs).encode()


def _digest(drawings: np.ndarray) -> str:
    return hashlib.sha256(b"".join(np.packbits(one).tobytes() for one in drawings)).hexdigest()


@pytest.fixture
def contents(monkeypatch: pytest.MonkeyPatch) -> Contents:
    """The miniature's files; its tables replace the genuine ones."""
    drawings = [
        f"{name}/{number:04d}_{person:02d}.png"
        for number, name in enumerate(CHARACTERS, start=1)
        for person in range(1, 21)
    ]
    files = {name: _png(paper) for name, paper in zip(drawings, PAPER, strict=True)}
    digests = {name: _digest(PAPER[20 * i : 20 * i + 20]) for i, name in enumerate(CHARACTERS)}
    runs = {}
    for number, positions in enumerate(RUNS, start=1):
        *names, answers = run_names(f"run{number:02d}")
        files |= {name: _png(PAPER[i]) for name, i in zip(names, positions, strict=True)}
        files[answers] = _answers(number)
        flat = PAPER[positions].reshape(40, -1)
        runs[f"run{number:02d}"] = run_digest(flat, files[answers].split())
    tables = {"characters.csv": digests, "runs.csv": runs}
    for module in (reading, protocols):
        monkeypatch.setattr(module, "published", tables.__getitem__)
    return files


def _write(root: Path, contents: Contents, unpack: bool = False) -> dict[str, Path]:
    """Write archives, or folders and the archive of the runs; returns their paths by name."""
    folder = root / "omniglot"
    folder.mkdir()
    places = {}
    for part, start in ((reading.PARTS[0],) * 2, (reading.PARTS[1],) * 2, ("all_runs", "run")):
        own = {name: data for name, data in contents.items() if name.startswith(start)}
        if unpack and part in reading.PARTS:
            for name, data in own.items():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(data)
            places[part] = folder / part
        elif own:
            places[part] = folder / f"{part}.zip"
            with zipfile.ZipFile(places[part], "w") as packed:
                for name, data in own.items():
                    packed.writestr(name, data)
    return places


def _drop(start: str) -> Damage:
    def damage(contents: Contents) -> None:
        for name in [name for name in contents if name.startswith(start)]:
            del contents[name]

    return damage


def _put(name: str, data: bytes) -> Damage:
    return lambda contents: contents.update({name: data})


def _swap(one: str, other: str) -> Damage:
    def damage(contents: Contents) -> None:
        contents[one], contents[other] = contents[other], contents[one]

    return damage


ONE = f"{KLINGON}/character02/0007_05.png"
DAMAGES: list[tuple[Damage, str]] = [
    (_drop(ONE), f"{ONE} is missing"),
    (_drop(f"{KLINGON}/character02/"), f"{KLINGON}/character02 is missing (20 files)"),
    (_put(f"{KLINGON}/more.png", b"x"), f"{KLINGON}/more.png does not belong here"),
    (_put(ONE, _png(~PAPER[0])), f"a drawing of {KLINGON}/character02 is not the published one"),
    (_put(ONE, _png(PAPER[0, :9])), f"{ONE} is 105x9 in mode 1, expected 105x105 1-bit"),
]
ITEM, CLASS = "run02/test/item07.png", "run02/training/class03.png"
RUN_DAMAGES: list[tuple[Damage, str]] = [
    (_drop(ITEM), f"{ITEM} is missing"),
    (_drop("run02/test/"), "run02/test is missing (20 files)"),
    (_drop("run01/class_labels.txt"), "run01/class_labels.txt is missing"),
    (_put("run03/test/item01.png", b"x"), "run03/test/item01.png does not belong here"),
    (_swap(ITEM, CLASS), "run02 is not the published one"),
    (_swap("run01/test/item01.png", "run01/test/item02.png"), "run01 is not the published one"),
    (_put("run01/class_labels.txt", _answers(2)), "run01 is not the published one"),
    (_put("run01/class_labels.txt", b"\xff\0"), "run01 is not the published one"),
    (_put(CLASS, _png(PAPER[0, :9])), f"{CLASS} is 105x9 in mode 1, expected 105x105 1-bit"),
]


@pytest.mark.parametrize("unpack", [False, True])
def test_the_undamaged_miniature_is_loaded(
    contents: Contents, tmp_path: Path, unpack: bool
) -> None:
    contents["run01/class_labels.txt"] = _answers(1, "\r\n")
    _write(tmp_path, contents, unpack)
    assert check_omniglot(tmp_path, quiet) == []
    dataset = load_omniglot(tmp_path, "class-disjoint")
    assert dataset.items == tuple(name for name in contents if name.startswith("images"))
    assert dataset.class_names[:2] == ("Ewok/character01", "Dovahzul/character01")
    np.testing.assert_array_equal(dataset.pixels, shrink(PAPER))
    # Fifth of the background alphabets by name is Ewok, the first by number.
    assert dataset.split.validation.tolist() == list(range(20))
    assert dataset.split.train.tolist() == list(range(20, 100))
    assert dataset.split.query.tolist() == dataset.split.gallery.tolist() == [*range(100, 160)]
    assert dataset.one_shot is not None
    np.testing.assert_array_equal(dataset.one_shot.query, RUNS[:, :20])
    np.testing.assert_array_equal(dataset.one_shot.support, RUNS[:, 20:])
    np.testing.assert_array_equal(dataset.one_shot.truth, TRUTH)


def _check_one_problem(root: Path, start: str, problem: str, advice: str) -> None:
    assert check_omniglot(root, quiet) == [problem]
    message = re.escape(f"{start} not as published: {problem}; {advice}")
    with pytest.raises(ValueError, match=f"^{message}"):
        load_omniglot(root, "class-disjoint")


@pytest.mark.parametrize("unpack", [False, True])
@pytest.mark.parametrize(("damage", "expected"), DAMAGES)
def test_each_damage_is_one_problem_with_file_and_entry(
    contents: Contents, tmp_path: Path, damage: Damage, expected: str, unpack: bool
) -> None:
    damage(contents)
    place = _write(tmp_path, contents, unpack)["images_evaluation"]
    place = place.parent if unpack else place
    _check_one_problem(tmp_path, "omniglot is", f"{place}: {expected}", "`proxy-bench data verify")


@pytest.mark.parametrize(("damage", "expected"), RUN_DAMAGES)
def test_each_damage_of_the_runs_is_one_problem(
    contents: Contents, tmp_path: Path, damage: Damage, expected: str
) -> None:
    damage(contents)
    problem = f"{_write(tmp_path, contents)['all_runs']}: {expected}"
    advice = "delete all_runs.zip and download it again"
    _check_one_problem(tmp_path, "omniglot's one-shot runs are", problem, advice)


def test_several_damages_are_all_listed(contents: Contents, tmp_path: Path) -> None:
    for damage, _ in (DAMAGES[0], DAMAGES[2], RUN_DAMAGES[0]):
        damage(contents)
    contents["images_background/Ewok/character01/0001_20.png"] = b"no picture"
    places = _write(tmp_path, contents)
    problems = check_omniglot(tmp_path, quiet)
    unreadable = f"{places['images_background']}: images_background/Ewok/character01/0001_20.png is"
    assert problems[:2] == [
        f"{places['images_evaluation']}: {ONE} is missing",
        f"{places['images_evaluation']}: {KLINGON}/more.png does not belong here",
    ]
    assert problems[2].startswith(f"{unreadable} not a readable PNG file")
    assert problems[3:] == [f"{places['all_runs']}: {ITEM} is missing"]
    with pytest.raises(ValueError, match=r"is missing \(and 2 more problems\); "):
        load_omniglot(tmp_path, "class-disjoint")


@pytest.mark.parametrize("part", ["images_background", "all_runs"])
def test_a_truncated_archive_is_one_problem(contents: Contents, tmp_path: Path, part: str) -> None:
    place = _write(tmp_path, contents)[part]
    place.write_bytes(place.read_bytes()[:-30])
    message = f"^{place} is not a complete zip archive .*; get it again"
    with pytest.raises(ValueError, match=message):
        load_omniglot(tmp_path, "class-disjoint")
    (problem,) = verify("omniglot", tmp_path, quiet)
    assert re.match(message, problem)


def test_a_missing_part_is_named(contents: Contents, tmp_path: Path) -> None:
    place = _write(tmp_path, contents)["images_evaluation"]
    place.unlink()
    with pytest.raises(FileNotFoundError, match=f"looked for {place} and {place.with_suffix('')}"):
        load_omniglot(tmp_path, "class-disjoint")


def test_a_repeated_drawing_and_a_damaged_one_are_named(contents: Contents, tmp_path: Path) -> None:
    place = _write(tmp_path, contents)["images_background"]
    one, other = (f"{CHARACTERS[0]}/0001_{person:02d}.png" for person in (1, 2))
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(place, "a") as packed:
        packed.writestr(one, contents[one])
    stored = place.read_bytes()
    changed = stored.index(contents[other]) + 50
    place.write_bytes(stored[:changed] + bytes([stored[changed] ^ 4]) + stored[changed + 1 :])
    problems = check_omniglot(tmp_path, quiet)
    assert problems[0] == f"{place}: {one} does not belong here"
    assert problems[1].startswith(f"{place}: {other} in {place} cannot be read (Bad CRC")


def test_litter_of_file_managers_does_no_harm(contents: Contents, tmp_path: Path) -> None:
    litter = {f"{KLINGON}/.DS_Store": b"x", "run01/__MACOSX/._item.png": b"x"}
    _write(tmp_path, contents | litter)
    assert check_omniglot(tmp_path, quiet) == []


def test_another_archive_with_the_name_of_the_runs_is_named(
    contents: Contents, tmp_path: Path
) -> None:
    for run in ("run01/", "run02/"):
        _drop(run)(contents)
    contents["run/0965_01.png"] = b"x"
    place = _write(tmp_path, contents)["all_runs"]
    assert check_omniglot(tmp_path, quiet) == [
        f"{place}: all 82 files are missing, as run01/class_labels.txt",
        f"{place}: run/0965_01.png does not belong here",
    ]


def test_the_runs_are_optional(contents: Contents, tmp_path: Path) -> None:
    place = _write(tmp_path, contents)["all_runs"]
    place.unlink()
    assert check_omniglot(tmp_path, quiet) == []
    assert load_omniglot(tmp_path, "class-disjoint").one_shot is None
