"""Damaged Omniglot, on a miniature: 8 characters of 7 alphabets, and two one-shot runs of them."""

import hashlib
import io
import re
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.datasets import verify
from bench.datasets.omniglot import protocols, reading
from bench.datasets.omniglot.dataset import check_omniglot, load_omniglot
from bench.datasets.omniglot.protocols import run_names
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


def _digest(drawings: np.ndarray) -> str:
    return hashlib.sha256(b"".join(np.packbits(one).tobytes() for one in drawings)).hexdigest()


def _zip(files: Contents) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        for name, data in files.items():
            packed.writestr(name, data)
    return buffer.getvalue()


def _runs() -> bytes:
    """The archive of the two runs."""
    files: Contents = {}
    for number, (positions, truth) in enumerate(zip(RUNS, TRUTH, strict=True), start=1):
        classes, items = run_names(number)
        names = zip([*items, *classes], positions, strict=True)
        files |= {name: _png(PAPER[i]) for name, i in names}
        lines = [f"{item} {classes[right]}\n" for item, right in zip(items, truth, strict=True)]
        files[f"run{number:02d}/class_labels.txt"] = "".join(lines).encode()
    return _zip(files)


@pytest.fixture
def contents(monkeypatch: pytest.MonkeyPatch) -> Contents:
    """The miniature's files; its digests replace the genuine ones."""
    drawings = [
        f"{name}/{number:04d}_{person:02d}.png"
        for number, name in enumerate(CHARACTERS, start=1)
        for person in range(1, 21)
    ]
    digests = {name: _digest(PAPER[20 * i : 20 * i + 20]) for i, name in enumerate(CHARACTERS)}
    monkeypatch.setattr(reading, "published", lambda: digests)
    runs = _runs()
    pinned = replace(protocols.RUNS, checksum=f"sha256:{hashlib.sha256(runs).hexdigest()}")
    monkeypatch.setattr(protocols, "RUNS", pinned)
    monkeypatch.setattr(protocols, "COUNT", 2)
    files = {name: _png(paper) for name, paper in zip(drawings, PAPER, strict=True)}
    return files | {"all_runs.zip": runs}


def _write(root: Path, contents: Contents, unpack: bool = False) -> dict[str, Path]:
    """Write archives, or folders and the archive of the runs; returns the parts' paths by name."""
    folder = root / "omniglot"
    folder.mkdir()
    (folder / "all_runs.zip").write_bytes(contents["all_runs.zip"])
    for part in reading.PARTS:
        own = {name: data for name, data in contents.items() if name.startswith(part)}
        if unpack:
            for name, data in own.items():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(data)
        else:
            (folder / f"{part}.zip").write_bytes(_zip(own))
    return {part: folder / (part if unpack else f"{part}.zip") for part in reading.PARTS}


def _drop(start: str) -> Damage:
    def damage(contents: Contents) -> None:
        for name in [name for name in contents if name.startswith(start)]:
            del contents[name]

    return damage


def _put(name: str, data: bytes) -> Damage:
    return lambda contents: contents.update({name: data})


ONE = f"{KLINGON}/character02/0007_05.png"
DAMAGES: list[tuple[Damage, str]] = [
    (_drop(ONE), f"{ONE} is missing"),
    (_drop(f"{KLINGON}/character02/"), f"{KLINGON}/character02 is missing (20 files)"),
    (_put(f"{KLINGON}/more.png", b"x"), f"{KLINGON}/more.png does not belong here"),
    (_put(ONE, _png(~PAPER[0])), f"a drawing of {KLINGON}/character02 is not the published one"),
    (_put(ONE, _png(PAPER[0, :9])), f"{ONE} is 105x9 in mode 1, expected 105x105 1-bit"),
]


@pytest.mark.parametrize("unpack", [False, True])
def test_the_undamaged_miniature_is_loaded(
    contents: Contents, tmp_path: Path, unpack: bool
) -> None:
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


@pytest.mark.parametrize("unpack", [False, True])
@pytest.mark.parametrize(("damage", "expected"), DAMAGES)
def test_each_damage_is_one_problem_with_file_and_entry(
    contents: Contents, tmp_path: Path, damage: Damage, expected: str, unpack: bool
) -> None:
    damage(contents)
    place = _write(tmp_path, contents, unpack)["images_evaluation"]
    place = place.parent if unpack else place
    problem = f"{place}: {expected}"
    assert check_omniglot(tmp_path, quiet) == [problem]
    message = re.escape(f"omniglot is not as published: {problem}; `proxy-bench data verify")
    with pytest.raises(ValueError, match=f"^{message}"):
        load_omniglot(tmp_path, "class-disjoint")


def test_several_damages_are_all_listed(contents: Contents, tmp_path: Path) -> None:
    for damage, _ in (DAMAGES[0], DAMAGES[2]):
        damage(contents)
    contents["images_background/Ewok/character01/0001_20.png"] = b"no picture"
    contents["all_runs.zip"] = contents["all_runs.zip"][:-30]
    places = _write(tmp_path, contents)
    problems = check_omniglot(tmp_path, quiet)
    unreadable = f"{places['images_background']}: images_background/Ewok/character01/0001_20.png is"
    assert problems[:2] == [
        f"{places['images_evaluation']}: {ONE} is missing",
        f"{places['images_evaluation']}: {KLINGON}/more.png does not belong here",
    ]
    assert problems[2].startswith(f"{unreadable} not an image file")
    assert problems[3].startswith(f"{tmp_path}/omniglot/all_runs.zip is not the published archive")
    assert len(problems) == 4
    with pytest.raises(ValueError, match=r"is missing \(and 2 more problems\); "):
        load_omniglot(tmp_path, "class-disjoint")


def test_a_truncated_archive_is_one_problem(contents: Contents, tmp_path: Path) -> None:
    place = _write(tmp_path, contents)["images_background"]
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
    litter = {f"{KLINGON}/{name}": b"x" for name in (".DS_Store", "__MACOSX/._item.png")}
    _write(tmp_path, contents | litter)
    assert check_omniglot(tmp_path, quiet) == []


def test_the_runs_are_optional_but_must_be_the_published_ones(
    contents: Contents, tmp_path: Path
) -> None:
    _write(tmp_path, contents)
    runs = tmp_path / "omniglot" / "all_runs.zip"
    runs.write_bytes(contents["all_runs.zip"] + b"x")
    advice = "delete it and download it again, or do without the one-shot runs"
    message = rf"^{runs} is not the published archive: found sha256:\w+, expected \S+; {advice}$"
    (problem,) = check_omniglot(tmp_path, quiet)
    assert re.match(message, problem)
    with pytest.raises(ValueError, match=message):
        load_omniglot(tmp_path, "class-disjoint")
    runs.unlink()
    assert check_omniglot(tmp_path, quiet) == []
    assert load_omniglot(tmp_path, "class-disjoint").one_shot is None
