"""`proxy-bench pack`: a suite's stored runs as a folder to send."""

import os
from collections.abc import Sequence
from pathlib import Path

from bench.cli.listing import stored_runs
from bench.cli.report import judged_elsewhere
from bench.cli.run_suite import of_earlier_losses
from bench.datasets.files.verify import DATA_VARIABLE
from bench.reporting.groups import changed_losses
from bench.running.until_decided import with_further
from bench.spec import RunSpec
from bench.store.runs import RunDir
from bench.store.seed_plan import plan_path, read_plan
from bench.submissions.pack import Content, Labels, pack
from bench.submissions.personal import traces
from bench.suites import suite_path
from bench.suites.stored import suite_to_read
from bench.terminal import command, run_again

SHOWN = 3  # missing runs in a message


def pack_suite(suite: str, output: Path, results: Path, labels: Labels) -> list[str]:
    """Pack all runs of a suite; returns lines on what was written and what to do next.

    Raises: ValueError if a run is missing or damaged, and as `bench.submissions.pack.pack`.
    """
    chosen = suite_to_read(suite, results)
    plan = read_plan(results, suite, chosen.seeds, chosen.method_ids)
    specs = with_further(chosen, plan, results)
    check_stored(suite, specs, results)
    runs, problems = stored_runs(specs, results)
    if problems:
        raise ValueError("\n".join(problems))
    found = plan_path(results, suite)
    content = Content(suite_path(suite), found if plan else None, runs)
    root = os.environ.get(DATA_VARIABLE)
    size = pack(content, output, labels, traces(results, *([Path(root)] if root else [])))
    doubts = [*judged_elsewhere(runs, plan, results), *changed_losses(runs)]
    return [
        *(f"problem: {doubt}" for doubt in doubts),
        *(f"note: {line}" for line in of_earlier_losses(runs)),
        f"{len(runs)} runs, {size / 1e6:.1f} MB, packed into {output}",
        f"verify  {command('accept', output)}",
    ]


def check_stored(suite: str, specs: Sequence[RunSpec], results: Path) -> None:
    """Raises: ValueError naming runs that are not finished."""
    missing = [spec.run_name for spec in specs if not RunDir.of(results, spec).finished]
    if missing:
        more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
        raise ValueError(
            f"{len(missing)} of {len(specs)} runs of {suite} are not stored in {results} "
            f"({', '.join(missing[:SHOWN])}{more}), and a submission leaves none out; "
            f"{run_again(suite, results)} makes them"
        )
