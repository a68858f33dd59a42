"""docs/schemas: made from the source, and what is read and written fits; test_json.py checks the
documents of commands."""

import json
import re
import shutil
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from jsonschema import ValidationError

from bench.cli.schemas import SCHEMAS, write_schemas
from bench.store.runs import RunDir, StoredRunError, load_run
from bench.suites import names
from tests.support.fabricated import make_spec, write_run
from tests.support.schemas import FOLDER, check_schema

OLD = Path(__file__).parents[1] / "store" / "old"
JSON_PAGE = FOLDER.parent / "json.md"
REFERENCE = Path(__file__).parents[3] / "results" / "reference" / "runs"


def test_the_committed_schemas_are_up_to_date(tmp_path: Path) -> None:
    write_schemas(tmp_path)
    made = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()}
    committed = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.iterdir()}
    assert made == committed, "fields have changed; make the schemas again: tox -e docs"


def test_every_documented_command_has_a_schema() -> None:
    rows = re.findall("^[|] `([a-z -]+)` [|]", JSON_PAGE.read_text(encoding="utf-8"), re.M)
    assert {name.replace(" ", "-") for name in rows} <= SCHEMAS.keys()


def changed(content: dict[str, Any], *, without: str = "", **fields: Any) -> dict[str, Any]:
    return {key: value for key, value in content.items() if key != without} | fields


def test_run_json_fits() -> None:
    for path in list(REFERENCE.glob("*/run.json"))[:6]:
        record = json.loads(path.read_text(encoding="utf-8"))
        check_schema("run", record)
    for wrong in (
        changed(record, without="split"),
        changed(record, schema=2),
        changed(record, scores={"recall@1": "high"}),
        changed(record, spec=changed(record["spec"], steps=-1)),
    ):
        with pytest.raises(ValidationError):
            check_schema("run", wrong)


def test_suites_fit() -> None:
    for name in names():
        text = resources.files("bench.suites").joinpath(f"{name}.toml").read_text(encoding="utf-8")
        suite = tomllib.loads(text)
        check_schema("suite", suite)
    for wrong in (changed(suite, without="title"), changed(suite, seed=[0])):
        with pytest.raises(ValidationError):
            check_schema("suite", wrong)


def test_every_version_of_run_json_is_read_or_refused_by_its_number(tmp_path: Path) -> None:
    """There is an example of each; the present one is fabricated."""
    number = SCHEMAS["run"].number
    examples = {f"run-{old}.json" for old in range(1, number)}
    assert {path.name for path in OLD.iterdir()} == examples
    for old in range(1, number):
        files = RunDir(tmp_path / str(old))
        files.path.mkdir()
        shutil.copy(OLD / f"run-{old}.json", files.record)
        with pytest.raises(
            StoredRunError, match=f"has schema {old}, this version reads schema {number}; nothing"
        ):
            load_run(files)
        assert files.record.read_bytes() == (OLD / f"run-{old}.json").read_bytes()
    run = write_run(tmp_path, make_spec("digits", "Proxy-NCA", 0), gain=0.1)
    assert load_run(RunDir(run)).record["schema"] == number
