"""Suites: named grids of data sets x methods x seeds, one TOML file each, checked as a whole."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bench.suggest import brief, did_you_mean, unknown
from bench.suites.model import (
    WITHOUT_WEIGHTS,
    Change,
    Method,
    StoredDigests,
    Suite,
    SuiteBudget,
)
from bench.suites.reading import read_toml
from bench.suites.tuned import Chosen, TunedBudget, Tuning

FOLDER = Path(__file__).parent
MODELS = (Suite, SuiteBudget, Method, Change, Tuning, TunedBudget, Chosen)
OPTIONS = sorted({name for model in MODELS for name in model.model_fields})


class SuiteError(ValueError):
    """A suite that cannot be used; the message lists every mistake with its field."""


def names() -> list[str]:
    """Names of the suites that come with the package."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load_suite(
    name: str, *, need_weights: bool = True, stored: StoredDigests | None = None
) -> Suite:
    """A suite by its name, or from a path that ends in `.toml`.

    need_weights: whether weights are looked for. If not, the runs that use them lack the digest of
    the weights, which is part of their ids: they can be listed, not looked up.
    stored: digests for weights that are not here, so that stored runs can be read; without one,
    there is none of these runs.
    Raises: SuiteError if there is none, or with all mistakes of the file at once.
    """
    path = suite_path(name)
    if not path.is_file():
        if name.endswith(".toml"):
            raise SuiteError(f"there is no suite file {path}")
        own = Path(f"{name}.toml")
        advice = f"the file here is {own}" if own.is_file() else "a file of your own ends in .toml"
        raise SuiteError(f"{unknown('suite', name, names())}; {advice}")
    content: dict[str, Any] = {}
    try:
        content = read_toml(path)
        return Suite.model_validate(content, context=stored if need_weights else WITHOUT_WEIGHTS)
    except ValidationError as error:
        lines = explain(error, content)
        mistakes = "mistake" if len(lines) == 1 else "mistakes"
        text = "\n".join(f"  {line}" for line in lines)
        raise SuiteError(f"{path} has {len(lines)} {mistakes}:\n{text}") from error
    except (OSError, ValueError) as error:
        raise SuiteError(f"{path} is not a suite that can be read: {error}") from error


def suite_path(name: str) -> Path:
    """The file of a suite, by its name or path; it may not exist."""
    return Path(name) if name.endswith(".toml") else FOLDER / f"{name}.toml"


def explain(error: ValidationError, content: Mapping[str, Any]) -> list[str]:
    """Lines `field: mistake` for pydantic's errors in the content of a file."""
    found: dict[tuple[tuple[Any, ...], bool], list[str]] = {}
    for item in error.errors():
        given = tuple(part for part in item["loc"] if part != "[key]")
        field = within(content, given)
        is_union = len(field) < len(given)  # one error for each type that a value may have
        found.setdefault((field, is_union), []).extend(mistakes(item))
    return [
        f"{'.'.join(str(part)[:60] for part in field) or 'suite'}: {line}"
        for (field, is_union), lines in found.items()
        for line in ([either(lines)] if is_union else lines)
    ]


def within(content: Any, location: Sequence[Any]) -> tuple[Any, ...]:
    """A location without the names of pydantic's own that follow a value."""
    for depth, part in enumerate(location):
        if isinstance(content, dict) and (part in content or part in OPTIONS):
            content = content.get(part, {})
        elif isinstance(content, list) and isinstance(part, int):
            content = content[part]
        else:
            return tuple(location[:depth])
    return tuple(location)


def mistakes(item: Any) -> list[str]:
    """The lines of one of pydantic's errors."""
    message = str(item["msg"]).removeprefix("Value error, ").removeprefix("weights: ")
    message = re.sub(r"a valid dictionary( or instance of \w+)?", "a table", message)
    message = message.partition(", unable to parse")[0]
    if item["type"] == "extra_forbidden":
        message = f"unknown option{did_you_mean(str(item['loc'][-1]), OPTIONS)}"
    elif item["type"] != "value_error" and item["type"] != "missing":
        message = f"{message}, found {brief(item['input'])}"
    return message.splitlines()


def either(lines: Sequence[str]) -> str:
    """`Input should be a valid integer or 'random', found 1.5`."""
    first, *others = [re.split(", (?:found|got) ", line)[0] for line in lines]
    named = " or ".join([first, *(other.removeprefix("Input should be ") for other in others)])
    return f"{named}, found {lines[0].partition(', found ')[2]}"
