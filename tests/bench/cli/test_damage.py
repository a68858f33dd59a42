"""One damaged run among others: every command names it, leaves it out and shows the others."""

import errno
import json
import os
import random
import shutil
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from bench.cli import main as command_line
from bench.spec import sha256
from bench.store.runs import RunDir, StoredRunError, read_runs, save_arrays, save_run, scan
from bench.store.thumbnails import Thumbnails, load_thumbnails
from bench.suites import load_suite
from demo.library import open_library
from tests.support.fabricated import owner, seal, write_pictures, write_run

pytestmark = pytest.mark.usefixtures("without_figures")

SUITE = """
title = "Six stored runs"
seeds = [0, 1, 2]

[budgets.digits]
embedding_dim = 16
batch_size = 32
steps = 100
evaluate_every = 20
learning_rate = 1e-3
weight_decay = 1e-4

[methods."Proxy-NCA"]
loss = "proxy_nca"

[methods.Triplet]
loss = "triplet"
"""
ARRAYS = ("embeddings", "queries", "roc")
FILES = ["run.json", "curve.jsonl", *(f"{name}.safetensors" for name in ARRAYS)]
Damage = Callable[[Path], object]
Command = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("made"), seeds=3)


def make(folder: Path, seeds: int) -> Path:
    """The suite and its results."""
    (folder / "six.toml").write_text(SUITE.replace("[0, 1, 2]", str([*range(seeds)])))
    write_pictures(folder / "results", "digits")
    for spec in load_suite(str(folder / "six.toml")).specs:
        path = write_run(folder / "results", spec, gain=0.1)
        far = np.geomspace(1e-5, 1, 200)
        roc = {"far": far, "tar": far ** (1 / (2 + spec.seed))}
        save_arrays(path / "roc.safetensors", roc, owner(path))
        seal(path)
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy of suite and results."""
    return Path(shutil.copytree(made, tmp_path / "copy"))


@pytest.fixture
def command(folder: Path) -> Command:
    """A command on the results: exit code and output; tracebacks are errors of the test."""
    return lambda *arguments: run_command(folder / "results", *arguments)


def run_command(results: Path, *arguments: str) -> tuple[int, str]:
    printed = StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(printed), redirect_stderr(printed):
        patch.setenv("COLUMNS", "300")
        patch.setenv("NO_COLOR", "1")
        patch.setattr(sys, "argv", ["proxy-bench", *arguments, "--results", str(results)])
        with pytest.raises(SystemExit) as ended:
            command_line.main()
    return int(ended.value.code or 0), printed.getvalue()


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(folder.glob("runs/*/*")) if path.is_file()}


# Damage to bytes


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def garble(path: Path) -> None:
    path.write_bytes(random.Random(0).randbytes(path.stat().st_size))


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) * 2 // 3] ^= 1
    path.write_bytes(content)


def zero_pad(path: Path) -> None:
    path.write_bytes(path.read_bytes() + bytes(64))


def become_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def swap(path: Path) -> None:
    """The same file of another run, as after a mistaken copy."""
    other = next(path.parent.parent.glob("digits-triplet-s0-*"))
    shutil.copy(other / path.name, path)


BYTES: dict[str, Damage] = {
    "cut": cut,
    "emptied": empty,
    "missing": Path.unlink,
    "garbled": garble,
    "flipped": flip,
    "padded": zero_pad,
    "a folder": become_folder,
    "swapped": swap,
}


# Damage to numbers by hand: without a new digest, and with one


def record_of(directory: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((directory / "run.json").read_text())
    return record


def edit(section: str, key: str, value: object, *, sealed: bool = True) -> Damage:
    def change(directory: Path) -> None:
        record = record_of(directory)
        record[section][key] = value
        if sealed:
            save_run(RunDir(directory), record)
        else:
            (directory / "run.json").write_text(json.dumps(record))

    return change


def forge_id(directory: Path) -> None:
    seal(directory, spec_id="0123456789ab")


def lose_fingerprint(directory: Path) -> None:
    split = record_of(directory)["split"]
    del split["fingerprint"]
    seal(directory, split=split)


def lose_recall(directory: Path) -> None:
    scores = record_of(directory)["scores"]
    del scores["recall@1"]
    seal(directory, scores=scores)


def lose_section(directory: Path) -> None:
    record = {key: value for key, value in record_of(directory).items() if key != "untrained"}
    save_run(RunDir(directory), record)


def seal_field(**fields: object) -> Damage:
    return lambda directory: seal(directory, **fields)


def no_object(directory: Path) -> None:
    (directory / "run.json").write_text("[1]")


def nest(directory: Path) -> None:
    (directory / "run.json").write_text("[" * 100_000)


def many_digits(directory: Path) -> None:
    (directory / "run.json").write_text('{"schema": ' + "3" * 10_000 + "}")


def no_curve_listed(directory: Path) -> None:
    record = record_of(directory)
    del record["files"]["curve.jsonl"]
    content = {key: value for key, value in record.items() if key != "digest"}
    text = json.dumps(content | {"digest": sha256(content)})
    (directory / "run.json").write_text(text)


def other_files(directory: Path) -> None:
    record = record_of(directory)
    record["files"]["../../../secret"] = "0" * 64
    content = {key: value for key, value in record.items() if key != "digest"}
    text = json.dumps(content | {"digest": sha256(content)})
    (directory / "run.json").write_text(text)


def change_curve(change: Callable[[list[dict[str, Any]]], object]) -> Damage:
    def damage(directory: Path) -> None:
        path = directory / "curve.jsonl"
        points = [json.loads(line) for line in path.read_text().splitlines()]
        change(points)
        path.write_text("".join(json.dumps(point) + "\n" for point in points))
        seal(directory)

    return damage


def change_arrays(name: str, change: Callable[[dict[str, np.ndarray]], object]) -> Damage:
    def damage(directory: Path) -> None:
        path = directory / f"{name}.safetensors"
        arrays = load_file(path)
        change(arrays)
        save_arrays(path, arrays, owner(directory))
        seal(directory)

    return damage


def wrong(key: str, make: Callable[[np.ndarray], np.ndarray]) -> Callable[..., object]:
    return lambda arrays: arrays.update({key: make(arrays[key])})


def outside(precisions: np.ndarray) -> np.ndarray:
    """Two values beyond 0..1 with the mean that was there."""
    changed = precisions.copy()
    changed[:2] += 2, -2
    return changed


NUMBERS: dict[str, tuple[Damage, str]] = {
    "edited score": (edit("scores", "recall@1", 0.99, sealed=False), "was changed after the run"),
    "NaN score": (edit("scores", "recall@1", float("nan"), sealed=False), "was changed"),
    "score of 700 %": (edit("scores", "recall@1", 7.0), "scores.recall@1 = 7.0, expected 0..1"),
    "negative score": (edit("scores", "nmi", -0.1), "scores.nmi = -0.1, expected 0..1"),
    "AMI above 1": (edit("scores", "ami", 1.5), "scores.ami = 1.5, expected -inf..1"),
    "half a query": (edit("scores", "queries_without_relevant", 0.5), "expected a count"),
    "score in words": (edit("scores", "nmi", "0.5"), "scores.nmi = '0.5'"),
    "score that is true": (edit("scores", "nmi", True), "scores.nmi = True"),
    "score of no query": (edit("scores", "recall@2", 0.5), "gives recall@2 = "),
    "score of no K": (edit("scores", "recall@x", 0.5), "recall@x: expected a whole number after"),
    "other MAP@R": (edit("scores", "map@r", 0.987), "gives map@r = "),
    "untrained score": (edit("untrained", "nmi", 2.0), "untrained.nmi = 2.0"),
    "no R@1": (lose_recall, "lacks scores.recall@1"),
    "no untrained": (lose_section, "lacks untrained"),
    "no fingerprint": (lose_fingerprint, "lacks split.fingerprint"),
    "earlier protocol": (edit("spec", "protocol", 1), "made under version 1 of the protocol"),
    "later protocol": (edit("spec", "protocol", 3), "spec.protocol = 3"),
    "other split": (edit("split", "protocol", "official"), "has the splits"),
    "other learning rate": (edit("spec", "learning_rate", 0.5), "its specification "),
    "other method": (edit("spec", "method", "Best"), "is that of the run digits-best-s"),
    "negative steps": (edit("spec", "steps", -1), "spec.steps = -1"),
    "unknown field": (edit("spec", "scheduler", "cosine"), "spec.scheduler, which this version"),
    "other id": (forge_id, "has the id 0123456789ab"),
    "images": (edit("cost", "images", 5), "counts 5 images, but 100 steps of 32"),
    "negative seconds": (edit("cost", "train_seconds", -5.0), "cost.train_seconds = -5.0"),
    "no commit": (edit("environment", "commit", None), "environment.commit = None"),
    "no object": (no_object, "has schema None"),
    "deep nesting": (nest, "cannot be read"),
    "many digits": (many_digits, "run.json"),
    "spec in words": (seal_field(spec="none"), "has spec = 'none': expected a table of fields"),
    "list of scores": (seal_field(scores=[1]), "has scores = [1]: expected a table of fields"),
    "cost of 3": (seal_field(cost=3), "has cost = 3: expected a table of fields"),
    "no split": (seal_field(split=None), "has split = None: expected a table of fields"),
    "no curve": (no_curve_listed, "lacks the digest of curve.jsonl"),
    "foreign path": (other_files, "files"),
    "short curve": (change_curve(lambda points: points.pop()), "the last at step 80; expected"),
    "empty curve": (change_curve(list.clear), "has 0 validations"),
    "curve with a hole": (change_curve(lambda points: points.pop(2)), "has 5 validations"),
    "curve with NaN": (
        change_curve(lambda points: points[1].update({"map@r": float("nan")})),
        "map@r = nan",
    ),
    "curve above 1": (
        change_curve(lambda points: points[1].update({"recall@1": 1.5})),
        "step 20.recall@1 = 1.5",
    ),
    "curve of numbers": (change_curve(lambda points: points.__setitem__(0, 1)), "curve.jsonl"),  # type: ignore[call-overload]
    "curve without R@1": (change_curve(lambda points: points[2].pop("recall@1")), "lacks recall@1"),
    "curve of other images": (change_curve(lambda points: points[2].update(images=1)), "count 32"),
    "curve of other seconds": (
        change_curve(lambda points: [point.update(seconds=0.0) for point in points]),
        "ends after 0.0 seconds, but run.json has 1.1",
    ),
    "time of another run": (edit("cost", "train_seconds", 7.5), "but run.json has 7.5"),
    "fingerprint that is a path": (
        edit("split", "fingerprint", "../../secret"),
        "split.fingerprint = '../../secret'",
    ),
    "time runs back": (change_curve(lambda points: points[5].update(seconds=0.0)), "seconds that"),
    "queries as float": (
        change_arrays("queries", wrong("first_hit", lambda array: array.astype(np.float32))),
        "has first_hit of float32",
    ),
    "fewer queries": (
        change_arrays("queries", wrong("relevant", lambda array: array[:5])),
        "has relevant of int32 (5,) for 48 queries",
    ),
    "no neighbors": (
        change_arrays("queries", lambda arrays: arrays.pop("neighbors")),
        "lacks neighbors",
    ),
    "other first hits": (
        change_arrays("queries", wrong("first_hit", lambda array: array + 1)),
        "gives recall@1 = ",
    ),
    "no positives": (
        change_arrays("queries", wrong("relevant", np.zeros_like)),
        "first hits of queries without",
    ),
    "NaN precision": (
        change_arrays("queries", wrong("average_precision", lambda array: array * np.nan)),
        "has average_precision = nan",
    ),
    "precisions whose mean is right": (
        change_arrays("queries", wrong("average_precision", outside)),
        "expected 0..1",
    ),
    "first hit beyond the images": (
        change_arrays("queries", wrong("first_hit", lambda array: array + 1000 * (array > 8))),
        "expected 0..48",
    ),
    "more positives than images": (
        change_arrays("queries", wrong("relevant", lambda array: array + 1000)),
        "has relevant = 1007, expected 0..48",
    ),
    "neighbor without an image": (
        change_arrays("queries", wrong("neighbors", lambda array: array - 7)),
        "expected -1..47",
    ),
    "similarity that is no number": (
        change_arrays("queries", wrong("similarities", lambda array: array * np.nan)),
        "has similarities = nan",
    ),
    "similarities turned round": (
        change_arrays("queries", wrong("similarities", lambda array: array[:, ::-1])),
        "has similarities that rise",
    ),
    "NaN embeddings": (
        change_arrays("embeddings", wrong("embeddings", lambda array: array * np.nan)),
        "has embeddings that are not finite numbers",
    ),
    "embeddings of some images": (
        change_arrays("embeddings", wrong("embeddings", lambda array: array[:10])),
        "has 10 embeddings and 48 labels",
    ),
    "embeddings of other dimensions": (
        change_arrays("embeddings", wrong("embeddings", lambda array: array[:, :3])),
        "has embeddings of 3 dimensions, not 16",
    ),
    "embeddings in half precision": (
        change_arrays("embeddings", wrong("embeddings", lambda array: array.astype(np.float16))),
        "has embeddings of float16",
    ),
    "embeddings without labels": (
        change_arrays("embeddings", lambda arrays: arrays.pop("labels")),
        "holds embeddings, expected embeddings, labels",
    ),
    "ROC that falls": (
        change_arrays("roc", wrong("tar", lambda array: array[::-1])),
        "has tar that falls",
    ),
    "ROC above 1": (
        change_arrays("roc", wrong("tar", lambda array: array * 2)),
        "has tar outside 0..1",
    ),
    "ROC with NaN": (
        change_arrays("roc", wrong("far", lambda array: array * np.nan)),
        "has far outside 0..1",
    ),
    "ROC without TAR": (change_arrays("roc", lambda arrays: arrays.pop("tar")), "holds far"),
    "ROC of two lengths": (
        change_arrays("roc", wrong("tar", lambda array: array[:9])),
        "has tar of float64 (9,)",
    ),
}
DAMAGES: dict[str, tuple[str, Damage, str]] = {
    f"{file} {name}": (file, damage, "")
    for file in FILES
    for name, damage in BYTES.items()
    if (file, name) != ("run.json", "missing")  # then the run is not finished
} | {name: ("", damage, words) for name, (damage, words) in NUMBERS.items()}


@dataclass(frozen=True)
class Damaged:
    """Six whole runs beside one damaged run for each of `DAMAGES`, in its order, and what each
    command printed."""

    results: Path
    broken: list[Path]
    printed: dict[str, str]


@pytest.fixture(scope="module")
def damaged(without_figures: None, tmp_path_factory: pytest.TempPathFactory) -> Damaged:
    folder = make(tmp_path_factory.mktemp("damaged"), seeds=3 + -(-len(DAMAGES) // 2))
    results, suite = folder / "results", str(folder / "six.toml")
    runs = [run for run in scan(results)[0] if run.spec["seed"] >= 3]
    broken = [run.directory for run in runs]
    for path, (file, damage, _) in zip(broken, DAMAGES.values(), strict=True):
        damage(path / file)
    before, printed = contents(results), {}
    for name in ("status", "report", "run"):
        code, printed[name] = run_command(results, name, suite)
        assert code == 1, name
    assert contents(results) == before
    return Damaged(results, broken, printed)


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_run_is_named_and_left_out(damaged: Damaged, name: str) -> None:
    number, (_, _, words) = [*DAMAGES].index(name), DAMAGES[name]
    broken = damaged.broken[number]
    for command, output in damaged.printed.items():
        [line] = [line for line in output.splitlines() if f"{broken}" in line]
        assert line.startswith("problem: "), command
        assert words in line
    code, output = run_command(damaged.results, "show", broken.name)
    assert code == 1
    assert words in output
    assert str(broken) in output
    assert "Traceback" not in output


def test_damaged_runs_are_counted_and_the_others_shown(damaged: Damaged) -> None:
    for output in damaged.printed.values():
        assert output.count("problem: ") == len(DAMAGES)
        assert "Traceback" not in output
    for name in ("report", "run"):
        assert "Proxy-NCA" in damaged.printed[name]
    assert damaged.printed["status"].count("finished, R@1 0.") == 6
    text = (damaged.results / "reports" / "six" / "report.html").read_text()
    assert f"Problems: {len(DAMAGES)}" in text
    library = open_library(damaged.results)
    assert len(library.problems) == len(DAMAGES)
    for broken in damaged.broken:
        assert sum(str(broken) in problem for problem in library.problems) == 1
    assert len(library.shelves[0].runs) == 6


def test_whole_runs_have_no_problems(folder: Path, command: Command) -> None:
    suite = str(folder / "six.toml")
    for name in ("status", "report", "run", "show"):
        code, output = command(name, "digits-triplet-s1" if name == "show" else suite)
        assert (code, "problem" in output) == (0, False)
    assert open_library(folder / "results").problems == ()


def test_a_renamed_run_is_named_where_all_runs_are_shown(folder: Path, command: Command) -> None:
    directory = next(folder.glob("results/runs/digits-triplet-s1-*"))
    copy = shutil.copytree(directory, directory.with_name("backup"))
    library = open_library(folder / "results")
    assert len(library.shelves[0].runs) == 6
    assert f"{copy}/run.json is that of the run {directory.name}" in library.problems[0]
    code, output = command("show", "backup")
    assert (code, "rename its directory or delete it" in output) == (1, True)


def test_a_lost_record_is_named(folder: Path, command: Command) -> None:
    results, suite = folder / "results", str(folder / "six.toml")
    directory = next(results.glob("runs/digits-triplet-s1-*"))
    (directory / "run.json").unlink()
    for name in ("status", "report"):
        code, output = command(name, suite)
        assert code == 1
        assert f"problem: {directory}/run.json is missing beside the other files" in output
    assert len(open_library(results).problems) == 1
    (directory / "checkpoint.pt").touch()  # as after a kill while the run was scored
    assert command("report", suite)[0] == 0
    (directory / "checkpoint.pt").unlink()
    with RunDir(directory).lock():  # it is being run again
        assert command("report", suite)[0] == 0


def test_a_run_that_may_not_be_read_is_named(
    folder: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of another user, say: neither the directory nor a file in it can be looked into."""
    directory = next(folder.glob("results/runs/digits-triplet-s1-*"))
    stat = Path.stat

    def refuse(path: Path, **arguments: bool) -> os.stat_result:
        if path.parent == directory:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return stat(path, **arguments)

    def refuse_text(path: Path, **arguments: str) -> str:
        refuse(path)
        return path.read_bytes().decode()

    monkeypatch.setattr(Path, "stat", refuse)
    monkeypatch.setattr(Path, "read_text", refuse_text)
    code, output = command("status", str(folder / "six.toml"))
    assert code == 1
    assert f"problem: {directory}/run.json cannot be read" in output
    assert "Permission denied" in output
    assert output.count("finished, R@1 0.") == 5


def assert_same(first: Thumbnails, second: Thumbnails) -> None:
    assert first.digest == second.digest
    assert first.labels.tolist() == second.labels.tolist()
    assert (first.items, first.class_names) == (second.items, second.class_names)


def test_no_flipped_bit_passes(folder: Path) -> None:
    """100 bits over all stored files; a flip that changes nothing, as of 1e-5 to 1E-5, may pass."""
    results = folder / "results"
    whole = {run.name: run for run in scan(results)[0]}
    pictures = load_thumbnails(next(results.glob("pictures/*.npz")))
    paths = [*contents(results), *results.glob("pictures/*.npz")]
    generator = random.Random(3)
    for _ in range(100):
        path = generator.choice(paths)
        before = path.read_bytes()
        bit = generator.randrange(8 * len(before))
        changed = bytearray(before)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        runs, problems = read_runs([RunDir(path.parent)])
        if path.suffix == ".npz":
            with suppress(StoredRunError):  # a date in the archive shows nothing
                assert_same(load_thumbnails(path), pictures)
        elif problems:
            assert str(path.parent) in str(problems[0])
        else:
            assert runs[0].record == whole[runs[0].name].record
        path.write_bytes(before)
