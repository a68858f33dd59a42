"""By which rule stored runs are judged: once, or as the plan says by which seeds were added.

Terminal, report and browser judge by it, so that none of them calls a pair decided that another
leaves undecided.
"""

from collections.abc import Mapping, Sequence

from bench.reporting.groups import group_id, of_one_source
from bench.reporting.statistics.sequential import Looks
from bench.reporting.statistics.verdicts import MARGIN, RULE, Rule
from bench.spec import NO_LOSS
from bench.store.runs import Run
from bench.store.seed_plan import SeedPlan


def rule_of(plan: SeedPlan | None, margin: float | None = None) -> Rule:
    """The rule of verdicts: that of the plan, if there is one.

    margin: as the user gave it, as a share, or None.
    Raises: ValueError if that is not the plan's.
    """
    if plan is None:
        return Rule(MARGIN if margin is None else margin)
    if margin not in (None, plan.margin):
        raise ValueError(
            f"--margin is {100 * margin:g}, but seeds were added with {100 * plan.margin:g}; "
            "leave it out"
        )
    return Rule(plan.margin, Looks(max(2, len(plan.seeds)), plan.most), plan.pairs)


def added_elsewhere(
    runs: Sequence[Run], plan: SeedPlan | None, plans: Mapping[str, SeedPlan]
) -> list[str]:
    """Problems: seeds of these runs that another suite added because of scores, but that are judged
    as if they had been fixed before.

    Arguments: plan, by which the runs are judged; plans, all by the names of their suites.
    """
    problems = []
    for name, other in plans.items():
        added: dict[str, set[int]] = {}
        for run in runs:
            seed = int(run.spec["seed"])
            by_this = plan and plan.covers(group_id(run), seed) and seed in plan.further
            if other.may_have_added(group_id(run), seed) and not by_this:
                added.setdefault(run.spec["method"], set()).add(seed)
        if added:
            listed = "; ".join(
                f"{method} {' '.join(map(str, sorted(seeds)))}"
                for method, seeds in sorted(added.items())
            )
            word = "added" if other.added is not None else "may have added"
            problems.append(
                f"`run {name} --until-decided` {word} seeds until pairs were decided, and here "
                f"they are judged as if they had been fixed before ({listed}): wrong verdicts are "
                f"more frequent than is said; the report of {name} judges by its rule"
            )
    return problems


def judged_together(
    runs: Sequence[Run], plans: Mapping[str, SeedPlan]
) -> list[tuple[str, list[Run], Rule]]:
    """Stored runs in tables as the reports of their suites have them: the name of a plan, its runs
    and its rule; then, with an empty name, the runs of no plan, which are judged once.

    Runs without training are in every table. There is no table without a run, and none with those
    in which one source of chance varies alone.
    """
    reference = [run for run in runs if run.spec["loss"] == NO_LOSS]
    trained = [run for run in runs if run.spec["loss"] != NO_LOSS and not of_one_source(run)]
    found, planned = [], set[str]()
    for name, plan in plans.items():
        own = [run for run in trained if plan.covers(group_id(run), int(run.spec["seed"]))]
        planned |= {run.name for run in own}
        if own:
            found.append((name, [*own, *reference], rule_of(plan)))
    others = [run for run in trained if run.name not in planned]
    if others or (reference and not found):
        found.append(("", [*others, *reference], RULE))
    return found
