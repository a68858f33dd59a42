"""JSON Schemas as they are committed."""

import json
from pathlib import Path

from jsonschema import Draft202012Validator

from bench.cli.schemas import file_name

FOLDER = Path(__file__).parents[2] / "docs" / "schemas"


def check_schema(name: str, content: object) -> None:
    """Raise jsonschema's ValidationError unless a document is of the schema with a name."""
    schema = json.loads((FOLDER / file_name(name)).read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(content)
