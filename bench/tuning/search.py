"""`search.json`: everything that a search will do, written before its first trial."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ValidationError, model_validator

from bench.spec import RunSpec, Seed, sha256
from bench.store.record import first_mistake
from bench.store.runs import write_text
from bench.suites.model import Suite
from bench.tuning.draw import draw
from bench.tuning.space import FROZEN, Dimension, Value, space_of, values_of, with_values

CRITERION = (
    "final MAP@R on the validation images, the mean of the last three validations after the start, "
    "or of all if there are fewer"
)
# Of searches begun before, which keep it: counts the start where fewer than three follow.
WITH_START = "final MAP@R on the validation images, the mean of the last three validations"
FOLDER = "tuning"  # of the searches in a folder of results, and of the suites that they chose


class Data(BaseModel):
    """The images and the split of a budget."""

    model_config = FROZEN

    fingerprint: str
    checksum: str


class MethodSearch(BaseModel):
    """The trials of one method on one budget.

    Attributes: space; default, the values of the suite, which are trial 0; values, those of trials
    1 to N; runs, the names of all N + 1 runs.
    """

    model_config = FROZEN

    budget: str
    dataset: str
    split: str
    method: str
    loss: str
    space: tuple[Dimension, ...]
    default: dict[str, Value | Literal["random"] | None]
    values: tuple[dict[str, Value], ...]
    runs: tuple[str, ...]


class Search(BaseModel):
    """A whole search; every method has the same number of trials."""

    model_config = FROZEN

    format: Literal[1] = 1
    suite: str
    seed: Seed
    trials: int
    criterion: str = CRITERION
    data: dict[str, Data]  # by budget
    methods: tuple[MethodSearch, ...]

    @model_validator(mode="after")
    def check_trials(self) -> Self:
        if any(
            (len(m.values), len(m.runs)) != (self.trials, self.trials + 1) for m in self.methods
        ):
            raise ValueError(f"methods do not have {self.trials} trials each")
        return self

    @property
    def digest(self) -> str:
        return sha256(self.model_dump(mode="json"))


def declare(
    suite: Suite, *, seed: int, trials: int, learns: Mapping[str, bool], data: Mapping[str, Data]
) -> tuple[Search, list[RunSpec]]:
    """The search of a suite, and the specifications of its runs: trial by trial, so that an early
    stop leaves whole comparisons.

    Arguments: seed, of the draws and of every trial; learns, whether a loss has parameters of its
    own, by its name; data, by budget. Raises: ValueError if Optuna is not installed.
    """
    methods, runs = [], []
    for spec in default_specs(suite, seed):
        name = suite.budget_names[spec.dataset, spec.split]
        space = space_of(spec, suite.budgets[name], learns=learns[spec.loss])
        values = draw(space, (seed, spec.dataset, spec.split, spec.method), trials)
        specs = [spec, *(with_values(spec, drawn) for drawn in values)]
        found = MethodSearch(
            budget=name,
            dataset=spec.dataset,
            split=spec.split,
            method=spec.method,
            loss=spec.loss,
            space=space,
            default=values_of(spec, space),
            values=tuple(values),
            runs=tuple(each.run_name for each in specs),
        )
        methods.append(found)
        runs.append(specs)
    search = Search(
        suite=suite.title, seed=seed, trials=trials, data=dict(data), methods=tuple(methods)
    )
    return search, [spec for trial in zip(*runs, strict=True) for spec in trial]


def default_specs(suite: Suite, seed: int) -> list[RunSpec]:
    """Trial 0 of every method on every budget: the suite's own values."""
    return [spec.model_copy(update={"purpose": "trial"}) for spec in suite.grid([seed])]


def search_folder(results: Path, name: str) -> Path:
    """The folder of a suite's search, by the name or path of the suite."""
    return results / FOLDER / Path(name.removesuffix(".toml")).name


def search_folders(results: Path) -> list[Path]:
    """The folders of all searches in a folder of results."""
    return [path.parent for path in sorted((results / FOLDER).glob("*/search.json"))]


def search_path(folder: Path) -> Path:
    return folder / "search.json"


def read_search(folder: Path) -> Search | None:
    """The search of a folder; None without one.

    Raises: ValueError naming the file if it cannot be read or was changed.
    """
    path = search_path(folder)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        digest = content.pop("digest", None)
        search = Search.model_validate(content)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, AttributeError, TypeError, RecursionError) as error:
        line = str(error).splitlines()[0]
        what = first_mistake(error) if isinstance(error, ValidationError) else line
        raise ValueError(
            f"{path} is not a search that can be read ({what}); restore it, or delete {folder} to "
            "search again"
        ) from error
    if search.digest != digest:
        raise ValueError(
            f"{path} was changed: it has the digest {str(digest)[:12]}, its content "
            f"{search.digest[:12]}; restore it, or delete {folder} to search again"
        )
    return search


def write_search(folder: Path, search: Search) -> None:
    content = search.model_dump(mode="json") | {"digest": search.digest}
    write_text(search_path(folder), json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def check_continues(stored: Search, search: Search, folder: Path) -> None:
    """Raises: ValueError naming both sides unless `search` is the stored one, or has more trials of
    the same."""
    advice = f"give another folder with --results, or delete {folder} to search again"
    if stored.seed != search.seed:
        raise ValueError(
            f"{folder} holds a search with seed {stored.seed}, and this one has seed "
            f"{search.seed}; give --seed {stored.seed} to go on with it; else {advice}"
        )
    for budget, before in stored.data.items():
        check_data_same(f"{folder} holds a search", budget, before, search.data.get(budget), advice)
    if stored.trials > search.trials:
        raise ValueError(
            f"{folder} holds {stored.trials} trials of each method, and --trials is "
            f"{search.trials}; give --trials {stored.trials} or more; else {advice}"
        )
    if prefixes(stored.methods, stored.trials) != prefixes(search.methods, stored.trials):
        raise ValueError(
            f"{folder} holds a search of {listed(stored.methods)} with other budgets, methods or "
            f"ranges than this one of {listed(search.methods)}; {advice}"
        )


def prefixes(methods: Iterable[MethodSearch], trials: int) -> list[dict[str, Any]]:
    """The methods with their first trials only."""
    return [
        method.model_dump() | {"values": method.values[:trials], "runs": method.runs[: trials + 1]}
        for method in methods
    ]


def listed(methods: Iterable[MethodSearch]) -> str:
    return ", ".join(f"{found.method} on {found.budget}" for found in methods)


def check_data_same(what: str, budget: str, searched: Data, here: Data | None, advice: str) -> None:
    """Raises: ValueError naming both sides if a search used other images or another split."""
    if here is None or here == searched:
        return
    differs = "images" if here.checksum != searched.checksum else "split"
    key = "checksum" if differs == "images" else "fingerprint"
    found, used = getattr(here, key)[:12], getattr(searched, key)[:12]
    raise ValueError(
        f"{what} that was tuned on other data: {budget} has {differs} with the {key} {used} there, "
        f"and {found} here; {advice}"
    )
