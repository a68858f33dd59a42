"""The end of `run`, `compare` and `report`: tables, findings, problems, paths of the report."""

from collections.abc import Mapping
from pathlib import Path

from bench.cli.listing import stored_runs
from bench.cli.tuned import tuned_of
from bench.reporting.page import write_report
from bench.reporting.rows import summarise
from bench.reporting.tables import console as console_tables
from bench.reporting.tables import console_summary
from bench.running.until_decided import rule_of, with_further
from bench.store.seed_plan import read_plan
from bench.suites.model import Suite
from bench.terminal import command, default_results, plain_console, print_line
from bench.tuning.search import FOLDER


def finish(
    suite: str,
    chosen: Suite,
    results: Path,
    failed: Mapping[str, str],
    margin: float | None = None,
    *,
    brief: bool = False,
) -> bool:
    """Write and print the report of a suite's stored runs.

    Arguments: suite, its name as it was typed; failed, messages by run name; margin, of scores that
    count as the same, in 0..1; brief, whether to print one short table of each data set and no
    findings.
    Returns: whether there are no problems. Raises: ValueError if nothing is stored, if stored runs
    must not be compared, or if seeds were added with another margin.
    """
    console = plain_console()
    plan = read_plan(results, suite, chosen.seeds)
    rule = rule_of(plan, margin)
    runs, problems = stored_runs(with_further(chosen, plan, results), results)
    problems += [f"{run}: {error}" for run, error in failed.items()]
    if not runs:
        for problem in problems:
            print_line(console, f"problem: {problem}")
        advice = "" if problems else f"; `{command('run', suite)}` makes them"
        raise ValueError(f"no run of this suite can be read from {results}{advice}")
    tuned, found = tuned_of(suite, chosen, runs, results)
    problems += found
    folder = results / "reports" / report_name(suite, chosen)
    report = write_report(
        runs, folder, title=chosen.title, problems=problems, rule=rule, tuned=tuned
    )
    for table in (console_summary if brief else console_tables)(summarise(runs, rule)):
        console.print(table)
    for line in (*report.regimes, *(() if brief else report.findings)):
        print_line(console, line)
    for problem in [*problems, *report.problems]:
        print_line(console, f"problem: {problem}")
    print_line(console, f"report  {report.html}")
    print_line(console, f"table   {report.table_csv}")
    print_line(console, f"table   {report.uncertainty_csv}")
    for figure in report.figures:
        print_line(console, f"figure  {figure}")
    print_line(console, f"browse  {browse(results)}")
    return not problems


def browse(results: Path) -> str:
    """The command that shows results, which it names only if they are not where it looks."""
    return command("demo", *([] if results == default_results() else ["--results", results]))


def report_name(suite: str, chosen: Suite) -> str:
    """The folder of a report; a suite and the file that `tune` wrote of it have the same name."""
    path = Path(suite.removesuffix(".toml"))
    written = chosen.tuning and path.parent.name == FOLDER
    return f"{path.name}-tuned" if written else path.name
