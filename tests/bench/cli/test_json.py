"""`--json`: one document on standard output, with the numbers of the tables, the CSV and frames."""

import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from bench.cli.main import app
from bench.datasets import DATASETS
from bench.results import curves, frame
from bench.running.choose_budget import Speed
from bench.running.price import Footprint
from bench.store.runs import RunDir, scan
from bench.suites import load_suite, names
from bench.suites.arguments import declared_losses
from bench.weights import LITE0
from tests.support.fabricated import seal, write_run
from tests.support.own_vectors import saved
from tests.support.schemas import check_schema

pytestmark = pytest.mark.usefixtures("without_figures")

DOCS = Path(__file__).parents[3] / "docs" / "json.md"
SUITE = """
title = "Mine é"
seeds = [0, 1, 2]
[budgets.digits]
embedding_dim = 16
batch_size = 32
steps = 100
evaluate_every = 20
learning_rate = 1e-3
weight_decay = 1e-4
[methods.NCA]
loss = "proxy_nca"
[methods.Triplet]
loss = "triplet"
[methods."= Center"]
loss = "center"
"""


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A suite's file and its results, in which the last run is missing."""
    folder = tmp_path_factory.mktemp("stored")
    suite = folder / "mine.toml"
    suite.write_text(SUITE, encoding="utf-8")
    for spec in load_suite(str(suite)).specs[:-1]:
        write_run(folder / "results", spec, gain=len(spec.method) / 10)
    return str(suite), folder / "results"


def run(*arguments: object, code: int = 0) -> Result:
    found = CliRunner().invoke(app, [*map(str, arguments), "--json"])
    assert found.exit_code == code, found.output
    return found


def document(*arguments: object, code: int = 0) -> Any:
    """Standard output, which must be one document without NaN, of the command's schema."""
    found = json.loads(run(*arguments, code=code).stdout, parse_constant=pytest.fail)
    group = arguments[0] in ("data", "weights")
    check_schema("-".join(map(str, arguments[: 1 + group])), found)
    return found


def documented(command: str) -> set[str]:
    """The fields that docs/json.md names of a command."""
    line = re.search(rf"^\| `{command}` \| (.*) \|$", DOCS.read_text(encoding="utf-8"), re.M)
    assert line, command
    return set(re.findall(r"`([a-z_.]+)`", line[1]))


def test_status_has_the_state_and_scores_of_every_run(stored: tuple[str, Path]) -> None:
    suite, results = stored
    found = document("status", suite, "--results", results)
    table = frame(scan(results)[0]).set_index("run")
    states = {item["run"]: item for item in found["runs"]}
    assert len(states) == len(table) + 1
    assert [item["state"] for item in found["runs"]].count("waiting") == 1
    for name, row in table.iterrows():
        assert states[name]["scores"]["map@r"] == row["map@r"]
    assert found.keys() | next(iter(states.values())).keys() <= documented("status")


def test_show_has_record_and_curve(stored: tuple[str, Path]) -> None:
    _, results = stored
    found = document("show", "digits-nca-s1", "--results", results)
    (stored_run,) = [one for one in scan(results)[0] if one.name == found["run"]]
    assert found["record"] == json.loads(stored_run.files.record.read_text())
    points = [
        {"training_loss" if k == "loss" else k: v for k, v in p.items()} for p in found["curve"]
    ]
    expected = curves([stored_run])[list(points[0])]
    pd.testing.assert_frame_equal(pd.DataFrame(points), expected, check_exact=True)
    assert found.keys() <= documented("show")


def test_report_has_the_numbers_of_its_files(stored: tuple[str, Path]) -> None:
    suite, results = stored
    found = document("report", suite, "--results", results)
    folder = results / "reports" / "mine"
    table = pd.read_csv(folder / "table.csv", keep_default_na=False, na_values=[""])
    assert [item["method"] for item in found["scores"]] == [
        name.removeprefix("'") for name in table["method"]
    ]
    for item, (_, row) in zip(found["scores"], table.iterrows(), strict=True):
        assert len(item["seeds"]) == row["n"]
        for key, interval in item["scores"].items():
            assert f"{interval['mean']:.6g}" == f"{row[f'{key}_mean']:.6g}"
            assert f"{interval['half_width']:.6g}" == f"{row[f'{key}_half_width']:.6g}"
    digits = frame(scan(results)[0]).query("method == 'NCA'")["recall@1"]
    assert found["scores"][1]["scores"]["recall@1"]["mean"] == pytest.approx(digits.mean(), 1e-15)
    spread = pd.read_csv(folder / "uncertainty.csv", keep_default_na=False, na_values=[""])
    for item, (_, row) in zip(found["uncertainty"], spread.iterrows(), strict=True):
        assert item["verdict"] == (row["verdict"] if isinstance(row["verdict"], str) else None)
        assert f"{item['mean']:.6g}" == f"{row['mean']:.6g}"
    assert {str(folder / "report.html"), str(folder / "table.csv")} < set(found["files"])
    assert all(Path(file).is_file() for file in found["files"])
    retrieval = (folder / "table.md").read_text().split("### ")[1]
    for item in found["scores"]:
        (line,) = [
            line for line in retrieval.splitlines() if line.startswith(f"| {item['method']}")
        ]
        assert ("recall@1" in item["not_worse"]) == line.split(" | ")[1].startswith("**")
    assert found.keys() | found["scores"][0].keys() <= documented("report")


