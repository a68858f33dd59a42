"""`proxy-bench published`: tables with sources, filters, JSON, and mistakes."""

import json

import pytest
from typer.testing import CliRunner

from bench.cli.main import app
from bench.published import Published, published
from tests.support.schemas import check_schema


def run(*arguments: str, columns: int = 100) -> str:
    found = CliRunner().invoke(app, ["published", *arguments], env={"COLUMNS": str(columns)})
    assert found.exit_code == 0, found.output
    return found.stdout


@pytest.mark.parametrize("columns", [80, 160])
def test_tables_have_sources_conditions_and_scores_as_printed(columns: int) -> None:
    output = run("cub200", columns=columns)
    lines = output.splitlines()
    assert "cub200, class-disjoint split, test (percent)" in lines
    assert (
        "Musgrave et al., A Metric Learning Reality Check, ECCV 2020, Table 4, separated" in lines
    )
    assert "  ±: 95 % t interval over ten runs." in lines
    assert "  https://arxiv.org/abs/1703.07464" in lines
    words = " ".join(output.split())
    assert "57.88 ± 0.30" in words
    assert "proxy_nca_softmax" in words
    assert "49.21 61.90 67.90 72.40 59.53" in words
    assert "selection best epoch on the test set" in words
    assert words.endswith(
        f"{sum(row.dataset == 'cub200' for row in published())} published rows. Never ranked with "
        "ours: conditions differ. --json has every field of every row."
    )


def test_rows_are_filtered() -> None:
    output = run("cars196", "--method", "proxy_anchor", "--backbone", "resnet", "--dim", "512")
    assert "87.7" in output
    assert output.splitlines()[-1].startswith("1 published row.")
    assert "Hyp-ViT" in run("sop", "--year", "2021-2022")
    assert "88.68" not in run("cars196", "--year", "2020")
    assert "inshop, official split" in run("--year", "2023")


def test_json_has_every_field_of_every_row() -> None:
    found = json.loads(run("--json"))
    check_schema("published", found)
    assert len(found) == len(published())
    assert all(row.keys() == Published.model_fields.keys() for row in found)
    (row,) = json.loads(run("market1501", "--dim", "2048", "--json"))
    assert row["scores"] == {
        "recall@1": {"value": 87.9, "half": None, "printed": "87.9"},
        "map": {"value": 70.4, "half": None, "printed": "70.4"},
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--year", "20"], "--year is '20': expected a year such as 2020"),
        (["--year", "2020-2017"], "--year is '2020-2017'"),
        (["--year", ""], "--year is ''"),
        (["cub20"], "did you mean 'cub200'?"),
        (["digits"], "no published row is of digits"),
        (["cub200", "--backbone", "vgg"], "no published row here has the backbone 'vgg'"),
    ],
)
def test_a_mistake_is_one_message(arguments: list[str], message: str) -> None:
    found = CliRunner().invoke(app, ["published", *arguments])
    assert found.exit_code == 1
    assert message in str(found.exception)
    assert found.output == ""
