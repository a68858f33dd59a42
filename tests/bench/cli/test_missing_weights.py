"""What reads stored runs does without the weights that only a run needs."""

from pathlib import Path

import pytest

from bench.cli.main import report, run, status
from bench.spec import RunSpec
from bench.suites import SuiteError, load_suite
from bench.suites.stored import suite_to_read
from tests.support.fabricated import write_pictures, write_run

SUITE = """
title = "Fine-tuned digits"
seeds = [0, 1]
[budgets.digits]
backbone = "efficientnet_lite0"
weights = "pretrained"
embedding_dim = 16
batch_size = 24
steps = 100
evaluate_every = 20
learning_rate = 1e-3
weight_decay = 0
[methods."Proxy-NCA"]
loss = "proxy_nca"
"""


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(SUITE)
    return path


@pytest.fixture
def results(tmp_path: Path, suite: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Results of the suite; afterwards its weights are not here."""
    results = tmp_path / "results"
    write_pictures(results, "digits")
    for spec in load_suite(str(suite)).specs:
        write_run(results, spec, gain=0.1)
    monkeypatch.setattr("bench.weights.LITE0_PACKAGE", "no_such_package")
    return results


def test_stored_runs_are_read_without_their_weights(
    suite: Path, results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status(str(suite), results)
    assert "4 of 4 runs are stored" in capsys.readouterr().out
    report(str(suite), results)
    assert "Pretrained features, PCA to 16" in capsys.readouterr().out
    with pytest.raises(SuiteError, match="those of efficientnet_lite0 are in a package; pip"):
        run(str(suite), results)


def test_without_stored_runs_none_has_begun(
    suite: Path, results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status(str(suite), tmp_path / "others")
    assert "0 of 4 runs are stored" in capsys.readouterr().out


def test_other_mistakes_are_still_reported(suite: Path, results: Path) -> None:
    suite.write_text(SUITE.replace("efficientnet_lite0", "efficientnet_lite1"))
    with pytest.raises(SuiteError, match="did you mean 'efficientnet_lite0'"):
        suite_to_read(str(suite), results)


def test_several_weights_of_one_name_are_not_confused(suite: Path, results: Path) -> None:
    stored = load_suite(str(suite), need_weights=False).specs[0]
    other = RunSpec(**{**stored.model_dump(), "weights_sha256": "a" * 64})
    write_run(results, other, gain=0.2)
    with pytest.raises(SuiteError, match=r"several weights of this name \(579344248a93..., aaaa"):
        suite_to_read(str(suite), results)
    suite.write_text(SUITE.replace("[methods", f'weights_sha256 = "{"a" * 64}"\n[methods', 1))
    assert suite_to_read(str(suite), results).specs[0] == other
