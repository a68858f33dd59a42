"""The page of suites, from their models:
`python -m bench.reporting.documents.suites_page docs/suites.md`."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from bench.reporting.documents.losses_page import markdown
from bench.suites.model import Change, Method, Suite, SuiteBudget

OPENING = """# Suites

<!-- Made from bench/spec.py and bench/suites/model.py by `tox -e docs`: change these instead. -->

Every field of a suite, which is a TOML file: what it may be, its default, and what it means. The
suites in [bench/suites](../bench/suites) are examples, and [losses.md](losses.md) has the
hyper-parameters of each loss. `proxy-bench status FILE.toml` checks a file and reports all of its
mistakes at once.
"""
TABLES: tuple[tuple[str, type[BaseModel], str], ...] = (
    ("The file", Suite, "Fields at its top, before the first table."),
    (
        "A budget: `[budgets.NAME]`",
        SuiteBudget,
        "What a data set and split fix for all methods alike.",
    ),
    (
        'A method: `[methods."NAME"]`',
        Method,
        "A row of the table: a loss, its hyper-parameters, and how its batches are composed.",
    ),
    (
        'A method under one budget: `[methods."NAME".on."BUDGET"]`',
        Change,
        "What is not given is the method's.",
    ),
)
KINDS = {"boolean": "true or false", "string": "a text", "object": "a table"}
LOWER = {"minimum": "[", "exclusiveMinimum": "("}
UPPER = {"maximum": "]", "exclusiveMaximum": ")"}


def suites_page() -> str:
    """The page, in GitHub's Markdown."""
    parts = [OPENING]
    for title, model, meaning in TABLES:
        parts += [f"## {title}", meaning, table(model)]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def table(model: type[BaseModel]) -> str:
    """A row for each field of a model."""
    rows = ["| field | values | default | meaning |", "|---|---|---|---|"]
    schema = model.model_json_schema()
    fields = schema["properties"].items()
    for name, field in sorted(fields, key=lambda item: item[0] != "dataset"):  # that one first
        cells = [f"`{name}`", values(field), default(name, field), markdown(field["description"])]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def default(name: str, field: Mapping[str, Any]) -> str:
    """The value of a field that is not given."""
    if name == "dataset":
        return "the budget's name"
    if "default" not in field:
        return "must be given"
    value = field["default"]
    return "–" if value in (None, {}, []) else f"`{json.dumps(value)}`"


def values(field: Mapping[str, Any]) -> str:
    """What the JSON schema of a field allows, in words: `a whole number in [1, inf)`."""
    if "anyOf" in field:
        return " or ".join(values(part) for part in field["anyOf"] if part.get("type") != "null")
    if "const" in field or "enum" in field:
        words = field.get("enum", [field.get("const")])
        return ", ".join(f"`{json.dumps(word)}`" for word in words)
    kind = field.get("type", "object")  # a reference to another model
    if kind in ("integer", "number"):
        return f"a {'whole ' * (kind == 'integer')}number in {interval(field)}"
    if kind == "array":
        return f"a list, each {values(field['items'])}"
    return KINDS[kind]


def interval(field: Mapping[str, Any]) -> str:
    """The range of a number, such as `(0, 1]`."""
    low = [f"{sign}{field[key]:,}" for key, sign in LOWER.items() if key in field]
    high = [f"{field[key]:,}{sign}" for key, sign in UPPER.items() if key in field]
    return f"{''.join(low) or '(-inf'}, {''.join(high) or 'inf)'}"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(suites_page(), encoding="utf-8")
