"""Mistakes that are refused before the first run starts."""

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.optim import SGD

from bench.datasets import load
from bench.datasets.files.work import quiet
from bench.running.preflight import (
    check_data,
    check_device,
    check_hyper_parameters,
    check_networks,
    check_outside,
    check_same_images,
    to_check,
)
from bench.spec import RunSpec
from bench.store.runs import RunDir, load_run
from bench.training.batches import Batches
from bench.training.checkpoint import Progress, origin_of, save_checkpoint
from bench.weights import LITE0_PACKAGE, embedded, sha256_of
from proxy_core.losses import LOSSES
from tests.support.fabricated import make_spec, seal, write_run
from tests.support.photographs import picture, write_pictures
from tests.support.short_runs import execute, spec_for

NAMES = [f"{label}/{i}.png" for label in "abcdefg" for i in range(2)]


def test_hyper_parameters_that_do_not_fit_the_classes_name_their_method(
    tmp_path: Path,
) -> None:
    """Digits has three training classes: 0.4 of them is one proxy, 0.7 are two."""
    bad = spec_for("proxy_triplet", loss_args={"proxies_per_class": 0.4}, method="Few")
    with pytest.raises(ValueError, match=r"Few on digits: proxies_per_class is 0\.4: that is one"):
        check_data([spec_for(), bad], None, tmp_path, "cpu", quiet)
    check_data([spec_for(), spec_for("proxy_triplet")], None, tmp_path, "cpu", quiet)
    check_hyper_parameters(bad, classes=10)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_check_takes_no_memory(loss: str) -> None:
    """A table of these sizes would take petabytes."""
    check_hyper_parameters(spec_for().model_copy(update={"loss": loss, "loss_args": {}}), 10**12)


def test_every_method_that_compares_nothing_is_named_before_any_run(tmp_path: Path) -> None:
    """Digits has three training classes: one image of each leaves no positive pair."""
    sizes = {"batch_size": 3, "samples_per_class": 1}
    few = [
        spec_for("triplet", method="T", **sizes),
        spec_for("proxy_nca", **sizes),
        spec_for("margin", method="M", **sizes),
        spec_for("triplet", method="T", seed=1, **sizes),
        spec_for("magnet", method="G", samples_per_class=24),
    ]
    with pytest.raises(ValueError, match="nothing to compare") as caught:
        check_data([spec_for(), *few], None, tmp_path, "cpu", quiet)
    pairs = "batch_size = 3 and samples_per_class = 1 leave 0 positive and 3 negative pairs"
    lines = str(caught.value).splitlines()
    assert lines[0].startswith(f"T on digits: triplet has nothing to compare: {pairs}")
    assert lines[1].startswith(f"M on digits: margin has nothing to compare: {pairs}")
    assert lines[2].startswith("G on digits: samples_per_class is 24 of 24 images: magnet needs")
    assert len(lines) == 3
    assert list(tmp_path.iterdir()) == []


def test_wrong_weights_are_found_before_the_data(tmp_path: Path) -> None:
    """Of photographs, which may be many: here there are none at all."""
    pytest.importorskip("timm")
    weights = tmp_path / "garbage.pth"
    weights.write_bytes(b"no weights at all")
    fields = {
        "backbone": "efficientnet_lite0",
        "weights": str(weights),
        "weights_sha256": sha256_of(weights),
    }
    spec = zoo_spec("Proxy-NCA", 0).model_copy(update={**fields, "resize": 64, "crop": 64})
    message = r"Proxy-NCA on folder:zoo: .*garbage\.pth is damaged, or is not a \.safetensors"
    with pytest.raises(ValueError, match=message):
        check_data([spec], tmp_path / "nowhere", tmp_path, "cpu", quiet)


@pytest.mark.parametrize(
    ("backbone", "mean", "deviation"),
    [("efficientnet_lite0", "0.498", "0.502"), ("timm:tf_efficientnet_lite0", "0.500", "0.500")],
)
def test_the_input_that_weights_of_a_file_are_taken_for_is_said(
    backbone: str, mean: str, deviation: str
) -> None:
    """One file, which both networks take: no file says on which images it was trained."""
    for package in ("timm", LITE0_PACKAGE):
        pytest.importorskip(package)
    path = embedded().path
    fields = {"backbone": backbone, "weights": str(path), "weights_sha256": sha256_of(path)}
    spec = zoo_spec("Proxy-NCA", 0).model_copy(update={**fields, "resize": 64, "crop": 64})
    [line] = check_networks([spec, spec], "cpu")
    start = f"weights {path}: taken for those of {backbone}, whose images have the mean {mean} "
    assert line.startswith(start)
    assert f"the standard deviation {deviation} " in line
    assert check_networks([spec.model_copy(update={"weights": None})], "cpu") == []


def test_bf16_is_refused_where_a_cpu_computes_wrong_gradients(tmp_path: Path) -> None:
    small = spec_for(backbone="resnet18", precision="bf16")  # digits have 8 x 8 pixels
    message = (
        'proxy_nca on digits: precision is "bf16": on a CPU .* of .*layer3.0.conv1 of resnet18'
    )
    with pytest.raises(ValueError, match=message):
        check_data([small], None, tmp_path, "cpu", quiet)
    with pytest.raises(ValueError, match=r"gradient of .*layer3\.0\.conv1 of resnet18"):
        execute(small, tmp_path)
    for fields in ({"backbone": "conv4"}, {"precision": "float32"}):
        check_data([small.model_copy(update=fields)], None, tmp_path, "cpu", quiet)


