"""One run from specification to stored result, on the digits: the same bits after any stop."""

import os
import shutil
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from bench.datasets import load
from bench.datasets.images import ArrayImages
from bench.datasets.types import Dataset
from bench.reporting.machines import machine_of
from bench.running.run import InterruptedRunError
from bench.running.sweep import start
from bench.running.worker import Job
from bench.spec import RunSpec
from bench.store import environment
from bench.store.environment import cpu_features
from bench.store.runs import Run, RunDir, load_run
from bench.store.thumbnails import load_thumbnails, thumbnails_path
from bench.training.inputs import embed
from bench.training.network import make_network, random_network, with_features
from bench.training.stored_model import load_model
from proxy_core.models.embedding_model import EmbeddingModel
from tests.support.short_runs import LOSSES, execute, numbers, spec_for, stopping_every


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """One uninterrupted run of each loss."""
    results = tmp_path_factory.mktemp("whole")
    return {loss: execute(spec_for(loss), results) for loss in LOSSES}


@pytest.mark.parametrize("loss", LOSSES)
def test_an_interrupted_and_resumed_run_has_the_same_bits(
    loss: str, whole: dict[str, Run], tmp_path: Path
) -> None:
    stop, steps = stopping_every(5), list[int]()
    for _ in range(2):
        with pytest.raises(InterruptedRunError):
            execute(spec_for(loss), tmp_path, stop, steps)
    resumed = execute(spec_for(loss), tmp_path, stop, steps)
    assert steps == list(range(1, 13))
    assert numbers(resumed) == numbers(whole[loss])


def test_a_run_that_is_resumed_elsewhere_names_both_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = stopping_every(5)
    for cpu in ("AMD EPYC", "Intel Xeon"):
        monkeypatch.setattr(environment, "cpu_model", lambda cpu=cpu: cpu)
        with pytest.raises(InterruptedRunError):
            execute(spec_for(), tmp_path, stop)
    found = execute(spec_for(), tmp_path, stop).record["environment"]
    assert found["cpu"] == "AMD EPYC, then Intel Xeon"
    assert len(machine_of(found).splitlines()) == 2
    assert found["features"] == cpu_features()


def test_a_run_whose_loss_was_edited_meanwhile_is_not_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = stopping_every(5)
    with pytest.raises(InterruptedRunError):
        execute(spec_for(), tmp_path, stop)
    monkeypatch.setattr("bench.training.checkpoint.loss_source", lambda name: "0" * 64)
    with pytest.raises(ValueError, match=r"code of the loss was .*, is 0000000000000000"):
        execute(spec_for(), tmp_path, stop)


def test_seed_and_hyper_parameters_change_the_bits(whole: dict[str, Run], tmp_path: Path) -> None:
    others = spec_for(seed=1), spec_for(loss_args={"scale": 13.0})
    runs = [whole["proxy_nca"], *(execute(spec, tmp_path) for spec in others)]
    assert len({run.record["parameters"]["sha256"] for run in runs}) == 3


def test_every_loss_starts_from_the_same_network(whole: dict[str, Run]) -> None:
    first, *others = whole.values()
    for other in others:
        assert other.record["untrained"] == first.record["untrained"]
        assert other.curve[0]["recall@1"] == first.curve[0]["recall@1"]
        assert other.curve[0]["loss"] is None


def test_the_record_has_the_origin_of_the_numbers(whole: dict[str, Run]) -> None:
    stored, dataset = whole["proxy_nca"], load("digits", None, "class-disjoint")
    assert [point["step"] for point in stored.curve] == [0, 4, 8, 12]
    assert stored.curve[-1]["images"] == 12 * 24
    assert stored.record["spec"] == spec_for().model_dump()
    assert stored.record["split"]["fingerprint"] == dataset.fingerprint
    assert stored.record["data_checksum"] == dataset.checksum
    assert stored.record["split"]["test_images"] == len(dataset.split.query) == 896
    assert stored.record["environment"]["threads"] == 1
    assert stored.record["environment"]["packages"]["torch"]
    assert not stored.files.checkpoint.exists()
    first = stored.queries["first_hit"]
    assert stored.scores["recall@1"] == pytest.approx(np.mean(first == 1))


