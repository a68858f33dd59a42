"""The end of `run`, `compare` and `report`: tables, findings, problems, paths of the report, or
all of that as data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from bench.cli.document import print_problems, records
from bench.cli.listing import stored_runs
from bench.cli.tuned import tuned_of
from bench.reporting.groups import changed_losses
from bench.reporting.page import Report, write_report
from bench.reporting.rows import Row
from bench.reporting.statistics.seed_rule import added_elsewhere, rule_of
from bench.reporting.statistics.stats import Interval
from bench.reporting.statistics.variance import console as variance_tables
from bench.reporting.statistics.variance import separate
from bench.reporting.tables import console as console_tables
from bench.reporting.tables import console_summary
from bench.running.sweep import missing_runs
from bench.running.until_decided import lost_runs, with_further
from bench.spec import RunSpec
from bench.store.community import COMMUNITY, read_community
from bench.store.runs import Run
from bench.store.seed_plan import SeedPlan, read_plan, read_plans
from bench.suggest import printable
from bench.suites.model import Suite
from bench.terminal import command, default_results, plain_console, print_line, run_again
from bench.tuning.search import FOLDER


@dataclass(frozen=True)
class Made:
    """A report that was written: the title of its suite, the folder of results, problems with its
    runs, and the names of those that are not stored; problems met while it was made are in
    `report`."""

    title: str
    results: Path
    report: Report
    problems: list[str]
    missing: list[str]


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

    Arguments: as of `make`; brief, whether to print one short table of each data set, and
    neither findings nor the command that browses.
    Returns: whether there are no problems but those of drawing. Raises: as `make`.
    """
    made = make(suite, chosen, results, failed, margin)
    print_report(plain_console(), made, brief=brief)
    return not made.problems


def make(
    suite: str,
    chosen: Suite,
    results: Path,
    failed: Mapping[str, str],
    margin: float | None = None,
) -> Made:
    """Write the report of a suite's stored runs.

    Arguments: suite, its name as it was typed; failed, messages by run name; margin, of scores that
    count as the same, in 0..1.
    Raises: ValueError if nothing is stored, if stored runs must not be compared, or if seeds were
    added with another margin.
    """
    plan = read_plan(results, suite, chosen.seeds, chosen.method_ids)
    rule = rule_of(plan, margin)
    runs, problems = stored_runs(with_further(chosen, plan, results), results)
    problems += [f"{run}: {error}" for run, error in failed.items()]
    problems += lost_runs(chosen, plan, results)
    problems += judged_elsewhere(runs, plan, results)
    missing = [
        spec for spec in missing_runs(chosen.specs, results)[1] if spec.run_name not in failed
    ]
    if not runs:
        print_problems(problems)
        advice = "" if problems else f"; {run_again(suite, results)} makes them"
        raise ValueError(f"no run of this suite can be read from {results}{advice}")
    tuned, found = tuned_of(suite, chosen, runs, results)
    problems += found
    trials = [trial.run for outcome in tuned.outcomes for trial in outcome.all] if tuned else []
    problems += changed_losses([*runs, *trials])
    whole, study = separate(runs, chosen.vary)
    if not whole:
        raise ValueError(
            f"no run in which all sources vary is stored; {run_again(suite, results)} makes them"
        )
    community, found = read_community(results / COMMUNITY)
    problems += found
    folder = results / "reports" / report_name(suite, chosen)
    report = write_report(
        whole,
        folder,
        title=chosen.title,
        problems=problems,
        missing=missing_sentence(missing, len(chosen.specs), run_again(suite, results)),
        rule=rule,
        tuned=tuned,
        study=study,
        community=community,
    )
    return Made(chosen.title, results, report, problems, [spec.run_name for spec in missing])


def judged_elsewhere(runs: Sequence[Run], plan: SeedPlan | None, results: Path) -> list[str]:
    """`added_elsewhere` by all stored plans, or which of them cannot be read."""
    try:
        return added_elsewhere(runs, plan, read_plans(results))
    except ValueError as error:
        return [str(error)]


