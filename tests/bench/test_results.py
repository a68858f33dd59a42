"""Stored runs as pandas frames."""

import json
from pathlib import Path

import pytest

from bench.results import community, curves, frame
from bench.spec import RunSpec
from bench.store.runs import Run, StoredRunError, scan
from tests.support.fabricated import write_results


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    return scan(write_results(tmp_path_factory.mktemp("results"), ("digits",)))[0]


def test_a_row_holds_everything_that_is_recorded_of_a_run(runs: list[Run]) -> None:
    table = frame(runs)
    assert len(table) == len(runs) == 9
    for (_, row), run in zip(table.iterrows(), runs, strict=True):
        assert row["run"] == run.name
        assert row["method_id"] == RunSpec.model_validate(run.spec).method_id
        assert {field: row[field] for field in ("dataset", "method", "seed", "steps")} == {
            field: run.spec[field] for field in ("dataset", "method", "seed", "steps")
        }
        assert {key: row[key] for key in run.scores} == dict(run.scores)
        assert row["untrained.nmi"] == run.record["untrained"]["nmi"]
        assert row["cost.train_seconds"] == run.record["cost"]["train_seconds"]
        assert row["environment.packages.torch"] == "2.15.0"
    assert {*RunSpec.model_fields} - {"loss_args"} <= {*table}


def test_hyper_parameters_of_other_losses_are_missing_values(runs: list[Run]) -> None:
    spec = {**runs[0].spec, "loss_args": {"scale": 12.0}}
    changed = Run(runs[0].directory, {**runs[0].record, "spec": spec})
    column = frame([changed, runs[1]])["loss_args.scale"]
    assert column[0] == 12.0
    assert column.isna().tolist() == [False, True]


def test_a_row_of_curves_is_one_validation(runs: list[Run]) -> None:
    table = curves(runs)
    for run in runs:
        lines = (run.directory / "curve.jsonl").read_text(encoding="utf-8").splitlines()
        points = [json.loads(line) for line in lines]
        own = table[table["run"] == run.name]
        for name in ("step", "seconds", "recall@1"):
            assert own[name].tolist() == [point[name] for point in points]
        assert own["training_loss"].tolist()[1:] == [point["loss"] for point in points[1:]]
        assert set(own["loss"]) == {run.spec["loss"]}
        assert set(own["method_id"]) == {RunSpec.model_validate(run.spec).method_id}
    assert table["method_id"].nunique() == 3


def test_a_missing_curve_is_an_error_that_names_the_file(runs: list[Run]) -> None:
    with pytest.raises(StoredRunError, match=r"gone.*curve\.jsonl is missing"):
        curves([Run(Path("gone"), runs[0].record)])


def test_no_runs_are_an_empty_frame() -> None:
    assert list(frame([]).columns) == ["run", "method_id"]
    assert list(community([]).columns) == ["submission", "run", "method_id", "trained_again"]