def test_neighbors_are_indices_of_the_stored_thumbnails(whole: dict[str, Run]) -> None:
    stored = whole["proxy_nca"]
    results, fingerprint = stored.directory.parents[1], stored.record["split"]["fingerprint"]
    thumbnails = load_thumbnails(thumbnails_path(results, "digits", fingerprint))
    neighbors, first = stored.queries["neighbors"], stored.queries["first_hit"]
    assert stored.record["picture_names"] == thumbnails.names_digest
    hits = thumbnails.labels[neighbors] == thumbnails.labels[:, None]
    found = hits.any(axis=1)
    np.testing.assert_array_equal(hits.argmax(axis=1)[found] + 1, first[found])
    assert not (neighbors == np.arange(len(neighbors))[:, None]).any()


def test_a_history_has_the_validation_images_in_the_order_of_their_pictures(
    whole: dict[str, Run],
) -> None:
    stored, dataset = whole["triplet"], load("digits", None, "class-disjoint")
    history, positions = stored.history, dataset.split.validation
    assert history is not None
    assert history["steps"].tolist() == [0, 4, 8, 12]
    np.testing.assert_array_equal(history["images"], positions)
    results = stored.directory.parents[1]
    pictures = load_thumbnails(
        thumbnails_path(results, "digits", dataset.fingerprint, "validation")
    )
    assert stored.record["validation_names"] == pictures.names_digest
    assert pictures.items == tuple(dataset.items[position] for position in positions)
    np.testing.assert_array_equal(pictures.labels, history["labels"])
    network = load_model(stored.files.model).network
    last = embed(network, dataset.images, positions).numpy()
    np.testing.assert_array_equal(history["embeddings"][-1], last)
    stored.check_files()