def missing_sentence(missing: Sequence[RunSpec], total: int, makes: str) -> str:
    """Which of the runs of a suite are not stored, and what makes them; empty if all are."""
    if not missing:
        return ""
    tables: dict[str, dict[str, list[int]]] = {}
    for spec in missing:
        varies = f", varies {spec.varies}" if spec.varies else ""
        own = tables.setdefault(f"{spec.dataset}, {spec.split}{varies}", {})
        own.setdefault(spec.method, []).append(spec.seed)
    named = "; ".join(
        f"{table}: " + ", ".join(f"{name} ({seeds_text(seeds)})" for name, seeds in own.items())
        for table, own in tables.items()
    )
    are, them = ("is", "it") if len(missing) == 1 else ("are", "them")
    return printable(
        f"{len(missing)} of the {total} runs of the suite {are} not stored: {named}. "
        f"{makes} makes {them}."
    )


def seeds_text(seeds: Sequence[int]) -> str:
    """`seeds 0 1 2`."""
    return f"seed{'s' * (len(seeds) > 1)} {' '.join(map(str, seeds))}"


def print_report(console: Console, made: Made, *, brief: bool = False) -> None:
    """Tables, findings, problems, and where the files are; brief as of `finish`."""
    report = made.report
    for table in (console_summary if brief else console_tables)(report.rows):
        console.print(table)
    for table in [] if report.variance is None else variance_tables(report.variance):
        console.print(table)
    if names := dict.fromkeys(row.submission for row in report.from_others):
        print_line(console, f"results from others, in the report alone: {', '.join(names)}")
    missing = [report.missing] if report.missing else []
    for line in (*missing, *report.regimes, *(() if brief else report.findings)):
        print_line(console, line)
    for problem in [*made.problems, *report.problems]:
        print_line(console, f"problem: {problem}")
    for word, path in files(report):
        print_line(console, f"{word:7} {path}")
    if not brief:
        print_line(console, f"browse  {browse(made.results)}")


def report_document(made: Made) -> dict[str, Any]:
    """What `report --json` prints."""
    report = made.report
    return {
        "title": made.title,
        "scores": [entry(row) for row in report.rows],
        "uncertainty": records(report.uncertainty),
        "costs": records(report.costs),
        "profile": records(report.profile),
        "variance": None if report.variance is None else records(report.variance),
        "others": [row.document() for row in report.from_others],
        "regimes": report.regimes,
        "findings": report.findings,
        "problems": [*made.problems, *report.problems],
        "missing": made.missing,
        "files": [str(path) for _, path in files(report)],
    }


def entry(row: Row) -> dict[str, Any]:
    """A row of the score tables, as shares with all their digits."""
    return {
        "dataset": row.dataset,
        "split": row.split,
        "method": row.method,
        "loss": row.loss,
        "seeds": row.seeds,
        "scores": {key: interval(found) for key, found in row.scores.items()},
        "gain": row.gain and interval(row.gain),
        "not_worse": sorted(row.leading),
    }


def interval(found: Interval) -> dict[str, float | None]:
    return {"mean": found.mean, "half_width": found.half}


def files(report: Report) -> list[tuple[str, Path]]:
    """The files of a report, each with a word for it."""
    return [
        ("report", report.html),
        *(("table", table) for table in report.tables),
        *(("figure", figure) for figure in report.figures),
    ]


def browse(results: Path, run: str = "") -> str:
    """The command that shows results, which it names only if they are not where it looks; run: the
    one that is shown first, if not simply the first."""
    elsewhere = [] if results == default_results() else ["--results", results]
    return command("demo", *elsewhere, *(["--run", run] if run else []))


def report_name(suite: str, chosen: Suite) -> str:
    """The folder of a report; a suite and the file that `tune` wrote of it have the same name."""
    path = Path(suite.removesuffix(".toml"))
    written = chosen.tuning and path.parent.name == FOLDER
    return f"{path.name}-tuned" if written else path.name
