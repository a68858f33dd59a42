"""Results: scores of methods and runs, and how they converge."""

from collections.abc import Sequence
from functools import lru_cache
from html import escape

from bench.metrics import describe, families, printed
from bench.published import published
from bench.reporting.beside import beside, difference, other_lines
from bench.reporting.groups import comparable_frame, of_one_source, trained
from bench.reporting.rows import Line, ScoreTable, score_tables, summarise
from bench.reporting.statistics.seed_rule import judged_together
from bench.reporting.statistics.verdicts import Rule
from bench.reporting.tables import templates
from bench.store.runs import Run
from bench.store.seed_plan import SeedPlan, read_plans
from demo.library import Library, Shelf, inside, is_untrained
from demo.render import message
from demo.tabs.start import verdict
from demo.view import View

OPEN = 8  # data sets whose tables and curves stay in memory
STUDY = (
    "{} runs of a study of variance, in which one source of chance varies alone, are in no mean; "
    "the report of their suite has them."
)


def show(library: Library, view: View) -> str:
    """Tables and curves of the data set."""
    return render_results(library.shelf(view.shelf))


def render_results(shelf: Shelf) -> str:
    """All of it, as the plans of seeds are now."""
    try:
        plans: tuple[tuple[str, SeedPlan], ...] | str = tuple(read_plans(shelf.results).items())
    except ValueError as error:  # which each part says
        plans = str(error)
    return render_by(shelf, plans)


@lru_cache(maxsize=OPEN)
def render_by(shelf: Shelf, _: tuple[tuple[str, SeedPlan], ...] | str) -> str:
    """`render_results`, drawn once for each state of the plans, as it takes seconds."""
    found = verdict(shelf)
    return f"<p>{escape(found)}</p>{render_scores(shelf)}{render_published(shelf)}" + folded(
        "Convergence", render_curves(shelf), is_open=True
    )


def render_scores(shelf: Shelf) -> str:
    """Means over seeds by method, and every run as a link to its neighbors."""
    try:
        means = "".join(
            render_means(*table) for table in judged_together(shelf.runs, read_plans(shelf.results))
        )
    except ValueError as error:
        means = message(f"No means over seeds: {inside(str(error), shelf.results)}", "problem")
    if count := sum(map(of_one_source, shelf.runs)):
        means += message(STUDY.format(count), "notice")
    return means + folded("Every run", render_table(run_table(shelf), "runs"), is_open=True)


def render_published(shelf: Shelf) -> str:
    """What papers print for this data set and split, folded: a layer of its own beside ours."""
    runs = [run for run in shelf.runs if not of_one_source(run)]
    try:
        found = beside(published(), summarise(runs), comparable_frame(runs)) if runs else []
    except ValueError:  # `render_scores` says so
        found = []
    if not found:
        return ""
    table = templates().get_template("published.html")
    shown = table.render(
        section={"published": found, "name": shelf.title},
        heading=lambda key: describe(key).heading,
        difference=difference,
        other_lines=other_lines,
    )
    return folded(f"Published numbers ({len(found)})", shown)


def folded(title: str, shown: str, *, is_open: bool = False) -> str:
    """HTML under a title that folds it."""
    summary = f"<summary>{escape(title)}</summary>"
    return f"<details{' open' * is_open}>{summary}{shown}</details>"


def render_means(plan: str, runs: Sequence[Run], rule: Rule) -> str:
    """The tables of runs that are judged together; of a plan with what it says."""
    first, *others = score_tables(summarise(runs, rule))
    tables = render_table(first, "means")
    if others:
        shown = "".join(render_table(table, "means", first.note) for table in others)
        tables += folded("Further scores", shown)
    if not rule.looks:
        return tables
    note = (
        f"Seeds were added to the methods of {plan} until their pairs were decided. They were "
        f"tested after each seed from {rule.looks.first} to {rule.looks.last} with alpha spending; "
        f"scores within {100 * rule.margin:g} points count as the same."
    )
    return message(note, "notice") + tables


def render_table(table: ScoreTable, kind: str, known: str = "") -> str:
    """One table as the report shows it; `kind` is its class, `known` a note that was shown.

    A narrow cell breaks before its ± and not behind it.
    """
    module = templates().get_template("tables.html").module
    note = "Percent, marked as above." if table.note == known else table.note
    shown = str(module.score_table(table, kind, note))  # type: ignore[attr-defined]
    return shown.replace("± ", "±&nbsp;")


def run_table(shelf: Shelf) -> ScoreTable:
    """The first family of scores of every single run; its name opens the run."""
    keys = next(iter(families(key for run in shelf.runs for key in run.scores).values()))
    return ScoreTable(
        shelf.dataset,
        str(shelf.runs[0].spec["split"]),
        "Every run",
        f"Percent. {shelf.kept}",
        ("Run", *(describe(key).heading for key in keys)),
        tuple(
            Line(
                shelf.run_labels[run.name],
                tuple(
                    (printed(key, run.scores[key]) if key in run.scores else "–", False)
                    for key in keys
                ),
                trained=not is_untrained(run),
                link=f"?ds={shelf.key}&run={run.name}" if run in shelf.browsable else "",
            )
            for run in shelf.runs
        ),
    )


def render_curves(shelf: Shelf) -> str:
    """The report's convergence figure of the shelf, in the colours of the page around it."""
    from matplotlib import rc_context

    from bench.reporting.cost.convergence import read_curves
    from bench.reporting.figures import assign, convergence_figure, inlined, rc_params, svg_text
    from bench.reporting.page import convergence_caption
    from bench.reporting.provenance import early_sentence, perfect_runs

    runs = [run for run in shelf.runs if not of_one_source(run)]
    if not runs:
        return message(STUDY.format(len(shelf.runs)), "notice")
    try:
        table = comparable_frame(runs)
    except ValueError as error:
        return message(f"No curves: {inside(str(error), shelf.results)}", "problem")
    names = dict(zip(table["run"], table["method"], strict=True))
    curves, problems = read_curves(runs, names)
    messages = "".join(message(problem, "problem") for problem in problems)
    if curves.empty:
        return messages
    with rc_context(rc_params()):
        methods = trained(table)
        strokes = assign(dict(zip(methods["method"], methods["loss"], strict=True)))
        figure = convergence_figure(curves, strokes)
        figure.supxlabel("")  # the caption below says it
        svg = svg_text(figure)
    early = escape(early_sentence(table, perfect_runs(runs), converged=False))
    svg = inlined(svg, "curves", f"Convergence of {len(strokes)} methods on {shelf.title}")
    return (
        f'{messages}<figure class="curves"><div class="scroll" tabindex="0" role="region" '
        f'aria-label="Convergence figure">{svg}</div>'
        f"<figcaption>Scores on the validation images of {escape(shelf.title)} during training. "
        f"{' '.join(filter(None, [convergence_caption(curves), early]))}</figcaption></figure>"
    )
