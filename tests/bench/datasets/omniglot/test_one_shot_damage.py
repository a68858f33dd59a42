"""What is said about damaged one-shot runs, on two made-up runs of noise."""

import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.datasets.omniglot import dataset as omniglot
from bench.datasets.omniglot import one_shot as omniglot_runs
from bench.datasets.omniglot.dataset import check_omniglot, load_omniglot
from bench.datasets.omniglot.drawings import SMALL, shrink
from bench.datasets.omniglot.one_shot import digest

RANDOM = np.random.default_rng(12)
PAPER = RANDOM.random((2, 40, 105, 105)) < 0.9  # of each run 20 to classify, 20 to choose from
TRUTH = np.stack([RANDOM.permutation(20), RANDOM.permutation(20)])
WHERE = RANDOM.permutation(np.arange(964 * 20, 32460))[:80].reshape(2, 40)
IMAGES = RANDOM.integers(0, 256, (32460, SMALL, SMALL), dtype=np.uint8)
IMAGES[WHERE.ravel()] = shrink(PAPER.reshape(80, 105, 105))

Contents = dict[str, bytes]
Damage = Callable[[Contents], None]


def _png(paper: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(paper).save(buffer, "PNG")
    return buffer.getvalue()


def _answers(run: int) -> str:
    pairs = [
        f"run{run:02d}/test/item{item + 1:02d}.png run{run:02d}/training/class{right + 1:02d}.png"
        for item, right in enumerate(TRUTH[run - 1])
    ]
    return "\n".join(pairs)


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> Contents:
    """The two runs' files, in place of the twenty; the drawings are taken for the published."""
    names = [f"test/item{i:02d}.png" for i in range(1, 21)]
    names += [f"training/class{i:02d}.png" for i in range(1, 21)]
    contents = {
        f"run{run:02d}/{name}": _png(PAPER[run - 1, i])
        for run in (1, 2)
        for i, name in enumerate(names)
    }
    for run in (1, 2):
        contents[f"run{run:02d}/class_labels.txt"] = _answers(run).encode()
    digests = [
        digest(PAPER[run - 1].reshape(40, 105 * 105), _answers(run).encode().split())
        for run in (1, 2)
    ]
    monkeypatch.setattr(omniglot_runs, "RUN_DIGESTS", "".join(digests))
    monkeypatch.setattr(omniglot, "examine", lambda root, report: (IMAGES, []))
    return contents


def _write(root: Path, contents: Contents) -> Path:
    place = root / "omniglot" / "all_runs.zip"
    place.parent.mkdir()
    with zipfile.ZipFile(place, "w") as packed:
        for name, data in contents.items():
            packed.writestr(name, data)
    return place


def _check(root: Path) -> list[str]:
    return check_omniglot(root, lambda done, total: None)


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_undamaged_runs_are_found_in_the_data_set(
    published: Contents, tmp_path: Path, ends: str
) -> None:
    for run in (1, 2):
        published[f"run{run:02d}/class_labels.txt"] = (
            (_answers(run) + "\n").replace("\n", ends).encode()
        )
    _write(tmp_path, published)
    assert _check(tmp_path) == []
    runs = load_omniglot(tmp_path, "class-disjoint").one_shot
    assert runs is not None
    np.testing.assert_array_equal(runs.query, WHERE[:, :20])
    np.testing.assert_array_equal(runs.support, WHERE[:, 20:])
    np.testing.assert_array_equal(runs.truth, TRUTH)


def _drop(prefix: str) -> Damage:
    def damage(contents: Contents) -> None:
        for name in [name for name in contents if name.startswith(prefix)]:
            del contents[name]

    return damage


def _put(name: str, data: bytes) -> Damage:
    return lambda contents: contents.update({name: data})


def _swap(one: str, other: str) -> Damage:
    def damage(contents: Contents) -> None:
        contents[one], contents[other] = contents[other], contents[one]

    return damage


ITEM, CLASS = "run02/test/item07.png", "run02/training/class03.png"
DAMAGES: list[tuple[Damage, str]] = [
    (_drop(ITEM), f"{ITEM} is missing"),
    (_drop("run02/"), "run02 is missing"),
    (_drop("run01/class_labels.txt"), "run01/class_labels.txt is missing"),
    (_put("run03/test/item01.png", b"x"), "run03/test/item01.png does not belong here"),
    (_swap(ITEM, CLASS), "run02 is not the published one"),
    (_swap("run01/test/item01.png", "run01/test/item02.png"), "run01 is not the published one"),
    (_put("run01/class_labels.txt", _answers(2).encode()), "run01 is not the published one"),
    (_put("run01/class_labels.txt", b"\xff\0"), "run01 is not the published one"),
    (_put(CLASS, _png(PAPER[0, 0, :9])), f"{CLASS} is 105x9 in mode 1, expected 105x105 1-bit"),
    (_put(CLASS, b"\0" * 70_000), f"{CLASS} is larger than 65,536 bytes; it was not read"),
]


@pytest.mark.parametrize(("damage", "expected"), DAMAGES)
def test_each_damage_is_one_problem_naming_what_it_is_about(
    published: Contents, tmp_path: Path, damage: Damage, expected: str
) -> None:
    damage(published)
    place = _write(tmp_path, published)
    assert _check(tmp_path) == [f"{place}: {expected}"]
    message = re.escape(f"omniglot's one-shot runs are not as published: {place}: {expected}; ")
    with pytest.raises(ValueError, match=f"^{message}delete all_runs.zip and download it again"):
        load_omniglot(tmp_path, "minimal-1")


def test_another_archive_in_its_place_is_named(published: Contents, tmp_path: Path) -> None:
    other = "images_evaluation/Angelic/character01/0965_01.png"
    place = _write(tmp_path, {other: b"x"})
    assert _check(tmp_path) == [
        f"{place}: run01 is missing",
        f"{place}: run02 is missing",
        f"{place}: {other} does not belong here",
    ]
    with pytest.raises(ValueError, match=r"run01 is missing \(and 2 more problems\); delete"):
        load_omniglot(tmp_path, "class-disjoint")


def test_a_truncated_archive_is_one_problem(published: Contents, tmp_path: Path) -> None:
    place = _write(tmp_path, published)
    place.write_bytes(place.read_bytes()[:-30])
    (problem,) = _check(tmp_path)
    assert problem.startswith(f"{place}: not a complete zip archive")
    with pytest.raises(ValueError, match=r"not as published: .*all_runs\.zip: not a complete zip"):
        load_omniglot(tmp_path, "class-disjoint")


def test_the_protocol_that_does_not_use_the_runs_does_not_read_them(
    published: Contents, tmp_path: Path
) -> None:
    _write(tmp_path, {})
    assert load_omniglot(tmp_path, "vinyals").one_shot is None


def test_without_the_archive_all_is_good(published: Contents, tmp_path: Path) -> None:
    assert _check(tmp_path) == []
    assert load_omniglot(tmp_path, "class-disjoint").one_shot is None
