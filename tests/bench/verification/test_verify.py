"""`proxy-bench verify`: honest runs pass, whatever was forged afterwards is named."""

import json
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.cli import main as command_line
from bench.cli.verify import (
    Options,
    exit_status,
    score_again,
    show_outcomes,
    train_again,
    train_alike,
)
from bench.datasets import load
from bench.reporting.statistics.stats import mean_interval
from bench.store.environment import current_pins, pinned
from bench.store.runs import Run, RunDir, load_run, save_arrays, write_record
from bench.verification.environment import changes
from bench.verification.leftover import folder_of_runs, program_digest
from bench.verification.outcome import Difference, Outcome
from bench.verification.scores import verify_run
from bench.verification.spread import with_sizes
from bench.verification.training import compare_runs, moved_curve
from tests.support.fabricated import make_spec, owner, seal, write_run
from tests.support.schemas import check_schema
from tests.support.searches import write_stored_search
from tests.support.short_runs import execute, spec_for

Command = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs on both splits of the digits, one of which tests trained classes."""
    folder = tmp_path_factory.mktemp("results")
    execute(spec_for("proxy_nca"), folder)
    execute(spec_for("proxy_nca", split="official"), folder)
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run."""
    return execute(spec_for("triplet"), tmp_path_factory.mktemp("trained")).directory


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Run:
    """A run whose files a test may change."""
    return load_run(RunDir(shutil.copytree(trained, tmp_path / "runs" / trained.name)))