def test_a_network_that_does_not_see_the_whole_image_is_named() -> None:
    pytest.importorskip("timm")
    spec = zoo_spec("Proxy-NCA", 0).model_copy(
        update={"backbone": "timm:convnext_atto", "resize": 64, "crop": 62}
    )
    assert check_networks([spec, spec], "cpu") == [
        "timm:convnext_atto sees no pixel of the last 2 rows and columns of images of 62 x 62 "
        "pixels, which its strides do not divide"
    ]


@pytest.mark.parametrize(
    ("backbone", "reason"),
    [
        ("timm:vit_tiny_patch16_224", "it cuts images into patches of 16 pixels, which needs a"),
        ("googlenet", "Given input size: "),
    ],
)
def test_a_size_that_the_network_refuses_is_found_before_any_run(
    backbone: str, reason: str, data: Path, tmp_path: Path
) -> None:
    spec = zoo_spec("Proxy-NCA", 0).model_copy(update={"backbone": backbone})
    message = f"Proxy-NCA on folder:zoo: backbone '{backbone}' refuses images of 3 x 3 pixels: "
    with pytest.raises(ValueError, match=message + reason):
        check_data([spec], data, tmp_path, "cpu", quiet)


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
    path = write_run(results, spec, gain=0.1)
    split = load_run(RunDir(path)).record["split"] | {"fingerprint": dataset.fingerprint}
    seal(path, split=split, data_checksum=dataset.checksum)
    return path


def test_stored_runs_on_the_same_images_are_accepted(data: Path, tmp_path: Path) -> None:
    results = tmp_path / "results"
    dataset = load("folder:zoo", data, "class-disjoint")
    store(results, data, zoo_spec("Proxy-NCA", 0))
    check_same_images(dataset, results)
    check_same_images(dataset.prepare(4, 3, quiet), results)
    check_data([zoo_spec("Proxy-NCA", 1)], data, results, "cpu", quiet)


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
        f"such as {path.name}: choose another folder with --results, or give the folder"
    )
    with pytest.raises(ValueError, match=message):
        check_data([zoo_spec("Triplet, semi-hard", 5)], data, results, "cpu", quiet)


@pytest.mark.parametrize("inside", [".", "results", "a/deep/results"])
def test_results_among_photographs_are_refused(data: Path, inside: str) -> None:
    """The next command would take stored pictures for photographs of further classes."""
    results = data / "zoo" / inside
    with pytest.raises(ValueError, match=f"the results folder {results} is in {data / 'zoo'}"):
        check_data([zoo_spec("Proxy-NCA", 0)], data, results, "cpu", quiet)
    check_data([zoo_spec("Proxy-NCA", 0)], data, data / "zoo-results", "cpu", quiet)


def test_results_beside_listed_photographs_are_accepted(data: Path) -> None:
    (data / "zoo" / "images.csv").write_text("path,label\n")
    check_outside(data / "zoo", data / "zoo" / "results")


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


BEFORE = "checkpoint-before.pt"


def save(results: Path, data: Path, spec: RunSpec) -> Path:
    """A checkpoint of a run on the images that are now under the data root, but of no network."""
    dataset = load(spec.dataset, data, spec.split).prepare(spec.resize, spec.crop, quiet)
    files = RunDir.of(results, spec)
    model = nn.Linear(1, 1)
    origin = origin_of(spec, dataset, torch.device("cpu"))
    batches = Batches(spec, dataset, model)
    save_checkpoint(files, origin, model, model, SGD(model.parameters()), batches, Progress())
    return files.checkpoint


def test_checkpoints_that_cannot_be_resumed_are_all_named(data: Path, tmp_path: Path) -> None:
    results = tmp_path / "results"
    specs = [zoo_spec("Proxy-NCA", seed) for seed in range(4)]
    paths = [save(results, data, spec) for spec in specs[:3]]
    check_data(specs, data, results, "cpu", quiet)
    paths[1].write_bytes(paths[1].read_bytes()[:-1])
    with pytest.raises(ValueError, match="is damaged") as caught:
        check_data(specs, data, results, "cpu", quiet)
    assert len(str(caught.value).splitlines()) == 1
    (data / "zoo" / NAMES[0]).write_bytes(picture(77))
    with pytest.raises(ValueError, match="data checksum was") as caught:
        check_data(specs, data, results, "cpu", quiet)
    lines = str(caught.value).splitlines()
    assert [line.split(" ")[0] for line in lines] == [str(path) for path in paths]
    check_data(specs[3:], data, results, "cpu", quiet)


def test_a_run_that_resumes_from_the_checkpoint_before_its_last_one_is_named(
    data: Path, tmp_path: Path
) -> None:
    spec, results = zoo_spec("Proxy-NCA", 0), tmp_path / "results"
    for _ in range(2):
        path = save(results, data, spec)
    quietly = check_data([spec], data, results, "cpu", quiet)
    path.write_bytes(b"cut")
    *lines, last = check_data([spec], data, results, "cpu", quiet)
    assert lines == quietly
    assert last == f"{path} cannot be resumed; its run resumes from {BEFORE}"


def test_a_checkpoint_beside_a_finished_run_is_not_looked_at(data: Path, tmp_path: Path) -> None:
    """A kill between the last two steps of a run leaves it."""
    results = tmp_path / "results"
    files = RunDir(store(results, data, zoo_spec("Proxy-NCA", 0)).parent)
    files.checkpoint.write_bytes(b"of an older version")
    check_data([zoo_spec("Proxy-NCA", 0)], data, results, "cpu", quiet)


@pytest.mark.parametrize("device", ["nonsense", "cpu:x", "meta"])
def test_a_device_that_computes_nothing_is_one_message(device: str) -> None:
    with pytest.raises(ValueError, match=f"device '{device}' cannot be used .*; try --device cpu"):
        check_device(device)
