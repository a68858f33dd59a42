"""The report: a table as Markdown and CSV, figures, and one HTML page that needs no network."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.reporting.budget import provenance
from bench.reporting.figures.strokes import assign
from bench.reporting.findings import COMPARED
from bench.reporting.groups import Group, group_runs
from bench.reporting.rows import HEADINGS, rows_of
from bench.reporting.sections import Section, draw, make_section, read_curves
from bench.reporting.tables import BOLD, PLUS_MINUS, csv, markdown, plain
from bench.store.runs import Run, atomic


@dataclass(frozen=True)
class Report:
    """Files of a report, and problems that were met while it was made."""

    html: Path
    table_csv: Path
    table_md: Path
    figures: tuple[Path, ...]
    problems: tuple[str, ...]


def write_report(
    runs: Sequence[Run], directory: Path, *, title: str, problems: Sequence[str] = ()
) -> Report:
    """Write `report.html`, `table.csv`, `table.md` and `figures/` of stored runs.

    A function of the runs alone: written again, every file has the same bytes (with the same
    versions of matplotlib and seaborn). `problems` stand at the top of the page.
    Raises: ValueError if there is no run, or if two runs must not be compared; both before
    anything is written.
    """
    if not runs:
        raise ValueError("there is no finished run to report; run a suite first")
    groups = group_runs(runs)
    rows = rows_of(groups)
    sections, found = make_sections(groups, directory / "figures")
    report = Report(
        directory / "report.html",
        directory / "table.csv",
        directory / "table.md",
        tuple(path for section in sections for figure in section.figures for path in figure.files),
        tuple(found),
    )
    write(report.table_csv, csv(rows))
    write(report.table_md, f"# {plain(title)}\n\n{markdown(rows)}")
    write(report.html, render(title, groups, sections, [*problems, *found]))
    return report


def make_sections(groups: Sequence[Group], folder: Path) -> tuple[list[Section], list[str]]:
    """Sections with their figures, and the problems met on the way."""
    import matplotlib

    from bench.reporting.figures.drawing import style

    strokes = assign(groups)
    sections, problems = [], []
    with matplotlib.rc_context(style()):
        for table in dict.fromkeys(group.table for group in groups):
            members = [group for group in groups if group.table == table]
            curves, found = read_curves(members)
            problems += found
            sections.append(make_section(members, curves, draw(members, curves, strokes, folder)))
    return sections, problems


def render(
    title: str, groups: Sequence[Group], sections: Sequence[Section], problems: Sequence[str]
) -> str:
    """The page; everything but our own SVG is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environments, lines = provenance(groups)
    template = Environment(
        loader=PackageLoader("bench.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    ).get_template("page.html")
    return template.render(
        title=title,
        sections=sections,
        problems=problems,
        compared=[HEADINGS[key] for key in COMPARED],
        plus_minus=PLUS_MINUS,
        bold=BOLD,
        environments=environments,
        lines=lines,
    )


def write(path: Path, text: str) -> None:
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")