@pytest.fixture
def command(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """The command in this process; returns its exit status and its document."""

    def verify(*arguments: object) -> tuple[int, dict[str, Any]]:
        words = ["proxy-bench", "verify", "--json", *map(str, arguments)]
        monkeypatch.setattr(sys, "argv", words)
        monkeypatch.setattr(command_line, "accept_every_character", lambda: None)
        with pytest.raises(SystemExit) as ended:
            command_line.main()
        document: dict[str, Any] = json.loads(capfd.readouterr().out)
        check_schema("verify", document)
        code = ended.value.code or 0
        assert isinstance(code, int)
        return code, document

    return verify


def forged(run: Run, **fields: object) -> Run:
    """The run with its files as they are now, other fields, and digests that fit."""
    seal(run.directory, **fields)
    return load_run(run.files)


def verified(run: Run) -> Outcome:
    return verify_run(run, load(run.spec["dataset"], None, run.spec["split"]))


def test_honest_runs_pass_and_what_is_not_compared_is_said(results: Path, command: Command) -> None:
    code, document = command("--results", results, "--jobs", 1)
    assert code == 0
    assert {found["verdict"] for found in document["runs"]} == {"pass"}
    assert any("accuracy_mean" in found["unchecked"] for found in document["runs"])
    for found in document["runs"]:
        assert {"recall@1", "map@r", "nmi", "neighbors", "first_hit"} <= {*found["compared"]}
        assert {"checksum of the images", "untrained recall@1"} <= {*found["unchecked"]}
        assert not {*found["unchecked"]} & {*found["compared"]}


@pytest.mark.parametrize("score", ["recall@1", "map@r", "nmi", "eer", "5-way 1-shot"])
def test_a_forged_score_is_named(run: Run, score: str) -> None:
    true = run.scores[score]
    outcome = verified(forged(run, scores={**run.scores, score: true + 1e-12}))
    assert outcome.verdict == "differs"
    assert outcome.differences == [Difference(score, repr(true + 1e-12), repr(true))]


def test_forged_embeddings_neighbors_and_labels_are_named(run: Run) -> None:
    honest = run.embeddings
    moved = {**honest, "embeddings": honest["embeddings"].copy()}
    moved["embeddings"][0] *= -1
    own = owner(run.directory)
    save_arrays(run.files.embeddings, moved, own)
    names = {str(found.quantity).split()[0] for found in verified(forged(run)).differences}
    assert "map@r" in names
    assert "similarities" in names

    swapped = {**honest, "labels": honest["labels"][::-1].copy()}
    save_arrays(run.files.embeddings, swapped, own)
    [difference] = verified(forged(run)).differences
    assert difference.quantity == "labels of the embeddings"

    save_arrays(run.files.embeddings, honest, own)
    queries = {name: array.copy() for name, array in run.queries.items()}
    queries["neighbors"][3, 5:7] = queries["neighbors"][3, 6:4:-1]
    save_arrays(run.files.queries, queries, own)
    [difference] = verified(forged(run)).differences
    assert difference.quantity.startswith("neighbors 3, rank 6 (2 of ")


def test_another_processor_or_version_explains_a_difference(run: Run) -> None:
    environment = {**run.record["environment"], "cpu": "Another"}
    environment["packages"] = {**environment["packages"], "torch": "1.0"}
    scores = {**run.scores, "map@r": run.scores["map@r"] / 2}
    outcome = verified(forged(run, scores=scores, environment=environment))
    assert outcome.verdict == "differs, explained"
    assert any(reason.startswith("cpu Another then, ") for reason in outcome.reasons)
    assert any(reason.startswith("torch 1.0 then, ") for reason in outcome.reasons)
    assert verified(forged(run, scores=run.scores)).verdict == "pass"
    later = {**environment, "commit": "0" * 12, "finished": "2000-01-01T00:00:00+00:00"}
    assert [*changes(environment, later)] == []


def test_the_status_says_whether_all_differences_are_explained() -> None:
    passed, error = Outcome("a"), Outcome("b", error="damaged")
    differs = Outcome("c", differences=[Difference("map@r", "1", "2")])
    explained = Outcome("d", differences=differs.differences, reasons=["cpu"])
    assert exit_status([passed]) == 0
    assert exit_status([passed, explained]) == 2
    assert exit_status([explained, differs]) == 1
    assert exit_status([passed, error]) == 1


def test_a_damaged_run_and_one_without_embeddings_are_named(
    run: Run, tmp_path: Path, command: Command
) -> None:
    trimmed = {name: found for name, found in run.digests.items() if "embeddings" not in name}
    write_record(run.files, {**run.record, "files": trimmed})
    code, document = command("--results", tmp_path, "--jobs", 1)
    assert code == 1
    assert "its embeddings were not kept" in document["runs"][0]["error"]
    assert command("--results", tmp_path, "--stored")[0] == 0
    run.files.curve.write_text("")
    code, document = command(run.spec_id, "--results", tmp_path, "--stored")
    assert code == 1
    assert "curve.jsonl was changed after the run" in document["runs"][0]["error"]


def test_other_splits_are_not_compared(run: Run) -> None:
    other = load("digits", None, "official")
    assert "it was scored on the split" in str(verify_run(run, other).error)


def test_training_again_compares_every_bit_and_leaves_nothing(
    results: Path, command: Command
) -> None:
    code, document = command("--train", 1, "--results", results, "--jobs", 1)
    assert code == 0
    [found] = document["runs"]
    assert {"curve", "history", "parameters", "untrained scores"} <= {*found["compared"]}
    assert not (results / "verification").exists()


def leave(folder: Path, program: str = "") -> None:
    """What an interrupted verification leaves, of this program or another one."""
    with folder_of_runs(folder, "cpu", 0):
        write_run(folder, make_spec("digits", "Proxy-NCA", 0), gain=0.3)
    with (folder / "program.json").open("a") as file:
        file.write(program)


def test_runs_that_another_program_left_are_removed(tmp_path: Path) -> None:
    same, other = tmp_path / "same", tmp_path / "other"
    leave(same)
    with folder_of_runs(same, "cpu", 0) as said:
        assert "what an interrupted verification trained is used" in said
        assert list(same.glob("runs/*/run.json"))
    leave(other, program=" ")
    with folder_of_runs(other, "cpu", 0) as said:
        assert "was trained by another version of the program" in said
        assert sorted(path.name for path in other.iterdir()) == ["lock", "program.json"]
    assert not other.exists()


def test_runs_that_were_left_without_what_is_compared_are_removed(tmp_path: Path) -> None:
    """As those of `accept`, of submissions that keep no history."""
    leave(tmp_path / "left")
    with folder_of_runs(tmp_path / "left", "cpu", 1000) as said:
        assert "keeps other files; it is removed and trained again" in said
        assert not list(tmp_path.glob("left/runs/*"))


def test_runs_that_were_left_with_other_arithmetic_are_removed(tmp_path: Path) -> None:
    """Its runs would differ, for a reason that the runs to verify do not have."""
    with pinned("ATEN_CPU_CAPABILITY=default"):
        leave(tmp_path / "left")
    with folder_of_runs(tmp_path / "left", "cpu", 0) as said:
        assert "in another environment" in said
        assert not list(tmp_path.glob("left/runs/*"))


def test_verify_trains_where_nothing_of_another_program_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(tmp_path / "verification", program=" ")
    seen: list[object] = []

    def train(folder: Path, *_: object) -> list[Outcome]:
        seen.extend(folder.glob("runs/*"))
        return []

    monkeypatch.setattr("bench.cli.verify.train_in", train)
    options = Options(tmp_path, None, 1, "cpu", False, 2, 0)
    assert train_alike([], options) == []
    assert seen == []
    assert not (tmp_path / "verification").exists()
    with pytest.raises(ValueError, match="device 'cudaxx' cannot be used"):
        train_alike([], replace(options, device="cudaxx"))


def test_a_verification_of_runs_with_a_history_keeps_one(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[int] = []

    def train(folder: Path, *_: object) -> list[Outcome]:
        kept.append(json.loads((folder / "program.json").read_text())["keep_embeddings"])
        return []

    monkeypatch.setattr("bench.cli.verify.train_in", train)
    assert run.keeps_history
    for runs in ([], [run]):
        train_alike(runs, Options(tmp_path, None, 1, "cpu", False, 2, 0))
    assert kept == [0, 1000]


def test_a_second_verification_waits_for_the_first(tmp_path: Path) -> None:
    with (
        folder_of_runs(tmp_path / "verification", "cpu", 0) as said,
        pytest.raises(ValueError, match="another verification is at work in"),
        folder_of_runs(tmp_path / "verification", "cpu", 0),
    ):
        raise AssertionError
    assert said == ""


def test_the_program_is_told_by_every_file_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "package"
    package.mkdir()
    (package / "a.py").write_text("1")
    monkeypatch.setattr("bench.__path__", [str(package)])
    digests = [program_digest(), program_digest()]
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "a.pyc").write_text("1")
    digests.append(program_digest())
    assert len({*digests}) == 1
    (package / "a.py").write_text("2")
    digests.append(program_digest())
    (package / "b.toml").write_text("")
    digests.append(program_digest())
    assert len({*digests}) == 3


def test_training_again_has_the_arithmetic_of_the_stored_run(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX512_CORE")
    seen: list[str] = []

    def train(runs: Sequence[Run], options: Options) -> list[Outcome]:
        seen.append(current_pins())
        return []

    monkeypatch.setattr("bench.cli.verify.train_alike", train)
    environment = run.record["environment"]
    pinned = forged(run, environment={**environment, "pins": "MKL_CBWR=COMPATIBLE"})
    older = {name: value for name, value in environment.items() if name != "pins"}
    options = Options(tmp_path, None, 1, "cpu", False, 2, 0)
    train_again([pinned], options)
    train_again([forged(run, environment={**environment, "pins": ""})], options)
    train_again([forged(run, environment=older)], options)
    here = "ONEDNN_MAX_CPU_ISA=AVX512_CORE"
    assert (seen, current_pins()) == (["MKL_CBWR=COMPATIBLE", "", here], here)


def test_scoring_again_has_the_arithmetic_of_the_stored_run(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def score(*arguments: object) -> Iterator[tuple[int, list[Outcome]]]:
        seen.append(current_pins())
        yield 0, []

    monkeypatch.setattr("bench.cli.verify.in_processes", score)
    environment = run.record["environment"]
    pinned = forged(run, environment={**environment, "pins": "MKL_CBWR=COMPATIBLE"})
    before = current_pins()
    score_again([run, pinned], Options(tmp_path, None, 1, "cpu", False, 0, 0))
    assert {*seen} == {before, "MKL_CBWR=COMPATIBLE"}
    assert current_pins() == before


def test_a_curve_or_parameters_of_another_training_are_named(run: Run, tmp_path: Path) -> None:
    points = run.curve
    points[1] = {**points[1], "map@r": points[1]["map@r"] / 2, "seconds": points[1]["seconds"]}
    run.files.curve.write_text("".join(json.dumps(point) + "\n" for point in points))
    digest = {**run.record["parameters"], "sha256": "0" * 64}
    again = execute(spec_for("triplet"), tmp_path / "again")
    outcome = compare_runs(forged(run, parameters=digest), again)
    step = points[1]["step"]
    assert [found.quantity for found in outcome.differences] == [
        f"step {step} map@r",
        "parameters after the last step",
    ]
    assert np.isclose(float(outcome.differences[0].found), 2 * points[1]["map@r"])
    other = forged(run, loss_source="0" * 64, environment={**run.record["environment"], "cpu": "A"})
    edited = compare_runs(other, again)
    code = again.record["loss_source"][:12]
    assert str(edited.differences[0]) == f"code of the loss: stored {'0' * 12}, found {code}"
    assert edited.reasons
    assert edited.verdict == "differs"  # a processor does not explain another formula
    equal = forged(again, loss_source="0" * 64)
    assert compare_runs(equal, again).verdict == "pass"


def test_the_largest_difference_of_a_curve_follows_the_first(run: Run) -> None:
    first, second, third, *others = run.curve
    changed = [
        first,
        {**second, "map@r": second["map@r"] - 0.01, "loss": second["loss"] + 1},
        {**third, "map@r": third["map@r"] - 0.25},
        *others,
    ]
    stored = copy(run)
    stored.__dict__["curve"] = changed
    found = [difference.quantity for difference in moved_curve(stored, run)]
    assert found == ["step 4 loss", "step 4 map@r", "step 8 map@r"]


def test_a_score_that_a_validation_lacks_is_named(run: Run) -> None:
    first, second, third, *others = run.curve
    stored = copy(run)
    lacking = {name: value for name, value in third.items() if name != "map@r"}
    stored.__dict__["curve"] = [first, {**second, "loss": second["loss"] + 1}, lacking, *others]
    found = [*map(str, moved_curve(stored, run))]
    assert found[1:] == [f"step 8 map@r: stored nothing, found {third['map@r']!r}"]


def test_what_moved_is_set_beside_the_interval_over_stored_seeds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    specs = [make_spec("digits", "Proxy-NCA", seed) for seed in range(3)]
    specs.append(make_spec("digits", "Center + softmax", 0))
    stored = [load_run(RunDir(write_run(tmp_path, spec, gain=0.1))) for spec in specs]
    runs = [
        Run(run.directory, {**run.record, "scores": {"recall@1": 0.5 + 0.01 * number}})
        for number, run in enumerate(stored)
    ]
    first = runs[0]
    moved = [Difference("recall@1", "0.5", "0.375"), Difference("map@r", "nothing", "0.1")]
    outcome = Outcome(first.name, differences=moved, reasons=["cpu A then, B here"])
    [found] = with_sizes([outcome], [first], runs)
    [alone] = with_sizes([outcome], [first], [])
    half = mean_interval([0.5, 0.51, 0.52]).half
    assert found.document()["sizes"] == [
        {"score": "recall@1", "moved": -0.125, "half_width": half, "seeds": 3}
    ]
    write_stored_search(tmp_path)
    show_outcomes([found, alone], 1.0, tmp_path)
    said = capsys.readouterr().out
    assert "    R@1 moved by 12 points; the interval over 3 seeds is ± 2.5 points\n" in said
    assert "    R@1 moved by 12 points; no other seed of its method is stored\n" in said
    assert "not compared: the trials of `tune` (mine), which reports show" in said


def test_a_history_of_another_training_is_named(run: Run, tmp_path: Path) -> None:
    arrays = {name: array.copy() for name, array in (run.history or {}).items()}
    arrays["embeddings"][2, 5, 1] += 1
    save_arrays(run.files.history, arrays, owner(run.directory))
    again = execute(spec_for("triplet"), tmp_path / "again")
    outcome = compare_runs(forged(run), again)
    assert {"history", "chain"} <= {*outcome.compared}
    [difference] = outcome.differences
    assert difference.quantity == "history, step 8, embeddings"
    for name in ("history", "chain"):
        getattr(again.files, name).unlink()
    assert not {"history", "chain"} & {*compare_runs(forged(run), forged(again)).compared}
    assert float(difference.stored) == pytest.approx(float(difference.found) + 1)


def test_an_unknown_name_is_one_message(results: Path, command: Command) -> None:
    with pytest.raises(ValueError, match="Expecting value"):  # no document
        command("nothing", "--results", results)
