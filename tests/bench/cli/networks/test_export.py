"""Exported networks: complete, equal to the run's, with a card whose example runs."""

import json
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from typer.testing import CliRunner

from bench.cli.main import app
from bench.cli.networks import export
from bench.store.runs import Run
from bench.training.stored_model import StoredModel, load_model
from proxy_core.models.embedding_model import EmbeddingModel
from tests.support.short_runs import execute, spec_for


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return execute(spec_for("triplet", steps=4), tmp_path_factory.mktemp("results"))


def export_to(folder: Path, run: Run, *formats: str) -> str:
    options = [part for name in formats for part in ("--format", name)]
    results = ["--results", str(run.directory.parent.parent)]
    done = CliRunner().invoke(app, ["export", "digits-triplet", str(folder), *results, *options])
    if done.exception is not None:
        raise done.exception
    return done.output


def test_the_folder_holds_network_configuration_and_card(run: Run, tmp_path: Path) -> None:
    text = export_to(tmp_path / "new" / "out", run)
    folder = tmp_path / "new" / "out"
    names = ["README.md", "config.json", "model.safetensors"]
    assert sorted(path.name for path in folder.iterdir()) == names
    assert [line for line in text.splitlines() if line] == [f"written {folder / n}" for n in names]
    assert (folder / names[2]).read_bytes() == run.files.model.read_bytes()
    config = json.loads((folder / "config.json").read_text())
    assert (config["backbone"], config["embedding_dim"], config["weights"]) == ("conv4", 8, None)
    assert config["spec"] == run.spec
    assert (config["input"]["side"], config["input"]["channels"]) == (8, 1)
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "conv4, 8 dimensions,\ntrained with the loss `triplet` for 4 steps (seed 0)." in card
    assert "none: the network started from random weights." in card
    assert f"| R@1 | {run.scores['recall@1']:.4f} |" in card
    assert f"torch {torch.__version__.partition('+')[0]}" in card
    assert "Input: grey images of 8 x 8 pixels, as numbers in 0..1" in card


def test_scores_are_beside_the_network(run: Run, tmp_path: Path) -> None:
    scores = {".eval_results/digits.yaml": "[]"}
    lines = list(export.export_run(run, tmp_path / "out", [], None, scores))
    assert f"written {tmp_path / 'out' / '.eval_results' / 'digits.yaml'}" in lines
    assert (tmp_path / "out" / "model.safetensors").is_file()


def test_the_card_of_a_run_that_ended_early_names_its_steps(run: Run) -> None:
    short = Run(run.directory, {**run.record, "cost": {**run.record["cost"], "images": 0}})
    short.curve[:] = [point for point in run.curve if point["step"] == 0]
    config = export.describe_model(load_model(run.files.model))
    card = " ".join(export.model_card(short, config, []).split())
    assert "for 0 steps (seed 0), of at most 4: it ended early, because validation had" in card


