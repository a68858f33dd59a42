"""The command line: what is printed, and mistakes, which are one message and an exit code."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from bench.cli import main as command_line
from bench.cli.report import browse
from bench.store.maps import Map
from bench.store.runs import RunDir, directories, load_run, save_run
from bench.suites.arguments import declared_losses
from demo.library import open_library
from tests.support.fabricated import write_results

pytestmark = pytest.mark.usefixtures("without_figures")

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

Command = Callable[..., str]


@pytest.fixture(scope="module", autouse=True)
def _environment() -> Iterator[None]:
    """No data root, no colors, and the signal handlers as they were."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_COLOR", "1")
        patch.delenv("PROXY_BENCH_DATA", raising=False)
        yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def command(capfd: pytest.CaptureFixture[str]) -> Command:
    """The command in this process; returns the text of both streams."""

    def run(*arguments: object, code: int = 0, columns: int = 200) -> str:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("COLUMNS", str(columns))
            patch.setattr(sys, "argv", ["proxy-bench", *map(str, arguments)])
            with pytest.raises(SystemExit) as ended:
                command_line.main()
        captured = capfd.readouterr()
        output = captured.out + captured.err
        assert (ended.value.code or 0) == code, output
        return output

    return run


def write_suite(folder: Path, *, steps: int = 2, loss: str = PROXY) -> Path:
    path = folder / "quick.toml"
    path.write_text(SUITE.format(steps=steps, loss=loss))
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with the suite, its results, and the output of the command that made them."""
    folder = tmp_path_factory.mktemp("trained")
    arguments = ["run", str(write_suite(folder)), "--results", str(folder / "results")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "200")
        made = subprocess.run(
            [sys.executable, "-m", "bench", *arguments], capture_output=True, text=True
        )
    assert made.returncode == 0, made.stderr
    return folder, made.stdout + made.stderr


@pytest.fixture
def results(trained: tuple[Path, str], tmp_path: Path) -> Path:
    """A copy of the trained results, beside their suite."""
    write_suite(tmp_path)
    return Path(shutil.copytree(trained[0] / "results", tmp_path / "results"))


def test_run_ends_with_a_table_and_the_paths_of_the_report(trained: tuple[Path, str]) -> None:
    _, output = trained
    assert "2 runs, 0 stored already" in output
    assert "[2/2]" in output
    for word in ("Proxy-NCA", "Triplet", "R@1", "MAP@R", "NMI", "proxy-bench demo --results"):
        assert word in output
    paths = re.findall(r"^(?:report|table|figure) +(\S+)$", output, re.MULTILINE)
    assert len(paths) >= 3
    assert all(Path(path).stat().st_size for path in paths)


def test_stored_runs_are_not_run_again_but_shown(results: Path, command: Command) -> None:
    suite = results.parent / "quick.toml"
    stamps = {path: path.stat().st_mtime_ns for path in results.glob("runs/*/*")}
    assert "2 runs, 2 stored already" in command("run", suite, "--results", results)
    assert {path: path.stat().st_mtime_ns for path in results.glob("runs/*/*")} == stamps
    status = command("status", suite, "--results", results)
    assert status.count("finished, R@1 0.") == 2
    name = next(results.glob("runs/digits-proxy*")).name
    shown = command("show", "digits-proxy", "--results", results)
    assert name in shown
    assert "spec.learning_rate" in shown
    assert "environment.cpu" in shown


def test_a_failed_run_is_reported_beside_the_others(results: Path, command: Command) -> None:
    suite = write_suite(results.parent, loss=DIVERGING)
    shutil.rmtree(results / "reports")
    output = command("run", suite, "--results", results, code=1)
    assert "2 runs, 1 stored already" in output
    assert "FAILED: the loss became" in output
    assert "Triplet" in output
    assert (results / "reports" / "quick" / "report.html").exists()
    assert "failed: the loss became" in command("status", suite, "--results", results)


def test_ctrl_c_stops_cleanly_and_the_same_command_resumes(
    tmp_path: Path, command: Command
) -> None:
    suite, results = write_suite(tmp_path, steps=100_000), tmp_path / "results"
    arguments = [sys.executable, "-m", "bench", "run", str(suite), "--results", str(results)]
    with subprocess.Popen(
        [*arguments, "--jobs", "1"], stdout=subprocess.PIPE, text=True, env=os.environ
    ) as process:
        wait_for(lambda: any(run.step for run in directories(results)))
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    advice = "Ctrl-C again ends them at once and loses the steps since their last checkpoints"
    assert "waiting for digits, class-disjoint, Proxy-NCA, seed 0: it finishes a step" in output
    assert advice in output
    assert "Stopped with checkpoints; the same command resumes" in output
    assert list(results.glob("runs/*/checkpoint.pt"))
    assert not list(results.glob("runs/*/progress.json"))
    assert "interrupted" in command("status", suite, "--results", results)


@pytest.mark.slow
def test_a_second_ctrl_c_ends_everything_at_once(tmp_path: Path, command: Command) -> None:
    """The worker is stopped, so that it cannot save a checkpoint."""
    suite, results = write_suite(tmp_path, steps=100_000), tmp_path / "results"
    arguments = [sys.executable, "-m", "bench", "run", str(suite), "--results", str(results)]
    with subprocess.Popen(
        [*arguments, "--jobs", "1"], stdout=subprocess.PIPE, text=True, env=os.environ
    ) as process:
        wait_for(lambda: any(run.step for run in directories(results)))
        (worker,) = children(process.pid)
        os.kill(worker, signal.SIGSTOP)
        process.send_signal(signal.SIGINT)
        assert process.stdout is not None
        while "Ctrl-C again" not in process.stdout.readline():
            pass
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Stopped at once; the same command resumes from the last checkpoints" in output
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)
    assert "interrupted" in command("status", suite, "--results", results)


def children(process: int) -> list[int]:
    """Processes that a process started, on Linux."""
    path = Path(f"/proc/{process}/task/{process}/children")
    if not path.exists():
        pytest.skip("needs /proc")
    return list(map(int, path.read_text().split()))


def wait_for(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + 120
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.slow
def test_two_sweeps_on_one_folder_both_end_well(tmp_path: Path) -> None:
    suite, results = write_suite(tmp_path, steps=40), tmp_path / "results"
    arguments = [sys.executable, "-m", "bench", "run", str(suite), "--results", str(results)]
    sweeps = [
        subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for _ in range(2)
    ]
    for sweep in sweeps:
        output, _ = sweep.communicate(timeout=240)
        assert sweep.returncode == 0, output
        assert "[2/2]" in output
        assert "FAILED" not in output
    assert len(list(results.glob("runs/*/run.json"))) == 2


def test_a_run_that_trained_nothing_is_a_problem_everywhere(
    results: Path, command: Command
) -> None:
    files = RunDir(next(results.glob("runs/digits-triplet*")))
    save_run(files, load_run(files).record | {"trained": False})  # type: ignore[operator]
    problem = "nothing was trained, because the gradient was 0 at each of its 2 steps"
    suite = results.parent / "quick.toml"
    for name in ("run", "report"):
        output = command(name, suite, "--results", results, code=1)
        assert f"problem: {files.path.name}: {problem}" in output
    folder = results / "reports" / "quick"
    assert problem in (folder / "report.html").read_text()
    assert "Problem: " in (folder / "table.md").read_text()
    assert problem in command("status", suite, "--results", results, code=1, columns=300)
    shown = command("show", "digits-triplet", "--results", results)
    assert problem in " ".join(shown.split())
    assert open_library(results).problems == (f"{files.path.name}: {problem}",)


def test_a_loss_whose_code_has_changed_is_named(results: Path, command: Command) -> None:
    suite = results.parent / "quick.toml"
    assert "note: " not in command("run", suite, "--results", results)
    files = RunDir(next(results.glob("runs/digits-triplet*")))
    save_run(files, load_run(files).record | {"loss_source": "0" * 64})  # type: ignore[operator]
    output = command("run", suite, "--results", results)
    assert "note: the code of the loss of Triplet has changed since these runs were" in output
    assert f"delete them to train again: {files.path}" in output


def test_nothing_to_compare_is_refused_before_any_run(tmp_path: Path, command: Command) -> None:
    suite = write_suite(tmp_path)
    text = suite.read_text().replace("batch_size = 12", "batch_size = 3")
    suite.write_text(
        f"{text}samples_per_class = 1\n".replace(PROXY, f"{PROXY}\nsamples_per_class = 1")
    )
    output = command("run", suite, "--results", tmp_path / "results", code=1)
    assert "Triplet on digits: triplet has nothing to compare: batch_size = 3" in output
    assert "Proxy-NCA on" not in output
    assert not list(tmp_path.glob("results/runs/*"))


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
        (["published", "cub20"], 1, "did you mean 'cub200'?"),
        (["published", "--dim", "0"], 2, "Invalid value for '--dim'"),
        (["score", "nowhere.npy", "labels.csv"], 1, "nowhere.npy cannot be read"),
        (["score", "e.npy", "--gallery-labels", "g.csv"], 2, "--gallery-labels needs --gallery"),
    ],
)
def test_a_mistake_is_one_message(
    arguments: list[str], code: int, expected: str, tmp_path: Path, command: Command
) -> None:
    if arguments[0] in ("run", "show", "report"):
        arguments = [*arguments, "--results", str(tmp_path)]
    output = re.sub(r"[│╭╮╰╯─\s]+", " ", command(*arguments, code=code))
    assert expected in output


def test_missing_data_is_reported_before_any_run_starts(tmp_path: Path, command: Command) -> None:
    suite, results = write_suite(tmp_path), tmp_path / "results"
    suite.write_text(suite.read_text().replace("digits", "omniglot"))
    output = command("run", suite, "--data-root", tmp_path, "--results", results, code=1)
    assert str(tmp_path) in output
    assert "proxy-bench data download omniglot" in output
    assert not list(tmp_path.glob("results/runs/*"))


def test_results_that_are_not_a_folder_are_refused(tmp_path: Path, command: Command) -> None:
    (tmp_path / "results").write_text("a file instead of a folder")
    output = command("run", write_suite(tmp_path), "--results", tmp_path / "results", code=1)
    assert "cannot be written to" in output
    assert "--results" in output


def test_list_shows_suites_losses_and_data_sets(command: Command) -> None:
    output = command("list")
    for word in ("default", "losses", "proxy_nca", "triplet", "center", "digits", "omniglot"):
        assert word in output
    assert "https://arxiv.org/abs/1703.07464" in output
    assert "proxy_nca" not in command("list", "datasets")
    assert "embedded" in command("data", "list")
    assert "no problems" in command("data", "verify", "digits")


@pytest.mark.parametrize("columns", [80, 120])
def test_list_losses_cuts_nothing_and_keeps_addresses_whole(command: Command, columns: int) -> None:
    output = command("list", "losses", columns=columns)
    blocks = re.split(r"\n(?=  \w|\n)", output)  # one for each loss, and the families' titles
    for name, loss in declared_losses().items():
        assert any(block.strip() == loss.title for block in blocks)
        (block,) = [block for block in blocks if block.startswith(f"  {name} ")]
        assert loss.paper in [line.strip() for line in block.splitlines()]
        words = " ".join(block.split())
        assert words.startswith(f"{name} {loss.summary}")
        assert words.endswith(" ".join(" ".join(loss.defaults).split()))
    assert all(len(line) <= columns for line in output.splitlines() if "https://" not in line)


def test_show_refuses_an_ambiguous_name(tmp_path: Path, command: Command) -> None:
    write_results(tmp_path, ("digits",))
    output = command("show", "digits-center", "--results", tmp_path, code=1)
    assert "several runs match 'digits-center'" in output
    assert output.count("digits-center-softmax-s") == 3


@pytest.mark.parametrize(
    ("images", "counted"), [(48, "all images"), (4500, "1,000 of 4,500 images, spread evenly")]
)
def test_a_map_says_what_it_keeps_and_over_which_images(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch, images: int, counted: str
) -> None:
    made = Map(np.zeros((images, 2), np.float32), "t-SNE", 0.714)
    monkeypatch.setattr("bench.reporting.projection.tsne_map", lambda embeddings: made)
    write_results(tmp_path, ("digits",))
    output = command("map", "digits-center-softmax-s0", "--results", tmp_path)
    assert f": keeps 71% of the 10 nearest images, over {counted}\n" in output
    assert len(list(tmp_path.glob("maps/digits-center-softmax-s0*"))) == 1


def test_a_run_of_another_schema_is_refused_and_not_changed(
    results: Path, command: Command
) -> None:
    suite = results.parent / "quick.toml"
    record = next(results.glob("runs/digits-triplet*/run.json"))
    record.write_text(record.read_text().replace('"schema": 3', '"schema": 7'))
    before = record.read_bytes()
    for name in ("run", "report"):
        output = command(name, suite, "--results", results, code=1)
        assert "has schema 7, this version reads schema 3" in output
    assert record.read_bytes() == before
    assert "has schema 7" in command("status", suite, "--results", results, code=1)
    assert "has schema 7" in command("show", "digits-triplet", "--results", results, code=1)


def test_the_browser_is_a_command(
    results: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "demo.__main__", raising=False)  # another test imported it
    assert "--port" in command("demo", "--help")
    nothing = results / "nothing"
    assert f"no finished run in {nothing}" in command("demo", "--results", nothing, code=1)
    monkeypatch.setattr(command_line, "find_spec", lambda name: None)
    assert "pip install 'proxy-bench[demo]'" in command("demo", code=1)


def test_the_command_of_the_browser_names_results_only_where_they_are_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("PROXY_BENCH_RESULTS", raising=False)
    assert browse(Path("results")) == "proxy-bench demo"
    assert browse(Path("my results")) == "proxy-bench demo --results 'my results'"
    monkeypatch.setenv("PROXY_BENCH_RESULTS", "my results")
    assert browse(Path("my results")) == "proxy-bench demo"
