"""Exported scores: in the forms that the two collections document, or not written at all."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator
from typer.testing import CliRunner

from bench.cli.export_scores import decimal, quoted
from bench.cli.main import app
from bench.store.runs import RunDir, load_run
from tests.support.fabricated import end_early, make_spec, write_run

TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
QUOTED = {
    "required": [
        "schema_version",
        "evaluation_id",
        "retrieved_timestamp",
        "source_metadata",
        "model_info",
        "eval_library",
        "evaluation_results",
    ],
    "properties": {
        "source_metadata": {
            "required": ["source_type", "source_organization_name", "evaluator_relationship"],
            "properties": {
                "source_type": {"enum": ["documentation", "evaluation_run"]},
                "evaluator_relationship": {
                    "enum": ["first_party", "third_party", "collaborative", "other"]
                },
            },
        },
        "eval_library": {
            "required": ["name", "version"],
            "properties": {"additional_details": TEXTS},
        },
        "model_info": {
            "required": ["name", "id", "additional_details"],
            "properties": {
                "additional_details": TEXTS
                | {
                    "required": ["deployment_type", "model_availability"],
                    "properties": {
                        "deployment_type": {
                            "enum": ["self_deployed", "externally_managed", "unknown"]
                        },
                        "model_availability": {
                            "enum": ["open_weights", "closed_weights", "unknown"]
                        },
                    },
                }
            },
        },
        "evaluation_results": {
            "type": "array",
            "minItems": 1,
            "items": {
                "required": ["evaluation_name", "source_data", "metric_config", "score_details"],
                "properties": {
                    "source_data": {
                        "required": ["dataset_name", "source_type"],
                        "properties": {
                            "source_type": {"const": "other"},
                            "additional_details": TEXTS,
                        },
                    },
                    "metric_config": {
                        "required": ["lower_is_better", "min_score", "max_score"],
                        "properties": {
                            "lower_is_better": {"type": "boolean"},
                            "score_type": {"enum": ["binary", "continuous", "levels"]},
                            "min_score": {"anyOf": [{"type": "number"}, {"const": "-Infinity"}]},
                            "max_score": {"anyOf": [{"type": "number"}, {"const": "Infinity"}]},
                        },
                    },
                    "score_details": {
                        "required": ["score"],
                        "properties": {"score": {"type": "number"}},
                    },
                },
            },
        },
    },
}
EEE = ("--format", "every-eval-ever", "--organization", "some-lab")
HUB = ("--format", "eval-results", "--hub-dataset", "some/digits", "--task", "retrieval")


@pytest.fixture
def results(tmp_path: Path) -> Path:
    write_run(tmp_path / "results", make_spec("digits", "Proxy-NCA", 0), gain=0.2)
    return tmp_path / "results"


def export(results: Path, *options: str) -> Path:
    """The only file that the command writes."""
    folder = results.parent / "out"
    arguments = ["export", "digits-proxy-nca", str(folder), "--results", str(results), *options]
    done = CliRunner().invoke(app, arguments)
    if done.exception is not None:
        raise done.exception
    (path,) = [path for path in folder.rglob("*") if path.is_file()]
    assert done.output == f"written {path}\n"
    return path


def scores_of(results: Path) -> dict[str, float]:
    (directory,) = (results / "runs").iterdir()
    return dict(load_run(RunDir(directory)).scores)


def test_every_eval_ever_has_all_scores(results: Path) -> None:
    """https://github.com/evaleval/every_eval_ever, README: the structure is
    `data/{benchmark_name}/{developer_name}/{model_name}/{uuid}.json`; "`evaluation_id`: Use
    `{benchmark_name/model_id/retrieved_timestamp}` format"; "`retrieved_timestamp` (required) —
    when this record was created, in Unix epoch format".

    every_eval_ever/schemas/eval.schema.json there, version 0.3.0 (draft 7): QUOTED has what it
    requires, its enumerations and the types of the fields that are written.
    """
    path = export(results, *EEE)
    content = json.loads(path.read_text(encoding="utf-8"))
    Draft7Validator(QUOTED).validate(content)
    benchmark, owner, model, file = path.relative_to(results.parent / "out" / "data").parts
    assert (benchmark, owner) == ("digits-class-disjoint", "some-lab")
    assert content["evaluation_id"].startswith(f"{benchmark}/{owner}/{model}/1")
    assert len(file) == len("edf10b81-11d3-46ec-86fb-039a0d7dd0e2.json")
    found = {
        one["metric_config"]["metric_id"].removeprefix("proxy_bench."): one["score_details"][
            "score"
        ]
        for one in content["evaluation_results"]
    }
    assert found == scores_of(results)
    for one in content["evaluation_results"]:
        limits = one["metric_config"]
        assert float(limits["min_score"]) <= one["score_details"]["score"]
        assert one["score_details"]["score"] <= float(limits["max_score"])


def test_steps_are_those_that_were_taken(tmp_path: Path) -> None:
    spec = make_spec("digits", "Proxy-NCA", 0).model_copy(update={"patience": 2})
    end_early(write_run(tmp_path / "results", spec, gain=0.2), 60)
    content = json.loads(export(tmp_path / "results", *EEE).read_text(encoding="utf-8"))
    assert spec.steps == 100
    assert content["model_info"]["additional_details"]["steps"] == "60"


def test_every_eval_ever_fits_the_schema_of_its_package(results: Path) -> None:
    package = pytest.importorskip("every_eval_ever", reason="every-eval-ever is not installed")
    schema = Path(package.__file__).parent / "schemas" / "eval.schema.json"
    content = json.loads(export(results, *EEE).read_text(encoding="utf-8"))
    Draft7Validator(json.loads(schema.read_text(encoding="utf-8"))).validate(content)


def test_eval_results_are_those_of_the_hub(results: Path) -> None:
    """https://huggingface.co/docs/hub/eval-results: "Create a YAML file in `.eval_results/*.yaml`
    in your model repo", a list of `dataset` with `id` ("Required. Hub dataset ID (must be a
    Benchmark)") and `task_id` ("Required. ID of the Task, as defined in the dataset's eval.yaml"),
    `value` ("Required. Metric value"), `date` ("Optional. ISO-8601 date or datetime") and `notes`
    ("Optional. Details about the evaluation setup"). huggingface_hub reads the same fields.
    """
    hub = pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed")
    path = export(results, *HUB, "--score", "map@r")
    assert path.relative_to(results.parent / "out").parts == (".eval_results", "digits.yaml")
    content: Any = pytest.importorskip("yaml").safe_load(path.read_text(encoding="utf-8"))
    (entry,) = hub.parse_eval_result_entries(content)
    assert (entry.dataset_id, entry.task_id) == ("some/digits", "retrieval")
    assert entry.value == scores_of(results)["map@r"]
    assert entry.notes.startswith("MAP@R of Proxy-NCA, seed 0, on digits, class-disjoint split fff")
    assert hub.eval_result_entries_to_yaml([entry]) == content


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (EEE[:2], "--format every-eval-ever needs --organization"),
        ((*EEE[:3], "some lab"), r"--organization is 'some lab': expected a name as in URLs"),
        (HUB[:2], "--format eval-results needs --hub-dataset: OWNER/NAME"),
        (HUB[:4], "--format eval-results needs --task"),
        ((*HUB[:3], "digits", *HUB[4:]), "--hub-dataset is 'digits': expected OWNER/NAME"),
        ((*HUB, "--score", "recall@3"), "unknown score of digits-proxy-nca.*'recall@3'; did you"),
    ],
)
def test_what_is_missing_is_reported(results: Path, options: tuple[str, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        export(results, *options)
    assert not (results.parent / "out").exists()


@pytest.mark.parametrize("value", [0.5, 1.0, 5e-05, 1.25e-07, 0.1 + 0.2])
def test_small_numbers_are_numbers_in_yaml_too(value: float) -> None:
    """Of `5e-05`, without a point, readers of YAML 1.1 make a text."""
    assert float(decimal(value)) == value
    assert re.fullmatch(r"[0-9]+\.[0-9]+(e[-+][0-9]+)?", decimal(value))


def test_a_name_beyond_the_basic_plane_stays_a_name() -> None:
    assert quoted("Proxy \U0001f98a") == '"Proxy \U0001f98a"'
    assert json.loads(quoted('a\u2028\U0001f98a"')) == 'a\u2028\U0001f98a"'