def test_the_example_of_the_card_runs(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export_to(tmp_path / "out", run)
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    code = re.search("```python\n(.*?)```", card, re.DOTALL)
    assert code is not None
    Image.new("L", (8, 8), 77).save(tmp_path / "out" / "image.png")
    monkeypatch.chdir(tmp_path / "out")
    found: dict[str, Tensor] = {}
    exec(code[1], found)
    with torch.inference_mode():
        expected = load_model(run.files.model).network(torch.full((1, 1, 8, 8), 77 / 255))
    torch.testing.assert_close(found["embedding"], expected)


@pytest.mark.parametrize("name", ["torch-export", "onnx"])
def test_other_formats_give_the_same_embeddings(run: Run, tmp_path: Path, name: str) -> None:
    if name == "onnx":
        for package in export.ONNX_PACKAGES:
            pytest.importorskip(package)
    text = export_to(tmp_path / "out", run, name)
    assert f"{name}: the embeddings differ by at most " in text
    score, count = f"{run.scores['recall@1']:.4f}", run.record["split"]["test_images"]
    assert f"{name}: R@1 is {score} on the {count} test images, {score} in the run" in text
    images = torch.from_numpy(np.random.default_rng(0).random((7, 1, 8, 8), dtype=np.float32))
    with torch.inference_mode():
        expected = load_model(run.files.model).network(images)
    path = tmp_path / "out" / export.FORMATS[name][0]
    assert f"`{path.name}` ({name}) takes" in (tmp_path / "out" / "README.md").read_text()
    if name == "onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        found = torch.from_numpy(session.run(None, {"images": images.numpy()})[0])
    else:
        found = torch.export.load(path).module()(images)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", ["torch-export", "onnx"])
def test_a_network_with_folded_normalisation_is_exported(tmp_path: Path, name: str) -> None:
    pytest.importorskip("timm")
    if name == "onnx":
        for package in export.ONNX_PACKAGES:
            pytest.importorskip(package)
    torch.manual_seed(0)
    network = EmbeddingModel(
        "efficientnet_lite0", channels=3, embedding_dim=4, frozen="norm", image_side=32
    ).eval()
    model = StoredModel(network, spec_for("triplet"), side=32, channels=3)
    path = tmp_path / export.FORMATS[name][0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = export.FORMATS[name][1](model, path)
    assert export.check_same(name, model, found) < 1e-4


@pytest.mark.parametrize("wrong", [0.01, float("nan")])
def test_a_format_with_other_embeddings_leaves_nothing(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: float
) -> None:
    def broken(model: StoredModel, path: Path) -> nn.Module:
        path.write_bytes(b"x")
        return nn.Sequential(model.network, Shift(wrong))

    monkeypatch.setitem(export.FORMATS, "torch-export", ("model.pt2", broken))
    with pytest.raises(ValueError, match="--format torch-export: its embeddings differ by"):
        export_to(tmp_path / "out", run, "torch-export")
    assert list(tmp_path.iterdir()) == []


def test_a_format_with_another_recall_leaves_nothing(run: Run, tmp_path: Path) -> None:
    better = Run(run.directory, {**run.record, "scores": {**run.scores, "recall@1": 0.99}})
    with pytest.raises(ValueError, match=r"--format torch-export: its R@1 is 0\.\d+ on the test"):
        list(export.export_run(better, tmp_path / "out", ["torch-export"], None, {}))
    assert list(tmp_path.iterdir()) == []


def test_without_the_images_of_the_run_recall_is_not_compared(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*_: object) -> None:
        raise FileNotFoundError("digits: no data")

    other = Run(run.directory, {**run.record, "data_checksum": "0" * 64})
    assert "other images or another split here than" in str(export.find_test(other, None))
    monkeypatch.setattr(export, "load", missing)
    text = export_to(tmp_path / "out", run, "torch-export")
    assert "R@1 is not compared, as it takes the test images: digits: no data" in text


class Shift(nn.Module):
    def __init__(self, amount: float) -> None:
        super().__init__()
        self.amount = amount

    def forward(self, values: Tensor) -> Tensor:
        return values * (1 + self.amount)


def test_bad_folders_and_formats_are_one_message(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    for folder in (tmp_path, tmp_path / "mine.txt"):
        with pytest.raises(ValueError, match="is not empty; name a new folder"):
            export_to(folder, run)
    with pytest.raises(ValueError, match="unknown format 'onx'"):
        export_to(tmp_path / "out", run, "onx")
    monkeypatch.setattr(export, "find_spec", lambda name: None)
    message = r"needs onnx, onnxruntime, onnxscript; pip install 'proxy-bench\[onnx\]'"
    with pytest.raises(ValueError, match=message):
        export_to(tmp_path / "out", run, "onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_an_empty_folder_is_used(run: Run, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    export_to(tmp_path / "out", run)
    assert (tmp_path / "out" / "config.json").exists()
