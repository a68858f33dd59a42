"""The table `[tuning]` of a suite whose values come from a search, and its checks."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from bench.spec import Line, Name, RunSpec, Seed

STRICT = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
Digest = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]


class Chosen(BaseModel):
    """What a search chose for one method.

    Attributes: trials, without that of the suite's own values; diverged, how many of these; trial,
    the number of the best one, 0 for the suite's own values; run, the id of its run; score, on the
    validation images, and default, that of the suite's own values; edges, the values near an end of
    their range.
    """

    model_config = STRICT

    trials: int = Field(ge=1)
    diverged: int = Field(ge=0)
    trial: int = Field(ge=0)
    run: Annotated[str, StringConstraints(pattern="^[0-9a-f]{12}$")]
    score: float = Field(ge=0, le=1)
    default: float = Field(ge=0, le=1)
    edges: list[Line] = []


class TunedBudget(BaseModel):
    """The data of a budget when it was searched, and what was chosen by method."""

    model_config = STRICT

    dataset: Name
    split: Name
    fingerprint: Digest
    checksum: Digest
    methods: dict[Name, Chosen]


class Tuning(BaseModel):
    """Where the values of a suite come from: search, the digest of its search.json."""

    model_config = STRICT

    suite: Line
    seed: Seed
    criterion: Line
    search: Digest
    budgets: dict[Name, TunedBudget]


def tuning_problems(
    tuning: Tuning,
    seeds: Collection[int],
    data: Mapping[str, tuple[str, str]],
    methods: Sequence[str],
) -> Iterator[str]:
    """What of a suite contradicts its search, `field: problem`.

    Arguments: seeds of the suite; data set and split of each budget; methods, their names.
    """
    if tuning.seed in seeds:
        yield (
            f"seeds: {tuning.seed} is also the seed of the search that chose the hyper-parameters "
            "(tuning.seed); give the runs other seeds"
        )
    for budget, here in data.items():
        found = tuning.budgets.get(budget)
        if found is None:
            yield f"budgets.{budget}: nothing was tuned on it, only on {', '.join(tuning.budgets)}"
        elif here != (found.dataset, found.split):
            yield (
                f"budgets.{budget}: the runs are on {', '.join(here)}, and the search was on "
                f"{found.dataset}, {found.split}"
            )
    yield from unequal_trials(tuning, data, methods)


def unequal_trials(tuning: Tuning, budgets: Iterable[str], methods: Sequence[str]) -> Iterator[str]:
    """Pairs of methods with another number of trials; a method that was not searched has none."""
    counts = {
        (budget, method): found.trials if (found := chosen.get(method)) else 0
        for budget in budgets
        if budget in tuning.budgets
        for chosen in [tuning.budgets[budget].methods]
        for method in methods
    }
    if not any(counts.values()):
        for budget, method in counts:
            searched = ", ".join(tuning.budgets[budget].methods)
            yield (
                f"methods.{method}: nothing was searched for it on {budget}, only for {searched}; "
                "restore its name, or run `proxy-bench tune` on a suite with it"
            )
        return
    most = max(counts, key=lambda key: counts[key])
    for key, count in counts.items():
        if count != counts[most]:
            yield (
                f"methods.{key[1]}: {count} trials on {key[0]}, but {most[1]} has {counts[most]} "
                f"on {most[0]}; methods are compared after equal searches: run `proxy-bench tune` "
                "on a suite with all of them"
            )


def check_tuned_data(
    tuning: Tuning, dataset: str, split: str, fingerprint: str, checksum: str
) -> None:
    """Raises: ValueError naming both sides if these are not the images and the split on which the
    values were tuned."""
    for budget in tuning.budgets.values():
        here = (dataset, split, fingerprint, checksum)
        if (budget.dataset, budget.split) == here[:2] and here[2:] != (
            budget.fingerprint,
            budget.checksum,
        ):
            raise ValueError(
                f"{dataset}: the hyper-parameters were tuned on images with the checksum "
                f"{budget.checksum[:12]} and a split with the fingerprint "
                f"{budget.fingerprint[:12]}; here they are {checksum[:12]} and "
                f"{fingerprint[:12]}. Tune again on these, or use the data of the search"
            )


def edited(tuning: Tuning, specs: Iterable[tuple[str, RunSpec]]) -> list[str]:
    """Methods whose values, or whose budget, are not those of the trial that was chosen.

    specs: budgets and the specifications of their methods with the seed of the search.
    """
    found = []
    for budget, spec in specs:
        chosen = tuning.budgets[budget].methods[spec.method]
        if spec.model_copy(update={"purpose": "trial"}).spec_id != chosen.run:
            found.append(
                f"{spec.method} on {budget}: its values or its budget were edited, and are not "
                f"those of trial {chosen.trial} that the search chose"
            )
    return found
