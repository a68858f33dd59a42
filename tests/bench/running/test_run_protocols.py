"""Whole runs, up to the browser's page, on data sets unlike the embedded ones: photographs, a
separate gallery, cameras, shared classes."""

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
from bench.datasets.splits import Split
from bench.datasets.types import Dataset
from bench.reporting.page import write_report
from bench.running.run import InterruptedRunError
from bench.store.runs import Run, scan
from bench.store.thumbnails import load_thumbnails, save_thumbnails, thumbnails_path
from demo.library import open_library
from demo.page import draw
from demo.pictures import picture_address
from demo.serving.routes import find_picture
from demo.tabs.results import render_scores
from proxy_core.metrics import JUNK
from tests.support.short_runs import execute, numbers, spec_for, stopping_every

pytestmark = pytest.mark.usefixtures("without_figures")

CLASSES, PER_CLASS = 8, 6
LABELS = np.repeat(np.arange(CLASSES), PER_CLASS)
PHOTOGRAPHS: dict[str, Any] = {"augmentation": "resized-crop", "resize": 20, "crop": 16}


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROXY_BENCH_CACHE", str(tmp_path / "cache"))


def zoo(folder: Path, split: Split, labels: np.ndarray = LABELS, **fields: Any) -> Dataset:
    """Photographs of eight colors in different sizes."""
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


def register(monkeypatch: pytest.MonkeyPatch, dataset: Dataset) -> None:
    """Add the data set to DATASETS."""
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
    register(monkeypatch, dataset)
    settings = PHOTOGRAPHS | {"dataset": "zoo", "split": dataset.split.protocol} | fields
    return execute(spec_for(**settings), tmp_path / "results")


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, Run]:
    """Photographs of unseen classes, and a run on them."""
    folder = tmp_path_factory.mktemp("photographs")
    dataset = zoo(folder / "zoo", unseen())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROXY_BENCH_CACHE", str(folder / "cache"))
        return dataset, finished(patch, folder, dataset)


def test_photographs_are_trained_and_shown(photographs: tuple[Dataset, Run]) -> None:
    dataset, stored = photographs
    results = stored.directory.parents[1]
    assert stored.record["split"]["test_images"] == 18
    thumbnails = load_thumbnails(thumbnails_path(results, "zoo", dataset.fingerprint))
    assert thumbnails.size == (16, 16)
    library = open_library(results)
    shelf = library.shelves[0]
    assert 'class="hit' in draw(library, {"q": "3"})
    _, number, digest, position = picture_address(shelf, 17).split("/")
    found = find_picture(library, {"shelf": number, "digest": digest, "position": position})
    assert found is not None
    assert found[1] == "image/jpeg"
    assert found[0].startswith(b"\xff\xd8")


def test_unseen_classes_have_a_roc_in_the_report(
    photographs: tuple[Dataset, Run], tmp_path: Path
) -> None:
    _, stored = photographs
    assert stored.roc is not None
    assert (np.diff(stored.roc["tar"]) >= 0).all()
    assert stored.roc["far"][-1] == stored.roc["tar"][-1] == 1
    report = write_report([stored], tmp_path / "report", title="Zoo", problems=[])
    assert any(figure.stem.endswith("roc") for figure in report.figures)
    assert "Verification on the test split of zoo" in report.html.read_text(encoding="utf-8")


@pytest.mark.parametrize("augmentation", ["none", "crop", "resized-crop"])
def test_an_interrupted_run_on_photographs_has_the_same_bits(
    augmentation: str,
    photographs: tuple[Dataset, Run],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dataset, whole = photographs
    register(monkeypatch, dataset)
    spec = spec_for(**(PHOTOGRAPHS | {"dataset": "zoo", "augmentation": augmentation}))
    if augmentation != PHOTOGRAPHS["augmentation"]:
        whole = execute(spec, tmp_path / "whole")
    stop = stopping_every(5)
    for _ in range(2):
        with pytest.raises(InterruptedRunError):
            execute(spec, tmp_path / "parts", stop)
    assert numbers(execute(spec, tmp_path / "parts", stop)) == numbers(whole)


def test_another_photograph_is_another_checksum_and_replaces_damaged_or_old_thumbnails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = zoo(tmp_path / "zoo", unseen())
    path = thumbnails_path(tmp_path / "results", "zoo", dataset.fingerprint)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no archive")
    before = finished(monkeypatch, tmp_path, dataset)
    old = load_thumbnails(path)
    Image.new("RGB", (40, 40), "red").save(tmp_path / "zoo" / dataset.items[-1])
    changed = replace(dataset, images=Photographs(tmp_path / "zoo", dataset.items))
    after = finished(monkeypatch, tmp_path, changed, seed=1)
    assert before.record["data_checksum"] != after.record["data_checksum"]
    assert before.record["split"] == after.record["split"]
    new = load_thumbnails(path)
    assert old.encoded(16) == new.encoded(16)
    assert old.encoded(17) != new.encoded(17)


def test_the_next_run_replaces_thumbnails_with_edited_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = zoo(tmp_path / "zoo", unseen())
    path = thumbnails_path(tmp_path / "results", "zoo", dataset.fingerprint)
    finished(monkeypatch, tmp_path, dataset)
    right = load_thumbnails(path)
    save_thumbnails(path, replace(right, items=right.items[::-1]))
    after = finished(monkeypatch, tmp_path, dataset, seed=1)
    assert load_thumbnails(path).items == right.items
    assert after.record["picture_names"] == right.names_digest


def separate_gallery() -> Split:
    """Two images of each unseen class are queries, four are in the gallery."""
    usual = unseen()
    is_query = usual.query % PER_CLASS < 2
    query, gallery = usual.query[is_query], usual.query[~is_query]
    return Split("re-identification", usual.train, usual.validation, query, gallery)


def test_identities_are_searched_in_a_separate_gallery(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = LABELS.copy()
    labels[-1] = JUNK
    cameras = np.arange(len(labels)) % 3
    dataset = zoo(tmp_path / "zoo", separate_gallery(), labels, cameras=cameras)
    stored = finished(monkeypatch, tmp_path, dataset)
    split = stored.record["split"]
    assert (split["test_images"], split["gallery_images"], split["gallery_classes"]) == (6, 12, 3)
    assert split["searched_images"] == 12 - 1  # without the junk
    assert split["most_negatives"] == 8  # three classes, of which one has three known images
    assert 0 < stored.scores["map_trapezoidal"] <= stored.scores["map"] <= 1
    library = open_library(tmp_path / "results")
    page = draw(library, {"q": "99"})
    assert 'data-q="5"' in page
    assert "Make it the query" not in page
    assert page.count('role="group"') > 5
    assert "gallery images by other cameras of its identity" in " ".join(page.split())
    assert "mAP trapezoidal" in render_scores(library.shelves[0])


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
    assert "Nearest neighbor" in (tmp_path / "report" / "table.md").read_text(encoding="utf-8")
    shown = CliRunner().invoke(app, ["show", "zoo", "--results", str(tmp_path / "results")])
    assert shown.exit_code == 0, shown.output
    assert "Proxy or center" in shown.output
