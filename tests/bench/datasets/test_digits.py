"""The digits: counts, pixels, split, verification."""

import dataclasses

import numpy as np
import pytest
from sklearn.datasets import load_digits as sklearn_digits

from bench.datasets import digits as module
from bench.datasets import download, load, verify
from bench.datasets.images import ArrayImages


def test_digits_are_scikit_learns_in_eight_bits() -> None:
    dataset, bunch = load("digits", None, "class-disjoint"), sklearn_digits()
    assert dataset.pixels.shape == (1797, 8, 8)
    assert dataset.pixels.dtype == np.uint8
    np.testing.assert_allclose(dataset.pixels / 255, bunch.images / 16, atol=0.5 / 255 + 1e-12)
    assert dataset.labels.tolist() == bunch.target.tolist()
    assert [dataset.pixels.min(), dataset.pixels.max()] == [0, 255]
    assert dataset.items[:3] == ("0/0000", "1/0001", "2/0002")


def test_of_five_images_of_a_class_one_validates_and_one_tests() -> None:
    dataset = load("digits", None, "official")
    parts: dict[str, list[int]] = {"train": [], "validation": [], "query": []}
    seen = dict.fromkeys(range(10), 0)
    for position, label in enumerate(dataset.labels.tolist()):
        seen[label] += 1
        part = {4: "validation", 0: "query"}.get(seen[label] % 5, "train")
        parts[part].append(position)
    found = {part: positions.tolist() for part, positions in dataset.split.parts().items()}
    assert found == {**parts, "gallery": parts["query"]}
    assert [len(positions) for positions in found.values()] == [1085, 357, 355, 355]
    assert dataset.split.protocol == "official"
    assert dataset.checksum == load("digits", None, "class-disjoint").checksum
    assert all(len(np.unique(dataset.labels[p])) == 10 for p in dataset.split.parts().values())


def test_verify_accepts_the_digits_and_reports_progress() -> None:
    seen: list[tuple[int, int]] = []
    assert verify("digits", None, lambda done, total: seen.append((done, total))) == []
    assert seen[-1] == (1797, 1797)


def test_verify_sees_one_changed_pixel(monkeypatch: pytest.MonkeyPatch) -> None:
    genuine = module.load_digits(None, "class-disjoint")
    images = genuine.pixels.copy()
    images[100, 3, 3] ^= 1
    altered = dataclasses.replace(genuine, images=ArrayImages(images, genuine.items))
    monkeypatch.setattr(module, "load_digits", lambda root, protocol: altered)
    (problem,) = module.check_digits(None, lambda done, total: None)
    assert f"checksum {altered.checksum}, expected {genuine.checksum}" in problem


def test_embedded_sets_need_no_download() -> None:
    assert download("digits", None, lambda name, done, total: None) == []
    assert download("glyphs", None, lambda name, done, total: None) == []
