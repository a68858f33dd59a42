"""A trial of a search: trained and validated like a run, and never scored on the test split."""

from pathlib import Path
from shutil import copytree, ignore_patterns
from typing import Any

import numpy as np
import pytest

from bench.datasets import load
from bench.datasets.images import ArrayImages
from bench.datasets.types import Dataset
from bench.running import score_trials
from bench.running.run import InterruptedRunError, run
from bench.spec import RunSpec
from bench.store.runs import Run, RunDir, load_run
from bench.tuning.outcomes import read_test
from tests.support.fabricated import seal
from tests.support.short_runs import execute, numbers, spec_for, stopping_every

TRIAL = spec_for(purpose="trial")


def try_out(spec: RunSpec, results: Path, stop: Any = bool) -> Run:
    run(
        spec,
        results,
        data_root=None,
        device="cpu",
        keep_model=True,
        report=lambda step, doing: None,
        stop=stop,
    )
    stored = load_run(RunDir.of(results, spec), "trial")
    stored.check_files()
    return stored


def reproducible(stored: Run) -> tuple[Any, ...]:
    """What two executions of a trial must share, bit by bit."""
    model = stored.digests.get("model.safetensors")
    curve = [{k: v for k, v in point.items() if k != "seconds"} for point in stored.curve]
    return stored.record["parameters"], model, curve


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return try_out(TRIAL, tmp_path_factory.mktemp("trial"))


def test_it_has_the_curve_and_network_of_the_run_and_no_test_score(
    trial: Run, tmp_path: Path
) -> None:
    whole = execute(spec_for(), tmp_path)
    assert reproducible(trial)[2] == numbers(whole)["curve"]
    assert trial.record["parameters"] == whole.record["parameters"]
    assert trial.scores == trial.record["untrained"] == {}
    assert set(trial.digests) == {"curve.jsonl", "model.safetensors"}
    assert not (trial.directory.parents[1] / "pictures").exists()


class Watched(np.ndarray[Any, Any]):
    """Labels that may not be read at the positions of the test split."""

    forbidden: frozenset[int] = frozenset()

    def __getitem__(self, key: Any) -> Any:
        if self.forbidden & set(np.arange(len(self))[key].ravel().tolist()):
            raise AssertionError("labels of test images were read")
        return super().__getitem__(key)


def test_neither_labels_nor_images_of_the_test_split_are_read(
    trial: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = load("digits", None, "class-disjoint")
    pixels, test = dataset.pixels.copy(), dataset.split.query
    pixels[test] = 255 - pixels[test, ::-1]
    object.__setattr__(dataset, "images", ArrayImages(pixels, dataset.items))
    assert dataset.fingerprint  # computed from all labels, and kept
    labels = dataset.labels.view(Watched)
    labels.forbidden = frozenset(test.tolist())
    object.__setattr__(dataset, "labels", labels)
    counts = {"train_images": 1, "train_classes": 1, "validation_images": 1}
    counts |= {"validation_classes": 1, "test_images": 1, "test_classes": 1}
    described = {"protocol": "class-disjoint", "fingerprint": dataset.fingerprint, **counts}
    monkeypatch.setattr("bench.running.save_result.describe_split", lambda dataset: described)
    monkeypatch.setattr(Dataset, "training_classes", trained_classes(dataset))
    monkeypatch.setattr("bench.running.run.load", lambda name, root, split: dataset)
    blind = try_out(TRIAL, tmp_path)
    assert reproducible(blind)[0] == reproducible(trial)[0]
    assert reproducible(blind)[2] == reproducible(trial)[2]
    with pytest.raises(AssertionError, match="labels of test images were read"):
        execute(spec_for(), tmp_path)  # a result reads them


def trained_classes(dataset: Dataset) -> int:
    return len(set(dataset.labels[dataset.split.train].tolist()))


def test_killed_and_resumed_it_has_the_same_bits(trial: Run, tmp_path: Path) -> None:
    stop = stopping_every(5)
    for _ in range(2):
        with pytest.raises(InterruptedRunError):
            try_out(TRIAL, tmp_path, stop)
    resumed = try_out(TRIAL, tmp_path, stop)
    assert reproducible(resumed)[::2] == reproducible(trial)[::2]


@pytest.mark.parametrize("loss", ["center", "magnet"])
def test_one_that_diverges_is_stored_as_that(loss: str, tmp_path: Path) -> None:
    spec = spec_for(loss, purpose="trial", learning_rate=1e30, steps=50, evaluate_every=2)
    stored = try_out(spec, tmp_path)
    assert "lower the learning rates" in stored.record["diverged"]
    assert not stored.files.checkpoint.exists()
    assert "model.safetensors" not in stored.digests
    assert stored.record["cost"]["images"] < 50 * 24


def test_its_test_score_is_that_of_the_run(trial: Run, tmp_path: Path) -> None:
    whole = execute(spec_for(), tmp_path)
    assert read_test(trial) is None
    score_trials.score_chunk([trial.directory], None, "cpu")
    found = read_test(trial)
    assert found
    assert found["map@r"] == pytest.approx(whole.scores["map@r"], abs=1e-12)
    scored: list[int] = []
    score_trials.score_trials(
        [trial], None, "cpu", 1, lambda work, done, total: scored.append(total or 0)
    )
    assert scored == [0]  # nothing is left to do


def test_its_network_is_not_scored_on_other_images(trial: Run, tmp_path: Path) -> None:
    other = tmp_path / trial.name
    copytree(trial.directory, other, ignore=ignore_patterns("test.json"))
    seal(other, data_checksum="1" * 64)
    with pytest.raises(ValueError, match=r"other images or .* than those here: checksum 1{12} and"):
        score_trials.score_chunk([other], None, "cpu")
    assert not (other / "test.json").exists()
