"""Tables for the terminal: suites, losses and data sets; the state of runs; one run in detail."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Group, RenderableType
from rich.table import Column, Table
from rich.text import Text

from bench.datasets import DATASETS
from bench.metrics import describe, ordered
from bench.spec import RunSpec
from bench.store.runs import Run, RunDir, directories, load_run, read_runs
from bench.suggest import printable
from bench.suites import load_suite, names
from bench.suites.arguments import declared_losses
from bench.terminal import plain_console, show_late

Entries = list[dict[str, Any]]


def stored_runs(specs: Collection[RunSpec], results: Path) -> tuple[list[Run], list[str]]:
    """Stored runs among `specs`, their problems and the errors of those that are damaged.

    Their methods are called as `specs` has them: a suite may have changed a name since, such as
    "Proxy-NCA" to "Proxy NCA", whose runs are in the same directories.
    """
    names = {spec.run_name: spec.method for spec in specs}
    with show_late(plain_console(stderr=True), "reading stored runs") as report:
        found, errors = read_runs([RunDir.of(results, spec) for spec in specs], report)
    runs = [run.with_method(names[run.name]) for run in found]
    problems = [f"{run.name}: {run.problem}" for run in runs if run.problem]
    return runs, [*map(str, errors), *problems]


def find_run(text: str, results: Path) -> Run:
    """The one stored run whose name or id starts with `text`.

    Raises: ValueError if there is none or more than one, or if it is damaged.
    """
    run = load_run(find_directory(text, results))
    run.check_files()
    return run


def find_directory(text: str, results: Path) -> RunDir:
    """The directory of the one stored run whose name or id starts with `text`.

    Raises: ValueError if there is none or more than one.
    """
    stored = [files for files in directories(results) if files.finished]
    found = [files for files in stored if text in (files.name[: len(text)], files.id[: len(text)])]
    if len(found) == 1:
        return found[0]
    listed = "\n".join(f"  {files.name}" for files in found or stored) or "  (none)"
    problem = "several runs match" if found else "no run matches"
    raise ValueError(f"{problem} {text!r} in {results}; there are:\n{listed}")


def model_path(run: Run) -> Path:
    """The file of a run's network.

    Raises: ValueError if the run stored none.
    """
    if run.files.model.name not in run.digests:
        raise ValueError(
            f"{run.name} has no stored network: its suite has keep_model = false, or it is older "
            "than stored networks; delete its folder and run its suite again with keep_model = true"
        )
    return run.files.model


def run_tables(run: Run) -> list[Table]:
    """Scores, curve, and everything else in `run.json`."""
    title = printable(run.name)
    weights, steps = run.spec.get("weights_sha256"), run.spec["steps"]
    before = "before training" if weights else "untrained network"
    scores = Table(
        "metric",
        "test",
        *([before] if steps else []),  # without a step it is the same network
        title=title,
        caption=run.problem and printable(run.problem),
    )
    for metric in ordered(run.scores):
        start = run.record["untrained"].get(metric)
        shown = [f"{start:.4g}" if start is not None else ""] if steps else []
        scores.add_row(printable(describe(metric).heading), f"{run.scores[metric]:.4g}", *shown)
    curve = Table("step", "seconds", "loss", "R@1", "MAP@R", title="validation classes")
    for point in run.curve:
        loss = "" if point["loss"] is None else f"{point['loss']:.4f}"
        row = (f"{point['step']}", f"{point['seconds']:.1f}", loss)
        curve.add_row(*row, f"{point['recall@1']:.4f}", f"{point['map@r']:.4f}")
    facts = Table("field", "value", title="specification and origin")
    for section in ("spec", "split", "cost", "parameters", "environment"):
        for key, value in run.record[section].items():
            facts.add_row(printable(f"{section}.{key}"), printable(value))
    facts.add_row("data_checksum", printable(run.record["data_checksum"]))
    return [scores, curve, facts]


def run_document(run: Run) -> dict[str, Any]:
    """What `show --json` prints: `run.json` and the curve."""
    problem = run.problem or None
    return {"run": run.name, "problem": problem, "record": run.record, "curve": run.curve}


def status_records(
    specs: Sequence[RunSpec], runs: Iterable[Run], results: Path
) -> list[dict[str, Any]]:
    """The state of every run; `runs` are those that are stored and whole."""
    stored = {run.name: run for run in runs}
    return [
        status_record(spec, stored.get(spec.run_name), RunDir.of(results, spec)) for spec in specs
    ]


def status_record(spec: RunSpec, run: Run | None, files: RunDir) -> dict[str, Any]:
    """The state of one run: of a finished one its scores, else its step and error."""
    damaged = run is None and files.finished
    return {
        "run": spec.run_name,
        "dataset": spec.dataset,
        "split": spec.split,
        "method": spec.method,
        "seed": spec.seed,
        "varies": spec.varies,
        "state": "damaged" if damaged else files.state,
        "step": files.step,
        "steps": spec.steps,
        "error": files.failure,
        "scores": run and run.scores,
        "problem": (run and run.problem) or None,
    }


def status_table(states: Sequence[Mapping[str, Any]], results: Path) -> Table:
    """A row for each of `status_records`."""
    finished = sum(state["state"] == "finished" for state in states)
    title = printable(f"{finished} of {len(states)} runs are stored in {results}")
    table = Table(Column("run", overflow="fold"), "split", "state", title=title)
    for state in states:
        of = f", varies {state['varies']}" if state["varies"] else ""
        table.add_row(state["run"], state["split"] + of, printable(describe_state(state)))
    return table


def describe_state(found: Mapping[str, Any]) -> str:
    """State of a run with its scores, step or error."""
    match found["state"]:
        case "finished":
            scores = found["scores"]
            text = f"finished, R@1 {scores['recall@1']:.3f}, MAP@R {scores['map@r']:.3f}"
            return f"{text}; {found['problem']}" if found["problem"] else text
        case "damaged":
            return "damaged: see the problem below"
        case "running":
            return f"running, step {found['step'] or 0} of {found['steps']}"
        case "failed":
            return f"failed: {found['error']}"
        case "interrupted":
            return "interrupted; `run` resumes it"
        case _:
            return "not started"


def suite_entries() -> Entries:
    suites = {name: load_suite(name, need_weights=False) for name in names()}
    return [
        {"name": name, "title": suite.title, "runs": len(suite.specs)}
        for name, suite in suites.items()
    ]


def suites_table(entries: Entries) -> Table:
    table = Table("suite", "title", "runs", title="suites")
    for suite in entries:
        table.add_row(suite["name"], suite["title"], str(suite["runs"]))
    return table


def loss_entries() -> Entries:
    """Losses read from the source of proxy_core without importing torch."""
    return [
        {
            "name": name,
            "family": loss.title,
            "summary": loss.summary,
            "paper": loss.paper,
            "hyper_parameters": {
                name: default for name, (_, default) in loss.hyper_parameters.items()
            },
            "declared": loss.defaults,
        }
        for name, loss in declared_losses().items()
    ]


def losses_listing(entries: Entries) -> Group:
    """Losses by family.

    Print it without cropping: an address has a line of its own and is never cut or broken, however
    narrow the terminal, so that it can be copied.
    """
    width = max(len(loss["name"]) for loss in entries)
    lines: list[RenderableType] = [Text("losses", style="italic")]
    for title, family in groupby(entries, key=itemgetter("family")):
        lines += [Text(), Text(title, style="bold")]
        for loss in family:
            address = Text(" " * (width + 4) + loss["paper"], no_wrap=True, overflow="ignore")
            lines += [beside(loss["name"], width, Text(loss["summary"])), address]
            lines += [beside("", width, Text("\n".join(loss["declared"])))]
    return Group(*lines)


def beside(name: str, width: int, words: RenderableType) -> Table:
    """A name, and a text that stays to the right of it on every line."""
    line = Table.grid(padding=(0, 2, 0, 0))
    line.add_column(width=width + 2, no_wrap=True)
    line.add_column()
    line.add_row(Text(f"  {name}", style="bold cyan"), words)
    return line


def dataset_entries() -> Entries:
    return [
        {
            "name": name,
            "description": source.description,
            "splits": list(source.protocols),
            "embedded": source.embedded,
        }
        for name, source in DATASETS.items()
    ]


def datasets_table(entries: Entries) -> Table:
    table = Table("data set", "description", "splits", "data", title="data sets")
    for source in entries:
        where = "embedded" if source["embedded"] else "data root"
        table.add_row(source["name"], source["description"], ", ".join(source["splits"]), where)
    return table


class Listing(NamedTuple):
    """What can be listed: as data, and as it is printed."""

    entries: Callable[[], Entries]
    shown: Callable[[Entries], RenderableType]


LISTS = {
    "suites": Listing(suite_entries, suites_table),
    "losses": Listing(loss_entries, losses_listing),
    "datasets": Listing(dataset_entries, datasets_table),
}
