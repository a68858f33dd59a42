"""Maps: what they keep of the neighbors, by plain loops; that they come back; whose they are."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.reporting.projection import (
    counted_text,
    directions,
    kept_share,
    nearest_points,
    pca,
    pca_map,
)
from bench.store.maps import load_map, map_path, save_map
from bench.store.runs import Run, RunDir, StoredRunError, load_run
from tests.support.fabricated import make_spec, write_run


def test_a_plane_keeps_itself_and_its_variance() -> None:
    generator = np.random.default_rng(0)
    angles = generator.uniform(0, 2 * np.pi, 60)
    circle = np.stack([np.cos(angles), np.sin(angles), np.zeros(60)], axis=1).astype(np.float32)
    found = pca_map(5 * circle)  # lengths do not count
    assert found.variance == pytest.approx(1)
    assert found.kept > 0.97  # rounding swaps equally near ones
    spread = pca_map(generator.normal(size=(60, 40)).astype(np.float32))
    assert spread.variance is not None
    assert spread.variance < 0.3
    assert spread.kept < 0.6


def test_the_images_that_are_counted_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert counted_text(1000) == "all images"
    assert counted_text(2485) == "1,000 of 2,485 images, spread evenly"
    searched: list[np.ndarray] = []

    def search(points: np.ndarray, rows: np.ndarray, count: int) -> list[np.ndarray]:
        searched.append(rows)
        return nearest_points(points, rows, count)

    monkeypatch.setattr("bench.reporting.projection.nearest_points", search)
    for images in (300, 1000, 1001, 2485):
        plane = np.random.default_rng(0).normal(size=(images, 2)).astype(np.float32)
        kept_share(plane, plane)
    assert [len(rows) for rows in searched] == [300, 1000, 1000, 1000]


def test_the_kept_share_is_that_of_plain_loops() -> None:
    generator = np.random.default_rng(1)
    unit = directions(generator.normal(size=(40, 6)))
    points = generator.normal(size=(40, 2))
    shares = []
    for row in range(40):
        others = [n for n in range(40) if n != row]
        true = sorted(others, key=lambda n: -unit[n] @ unit[row])[:10]
        near = sorted(others, key=lambda n: np.hypot(*(points[n] - points[row])))[:10]
        shares.append(len(set(true) & set(near)) / 10)
    assert kept_share(unit, points) == pytest.approx(np.mean(shares))
    assert len(nearest_points(np.zeros((30, 2)), np.array([3]), 10)[0]) == 10


@pytest.mark.parametrize("block", [7, 60, 1024])
def test_blocks_change_no_place(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(3)
    embeddings = (generator.normal(size=(60, 8)) * np.arange(8, 0, -1)).astype(np.float32)
    unit = directions(embeddings)
    _, axes = np.linalg.eigh(np.cov(unit.T.astype(np.float64), bias=True))
    places = (unit - unit.mean(axis=0)) @ axes[:, [-1, -2]]
    monkeypatch.setattr("bench.store.mapped.BLOCK", block)
    found = pca_map(embeddings)
    np.testing.assert_allclose(found.points, places, atol=1e-5)
    assert found.variance == pytest.approx(places.var(axis=0).sum() / unit.var(axis=0).sum())
    assert found.kept == kept_share(unit, places)


def test_steps_share_their_axes() -> None:
    generator = np.random.default_rng(2)
    last = generator.normal(size=(50, 8))
    points, variance = pca(lambda step: [(step + 1) / 2 * last], 2)
    np.testing.assert_allclose(
        points[1] - points[1].mean(0), 2 * (points[0] - points[0].mean(0)), atol=1e-5
    )
    assert variance[0] == pytest.approx(variance[1])


def test_a_map_comes_back_and_is_of_one_network(tmp_path: Path) -> None:
    run, other = (
        load_run(RunDir(write_run(tmp_path, make_spec("digits", "Proxy-NCA", seed), gain=0.1)))
        for seed in (0, 1)
    )
    assert load_map(tmp_path, run) is None
    stored = replace(pca_map(run.embeddings["embeddings"]), variance=None)
    save_map(tmp_path, run, stored)
    found = load_map(tmp_path, run)
    assert found is not None
    assert (found.method, found.kept) == (stored.method, stored.kept)
    np.testing.assert_array_equal(found.points, stored.points)
    map_path(tmp_path, run).rename(map_path(tmp_path, other))
    with pytest.raises(StoredRunError, match="is not a map of this run"):
        load_map(tmp_path, other)


def test_a_map_is_of_the_images_that_it_was_made_from(tmp_path: Path) -> None:
    """New test images leave the network of a run as it was, to the bit."""
    directory = write_run(tmp_path, make_spec("digits", "Proxy-NCA", 0), gain=0.1)
    run = load_run(RunDir(directory))
    save_map(tmp_path, run, pca_map(run.embeddings["embeddings"]))
    with pytest.raises(StoredRunError, match="is not a map of this run"):
        load_map(tmp_path, Run(directory, {**run.record, "data_checksum": "d" * 64}))


def test_the_nearest_points_are_those_of_a_gallery() -> None:
    points = np.random.default_rng(5).normal(size=(30, 2))
    gallery = np.arange(12, 30)
    for row, near in zip(
        (3, 20), nearest_points(points, np.array([3, 20]), 5, gallery), strict=True
    ):
        others = [n for n in gallery.tolist() if n != row]
        assert (
            near.tolist() == sorted(others, key=lambda n: np.hypot(*(points[n] - points[row])))[:5]
        )
    assert len(nearest_points(points, np.array([0]), 50, gallery)[0]) == len(gallery)
    assert nearest_points(points, np.array([0]), 5, gallery[:1])[0].tolist() == [12]
