"""How far scores moved, beside the interval over the seeds of the same method."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from bench.reporting.groups import group_id, identity
from bench.reporting.statistics.stats import mean_interval
from bench.store.runs import Run
from bench.verification.outcome import NOTHING, Outcome, Size


def with_sizes(
    outcomes: Sequence[Outcome], runs: Sequence[Run], stored: Sequence[Run]
) -> list[Outcome]:
    """The outcomes of runs, with how far their scores moved; stored: runs among which other seeds
    of their methods may be."""
    by_name = {run.name: run for run in runs}
    return [
        replace(outcome, sizes=[*sizes_of(outcome, by_name[outcome.run], stored)])
        if outcome.differences
        else outcome
        for outcome in outcomes
    ]


def is_other_seed(other: Run, run: Run) -> bool:
    """Whether two runs differ in the seed alone."""
    same = (group_id(other), identity(other)) == (group_id(run), identity(run))
    return same and other.spec["seed"] != run.spec["seed"]


def sizes_of(outcome: Outcome, run: Run, stored: Sequence[Run]) -> Iterator[Size]:
    """How far each score of a run moved."""
    members = [run, *(other for other in stored if is_other_seed(other, run))]
    for difference in outcome.differences:
        score = difference.quantity
        if score in run.scores and NOTHING not in (difference.stored, difference.found):
            interval = mean_interval(
                [each.scores[score] for each in members if score in each.scores]
            )
            moved = float(difference.found) - float(difference.stored)
            yield Size(score, moved, interval.half, interval.n)
