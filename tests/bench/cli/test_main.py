"""What a person types and sees; mistakes are one message and a non-zero exit, never a traceback."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.suites.arguments import declared_losses
from tests.support.fabricated import write_results

PROXY = 'loss = "proxy_nca"'
DIVERGING = 'loss = "lifted_structure"\nargs = { margin = 1e30 }'
SUITE = """
title = "Two quick runs"
seeds = [0]

[budgets.digits]
embedding_dim = 8
batch_size = 12
steps = {steps}
evaluate_every = {steps}
learning_rate = 1e-3
weight_decay = 0

[methods."Proxy-NCA"]
{loss}
loss_learning_rate = 0.01

[methods.Triplet]
loss = "triplet"
"""


def cli(*arguments: object, code: int = 0, columns: int = 200) -> str:
    """Run the command in a process of its own; returns what it printed on both streams."""
    environment = os.environ | {"COLUMNS": str(columns), "NO_COLOR": "1"}
    environment.pop("PROXY_BENCH_DATA", None)
    result = subprocess.run(
        [sys.executable, "-m", "bench", *map(str, arguments)],
        capture_output=True,
        text=True,
        env=environment,
    )
    output = result.stdout + result.stderr
    assert result.returncode == code, output
    assert "Traceback" not in output
    return output


def write_suite(folder: Path, *, steps: int = 2, loss: str = PROXY) -> Path:
    path = folder / "quick.toml"
    path.write_text(SUITE.format(steps=steps, loss=loss))
    return path


def test_run_ends_with_a_table_and_where_to_look_and_a_rerun_does_nothing(tmp_path: Path) -> None:
    suite, results = write_suite(tmp_path), tmp_path / "results"
    output = cli("run", suite, "--results", results)
    assert "2 runs, 0 stored already" in output
    assert "[2/2]" in output
    for word in ("Proxy-NCA", "Triplet", "R@1", "MAP@R", "NMI", "tox -e demo"):
        assert word in output
    paths = re.findall(r"^(?:report|table|figure) +(\S+)$", output, re.MULTILINE)
    assert len(paths) >= 3
    assert all(Path(path).stat().st_size > 100 for path in paths)
    stamps = {path: path.stat().st_mtime_ns for path in results.glob("runs/*/*")}
    again = cli("run", suite, "--results", results)
    assert "2 runs, 2 stored already" in again
    assert {path: path.stat().st_mtime_ns for path in results.glob("runs/*/*")} == stamps
    status = cli("status", suite, "--results", results)
    assert status.count("finished, R@1 0.") == 2
    name = next(results.glob("runs/digits-proxy*")).name
    shown = cli("show", "digits-proxy", "--results", results)
    assert name in shown
    assert "spec.learning_rate" in shown
    assert "environment.cpu" in shown


def test_one_failed_run_is_told_and_the_rest_is_reported(tmp_path: Path) -> None:
    suite, results = write_suite(tmp_path, steps=40, loss=DIVERGING), tmp_path / "results"
    output = cli("run", suite, "--results", results, code=1)
    assert "FAILED: the loss became" in output
    assert "Triplet" in output
    assert (results / "reports" / "quick" / "report.html").exists()
    assert "failed: the loss became" in cli("status", suite, "--results", results)


def test_ctrl_c_stops_cleanly_and_the_same_command_goes_on(tmp_path: Path) -> None:
    suite, results = write_suite(tmp_path, steps=100_000), tmp_path / "results"
    command = [sys.executable, "-m", "bench", "run", str(suite), "--results", str(results)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not list(results.glob("runs/*/progress.json")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command goes on from there" in output
    assert list(results.glob("runs/*/checkpoint.pt"))
    assert not list(results.glob("runs/*/progress.json"))
    assert "interrupted" in cli("status", suite, "--results", results)


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (["run", "defualt"], 1, "did you mean 'default'?"),
        (["run", "nowhere.toml"], 1, "there is no suite file nowhere.toml"),
        (["run", "--jbos", "2"], 2, "No such option: --jbos"),
        (["run", "--jobs", "0"], 2, "Invalid value for '--jobs'"),
        (["run", "--device", "cuda:77"], 1, "device 'cuda:77' cannot be used"),
        (["rnu"], 2, "No such command 'rnu'"),
        (["list", "lossses"], 2, "did you mean 'losses'?"),
        (["show", "x"], 1, "no run matches 'x'"),
        (["report"], 1, "no run of this suite can be read"),
        (["data", "verify", "omniglott"], 1, "did you mean 'omniglot'?"),
        (["data", "verify", "omniglot"], 1, "proxy-bench data download omniglot"),
        (["data", "download", "omniglott"], 1, "did you mean 'omniglot'?"),
    ],
)
def test_a_mistake_is_one_message(
    arguments: list[str], code: int, expected: str, tmp_path: Path
) -> None:
    if arguments[0] in ("run", "show", "report"):
        arguments = [*arguments, "--results", str(tmp_path)]
    output = re.sub(r"[│╭╮╰╯─\s]+", " ", cli(*arguments, code=code))
    assert expected in output


def test_missing_data_is_told_before_any_run_starts(tmp_path: Path) -> None:
    suite = write_suite(tmp_path)
    suite.write_text(suite.read_text().replace("digits", "omniglot"))
    output = cli("run", suite, "--data-root", tmp_path, "--results", tmp_path / "results", code=1)
    assert str(tmp_path) in output
    assert "proxy-bench data download omniglot" in output
    assert not list(tmp_path.glob("results/runs/*"))


def test_a_folder_that_is_not_writable_is_told(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("a file where the folder should be")
    output = cli("run", write_suite(tmp_path), "--results", tmp_path / "results", code=1)
    assert "cannot be written to" in output
    assert "--results" in output


def test_list_shows_everything_there_is() -> None:
    output = cli("list")
    for word in ("default", "search", "proxy_nca", "triplet", "center", "digits", "omniglot"):
        assert word in output
    assert "https://arxiv.org/abs/1703.07464" in output
    assert "proxy_nca" not in cli("list", "datasets")
    assert "embedded" in cli("data", "list")


@pytest.mark.parametrize("columns", [80, 120])
def test_list_losses_cuts_nothing_and_keeps_addresses_whole(columns: int) -> None:
    output = cli("list", "losses", columns=columns)
    blocks = re.split(r"\n(?=  \w|\n)", output)  # one for each loss, and the families' titles
    for name, loss in declared_losses().items():
        assert any(block.strip() == loss.title for block in blocks)
        (block,) = [block for block in blocks if block.startswith(f"  {name} ")]
        assert loss.paper in [line.strip() for line in block.splitlines()]
        words = " ".join(block.split())
        assert words.startswith(f"{name} {loss.summary}")
        assert words.endswith(" ".join(" ".join(loss.defaults).split()))
    assert all(len(line) <= columns for line in output.splitlines() if "https://" not in line)


def test_show_refuses_an_ambiguous_name(tmp_path: Path) -> None:
    write_results(tmp_path, ("digits",))
    output = cli("show", "digits-center", "--results", tmp_path, code=1)
    assert "several runs match 'digits-center'" in output
    assert output.count("digits-center-softmax-s") == 3


def test_embedded_data_verify_as_good() -> None:
    assert "everything is as it should be" in cli("data", "verify", "digits")


def test_a_run_of_another_schema_is_told_and_left_alone(tmp_path: Path) -> None:
    suite, results = write_suite(tmp_path), tmp_path / "results"
    cli("run", suite, "--results", results)
    record = next(results.glob("runs/digits-triplet*/run.json"))
    record.write_text(record.read_text().replace('"schema": 2', '"schema": 7'))
    before = record.read_bytes()
    for command in ("run", "report"):
        output = cli(command, suite, "--results", results, code=1)
        assert "has schema 7, this version reads schema 2" in output
        assert record.read_bytes() == before
    assert "unreadable" in cli("status", suite, "--results", results)
    assert "has schema 7" in cli("show", "digits-triplet", "--results", results, code=1)
