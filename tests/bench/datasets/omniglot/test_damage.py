"""What is said about a damaged Omniglot, on a miniature: 8 characters of 7 alphabets."""

import hashlib
import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.datasets.omniglot import reading as omniglot_reading
from bench.datasets.omniglot.dataset import check_omniglot, load_omniglot
from bench.datasets.omniglot.drawings import shrink

BACKGROUND = ("Ewok", "Dovahzul", "Cirth", "Aurebesh", "Bajoran")  # in order of number, not name
ALPHABETS = {**{name: i for i, name in enumerate(BACKGROUND, start=1)}, "Klingon": 6, "Quenya": 8}
PAPER = np.random.default_rng(9).random((8, 20, 105, 105)) < 0.9
KLINGON, QUENYA = "images_evaluation/Klingon", "images_evaluation/Quenya"

Contents = dict[str, bytes]
Damage = Callable[[Contents], None]


def _quiet(done: int, total: int) -> None:
    return None


def _png(paper: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(paper).save(buffer, "PNG")
    return buffer.getvalue()


def _published() -> Contents:
    names = [f"images_background/{name}/character01" for name in BACKGROUND]
    names += [f"{KLINGON}/character01", f"{KLINGON}/character02", f"{QUENYA}/character01"]
    return {
        f"{name}/{number:04d}_{person + 1:02d}.png": _png(PAPER[number - 1, person])
        for number, name in enumerate(names, start=1)
        for person in range(20)
    }


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> Contents:
    """The miniature's files, in place of the genuine table."""
    digests = [
        hashlib.sha256(b"".join(np.packbits(one).tobytes() for one in character)).digest()
        for character in PAPER
    ]
    content = hashlib.sha256(b"".join(digests)).hexdigest()
    table = {"ALPHABETS": ALPHABETS, "CHARACTERS": 8, "FIRST_EVALUATION": 6}
    pinned = {"CONTENT": content, "DIGESTS": "".join(digest.hex()[:4] for digest in digests)}
    for name, value in {**table, **pinned}.items():
        monkeypatch.setattr(omniglot_reading, name, value)
    return _published()


def _write(root: Path, contents: Contents, unpack: bool) -> dict[str, Path]:
    folder = root / "omniglot"
    for part in omniglot_reading.PARTS:
        own = {name: data for name, data in contents.items() if name.startswith(part)}
        folder.mkdir(exist_ok=True)
        if unpack:
            for name, data in own.items():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(data)
        else:
            with zipfile.ZipFile(folder / f"{part}.zip", "w") as packed:
                for name, data in own.items():
                    packed.writestr(name, data)
    suffix = "" if unpack else ".zip"
    return {part: folder / f"{part}{suffix}" for part in omniglot_reading.PARTS}


def _drop(names: list[str]) -> Damage:
    def damage(contents: Contents) -> None:
        for name in names:
            del contents[name]

    return damage


def _put(name: str, data: bytes) -> Damage:
    return lambda contents: contents.update({name: data})


ONE = f"{KLINGON}/character02/0007_05.png"
ALL = [f"{KLINGON}/character02/0007_{i:02d}.png" for i in range(1, 21)]
DAMAGES: list[tuple[Damage, str]] = [
    (_drop([ONE]), f"{ONE} is missing"),
    (_drop(ALL), f"{KLINGON}/character02 is missing"),
    (_put(f"{KLINGON}/more.png", b"x"), f"{KLINGON}/more.png does not belong here"),
    (_put(ONE, _png(~PAPER[0, 0])), f"a drawing of {KLINGON}/character02 is not the published one"),
    (_put(ONE, _png(PAPER[0, 0, :9])), f"{ONE} is 105x9 in mode 1, expected 105x105 1-bit"),
    (_put(ONE, b"\0" * 70_000), f"{ONE} is larger than 65,536 bytes; it was not read"),
]


@pytest.mark.parametrize("unpack", [False, True])
def test_the_undamaged_miniature_is_loaded(
    published: Contents, tmp_path: Path, unpack: bool
) -> None:
    _write(tmp_path, published, unpack)
    assert check_omniglot(tmp_path, _quiet) == []
    dataset = load_omniglot(tmp_path, "class-disjoint")
    assert dataset.items == tuple(published)
    assert dataset.class_names[:2] == ("Ewok/character01", "Dovahzul/character01")
    np.testing.assert_array_equal(dataset.pixels, shrink(PAPER.reshape(160, 105, 105)))
    # Fifth of the background alphabets by name is Ewok, the first by number.
    assert dataset.split.validation.tolist() == list(range(20))
    assert dataset.split.train.tolist() == list(range(20, 100))
    assert dataset.split.query.tolist() == dataset.split.gallery.tolist() == [*range(100, 160)]


@pytest.mark.parametrize("unpack", [False, True])
@pytest.mark.parametrize(("damage", "expected"), DAMAGES)
def test_each_damage_is_one_problem_naming_file_and_entry(
    published: Contents, tmp_path: Path, damage: Damage, expected: str, unpack: bool
) -> None:
    damage(published)
    place = _write(tmp_path, published, unpack)["images_evaluation"]
    assert check_omniglot(tmp_path, _quiet) == [f"{place}: {expected}"]
    message = re.escape(f"omniglot is not as published: {place}: {expected}; `proxy-bench data v")
    with pytest.raises(ValueError, match=f"^{message}"):
        load_omniglot(tmp_path, "class-disjoint")


def test_several_damages_are_all_listed(published: Contents, tmp_path: Path) -> None:
    for damage, _ in (DAMAGES[0], DAMAGES[2]):
        damage(published)
    published["images_background/Ewok/character01/0001_20.png"] = b"no picture"
    places = _write(tmp_path, published, unpack=False)
    problems = check_omniglot(tmp_path, _quiet)
    unreadable = f"{places['images_background']}: images_background/Ewok/character01/0001_20.png is"
    assert problems[:2] == [
        f"{places['images_evaluation']}: {ONE} is missing",
        f"{places['images_evaluation']}: {KLINGON}/more.png does not belong here",
    ]
    assert problems[2].startswith(f"{unreadable} not a readable PNG file")
    with pytest.raises(ValueError, match=r"is missing \(and 2 more problems\); "):
        load_omniglot(tmp_path, "class-disjoint")


def test_a_truncated_archive_is_one_problem(published: Contents, tmp_path: Path) -> None:
    place = _write(tmp_path, published, unpack=False)["images_background"]
    place.write_bytes(place.read_bytes()[:-30])
    (problem,) = check_omniglot(tmp_path, _quiet)
    assert problem.startswith(f"{place}: not a complete zip archive")


def test_a_change_the_short_digests_do_not_see_is_seen(
    published: Contents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(omniglot_reading, "CONTENT", "f00")
    _write(tmp_path, published, unpack=False)
    (problem,) = check_omniglot(tmp_path, _quiet)
    assert re.fullmatch(r"omniglot: content checksum \w{64}, expected f00", problem)


def test_a_missing_part_is_named(published: Contents, tmp_path: Path) -> None:
    place = _write(tmp_path, published, unpack=False)["images_evaluation"]
    place.unlink()
    with pytest.raises(FileNotFoundError, match=f"looked for {place} and {place.with_suffix('')}"):
        load_omniglot(tmp_path, "class-disjoint")
