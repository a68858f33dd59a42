"""`proxy-bench export --format`: the scores of a run in the formats of two collections of results.

`eval-results`: `.eval_results/*.yaml` in a model's repository on the Hugging Face Hub,
https://huggingface.co/docs/hub/eval-results. `every-eval-ever`: the schema 0.3.0 of
https://github.com/evaleval/every_eval_ever.
"""

import json
import re
import time
import uuid
from collections.abc import Callable, Sequence
from math import inf
from pathlib import Path
from typing import Any, NamedTuple

from bench.metrics import describe
from bench.spec import RunSpec, file_name
from bench.store.runs import Run
from bench.suggest import unknown
from bench.temporary import new_folder

EEE_VERSION = "0.3.0"
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
TASK_ID = re.compile(r"[\w.:-]+")


class Destination(NamedTuple):
    """What a run does not know: who publishes it; of a benchmark on the Hub its id, the task and
    which score it lists. None is what the command did not name."""

    organization: str | None
    hub_dataset: str | None
    task: str | None
    score: str


def score_files(run: Run, formats: Sequence[str], to: Destination) -> dict[str, str]:
    """The files of some `SCORE_FORMATS`, by their path in the folder.

    Raises: ValueError if something that a format must name is missing or of another form.
    """
    return dict(SCORE_FORMATS[name](run, to) for name in formats)


def write_scores(folder: Path, files: dict[str, str]) -> list[Path]:
    """Write files into a new folder, and return their paths."""
    with new_folder(folder) as made:
        add_scores(made, files)
    return [folder / path for path in files]


def add_scores(folder: Path, files: dict[str, str]) -> None:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")


def eval_results(run: Run, to: Destination) -> tuple[str, str]:
    """One score for one task of a benchmark on the Hub, as YAML."""
    dataset = needed("eval-results", "--hub-dataset", to.hub_dataset, HUB_ID, "OWNER/NAME")
    task = needed("eval-results", "--task", to.task, TASK_ID, "an id from its eval.yaml")
    if to.score not in run.scores:
        raise ValueError(unknown(f"score of {run.name}", to.score, run.scores))
    text = (
        f"- dataset:\n"
        f"    id: {quoted(dataset)}\n"
        f"    task_id: {quoted(task)}\n"
        f"  value: {decimal(run.scores[to.score])}\n"
        f"  date: {quoted(run.record['environment']['finished'])}\n"
        f"  notes: {quoted(notes(run, to.score))}\n"
    )
    return f".eval_results/{file_name(run.spec['dataset'])}.yaml", text


def notes(run: Run, score: str) -> str:
    """What the score is and how it was made, in one line."""
    spec, split = RunSpec.model_validate(run.spec), run.record["split"]
    return (
        f"{describe(score).heading} of {spec.method}, seed {spec.seed}, on {spec.dataset}, "
        f"{spec.split} split {split['fingerprint'][:12]}; "
        f"proxy-bench {version(run)}, protocol {spec.protocol}"
    )


def version(run: Run) -> str:
    """The version of proxy-bench that made a run."""
    return str(run.record["environment"]["packages"].get("proxy-bench", "unknown"))


def every_eval_ever(run: Run, to: Destination) -> tuple[str, str]:
    """All scores of a run, with the conditions under which they hold, where the collection keeps
    them: `data/BENCHMARK/DEVELOPER/MODEL/UUID.json`."""
    form = re.compile(r"[\w.-]+")
    owner = needed("every-eval-ever", "--organization", to.organization, form, "a name as in URLs")
    spec, environment = RunSpec.model_validate(run.spec), run.record["environment"]
    now = f"{time.time():.0f}"
    name = f"{file_name(spec.dataset)}-{spec.split}"
    content = {
        "schema_version": EEE_VERSION,
        "evaluation_id": f"{name}/{owner}/{run.name}/{now}",
        "evaluation_timestamp": environment["finished"],
        "retrieved_timestamp": now,
        "source_metadata": {
            "source_name": "proxy-bench",
            "source_type": "evaluation_run",
            "source_organization_name": owner,
            "evaluator_relationship": "first_party",
        },
        "eval_library": {
            "name": "proxy-bench",
            "version": version(run),
            "additional_details": {
                "protocol": str(spec.protocol),
                "commit": environment["commit"],
            },
        },
        "model_info": model_info(run, owner),
        "evaluation_results": [result(run, key, name) for key in run.scores],
    }
    file = uuid.UUID(hex=run.record["digest"][:32], version=4)  # a run has one, exported twice too
    text = json.dumps(content, indent=2, allow_nan=False) + "\n"
    return f"data/{name}/{owner}/{run.name}/{file}.json", text


def model_info(run: Run, owner: str) -> dict[str, Any]:
    """The network that was trained and scored."""
    spec, packages = RunSpec.model_validate(run.spec), run.record["environment"]["packages"]
    said = ("loss", "backbone", "weights", "embedding_dim", "seed")
    return {
        "name": run.name,
        "id": f"{owner}/{run.name}",
        "developer": owner,
        "inference_engine": {"name": "torch", "version": packages.get("torch", "unknown")},
        "additional_details": {
            "deployment_type": "self_deployed",
            "model_availability": "unknown",
            "spec_id": run.record["spec_id"],
            "parameters_sha256": run.record["parameters"]["sha256"],
            **{field: str(getattr(spec, field)) for field in said},
            "steps": str(run.steps),  # the specification has how many they may be
        },
    }


def result(run: Run, key: str, name: str) -> dict[str, Any]:
    """One score, what it means, and the test images that it is of."""
    metric, split = describe(key), run.record["split"]
    return {
        "evaluation_name": name,
        "source_data": {
            "dataset_name": run.spec["dataset"],
            "source_type": "other",
            "additional_details": {
                "split": split["protocol"],
                "split_fingerprint": split["fingerprint"],
                "data_checksum": run.record["data_checksum"],
                "test_images": str(split["test_images"]),
                "test_classes": str(split["test_classes"]),
            },
        },
        "metric_config": {
            "evaluation_description": metric.definition or metric.heading,
            "metric_id": f"proxy_bench.{key}",
            "metric_name": metric.heading,
            "metric_unit": "proportion" if metric.percent else "number",
            "lower_is_better": metric.lower_is_better,
            "score_type": "continuous",
            "min_score": "-Infinity" if metric.lowest == -inf else metric.lowest,
            "max_score": 1 if metric.percent else "Infinity",
        },
        "score_details": {"score": run.scores[key]},
    }


def needed(
    format_: str, option: str, given: str | None, form: re.Pattern[str], expected: str
) -> str:
    """A value that a format must have; ValueError if it is missing or of another form."""
    if given is None:
        raise ValueError(f"--format {format_} needs {option}: {expected}")
    if not form.fullmatch(given):
        raise ValueError(f"{option} is {given!r}: expected {expected}")
    return given


def quoted(text: str) -> str:
    """A text as YAML and JSON write it alike."""
    return json.dumps(text, ensure_ascii=False)


def decimal(value: float) -> str:
    """A number with a point, without which YAML reads `5e-05` as text."""
    mantissa, exponent, power = repr(value).partition("e")
    return f"{mantissa}{'' if '.' in mantissa else '.0'}{exponent}{power}"


SCORE_FORMATS: dict[str, Callable[[Run, Destination], tuple[str, str]]] = {
    "eval-results": eval_results,
    "every-eval-ever": every_eval_ever,
}
