"""`run --until-decided`: after the suite's own seeds, more for methods in undecided pairs."""

import math
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from bench.cli.listing import stored_runs
from bench.cli.run_suite import execute, resumable
from bench.reporting.statistics.seed_rule import rule_of
from bench.reporting.statistics.verdicts import MARGIN
from bench.running.preflight import clear_litter
from bench.running.until_decided import next_runs
from bench.spec import SEEDS, RunSpec
from bench.store.runs import RunDir
from bench.store.seed_plan import MOST, SeedPlan, keep_plan, read_plan
from bench.suites.model import Suite
from bench.terminal import plain_console, print_line


def fixed_plan(
    name: str, suite: Suite, results: Path, most: int | None, margin: float | None
) -> SeedPlan:
    """The stored plan of a suite, or a new one, which is stored before the first look.

    Arguments: most and margin (a share), None to take what is stored, or else the default.
    Raises: ValueError if the stored plan differs, or if the plan would add no seed.
    """
    if suite.vary:
        raise ValueError(
            f"{name} is a study of variance (vary), whose seeds are those of its file; leave out "
            "--until-decided"
        )
    stored = read_plan(results, name, suite.seeds)
    plan = SeedPlan(
        seeds=tuple(suite.seeds),
        most=most or (stored.most if stored else MOST),
        margin=margin or (stored.margin if stored else MARGIN),
        methods=suite.method_ids,
        pairs=math.comb(len(suite.methods), 2),
        added=(),
    )
    if suite.tuning and suite.tuning.seed in plan.further:
        plan = plan.model_copy(update={"skipped": suite.tuning.seed})
    further = plan.most - len(plan.seeds)
    if further <= 0:
        raise ValueError(
            f"--max-seeds {plan.most} adds none to the {len(suite.seeds)} seeds of {name}"
        )
    if len(plan.further) < further:
        raise ValueError(
            f"--until-decided adds the seeds after {max(suite.seeds)}, the largest of {name}, and "
            f"{SEEDS - 1} is the last one there is; give the suite smaller seeds, or fewer with "
            "--max-seeds"
        )
    return keep_plan(results, name, plan)


def add_seeds(
    name: str,
    suite: Suite,
    results: Path,
    plan: SeedPlan,
    *,
    data_root: Path | None,
    processes: int,
    device: str,
) -> dict[str, str]:
    """One seed after the other, of the methods in pairs that are undecided, until there is none.

    Returns: messages of failed runs by name, after which no further seed is added.
    """
    console, rule = plain_console(), rule_of(plan)
    if plan.skipped is not None:
        print_line(
            console,
            f"seed {plan.skipped} is not added: the search that chose the hyper-parameters had it "
            f"(tuning.seed = {plan.skipped})",
        )
    runs, _ = stored_runs(suite.specs, results)
    before = list(plan.seeds)
    for seed in plan.further:
        specs = next_runs(suite, runs, before, seed, rule)
        if not specs:
            break
        new = [spec for spec in specs if not RunDir.of(results, spec).finished]
        added = tuple((spec.method_id, spec.seed) for spec in new)
        keep_plan(results, name, plan.model_copy(update={"added": added}))
        print_line(console, f"seed {seed}, as pairs are undecided: {methods_of(specs)}")
        clear_litter(specs, results)
        with resumable(console):
            state = execute(
                console,
                specs,
                results,
                keep_model=suite.keep_model,
                keep_embeddings=suite.keep_embeddings,
                data_root=data_root,
                processes=processes,
                device=device,
            )
        if state.failed:
            return state.failed
        runs += stored_runs(specs, results)[0]
        before.append(seed)
    return {}


def methods_of(specs: Sequence[RunSpec]) -> str:
    """`glyphs: Proxy-NCA, Triplet; digits: ...`."""
    tables = groupby(specs, key=lambda spec: (spec.dataset, spec.split))
    return "; ".join(
        f"{dataset}, {split}: {', '.join(spec.method for spec in own)}"
        for (dataset, split), own in tables
    )
