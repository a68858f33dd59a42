"""The suite with the values that a search chose, as a file that can be read, run and edited."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from bench.spec import Budget
from bench.suites.model import Suite, SuiteBudget
from bench.suites.tuned import Chosen, TunedBudget, Tuning
from bench.tuning.outcomes import Outcome
from bench.tuning.search import Search

TITLE = 120  # characters of a title
OPENING = """\
# Written by `proxy-bench tune` from the trials beside this file: the hyper-parameters and learning
# rates with the best validation score of each method; trial 0 has those of the suite. Edit it as
# you like: a report says which values are not those of the search.
"""


def tuning_of(search: Search, outcomes: Sequence[Outcome]) -> Tuning:
    """The table that says where the values come from."""
    budgets = {}
    for name in dict.fromkeys(outcome.searched.budget for outcome in outcomes):
        members = [outcome for outcome in outcomes if outcome.searched.budget == name]
        budgets[name] = TunedBudget(
            dataset=members[0].searched.dataset,
            split=members[0].searched.split,
            fingerprint=search.data[name].fingerprint,
            checksum=search.data[name].checksum,
            methods={outcome.searched.method: chosen(outcome) for outcome in members},
        )
    return Tuning(
        suite=search.suite,
        seed=search.seed,
        criterion=search.criterion,
        search=search.digest,
        budgets=budgets,
    )


def chosen(outcome: Outcome) -> Chosen:
    best = outcome.best
    return Chosen(
        trials=len(outcome.trials),
        diverged=len(outcome.diverged),
        trial=best.number,
        run=best.run.spec_id,
        score=round(best.score, 6),
        default=round(outcome.default.score, 6),
        edges=outcome.edges,
    )


def suite_text(suite: Suite, search: Search, outcomes: Sequence[Outcome]) -> str:
    """The chosen suite as TOML with comments."""
    parts = [OPENING + "".join(lines(top(suite)))]
    parts += [
        table(("budgets", name), budget_fields(budget)) for name, budget in suite.budgets.items()
    ]
    for name, method in suite.methods.items():
        found = [outcome for outcome in outcomes if outcome.searched.method == name]
        parts.append(table(("methods", name), {"loss": method.loss}))
        parts += [
            comment(outcome)
            + table(("methods", name, "on", outcome.searched.budget), values(outcome))
            for outcome in found
        ]
    tuning = tuning_of(search, outcomes).model_dump()
    budgets = tuning.pop("budgets")
    parts.append(table(("tuning",), tuning))
    for name, budget in budgets.items():
        methods = budget.pop("methods")
        parts.append(table(("tuning", "budgets", name), budget))
        parts += [
            table(("tuning", "budgets", name, "methods", method), fields)
            for method, fields in methods.items()
        ]
    return "\n".join(parts)


def top(suite: Suite) -> dict[str, Any]:
    title = f"{suite.title}, tuned"
    kept: dict[str, Any] = {} if suite.keep_model else {"keep_model": False}
    if suite.keep_embeddings is not None:
        kept["keep_embeddings"] = suite.keep_embeddings
    vary = {"vary": suite.vary} if suite.vary else {}
    return {"title": title[:TITLE], "seeds": suite.seeds, **vary, **kept}


def budget_fields(budget: SuiteBudget) -> dict[str, Any]:
    """The fields of a budget that are not the defaults of all budgets."""
    defaults = Budget.model_fields
    return {
        name: value
        for name, value in budget.model_dump().items()
        if name not in defaults or value != defaults[name].default
    }


def values(outcome: Outcome) -> dict[str, Any]:
    """All fields of a method that its best trial had."""
    spec = outcome.best.run.spec
    found = {"args": dict(spec["loss_args"]), "learning_rate": spec["learning_rate"]}
    if spec.get("head_learning_rate") is not None:
        found["head_learning_rate"] = spec["head_learning_rate"]
    if spec["loss_learning_rate"]:  # a loss without parameters has none
        found["loss_learning_rate"] = spec["loss_learning_rate"]
    return found | {"samples_per_class": spec["samples_per_class"]}


def comment(outcome: Outcome) -> str:
    """What was found, above the values."""
    best, default = outcome.best, outcome.default
    text = (
        f"# trial {best.number} of {len(outcome.trials)}: {best.score:.4f} on validation; the "
        f"suite's own values {default.score:.4f}\n"
    )
    return text + "".join(f"# {edge}\n" for edge in outcome.edges)


def table(path: Iterable[str], fields: Mapping[str, Any]) -> str:
    return f"[{'.'.join(map(key, path))}]\n" + "".join(lines(fields))


def lines(fields: Mapping[str, Any]) -> Iterator[str]:
    for name, found in fields.items():
        yield f"{key(name)} = {toml(found)}\n"


def key(name: str) -> str:
    """A key of TOML, quoted unless it is a plain word."""
    plain = name.isascii() and name.replace("_", "").replace("-", "").isalnum()
    return name if plain else toml(name)


def toml(value: Any) -> str:
    """A value of TOML: text, number, list or table within a line."""
    if isinstance(value, Mapping):
        inner = ", ".join(f"{key(name)} = {toml(found)}" for name, found in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    return json.dumps(value, ensure_ascii=False)
