"""Which runs a further seed needs: those of the methods in pairs that are undecided."""

from collections.abc import Collection, Sequence
from pathlib import Path

from bench.reporting.groups import comparable_frame, trained
from bench.reporting.statistics.verdicts import Rule, table_verdicts
from bench.spec import RunSpec
from bench.store.runs import Run, RunDir
from bench.store.seed_plan import SeedPlan, read_plan
from bench.suites.model import Suite

SCORE = "recall@1"


def with_further(suite: Suite, plan: SeedPlan | None, results: Path) -> tuple[RunSpec, ...]:
    """The runs of a suite, and those of further seeds that were started."""
    further = suite.grid(plan.further) if plan else ()
    return suite.specs + tuple(s for s in further if RunDir.of(results, s).path.exists())


def started_runs(name: str, suite: Suite, results: Path) -> tuple[RunSpec, ...]:
    """As `with_further`, by the stored plan of the suite of this name. Raises: as `read_plan`."""
    return with_further(suite, read_plan(results, name, suite.seeds, suite.method_ids), results)


def lost_runs(suite: Suite, plan: SeedPlan | None, results: Path) -> list[str]:
    """Problems: runs that are missing although their method has a later seed than the suite's own.
    Without them the looks would be at other differences than those that decided."""
    if plan is None:
        return []
    problems = []
    grid = suite.grid([*plan.seeds, *plan.further])
    for method in dict.fromkeys((spec.dataset, spec.split, spec.method) for spec in grid):
        own = [spec for spec in grid if (spec.dataset, spec.split, spec.method) == method]
        lost = plan.lost([spec.seed for spec in own if RunDir.of(results, spec).finished])
        problems += [
            f"{spec.run_name} is missing although later seeds are stored, so verdicts may be "
            "others; `run --until-decided` makes it again"
            for spec in own
            if spec.seed in lost
        ]
    return problems


def next_runs(
    suite: Suite, runs: Sequence[Run], before: Collection[int], seed: int, rule: Rule
) -> tuple[RunSpec, ...]:
    """The runs of a further seed, of the methods in pairs that the seeds `before` leave undecided.

    It depends on those seeds alone, so that a command that is repeated goes the same way.
    """
    wanted = undecided([run for run in runs if run.spec["seed"] in before], rule)
    return tuple(
        spec for spec in suite.grid([seed]) if (spec.dataset, spec.split, spec.method) in wanted
    )


def undecided(runs: Sequence[Run], rule: Rule) -> set[tuple[str, str, str]]:
    """(data set, split, method) of all that are in a pair whose R@1 is undecided."""
    table = trained(comparable_frame(runs))
    own = {run.name: str(run.spec["method"]) for run in runs}
    found = set()
    for (dataset, split), members in table.groupby(["dataset", "split"]):
        methods = dict(zip(members["method"], members["run"].map(own), strict=True))
        scores = members.pivot(index="seed", columns="method", values=SCORE)
        for verdict in table_verdicts(scores, rule):
            if verdict.word == "undecided":
                pair = (verdict.first, verdict.second)
                found |= {(str(dataset), str(split), methods[name]) for name in pair}
    return found
