"""What the report's script needs to judge a choice of methods in the browser.

Corrections depend on which pairs are compared: with fewer methods a pair may be decided that was
not. So the page holds the p-values of all pairs, and `templates/report.js` repeats what
`verdicts.judge_once` and `verdicts.leaders` do with those of the chosen methods.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.metrics import describe
from bench.reporting.findings import verdict_cell
from bench.reporting.statistics.verdicts import ALPHA, Rule, Verdict, table_verdicts

if TYPE_CHECKING:
    import pandas as pd

JUDGED = "recall@1"  # the score whose verdicts are in words
MOST_PAIRS = 28  # of eight methods, beyond which the seeds that would decide are left out


def choices(members: "pd.DataFrame", keys: Iterable[str], rule: Rule) -> dict[str, Any] | None:
    """The methods of one data set and split and their pairs under each heading; None for fewer than
    three methods, which leave no choice.

    members: the runs with a loss. A pair is [first, second, seeds, p_different, p_same, rises]:
    positions in `methods`, uncorrected p-values, and whether the first is better if they differ.
    `undecided`: of pairs "first second" that are undecided the words when ALPHA is divided by 1, 2
    and so on. `fixed`: seeds were added until pairs were decided, so that their corrections are
    those of the whole table; their p are then 0 or 1, which no correction changes.
    """
    methods = sorted(map(str, members["method"].unique()))
    if len(methods) < 3:
        return None
    judged = {
        describe(key).heading: pairs(members, key, methods, rule)
        for key in keys
        if describe(key).percent and key in members
    }
    fixed = rule.looks is not None
    return {
        "alpha": ALPHA,
        "fixed": fixed,
        "methods": methods,
        "judged": describe(JUDGED).heading,
        "scores": judged,
        "undecided": {} if fixed else undecided(members, methods, rule),
    }


def pairs(
    members: "pd.DataFrame", key: str, methods: Sequence[str], rule: Rule
) -> list[list[float | bool]]:
    """The pairs of one score."""
    lower = describe(key).lower_is_better
    scores = members.pivot(index="seed", columns="method", values=key)
    return [
        [*positions(verdict, methods), *numbers(verdict, rule, lower)]
        for verdict in table_verdicts(scores, rule, lower_is_better=lower)
    ]


def positions(verdict: Verdict, methods: Sequence[str]) -> list[int]:
    return [methods.index(verdict.first), methods.index(verdict.second)]


def numbers(verdict: Verdict, rule: Rule, lower: bool) -> list[float | bool]:
    """Seeds, p-values and direction. A p above ALPHA decides nothing, however few the pairs, and
    becomes 1."""
    judged, seeds = verdict.judged, len(verdict.differences)
    if rule.looks:
        unclear = [judged.word not in ("better", "worse"), judged.word != "same"]
        return [seeds, *map(int, unclear), judged.word == "better"]
    differences = np.array(verdict.differences) * (-1 if lower else 1)
    ps = (p if p <= ALPHA else 1 for p in (judged.p_different, judged.p_same))
    return [seeds, *ps, bool(differences.mean() > 0)]


def undecided(members: "pd.DataFrame", methods: Sequence[str], rule: Rule) -> dict[str, list[str]]:
    """What is said of the undecided pairs, for each number by which ALPHA may be divided: fewer
    methods never divide it by more. Empty for many pairs."""
    scores = members.pivot(index="seed", columns="method", values=JUDGED)
    verdicts = table_verdicts(scores, rule)
    if len(verdicts) > MOST_PAIRS:
        return {}
    return {
        " ".join(map(str, positions(verdict, methods))): [
            verdict_cell(with_level(verdict, ALPHA / count))
            for count in range(1, divided_by(verdict) + 1)
        ]
        for verdict in verdicts
        if verdict.word == "undecided"
    }


def divided_by(verdict: Verdict) -> int:
    return round(ALPHA / verdict.judged.level)


def with_level(verdict: Verdict, level: float) -> Verdict:
    """The verdict if its level were another one and it were undecided."""
    return replace(verdict, judged=replace(verdict.judged, level=level))
