"""An audit as the command prints it: checks, and other libraries beside ours."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.cli.scoring.audit.checks import Check, checks_of, search_for_audit
from bench.cli.scoring.audit.peers import Figure, compare_peers
from bench.cli.scoring.read_embeddings import Side
from bench.datasets.files.work import Report
from bench.metrics import describe
from bench.terminal import print_line
from proxy_core.metrics.retrieval import Metric


@dataclass(frozen=True)
class Audit:
    """Checks; figures of other libraries; names of those that are not installed; why none is
    compared, or nothing."""

    checks: list[Check]
    figures: list[Figure]
    missing: list[str]
    none_compared: str


def make_audit(
    queries: Side,
    gallery: Side | None,
    metric: Metric,
    ks: Sequence[int],
    scores: Mapping[str, float],
    dataset: str | None,
    report: Report,
) -> Audit:
    """Audit an evaluation that has these scores.

    dataset: as in `checks_of`. Raises: what `search` and `checks_of` raise.
    """
    report("auditing", 0, 1)
    found = search_for_audit(queries, gallery, metric, partial(report, "auditing"))
    return Audit(checks_of(found, ks, scores, dataset), *compare_peers(found, scores))


def audit_document(audit: Audit) -> dict[str, Any]:
    """The audit for `--json`."""
    return {
        "checks": [asdict(check) for check in audit.checks],
        "peers": [asdict(figure) for figure in audit.figures],
        "not_installed": audit.missing,
    }


def print_audit(console: Console, audit: Audit) -> None:
    """A line per check, then a table of what other libraries give."""
    for check in audit.checks:
        print_line(console, f"{'LOOK' if check.alarm else 'ok':4}  {check.name}: {check.says}")
    if audit.figures:
        console.print(peer_table(audit.figures))
    if audit.missing:
        print_line(console, f"Not installed, so not compared: {', '.join(audit.missing)}.")
    if audit.none_compared:
        print_line(console, audit.none_compared)


def peer_table(figures: Sequence[Figure]) -> Table:
    """One line per score of a library, with ours."""
    table = Table("library", "score", "theirs", "ours", "why")
    for one in figures:
        values = f"{one.theirs:.6f}", f"{one.ours:.6f}"
        table.add_row(one.library, describe(one.score).heading, *values, one.why)
    return table


def beside(notes: Sequence[str], audit: Audit) -> list[str]:
    """The notes that no check repeats."""
    return [note for note in notes if not any(note in check.says for check in audit.checks)]
