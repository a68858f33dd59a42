"""One section of the report: everything about one data set and split, ready to be printed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.reporting import budget
from bench.reporting.cells import pair_line, score_tables, speed_line
from bench.reporting.convergence import METRICS, Curve, read_columns, speeds
from bench.reporting.figures.curves import MOST_BANDS, convergence_figure, scores_figure
from bench.reporting.figures.roc import roc_figure
from bench.reporting.figures.strokes import Stroke
from bench.reporting.findings import compare, sentences
from bench.reporting.groups import Group
from bench.reporting.rows import rows_of
from bench.spec import slug

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_PAIRS = 28  # of eight methods; 26 methods have 325


@dataclass(frozen=True)
class Drawn:
    """A figure in its files and as an element of the page."""

    files: tuple[Path, Path]
    element: str
    caption: str


@dataclass(frozen=True)
class Section:
    """What the page shows of one data set and split, in words and cells."""

    name: str
    anchor: str
    sentences: list[str]
    split: str
    machine: str
    budget: list[tuple[str, str]]
    unequal: list[str]
    methods: list[dict[str, str]]
    scores: list[dict[str, object]]
    figures: list[Drawn]
    speeds: list[dict[str, object]]
    baseline: str
    pairs: list[dict[str, object]]  # more than `MOST_PAIRS`: only those with the best method,
    more_pairs: list[dict[str, object]]  # and here the others
    fewest_pairs: int


def make_section(
    groups: Sequence[Group],
    curves: Mapping[Group, Sequence[Curve]],
    figures: list[Drawn],
) -> Section:
    """Section of the groups of one table; `curves` of those whose curves could be read."""
    found = [speed for metric in METRICS for speed in (speeds(curves, metric) if curves else [])]
    pairs = compare(groups)
    shown = len(pairs)
    if shown > MOST_PAIRS:
        shown = sum(pair.first == pairs[0].first for pair in pairs)
    return Section(
        name=f"{groups[0].dataset}, {groups[0].split} split",
        anchor=anchor(groups),
        sentences=sentences(groups, found),
        split=budget.split_sentence(groups[0]),
        machine=budget.machine_sentence(groups),
        budget=budget.budget_lines(groups),
        unequal=budget.unequal_fields(groups),
        methods=budget.method_lines(groups),
        scores=score_tables(rows_of(groups)),
        figures=figures,
        speeds=[speed_line(speed) for speed in found],
        baseline=found[0].baseline if found else "",
        pairs=[pair_line(pair) for pair in pairs[:shown]],
        more_pairs=[pair_line(pair) for pair in pairs[shown:]],
        fewest_pairs=min((len(pair.differences["recall@1"].seeds) for pair in pairs), default=0),
    )


def anchor(groups: Sequence[Group]) -> str:
    """Name of a section's anchor and of its figures' files."""
    return f"{slug(groups[0].dataset)}-{slug(groups[0].split)}"


def read_curves(groups: Sequence[Group]) -> tuple[dict[Group, list[Curve]], list[str]]:
    """Curves of each group, and what was wrong with those that could not be read."""
    curves: dict[Group, list[Curve]] = {}
    problems = []
    for group in groups:
        for run in group.runs:
            try:
                columns = read_columns(run)
            except (ValueError, OSError) as error:
                problems.append(f"{run.name} is left out of the convergence numbers: {error}")
            else:
                curves.setdefault(group, []).append(columns)
    return curves, problems


def draw(
    groups: Sequence[Group],
    curves: Mapping[Group, Sequence[Curve]],
    strokes: Mapping[str, Stroke],
    folder: Path,
) -> list[Drawn]:
    """Draw and save the figures of one table; call it within the style of `drawing`."""
    stem = anchor(groups)
    where = f"{groups[0].dataset}, {groups[0].split} split"
    drawn = [
        keep(
            scores_figure(groups, strokes),
            folder / f"{stem}-scores",
            f"Scores on the test split of {where}.",
            "Large mark: mean over seeds. Bar: its t-based 95 % confidence interval. Small dots "
            "below: the seeds. Each panel has its own range.",
        )
    ]
    if (figure := roc_figure(groups, strokes)) is not None:
        drawn.append(
            keep(
                figure,
                folder / f"{stem}-roc",
                f"Verification on the test split of {where}.",
                "Line: mean over seeds of the share of pairs of one class that are accepted, where "
                "that share of the other pairs is.",
            )
        )
    if curves:
        drawn.append(
            keep(
                convergence_figure(curves, strokes),
                folder / f"{stem}-convergence",
                f"Convergence on the validation part of {where}.",
                f"{band_words(len(curves))} For training time, each "
                "seed's curve is interpolated linearly to a common grid that ends where the first "
                "seed ends.",
            )
        )
    return drawn


def band_words(methods: int) -> str:
    """What a curve's line and band are, for a caption."""
    if methods > MOST_BANDS:
        return (
            f"Line: mean over seeds, without bands, as those of more than {MOST_BANDS} methods "
            "would hide each other; the table of convergence has intervals."
        )
    return (
        "Line: mean over seeds. Band: t-based 95 % confidence interval of that mean at each point "
        "(none for one seed), cut at 0 and 100 %."
    )


def keep(figure: "Figure", stem: Path, title: str, explanation: str) -> Drawn:
    """Save a figure and make its element; the numbers behind it stand in the tables."""
    from bench.reporting.figures.drawing import inlined, save_figure, svg_text

    description = f"{title} The numbers are in the tables of this section."
    element = inlined(svg_text(figure), stem.name, description)
    return Drawn(save_figure(figure, stem), element, f"{title} {explanation}")