def test_report_says_which_runs_of_the_suite_are_not_stored(stored: tuple[str, Path]) -> None:
    suite, results = stored
    *_, last = load_suite(suite).specs
    assert document("report", suite, "--results", results)["missing"] == [last.run_name]
    shown = CliRunner().invoke(app, ["report", suite, "--results", str(results)])
    said = (
        "1 of the 9 runs of the suite is not stored: digits, class-disjoint: = Center (seed 2). "
        f"`proxy-bench run {suite}` with the same --results makes it."
    )
    assert said in shown.stdout
    assert said in (results / "reports" / "mine" / "report.html").read_text(encoding="utf-8")


def test_problems_are_in_the_document_and_on_standard_error(tmp_path: Path) -> None:
    suite = tmp_path / "mine.toml"
    suite.write_text(SUITE, encoding="utf-8")
    for spec in load_suite(str(suite)).specs:
        seal(write_run(tmp_path / "results", spec, gain=0.1), trained=False)
    for command in ("status", "report"):
        found = run(command, suite, "--results", tmp_path / "results", code=1)
        problems = json.loads(found.stdout)["problems"]
        assert sum("nothing was trained" in problem for problem in problems) == 9
        assert all(f"problem: {problem}" in found.stderr for problem in problems)


def test_a_mistake_leaves_standard_output_empty(stored: tuple[str, Path], tmp_path: Path) -> None:
    suite, results = stored
    found = run("show", "none", "--results", results, code=1)
    assert (found.stdout, "no run matches 'none'" in str(found.exception)) == ("", True)
    (RunDir.of(tmp_path, load_suite(suite).specs[0]).path).mkdir(parents=True)
    found = run("report", suite, "--results", tmp_path, code=1)
    assert (found.stdout, "no run of this suite" in str(found.exception)) == ("", True)


def test_list_has_what_can_be_chosen() -> None:
    found = document("list")
    assert found.keys() == {"suites", "losses", "datasets"}
    assert [item["name"] for item in found["suites"]] == list(names())
    defaults = {item["name"]: item["hyper_parameters"] for item in found["losses"]}
    assert defaults == {
        name: {key: default for key, (_, default) in loss.hyper_parameters.items()}
        for name, loss in declared_losses().items()
    }
    assert found["datasets"] == document("data", "list")
    assert [item["name"] for item in found["datasets"]] == list(DATASETS)
    assert document("list", "losses").keys() == {"losses"}
    fields = documented("list") | documented("data list")
    assert found.keys() | {key for items in found.values() for key in items[0]} <= fields


def test_score_has_all_digits(tmp_path: Path) -> None:
    files = saved(tmp_path)
    found = document("score", *files)
    printed = CliRunner().invoke(app, ["score", *map(str, files)]).stdout
    assert f"{found['scores']['map@r']:.6f}" in printed
    assert "30 embeddings of 6 dimensions, 6 classes" in printed
    assert (found["images"], found["dimensions"], found["classes"]) == (30, 6, 6)
    assert found["notes"][0] in " ".join(printed.split())
    audited = document("score", *files, "--audit")
    assert audited["scores"] == found["scores"]
    checks, peers = audited["audit"]["checks"], audited["audit"]["peers"]
    fields = found.keys() | {"audit"} | audited["audit"].keys() | checks[0].keys()
    assert fields | peers[0].keys() == documented("score")


def test_plan_has_the_numbers_of_its_table(
    stored: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    suite, results = stored
    monkeypatch.setattr(
        "bench.cli.plan.measure_budget",
        lambda *arguments: (Speed(0.0, step=36.0, embed=0.0, score=0.0), Footprint(1e9, 0, 8)),
    )
    found = document("plan", suite, "--results", results, "--jobs", 1)
    assert (found["all"]["runs"], found["all"]["stored"]) == (9, 8)
    assert found["all"]["hours"] == pytest.approx(1, abs=0.05)  # one run of 100 steps of 36 s
    (budget,) = found["budgets"]
    assert budget == {"dataset": "digits", "split": "class-disjoint", **found["all"]}
    assert found.keys() | budget.keys() == documented("plan")


def test_weights_have_size_and_path() -> None:
    found = document("weights", "list", "resnet26.*")
    by_name = {item["backbone"]: item for item in found}
    assert Path(by_name[LITE0]["path"]).stat().st_size == by_name[LITE0]["bytes"]
    assert by_name["timm:resnet26.bt_in1k"]["problem"] == "not here"
    assert found[0].keys() == documented("weights list")
