"""Mistakes that are refused before the first run starts."""

import json
from pathlib import Path

import pytest

from bench.datasets import load
from bench.datasets.files.work import quiet
from bench.running.preflight import (
    check_data,
    check_hyper_parameters,
    check_same_images,
    to_check,
)
from bench.spec import RunSpec
from proxy_core.losses import LOSSES
from tests.support.fabricated import make_spec, write_run
from tests.support.photographs import picture, write_pictures
from tests.support.short_runs import spec_for

NAMES = [f"{label}/{i}.png" for label in "abcdefg" for i in range(2)]


def test_hyper_parameters_that_do_not_fit_the_classes_name_their_method(
    tmp_path: Path,
) -> None:
    """Digits has three training classes: 0.4 of them is one proxy, 0.7 are two."""
    bad = spec_for("proxy_triplet", loss_args={"proxies_per_class": 0.4}, method="Few")
    with pytest.raises(ValueError, match=r"Few on digits: proxies_per_class is 0\.4: that is one"):
        check_data([spec_for(), bad], None, tmp_path, quiet)
    check_data([spec_for(), spec_for("proxy_triplet")], None, tmp_path, quiet)
    check_hyper_parameters(bad, classes=10)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_check_takes_no_memory(loss: str) -> None:
    """A table of these sizes would take petabytes."""
    check_hyper_parameters(spec_for().model_copy(update={"loss": loss, "loss_args": {}}), 10**12)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PROXY_BENCH_CACHE", str(tmp_path / "cache"))
    write_pictures(tmp_path / "data" / "zoo", NAMES)
    return tmp_path / "data"


def zoo_spec(method: str, seed: int) -> RunSpec:
    sizes = {"resize": 4, "crop": 3}
    return make_spec("folder:zoo", method, seed).model_copy(update=sizes)


def store(results: Path, data: Path, spec: RunSpec) -> Path:
    """A made-up run on the images that are now under the data root."""
    dataset = load(spec.dataset, data, spec.split)
    path = write_run(results, spec, gain=0.1) / "run.json"
    record = json.loads(path.read_text())
    record["split"]["fingerprint"] = dataset.fingerprint
    record["data_checksum"] = dataset.checksum
    path.write_text(json.dumps(record))
    return path


def test_stored_runs_on_the_same_images_are_accepted(data: Path, tmp_path: Path) -> None:
    results = tmp_path / "results"
    dataset = load("folder:zoo", data, "class-disjoint")
    store(results, data, zoo_spec("Proxy-NCA", 0))
    check_same_images(dataset, results)
    check_same_images(dataset.prepare(4, 3, quiet), results)
    check_data([zoo_spec("Proxy-NCA", 1)], data, results, quiet)


def test_stored_runs_are_checked_where_the_images_may_have_changed() -> None:
    pinned, own = make_spec("digits", "Proxy-NCA", 0), zoo_spec("Proxy-NCA", 0)
    assert to_check([pinned, own], missing=[]) == [own]
    assert to_check([pinned, own], missing=[pinned]) == [pinned, own]


@pytest.mark.parametrize("change", ["pixels", "split"])
def test_other_images_or_another_split_are_refused(data: Path, tmp_path: Path, change: str) -> None:
    results = tmp_path / "results"
    path = store(results, data, zoo_spec("Proxy-NCA", 0))
    if change == "pixels":
        (data / "zoo" / NAMES[0]).write_bytes(picture(77))
    else:
        rows = [f"{name},{name[0] if i else 'b'}" for i, name in enumerate(NAMES)]
        (data / "zoo" / "images.csv").write_text("\n".join(["path,label", *rows]))
    message = (
        f"{results} holds runs on other images or another split of them under the name folder:zoo, "
        f"such as {path.parent.name}: choose another folder with --results, or give the folder"
    )
    with pytest.raises(ValueError, match=message):
        check_data([zoo_spec("Triplet, semi-hard", 5)], data, results, quiet)


def test_runs_under_another_name_or_split_are_not_compared(data: Path, tmp_path: Path) -> None:
    results = tmp_path / "results"
    for spec in (
        make_spec("folder:ark", "Proxy-NCA", 0),
        zoo_spec("Proxy-NCA", 0).model_copy(update={"split": "official"}),
    ):
        write_run(results, spec, gain=0.1)
    check_same_images(load("folder:zoo", data, "class-disjoint"), results)
    write_run(results, make_spec("digits", "Proxy-NCA", 0), gain=0.1)  # nor are images in memory
    check_same_images(load("digits", None, "class-disjoint"), results)
