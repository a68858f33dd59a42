"""docs/suites.md: up to date with the models, with every field, and linked from the README."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from bench.reporting.documents.suites_page import TABLES, suites_page
from bench.spec import Budget
from bench.suites.arguments import backbones
from bench.suites.model import SuiteBudget

ROOT = Path(__file__).parents[4]
PAGE = suites_page()


def rows(title: str) -> dict[str, list[str]]:
    """Field -> values, default and meaning of a table."""
    section = PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]
    lines = [line.strip("| ").split(" | ") for line in section.splitlines() if "| `" in line[:3]]
    return {name.strip("`"): cells for name, *cells in lines}


def test_the_committed_page_is_up_to_date() -> None:
    committed = (ROOT / "docs/suites.md").read_text(encoding="utf-8")
    assert committed == PAGE, "fields of suites have changed; make the page again: tox -e docs"


@pytest.mark.parametrize(("title", "model"), [table[:2] for table in TABLES])
def test_every_field_has_values_a_default_and_a_meaning(title: str, model: type[BaseModel]) -> None:
    found = rows(title)
    assert found.keys() == model.model_fields.keys()
    for name, field in model.model_fields.items():
        allowed, default, meaning = found[name]
        assert allowed
        assert meaning.endswith(".")
        if name != "dataset":
            assert (default == "must be given") == field.is_required()


def test_words_ranges_and_defaults() -> None:
    budget, method = rows(TABLES[1][0]), rows(TABLES[2][0])
    assert budget["head_init"][:2] == ['`"random"`, `"orthogonal"`, `"pca"`', '`"random"`']
    assert budget["decay_every"][:2] == ["a whole number in [1, inf)", "–"]
    assert budget["momentum"][:2] == ["a number in [0, 1)", "`0.0`"]
    assert budget["dataset"][1] == "the budget's name"
    assert method["samples_per_class"][:2] == ['a whole number in [1, inf) or `"random"`', "`4`"]
    assert rows("The file")["seeds"][0] == "a list, each a whole number in [0, 4,294,967,296)"


def test_the_page_names_every_backbone_and_both_models_agree() -> None:
    named = set(re.findall("`([a-z0-9_]+)`", rows(TABLES[1][0])["backbone"][2]))
    assert named == set(backbones())
    for name, field in Budget.model_fields.items():
        assert SuiteBudget.model_fields[name].default == field.default
        assert SuiteBudget.model_fields[name].description == field.description


def test_the_readme_links_to_it() -> None:
    assert "(docs/suites.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
