"""Commands on a suite that studies variance."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench.cli.main import app
from bench.suites import load_suite
from demo.library import open_library
from demo.tabs.results import render_curves, render_scores
from tests.support.fabricated import write_pictures, write_run
from tests.support.schemas import check_schema

pytestmark = pytest.mark.usefixtures("without_figures")

SUITE = """
title = "A study"
seeds = [1, 2, 3]
vary = ["weights", "split"]
[budgets.digits]
embedding_dim = 16
batch_size = 32
steps = 40
evaluate_every = 20
learning_rate = 1e-3
weight_decay = 0
[methods.Triplet]
loss = "triplet"
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    (folder / "study.toml").write_text(SUITE)
    write_pictures(folder / "results", "digits")
    for number, spec in enumerate(load_suite(str(folder / "study.toml")).specs):
        write_run(folder / "results", spec, gain=0.1 + number / 100)
    return folder


def command(study: Path, name: str, *options: str) -> tuple[int, str]:
    arguments = [name, str(study / "study.toml"), "--results", str(study / "results"), *options]
    found = CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})
    text = found.stdout if "--json" in options else " ".join(found.output.split())
    return found.exit_code, text + str(found.exception or "")


def test_the_report_says_where_the_spread_comes_from(study: Path) -> None:
    code, output = command(study, "report")
    assert code == 0, output
    assert "variance of R@1 (points)" in output
    assert "Triplet: R@1 spreads by" in output
    assert "variance.csv" in output
    code, output = command(study, "report", "--json")
    document = json.loads(output)
    check_schema("report", document)
    assert [row["source"] for row in document["variance"]] == ["all", "weights", "split"] * 2
    assert document["scores"][0]["seeds"] == [1, 2, 3]


def test_states_name_what_varies(study: Path) -> None:
    code, output = command(study, "status")
    assert code == 0, output
    assert "9 of 9 runs" in output
    assert "class-disjoint, varies weights+split" in output


def test_seeds_are_not_added_to_a_study(study: Path) -> None:
    code, output = command(study, "run", "--until-decided")
    assert code == 1
    assert "is a study of variance (vary), whose seeds are those of its file" in output
    assert not (study / "results" / "until-decided").exists()


def test_no_mean_of_the_browser_has_a_run_of_one_source(study: Path) -> None:
    (shelf,) = open_library(study / "results").shelves
    assert len(shelf.runs) == 9
    page = render_scores(shelf)
    means = page.partition('class="runs"')[0]
    assert "varies" not in means.partition("6 runs of a study of variance")[0]
    assert "6 runs of a study of variance" in means
    assert "Triplet (varies weights), seed 1" in page
    assert render_curves(shelf).count("varies") == 0
