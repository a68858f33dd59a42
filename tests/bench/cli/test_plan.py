"""`proxy-bench plan` prices suites without data, weights or a started run."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench.cli.main import app
from bench.cli.plan import Priced, cost_of, total, trials_to_price
from bench.running.choose_budget import Speed
from bench.running.price import Footprint, Size, embedded_images
from bench.running.probe import Pictures
from bench.running.sweep import missing_runs
from bench.spec import RunSpec
from bench.suites import load_suite
from bench.tuning.search import default_specs, write_search
from tests.support.searches import make_search, write_trial
from tests.support.short_runs import spec_for

SIZE = Size(100, 50, 20, 30, 5)
SUITE = """
title = "A suite"
seeds = [0, 1]
[budgets.digits]
embedding_dim = 8
batch_size = 24
steps = 10
evaluate_every = 5
learning_rate = 1e-3
weight_decay = 0
[methods."Proxy-NCA"]
loss = "proxy_nca"
"""


def test_a_suite_is_measured(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(SUITE)
    results = tmp_path / "results"
    found = CliRunner().invoke(
        app, ["plan", str(tmp_path / "mine.toml"), "--results", str(results), "--jobs", "1"]
    )
    assert found.exit_code == 0, found.output
    assert "480" in found.output  # images: 2 runs x 10 steps x 24
    assert not results.exists()


def test_a_search_is_priced_as_its_trials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("optuna", reason="Optuna is not installed")
    (tmp_path / "mine.toml").write_text(SUITE)
    monkeypatch.setattr(
        "bench.cli.plan.measure_budget",
        lambda *arguments: (Speed(0.0, step=0.0, embed=1.0, score=0.0), Footprint(1e6, 0, 8)),
    )
    arguments = ["plan", str(tmp_path / "mine.toml"), "--trials", "4", "--jobs", "1"]
    found = CliRunner().invoke(app, [*arguments, "--results", str(tmp_path / "results")])
    assert found.exit_code == 0, found.output
    assert "1,200" in found.output  # images: 5 runs, one of the suite's own values, x 10 x 24
    (spec,) = default_specs(load_suite(str(tmp_path / "mine.toml")), 1000)
    assert embedded_images(spec, SIZE) == 3 * SIZE.validation  # no test image
    result = spec.model_copy(update={"purpose": "result"})
    assert embedded_images(result, SIZE) > 3 * SIZE.validation


def test_disk_counts_what_is_stored_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Splits of a data set share its decoded photographs, and trials keep no test embeddings."""
    monkeypatch.setattr(
        "bench.cli.plan.measure_budget",
        lambda *arguments: (Speed(0.0, step=0.0, embed=1.0, score=0.0), Footprint(1e6, 5, 8)),
    )
    monkeypatch.setattr("bench.cli.plan.size_of", lambda *arguments: (SIZE, 8, 3))
    spec = spec_for(dataset="cub200", augmentation="none", resize=64, crop=64)
    official = spec.model_copy(update={"split": "official"})
    trial = spec.model_copy(update={"purpose": "trial"})
    keeping = Priced([], Path(), keep_model=True, keep_embeddings=0)
    runs, cache = 4 * (30 * 8 + 5), 100 * 3 * 64 * 64 * 4 / 3
    first, second, search = (
        cost_of([one], [one], None, "cpu", keeping) for one in (spec, official, trial)
    )
    assert first.disk == second.disk == runs + cache
    assert total([first, second]).disk == 2 * runs + cache
    assert search.disk == 4 * 5 + cache
    assert cost_of([spec], [], None, "cpu", keeping).disk == 0  # all runs are stored
    larger = spec.model_copy(update={"resize": 128})
    other = cost_of([larger], [larger], None, "cpu", keeping)
    assert total([first, other]).disk == 2 * runs + 5 * cache


def test_the_trials_of_a_stored_search_are_found_by_its_seed(tmp_path: Path) -> None:
    search, specs = make_search(tmp_path, trials=2, seed=7)
    folder = tmp_path / "tuning" / "mine"
    write_search(folder, search)
    for spec in specs:
        write_trial(folder, spec, 0.5)
    suite = str(tmp_path / "mine.toml")
    runs = trials_to_price(load_suite(suite), suite, tmp_path, seed=1000, trials=3)
    stored, missing = missing_runs(runs.specs, runs.results)
    assert (len(stored), len(missing)) == (6, 2)  # of two methods, with the suite's own values
    assert {spec.seed for spec in missing} == {7}


def test_neither_data_nor_weights_are_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[Pictures] = []

    def measure(spec: RunSpec, pictures: Pictures, device: str) -> tuple[Speed, Footprint]:
        measured.append(pictures)
        return Speed(0.0, step=36.0, embed=0.0, score=0.0), Footprint(1e15, 0, 8)

    monkeypatch.setattr("bench.cli.plan.measure_budget", measure)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    arguments = ["plan", "proxy-anchor-r50-512", "--data-root", str(tmp_path), "--jobs", "1"]
    found = CliRunner().invoke(app, [*arguments, "--results", str(tmp_path / "results")])
    assert found.exit_code == 0, found.output
    assert [(one.side, one.classes) for one in measured] == [(224, 79), (224, 80), (224, 10187)]
    assert "97.2" in found.output  # hours of Cars: 3 runs x 3,240 steps of 36 s
    assert "weights download timm:resnet50.tv_in1k" in " ".join(found.output.split())
    assert "use a larger machine" in " ".join(found.output.split())


def test_files_of_wrong_weights_are_refused_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("timm")
    (tmp_path / "garbage.pth").write_bytes(b"no weights at all")
    photographs = f"""augmentation = "none"
resize = 64
crop = 64
backbone = "efficientnet_lite0"
weights = "{tmp_path / "garbage.pth"}"
embedding_dim"""
    text = SUITE.replace("digits", "cub200").replace("embedding_dim", photographs)
    (tmp_path / "mine.toml").write_text(text)

    def measure(*_: object) -> None:
        raise AssertionError("something was measured")

    monkeypatch.setattr("bench.cli.plan.measure_budget", measure)
    found = CliRunner().invoke(app, ["plan", str(tmp_path / "mine.toml"), "--jobs", "1"])
    assert isinstance(found.exception, ValueError)
    assert "garbage.pth is damaged, or is not a .safetensors" in str(found.exception)
