"""Whole runs, up to the browser's page, on data sets unlike the embedded ones: photographs, a
gallery apart, cameras, shared classes."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from bench.cli.main import app
from bench.datasets import DATASETS
from bench.datasets.files.photographs import Photographs
from bench.datasets.splits import JUNK, Split
from bench.datasets.types import Dataset
from bench.reporting.page import write_report
from bench.running.run import InterruptedRunError
from bench.store.runs import Run, scan
from bench.store.thumbnails import load_thumbnails, thumbnails_path
from demo.library import open_library
from demo.page import show
from demo.routes import find_picture, picture_address
from tests.bench.running.test_run import execute, numbers, spec_for, stopping_every

CLASSES, PER_CLASS = 8, 6
LABELS = np.repeat(np.arange(CLASSES), PER_CLASS)
PHOTOGRAPHS: dict[str, Any] = {"augmentation": "resized-crop", "resize": 20, "crop": 16}


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROXY_BENCH_CACHE", str(tmp_path / "cache"))


def zoo(folder: Path, split: Split, labels: np.ndarray = LABELS, **fields: Any) -> Dataset:
    """Photographs of eight colours, of unlike sizes."""
    generator = np.random.default_rng(5)
    names = tuple(f"{label}/é {i}.jpg" for i, label in enumerate(LABELS))
    for label, name in zip(LABELS, names, strict=True):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        height, width = generator.integers(24, 60, 2)
        noise = generator.integers(0, 120, (height, width, 3), dtype=np.uint8)
        Image.fromarray(noise + np.uint8(15 * label)).save(path)
    classes = tuple(f"class {label}" for label in range(CLASSES))
    return Dataset("zoo", Photographs(folder, names), labels, classes, names, split, **fields)


def offered(monkeypatch: pytest.MonkeyPatch, dataset: Dataset) -> None:
    """Let the data set be found under its name."""
    source = replace(
        DATASETS["digits"],
        fingerprints={dataset.split.protocol: None},
        load=lambda root, protocol: dataset,
        photographs=True,
    )
    monkeypatch.setitem(DATASETS, "zoo", source)


def unseen() -> Split:
    train, validation, test = LABELS < 3, (LABELS >= 3) & (LABELS < 5), LABELS >= 5
    parts = [np.flatnonzero(mask) for mask in (train, validation, test)]
    return Split("class-disjoint", parts[0], parts[1], parts[2], parts[2])


def finished(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, dataset: Dataset, **fields: Any
) -> Run:
    offered(monkeypatch, dataset)
    settings = PHOTOGRAPHS | {"dataset": "zoo", "split": dataset.split.protocol} | fields
    return execute(spec_for(**settings), tmp_path / "results")


def test_photographs_are_trained_and_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = finished(monkeypatch, tmp_path, zoo(tmp_path / "zoo", unseen()))
    assert stored.record["split"]["test_images"] == 18
    pictures = load_thumbnails(
        thumbnails_path(tmp_path / "results", "zoo", stored.record["split"]["fingerprint"])
    )
    assert pictures.size == (16, 16)
    library = open_library(tmp_path / "results")
    shelf = library.shelves[0]
    page = show(library, {"q": "3"})
    assert 'class="hit' in page.neighbors
    _, number, digest, place = picture_address(0, shelf, 17).split("/")
    found = find_picture(library, {"shelf": number, "digest": digest, "position": place})
    assert found is not None
    assert found[1] == "image/jpeg"
    assert found[0].startswith(b"\xff\xd8")


@pytest.mark.parametrize("augmentation", ["none", "crop", "resized-crop"])
def test_a_run_on_photographs_that_was_stopped_has_the_same_bits(
    augmentation: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = zoo(tmp_path / "zoo", unseen())
    whole = finished(monkeypatch, tmp_path, dataset, augmentation=augmentation)
    spec = spec_for(**(PHOTOGRAPHS | {"dataset": "zoo", "augmentation": augmentation}))
    stop = stopping_every(5)
    for _ in range(2):
        with pytest.raises(InterruptedRunError):
            execute(spec, tmp_path / "parts", stop)
    assert numbers(execute(spec, tmp_path / "parts", stop)) == numbers(whole)


def test_another_photograph_is_another_checksum_and_replaces_the_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = zoo(tmp_path / "zoo", unseen())
    before = finished(monkeypatch, tmp_path, dataset)
    path = thumbnails_path(tmp_path / "results", "zoo", before.record["split"]["fingerprint"])
    old = load_thumbnails(path)
    Image.new("RGB", (40, 40), "red").save(tmp_path / "zoo" / dataset.items[-1])
    changed = replace(dataset, images=Photographs(tmp_path / "zoo", dataset.items))
    after = finished(monkeypatch, tmp_path, changed, seed=1)
    assert before.record["data_checksum"] != after.record["data_checksum"]
    assert before.record["split"] == after.record["split"]
    new = load_thumbnails(path)
    assert old.encoded(16) == new.encoded(16)
    assert old.encoded(17) != new.encoded(17)


def galleries() -> Split:
    """Of each unseen class two images ask; four answer, of which one in the end is junk."""
    usual = unseen()
    asks = usual.query % PER_CLASS < 2
    query, gallery = usual.query[asks], usual.query[~asks]
    return Split("re-identification", usual.train, usual.validation, query, gallery)


def test_people_are_searched_in_a_gallery_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = LABELS.copy()
    labels[-1] = JUNK
    cameras = np.arange(len(labels)) % 3
    dataset = zoo(tmp_path / "zoo", galleries(), labels, cameras=cameras)
    stored = finished(monkeypatch, tmp_path, dataset)
    split = stored.record["split"]
    assert (split["test_images"], split["gallery_images"], split["gallery_classes"]) == (6, 12, 3)
    assert 0 < stored.scores["map_trapezoidal"] <= stored.scores["map"] <= 1
    library = open_library(tmp_path / "results")
    page = show(library, {"q": "99"})
    assert page.view.query == 5
    assert "<button" not in page.neighbors
    assert page.neighbors.count('role="group"') > 5
    assert "gallery images by other cameras of its class" in page.query
    assert "mAP, trapezoidal" in str(show(library, {"tab": "results"}).results)


def test_official_lists_are_classified_in_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    turn = np.arange(len(LABELS)) % 6
    parts = [np.flatnonzero(np.isin(turn, part)) for part in ([0, 1], [2, 3], [4, 5])]
    split = Split("official", parts[0], parts[1], parts[2], parts[2])
    stored = finished(monkeypatch, tmp_path, zoo(tmp_path / "zoo", split))
    assert 0 <= stored.scores["accuracy_proxy"] <= 1
    report = write_report(
        scan(tmp_path / "results")[0], tmp_path / "report", title="Zoo", problems=[]
    )
    page = report.html.read_text(encoding="utf-8")
    assert "Proxy or center" in page
    assert "Nearest neighbour" in (tmp_path / "report" / "table.md").read_text(encoding="utf-8")
    shown = CliRunner().invoke(app, ["show", "zoo", "--results", str(tmp_path / "results")])
    assert shown.exit_code == 0, shown.output
    assert "accuracy_proxy" in shown.output


def test_unseen_classes_have_a_roc_in_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = finished(monkeypatch, tmp_path, zoo(tmp_path / "zoo", unseen()))
    assert stored.roc is not None
    assert (np.diff(stored.roc["tar"]) >= 0).all()
    assert stored.roc["far"][-1] == stored.roc["tar"][-1] == 1
    report = write_report([stored], tmp_path / "report", title="Zoo", problems=[])
    assert any(figure.stem.endswith("roc") for figure in report.figures)
    assert "Verification on the test split of zoo" in report.html.read_text(encoding="utf-8")


def test_damaged_pictures_are_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = zoo(tmp_path / "zoo", unseen())
    path = thumbnails_path(tmp_path / "results", "zoo", dataset.fingerprint)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no archive")
    finished(monkeypatch, tmp_path, dataset)
    assert len(load_thumbnails(path).items) == 18
