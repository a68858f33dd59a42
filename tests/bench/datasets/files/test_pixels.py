"""Decoded photographs: equal to decoding each, decoded once, kept by all that can change them."""

import dataclasses
import os
import time
from pathlib import Path

import numpy as np
import pytest

from bench.datasets import Dataset, class_disjoint
from bench.datasets.files import pixels
from bench.datasets.files.photographs import OpenPlace, Photographs
from bench.datasets.files.pixels import Decoded, decoded, prepare
from bench.datasets.files.progress import quiet
from bench.training.inputs import training_input
from tests.support.photographs import (
    NAMES,
    check_decoded,
    count_work,
    pack,
    picture,
    write_pictures,
)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, with parts of four photographs: 4, 4 and 3."""
    monkeypatch.setenv("PROXY_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(pixels, "PART", 4)
    return tmp_path / "cache"


@pytest.fixture
def photographs(tmp_path: Path) -> Photographs:
    write_pictures(tmp_path / "photos", NAMES)
    return Photographs(tmp_path / "photos", NAMES)


def test_every_position_equals_decoding_it(photographs: Photographs, tmp_path: Path) -> None:
    found = decoded("zoo", photographs, 7, quiet)
    assert len({found[i].shape for i in range(11)}) > 1
    check_decoded(found, photographs, 7)
    with pytest.raises(IndexError):
        found[11]
    pack(tmp_path / "a.zip", photographs.place, NAMES, "in")
    packed = Photographs(tmp_path / "a.zip", NAMES, np.array([[0, 1, 4, 3.5]] * 11), "in")
    check_decoded(decoded("zoo", packed, 9, quiet), packed, 9)


@pytest.mark.parametrize("count", [1, 3, 4, 5, 8])
def test_borders_of_parts(photographs: Photographs, count: int) -> None:
    some = Photographs(photographs.place, NAMES[:count])
    check_decoded(decoded("zoo", some, 5, quiet), some, 5)


def test_a_second_call_decodes_nothing(
    photographs: Photographs, monkeypatch: pytest.MonkeyPatch
) -> None:
    worked = count_work(monkeypatch)
    said: list[tuple[str, int, int | None]] = []
    decoded("zoo", photographs, 6, lambda *told: said.append(told))
    assert sorted(worked) == list(range(11))
    told = [done for what, done, total in said if what == "decoding" and total == 11]
    assert told[0] == 0
    assert told[-1] == 11
    assert told == sorted(told)
    found = decoded("zoo", Photographs(photographs.place, NAMES), 6, quiet)
    assert len(worked) == 11
    check_decoded(found, photographs, 6)


def test_another_side_file_box_or_name_is_another_folder(
    photographs: Photographs, cache: Path
) -> None:
    decoded("zoo", photographs, 6, quiet)
    decoded("zoo", photographs, 5, quiet)
    decoded("folder:Zoo / ü", photographs, 6, quiet)
    boxes = np.array([[0, 0, 3, 3]] * 11, dtype=np.float64)
    decoded("zoo", dataclasses.replace(photographs, boxes=boxes), 6, quiet)
    (photographs.place / NAMES[8]).write_bytes(picture(99))
    changed = Photographs(photographs.place, NAMES)
    check_decoded(decoded("zoo", changed, 6, quiet), changed, 6)
    names = [path.name for path in cache.iterdir() if path.is_dir()]
    assert len(names) == 5
    assert sorted(name.rsplit("-", 1)[0] for name in names) == [
        "folder-zoo-6", "zoo-5", "zoo-6", "zoo-6", "zoo-6",
    ]  # fmt: skip


def test_whole_parts_need_no_folder_that_can_be_written(
    photographs: Photographs, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded("zoo", photographs, 6, quiet)
    monkeypatch.setattr(pixels, "alone", None)
    check_decoded(decoded("zoo", photographs, 6, quiet), photographs, 6)


def test_no_file_stays_open(photographs: Photographs) -> None:
    """A process may open few files, by default 256 on some systems; parts are thousands."""
    found = decoded("zoo", photographs, 6, quiet)
    before = len(os.listdir("/dev/fd"))
    means = [found[i].mean() for i in range(11)]
    assert len(means) == 11
    assert len(os.listdir("/dev/fd")) == before


def test_ctrl_c_ends_the_threads_within_a_photograph(
    photographs: Photographs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each takes a tenth of a second, of which eleven wait; what was whole is kept."""
    monkeypatch.setattr(pixels, "PART", 11)
    worked: list[int] = []
    genuine = Photographs.pixels

    def slowly(self: Photographs, place: OpenPlace, position: int, side: int) -> np.ndarray:
        worked.append(position)
        time.sleep(0.1)
        return genuine(self, place, position, side)

    def interrupt(what: str, done: int, total: int | None) -> None:
        if what == "decoding" and done:
            raise KeyboardInterrupt

    monkeypatch.setattr(Photographs, "pixels", slowly)
    with pytest.raises(KeyboardInterrupt):
        decoded("zoo", photographs, 6, interrupt)
    assert 0 < len(worked) < 8
    monkeypatch.setattr(Photographs, "pixels", genuine)
    check_decoded(decoded("zoo", photographs, 6, quiet), photographs, 6)


def test_a_batch_keeps_no_photograph_mapped(photographs: Photographs) -> None:
    labels = np.arange(11) // 2 % 4
    split = class_disjoint(labels, validation=np.array([1]), test=np.array([2]))
    names = ("ant", "bee", "cat", "dog")
    zoo = Dataset("zoo", photographs, labels, names, photographs.names, split)
    zoo = prepare(zoo, 6, quiet)
    before = len(os.listdir("/dev/fd"))
    for augmentation in ("none", "crop", "resized-crop"):
        batch = training_input(zoo, np.arange(11), augmentation, side=5, seed=0, step=1)
        assert batch.shape == (11, 3, 5, 5)
        assert len(os.listdir("/dev/fd")) == before


def test_sizes_are_those_of_the_photographs(photographs: Photographs) -> None:
    found = decoded("zoo", photographs, 6, quiet)
    order = np.array([10, 0, 3])
    assert found.sizes(order).tolist() == [list(found[i].shape[:2]) for i in order.tolist()]


def test_prepare_decodes_photographs_and_leaves_small_images(photographs: Photographs) -> None:
    labels = np.arange(11) // 2 % 4
    split = class_disjoint(labels, validation=np.array([1]), test=np.array([2]))
    names = ("ant", "bee", "cat", "dog")
    dataset = Dataset("zoo", photographs, labels, names, NAMES, split)
    assert prepare(dataset, None, quiet) is dataset
    ready = prepare(dataset, 6, quiet)
    assert isinstance(ready.images, Decoded)
    check_decoded(ready.images, photographs, 6)
    assert ready.checksum == dataset.checksum
    small = dataclasses.replace(dataset, images=np.zeros((11, 4, 4), np.uint8))
    assert prepare(small, 6, quiet) is small
