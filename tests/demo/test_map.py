"""The tab Map: what it says of a query's neighbors, a chosen part of it, and its bytes."""

import re
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from bench.reporting.documents.trim import trim
from bench.store.maps import Map, load_map, map_path, save_map
from bench.store.runs import Run, StoredRunError, save_arrays
from demo.library import Library, open_library
from demo.maps import SIDE, as_points, open_map, within
from demo.page import draw
from demo.serving.routes import find_points
from demo.view import read_view
from tests.support.fabricated import write_results


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    return open_library(write_results(tmp_path_factory.mktemp("results"), ("digits",)))


def test_the_kept_neighbors_are_those_of_plain_loops(library: Library) -> None:
    shelf = library.shelves[0]
    run = shelf.runs[4]
    points = open_map(shelf, run.name).map.points
    for query in (0, 13, 47):
        others = [n for n in range(48) if n != query]
        near = sorted(others, key=lambda n: np.hypot(*(points[n] - points[query])))[:10]
        kept = len(set(near) & set(run.queries["neighbors"][query, :10].tolist()))
        html = draw(library, {"tab": "map", "run": run.name, "q": str(query)})
        assert f"The map keeps <b>{kept} of 10</b>" in " ".join(html.split())
        rings = re.findall(r'data-rings="([^"]*)"', html)[0].split()
        stored = run.queries["neighbors"][query].tolist()
        assert [int(ring.split(":")[0]) for ring in rings] == stored


def store_map(folder: Path) -> tuple[Path, Run, np.ndarray]:
    """Results, a run of theirs, and the points of its stored map, which keeps 71 % of neighbors."""
    results = write_results(folder, ("digits",))
    run = open_library(results).shelves[0].runs[0]
    points = np.random.default_rng(0).normal(size=(48, 2)).astype(np.float32)
    save_map(results, run, Map(points, "t-SNE", 0.71))
    return results, run, points


def test_a_stored_map_is_shown_with_its_method(tmp_path: Path) -> None:
    results, run, _ = store_map(tmp_path)
    trim(results)
    html = " ".join(draw(open_library(results), {"tab": "map", "run": run.name}).split())
    assert "t-SNE. Over all images, 71 % of the 10 nearest images" in html
    assert "Distances on the map are not retrieval distances" in html
    next(results.glob(f"maps/{run.name}*")).unlink()
    html = draw(open_library(results), {"tab": "map", "run": run.name})
    assert "There is no map of" in html
    assert "proxy-bench map" in html


def test_a_changed_bit_of_a_map_is_found(tmp_path: Path) -> None:
    """Of its points, of the share of neighbors that it keeps and of all else in the file."""
    results, run, points = store_map(tmp_path)
    path = map_path(results, run)
    whole = path.read_bytes()
    refused = 0
    for bit in np.random.default_rng(1).permutation(8 * len(whole))[:400]:
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << (bit % 8)
        path.write_bytes(damaged)
        try:
            found = load_map(results, run)
        except StoredRunError:
            refused += 1
            continue
        assert found is not None
        assert (found.method, found.kept) == ("t-SNE", 0.71)
        assert np.array_equal(found.points, points)
    assert refused > 300


def test_a_map_of_an_earlier_version_is_shown(tmp_path: Path) -> None:
    """Which has no digest of its content."""
    results, run, points = store_map(tmp_path)
    path = map_path(results, run)
    with safe_open(path, "numpy") as file:
        header = file.metadata()
    del header["sha256"]
    save_arrays(path, {"points": points}, header)
    found = load_map(results, run)
    assert found is not None
    assert found.kept == 0.71


def test_a_part_of_the_map_lists_what_lies_within(library: Library) -> None:
    places = np.array([[[0, 0], [1, 0], [1, 1], [0, 1], [0.5, 0.5]]])
    points = as_points(places, np.arange(5))
    assert points.places[0].tolist()[:3] == [[0, 0], [SIDE, 0], [SIDE, SIDE]]
    assert within(points, "300.300-700.300-700.700-300.700").tolist() == [4]
    run = library.shelves[0].runs[0].name
    html = draw(library, {"tab": "map", "run": run, "area": "0.0-999.0-999.999-0.999"})
    assert re.search(r"<h2>4\d images of 6 classes within the line", html)  # some are on the line
    assert "class &lt;b&gt;" in html


@pytest.mark.parametrize(
    "forged", ["0.0-1.1", "0.0-1.1-2.x", "1-2-3", "0.0" + "-1.1" * 60, "9999.0-1.1-2.2"]
)
def test_other_parts_are_none(library: Library, forged: str) -> None:
    assert read_view(library, {"area": forged}).area == ""
    assert read_view(library, {"area": "0.0-1.1-2.2"}).area == "0.0-1.1-2.2"


def test_the_bytes_are_places_and_labels(library: Library) -> None:
    shelf, run = library.shelves[0], library.shelves[0].runs[0]
    points = open_map(shelf, run.name).points
    x = np.frombuffer(points.content, "<u2", 48)
    labels = np.frombuffer(points.content, "<u4", 48, 4 * 48)
    assert x.tolist() == points.places[0, :, 0].tolist()
    assert labels.tolist() == shelf.pictures.labels.tolist()
    html = draw(library, {"tab": "map", "run": run.name, "zoom": "99"})
    kind, number, name, digest = html.split('data-source="points/')[1].split('"')[0].split("/")
    assert 'data-scale="16"' in html
    address = {"kind": kind, "shelf": number, "run": name, "digest": digest}
    assert find_points(library, address) is points
    for part in address:
        for wrong in ("7", "../x", "", "-1"):
            assert find_points(library, {**address, part: wrong}) is None


def test_only_images_that_a_query_is_compared_with_count_as_kept(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = library.shelves[0]
    run, gallery = shelf.runs[4], np.arange(20, 48)
    points = open_map(shelf, run.name).map.points
    monkeypatch.setattr("demo.tabs.map.gallery_of", lambda retrieved: gallery)
    near = sorted(gallery.tolist(), key=lambda n: np.hypot(*(points[n] - points[5])))[:10]
    kept = len(set(near) & set(run.queries["neighbors"][5, :10].tolist()))
    html = draw(library, {"tab": "map", "run": run.name, "q": "5"})
    assert f"The map keeps <b>{kept} of 10</b>" in " ".join(html.split())
    monkeypatch.setattr("demo.tabs.map.gallery_of", lambda retrieved: None)
    html = draw(library, {"tab": "map", "run": run.name, "q": "5"})
    assert "The map keeps" not in html
    assert "is not known" in html