@pytest.mark.parametrize("loss", ["proxy_nca", "magnet"])
def test_test_images_do_not_affect_training(
    loss: str, whole: dict[str, Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = load("digits", None, "class-disjoint")
    scrambled = dataset.pixels.copy()
    scrambled[dataset.split.query] = 255 - scrambled[dataset.split.query, ::-1]
    object.__setattr__(dataset, "images", ArrayImages(scrambled, dataset.items))
    monkeypatch.setattr("bench.running.run.load", lambda name, root, split: dataset)
    other = execute(spec_for(loss), tmp_path)
    assert other.record["parameters"] == whole[loss].record["parameters"]
    assert numbers(other)["curve"] == numbers(whole[loss])["curve"]
    assert other.scores != whole[loss].scores


def test_a_diverging_loss_is_reported_with_its_step(tmp_path: Path) -> None:
    spec = spec_for("center", learning_rate=1e30, steps=50)
    with pytest.raises(FloatingPointError, match=r"loss became .* at step \d+; lower"):
        execute(spec, tmp_path)
    assert not list(tmp_path.glob("runs/*/run.json"))


def test_a_full_disk_leaves_no_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("bench.running.save_result.save_arrays", full)
    with pytest.raises(OSError, match="No space left"):
        execute(spec_for(), tmp_path)
    monkeypatch.undo()
    assert not list(tmp_path.glob("runs/*/run.json"))
    steps: list[int] = []
    execute(spec_for(), tmp_path, steps=steps)
    assert steps == []  # everything was trained before; only the scoring is done again


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results with one run that was stopped after a step between two validations."""
    results = tmp_path_factory.mktemp("stopped")
    with pytest.raises(InterruptedRunError):
        execute(spec_for(), results, stopping_every(6))
    files = RunDir.of(results, spec_for())
    files.write_progress(6, "training")
    files.write_failure("an earlier failure")
    return results


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:100]),
        lambda path: path.write_bytes(path.read_bytes()[::-1]),
        lambda path: path.write_bytes(path.read_bytes() + b'{"step": 99'),
        lambda path: path.write_bytes(path.read_bytes().replace(b"0.", b"1.")),
    ],
)
def test_a_damaged_curve_is_written_again_from_the_checkpoint(
    damage: Callable[[Path], object], stopped: Path, whole: dict[str, Run], tmp_path: Path
) -> None:
    shutil.copytree(stopped, tmp_path, dirs_exist_ok=True)
    damage(RunDir.of(tmp_path, spec_for()).curve)
    assert numbers(execute(spec_for(), tmp_path)) == numbers(whole["proxy_nca"])


def test_a_damaged_curve_is_also_written_again_where_only_the_scoring_is_left(
    whole: dict[str, Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("bench.running.save_result.save_arrays", full)
        with pytest.raises(OSError, match="No space left"):
            execute(spec_for(), tmp_path)
    RunDir.of(tmp_path, spec_for()).curve.write_bytes(b"{}")
    assert numbers(execute(spec_for(), tmp_path)) == numbers(whole["proxy_nca"])


def test_no_flipped_bit_changes_the_result(
    stopped: Path, whole: dict[str, Run], tmp_path: Path
) -> None:
    """Every file of an unfinished run: the damage is refused, or has no effect."""
    generator = np.random.default_rng(4)
    outcomes = set()
    for number, name in enumerate(
        ["checkpoint.pt"] * 12 + ["curve.jsonl"] * 3 + ["progress.json", "failed.json"]
    ):
        results = shutil.copytree(stopped, tmp_path / str(number))
        path = RunDir.of(results, spec_for()).path / name
        (path.parent / "checkpoint-before.pt").unlink()  # which would be used instead
        content = bytearray(path.read_bytes())
        content[generator.integers(len(content))] ^= 1 << generator.integers(8)
        path.write_bytes(content)
        try:
            same = numbers(execute(spec_for(), results)) == numbers(whole["proxy_nca"])
            outcomes.add((name, "no effect" if same else "other numbers"))
        except ValueError as error:
            outcomes.add((name, "refused" if f"{path} is damaged" in str(error) else str(error)))
    assert outcomes == {
        ("checkpoint.pt", "refused"),
        *((name, "no effect") for name in ("curve.jsonl", "progress.json", "failed.json")),
    }


def other_pixels(dataset: Dataset) -> Dataset:
    pixels = dataset.pixels.copy()
    pixels[dataset.split.train[0], 0, 0] ^= 255
    return replace(dataset, images=ArrayImages(pixels, dataset.items))


def other_classes(dataset: Dataset) -> Dataset:
    """A validation class is trained too, which changes the shape of the proxies."""
    split = dataset.split
    labels = dataset.labels[split.validation]
    first = split.validation[labels == labels.min()]
    train, rest = np.union1d(split.train, first), np.setdiff1d(split.validation, first)
    return replace(dataset, split=replace(split, train=train, validation=rest))


@pytest.mark.parametrize("change", [other_pixels, other_classes])
def test_a_run_is_not_resumed_on_other_data(
    change: Callable[[Dataset], Dataset],
    stopped: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shutil.copytree(stopped, tmp_path, dirs_exist_ok=True)
    other = change(load("digits", None, "class-disjoint"))
    monkeypatch.setattr("bench.running.run.load", lambda name, root, split: other)
    files = RunDir.of(tmp_path, spec_for())
    before = files.checkpoint.read_bytes(), files.curve.read_bytes()
    with pytest.raises(ValueError, match=r"(data checksum|split fingerprint) was \w+, is \w+"):
        execute(spec_for(), tmp_path)
    assert (files.checkpoint.read_bytes(), files.curve.read_bytes()) == before


@pytest.mark.parametrize(
    ("fields", "trained"),
    [
        ({"samples_per_class": 24}, False),  # one class a batch
        ({"samples_per_class": 24, "loss_args": {"mining": "all", "surrogate": "nca"}}, False),
        ({"samples_per_class": 12}, True),
    ],
)
def test_a_run_without_a_gradient_is_stored_with_its_problem(
    fields: dict[str, Any], trained: bool, tmp_path: Path
) -> None:
    """Also if it was interrupted between its steps."""
    spec = spec_for("triplet", steps=4, **fields)
    with pytest.raises(InterruptedRunError):
        execute(spec, tmp_path, stopping_every(2))
    stored = execute(spec, tmp_path)
    assert stored.record["trained"] == trained
    expected = "nothing was trained, because the gradient was 0 at each of its 4 steps"
    assert stored.problem == ("" if trained else expected)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
def test_a_gpu_run_keeps_its_bits_and_stays_near_the_cpu(
    whole: dict[str, Run], tmp_path: Path
) -> None:
    first, second = (
        execute(spec_for(), tmp_path / name, device="cuda") for name in ("first", "second")
    )
    assert numbers(first) == numbers(second)
    on_cpu = whole["proxy_nca"].curve[1]["loss"]
    assert first.curve[1]["loss"] == pytest.approx(on_cpu, rel=1e-3)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
@pytest.mark.parametrize(
    ("loss", "fields"),
    [
        ("magnet", {}),
        ("triplet", {"precision": "bf16", "samples_per_class": "random"}),
        ("proxy_nca", {"backbone": "timm:resnet18", "clip_norm": 1.0, "schedule": "cosine"}),
        ("proxy_nca", {"head_init": "pca", "class_vectors_init": "class-means"}),
        ("proxy_nca", {"backbone": "timm:rexnet_100"}),  # stochastic depth
    ],
)
def test_a_gpu_run_keeps_its_bits_through_interruptions(
    loss: str, fields: dict[str, Any], tmp_path: Path
) -> None:
    spec = spec_for(loss, **fields)
    expected = execute(spec, tmp_path / "whole", device="cuda")
    for _ in range(2):
        with pytest.raises(InterruptedRunError):
            execute(spec, tmp_path / "parts", stopping_every(5), device="cuda")
    assert numbers(execute(spec, tmp_path / "parts", device="cuda")) == numbers(expected)


def wait_for_points(curve: Path, points: int) -> None:
    deadline = time.monotonic() + 120
    while not (curve.exists() and curve.read_text().count("\n") >= points):
        assert time.monotonic() < deadline, "the worker is too slow"
        time.sleep(0.005)


@pytest.mark.slow
def test_a_worker_killed_at_any_moment_resumes_with_the_same_bits(tmp_path: Path) -> None:
    spec = spec_for(steps=150, evaluate_every=15)
    expected = execute(spec, tmp_path / "whole")
    folder = tmp_path / "killed"
    job = Job(spec=spec, results=folder, data_root=None, device="cpu", keep_model=False)
    killed = start(job)
    wait_for_points(killed.files.curve, 3)
    os.killpg(killed.process.pid, signal.SIGKILL)
    with killed.process:
        pass
    assert killed.files.state == "interrupted"
    with killed.files.curve.open("a") as file:  # a kill during a write leaves half a line
        file.write('{"step": 99')
    again = start(job).process
    assert again.wait() == 0
    again.communicate()
    resumed = load_run(killed.files)
    assert numbers(resumed) == numbers(expected)
    assert resumed.record["environment"]["threads"] == 1


def test_a_run_ends_early_once_validation_stops_improving(tmp_path: Path) -> None:
    """With a rate of nearly 0 only the running statistics change, and that soon helps no more."""
    fields = {"learning_rate": 1e-12, "loss_learning_rate": 0.0, "steps": 20, "patience": 2}
    stored = execute(spec_for("triplet", **fields, evaluate_every=3), tmp_path / "whole")
    scores = [point["map@r"] for point in stored.curve]
    assert 3 <= len(scores) < 8
    assert max(scores[-2:]) <= max(scores[:-2])
    assert all(max(scores[n - 2 : n]) > max(scores[: n - 2]) for n in range(3, len(scores)))
    assert stored.record["cost"]["images"] == stored.curve[-1]["step"] * 24
    stored.check_files()
    spec, steps = spec_for("triplet", **fields, evaluate_every=3), list[int]()
    for _ in range(2):
        with suppress(InterruptedRunError):
            execute(spec, tmp_path / "parts", stopping_every(5), steps)
    parts = execute(spec, tmp_path / "parts", bool, steps)
    assert numbers(parts) == numbers(stored)


def test_a_run_with_patience_goes_on_while_validation_improves(tmp_path: Path) -> None:
    stored = execute(spec_for("proxy_nca", patience=3), tmp_path)
    assert stored.curve[-1]["step"] == 12


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The parameters of a run without any option."""
    run = execute(spec_for("proxy_nca"), tmp_path_factory.mktemp("plain"))
    return str(run.record["parameters"]["sha256"])


@pytest.mark.parametrize(
    "fields",
    [
        {"samples_per_class": "random"},
        {"optimizer": "sgd", "momentum": 0.9, "schedule": "cosine", "warmup_steps": 3},
        {"optimizer": "rmsprop", "schedule": "step", "decay_every": 5, "clip_norm": 0.1},
        {"head_init": "pca", "class_vectors_init": "class-means", "head_learning_rate": 1e-4},
        {"precision": "bf16"},
        {"embedding_dim": 0},
    ],
)
def test_every_option_keeps_its_bits_through_interruptions(
    fields: dict[str, Any], plain: str, tmp_path: Path
) -> None:
    spec = spec_for("proxy_nca", **fields)
    whole = execute(spec, tmp_path / "whole")
    for _ in range(2):
        with pytest.raises(InterruptedRunError):
            execute(spec, tmp_path / "parts", stopping_every(5))
    assert numbers(execute(spec, tmp_path / "parts")) == numbers(whole)
    assert plain != whole.record["parameters"]["sha256"]


def test_dropout_draws_the_same_masks_after_an_interruption(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whatever else was drawn before, as on a GPU, whose generator no checkpoint keeps."""

    def with_dropout(spec: RunSpec, side: int, channels: int) -> EmbeddingModel:
        model = random_network(spec, side, channels)
        model.layer_norm = nn.Dropout()  # type: ignore[assignment]
        return model

    every_five = stopping_every(5)

    def stop() -> bool:
        torch.rand(3)
        return every_five()

    without = execute(spec_for(), tmp_path / "without")
    monkeypatch.setattr("bench.training.network.random_network", with_dropout)
    whole = execute(spec_for(), tmp_path / "whole")
    for _ in range(2):
        with pytest.raises(InterruptedRunError):
            execute(spec_for(), tmp_path / "parts", stop)
    assert numbers(execute(spec_for(), tmp_path / "parts", stop)) == numbers(whole)
    assert numbers(whole) != numbers(without)


def test_the_backbone_keeps_its_weights_in_steps_of_the_head_alone(tmp_path: Path) -> None:
    """As long as these last; an interruption within them changes nothing."""
    spec = spec_for(head_only_steps=5, steps=6, evaluate_every=3)
    alone = spec_for(head_only_steps=5, steps=5, evaluate_every=5)  # the first five of them

    start = dict(make_network(spec, load("digits", None, "class-disjoint")).named_parameters())
    found = load_file(execute(alone, tmp_path).files.model)
    same = {name for name in start if torch.equal(start[name], found[name])}
    assert same == {name for name in start if name.startswith("backbone.")}
    whole = execute(spec, tmp_path / "whole")
    trained = load_file(whole.files.model)
    assert not any(torch.equal(start[name], trained[name]) for name in start)
    stop = stopping_every(2)
    for _ in range(2):
        with pytest.raises(InterruptedRunError):
            execute(spec, tmp_path / "stopped", stop)
    assert numbers(execute(spec, tmp_path / "stopped", stop)) == numbers(whole)


def test_a_stored_model_gives_the_stored_embeddings(tmp_path: Path) -> None:
    stored = execute(spec_for("proxy_nca"), tmp_path)
    model = load_model(stored.files.model)
    assert model.spec.spec_id == stored.spec_id
    assert (model.side, model.channels) == (8, 1)
    digits = load("digits", None, "class-disjoint")
    embeddings = load_file(stored.files.embeddings)["embeddings"]
    assert torch.equal(embed(model.network, digits.images, digits.split.query), embeddings)


@pytest.mark.parametrize("damage", [b"", b"{}", b"\x00" * 100])
def test_a_damaged_model_is_named(damage: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(damage)
    with pytest.raises(ValueError, match="is not a complete model"):
        load_model(path)


def test_a_run_without_training_scores_the_network_as_it_starts(tmp_path: Path) -> None:
    spec = spec_for("none", steps=0, loss_args={}, head_init="pca")
    stored = execute(spec, tmp_path)
    stored.check_files()
    assert stored.scores == stored.record["untrained"]
    assert [point["step"] for point in stored.curve] == [0]
    assert stored.problem == ""


def test_features_are_computed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def counted(spec: RunSpec, dataset: Dataset, model: EmbeddingModel) -> Dataset:
        calls.append(spec.run_name)
        return with_features(spec, dataset, model)

    monkeypatch.setattr("bench.training.network.with_features", counted)
    execute(spec_for(head_init="pca", class_vectors_init="class-means", steps=2), tmp_path)
    assert len(calls) == 1
