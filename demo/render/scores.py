"""Tables of results and curves of one shelf as HTML, by the functions that make the report."""

from collections.abc import Mapping, Sequence
from html import escape

from bench.reporting.convergence import Curve
from bench.reporting.groups import Group, group_runs
from bench.reporting.rows import HEADINGS, RETRIEVAL, Row, families, rows_of
from bench.reporting.tables import BOLD, PLUS_MINUS, best_cells, percent
from bench.spec import slug
from demo.library import Shelf
from demo.render.query import render_message


def render_scores(shelf: Shelf, title: str) -> str:
    """Means over seeds by method, and every run as a link to its neighbours."""
    try:
        rows = rows_of(group_runs(shelf.runs))
    except ValueError as error:
        runs = run_table(shelf, title, RETRIEVAL)
        return render_message(f"No means over seeds: {error}", "problem") + runs
    tables = families(rows)
    means = (mean_table(rows, title, name, keys) for name, keys in tables.items())
    return "".join(means) + run_table(shelf, title, next(iter(tables.values())))


def mean_table(rows: Sequence[Row], title: str, name: str, keys: Sequence[str]) -> str:
    """One family of scores, means over seeds."""
    best = best_cells(rows)
    body = "".join(mean_row(row, best, keys) for row in rows)
    caption = (
        f"{escape(title)}: {escape(name.lower())}, scores on the test split in percent, "
        f"{escape(PLUS_MINUS)}. {escape(BOLD)}"
    )
    headings = ["Method", *(escape(HEADINGS[key]) for key in keys), "n"]
    return table(f"means-{slug(name)}", caption, headings, body)


def mean_row(row: Row, best: set[tuple[str, str]], keys: Sequence[str]) -> str:
    texts = {key: escape(percent(row.scores.get(key))) for key in keys}
    cells = [f"<b>{texts[key]}</b>" if (row.method, key) in best else texts[key] for key in keys]
    return table_row(escape(row.method), [*cells, str(len(row.seeds))])


def run_table(shelf: Shelf, title: str, keys: Sequence[str]) -> str:
    """Every run by itself; its name opens it."""
    body = "".join(
        table_row(
            f'<a href="?ds={escape(shelf.key)}&amp;run={escape(run.name)}">'
            f"{escape(shelf.run_labels[run.name])}</a>",
            [f"{100 * run.scores[key]:.1f}" if key in run.scores else "–" for key in keys],
        )
        for run in shelf.runs
    )
    caption = f"{escape(title)}: every run, scores on the test split in percent."
    return table("runs", caption, ["Run", *(HEADINGS[key] for key in keys)], body)


def table(name: str, caption: str, headings: Sequence[str], body: str) -> str:
    """A table in a box of its own, which scrolls sideways where the screen is narrow; `name` is its
    own, and up to a hyphen that of its kind."""
    head = "".join(f'<th scope="col">{heading}</th>' for heading in headings)
    kind = name.partition("-")[0]
    return (
        f'<p class="caption" id="about-{name}">{caption}</p>'
        f'<div class="wide" tabindex="0" role="region" aria-labelledby="about-{name}">'
        f'<table class="{kind}" aria-labelledby="about-{name}"><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def table_row(head: str, cells: Sequence[str]) -> str:
    data = "".join(f"<td>{cell}</td>" for cell in cells)
    return f'<tr><th scope="row">{head}</th>{data}</tr>'


def render_curves(shelf: Shelf, title: str) -> str:
    """The report's convergence figure of the shelf, in the colours of the page around it."""
    from bench.reporting.sections import band_words, read_curves

    try:
        curves, problems = read_curves(group_runs(shelf.runs))
    except ValueError as error:
        return render_message(f"No curves: {error}", "problem")
    messages = "".join(render_message(problem, "problem") for problem in problems)
    if not curves:
        return messages
    caption = (
        f"{title}: scores on the validation classes during training. {band_words(len(curves))} For "
        "training time each seed's curve is interpolated to a common grid that ends where the "
        "first ends."
    )
    return (
        f'{messages}<figure class="curves"><div class="wide" tabindex="0" role="region" '
        f'aria-label="Convergence figure">{convergence_svg(curves, title)}</div>'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def convergence_svg(curves: Mapping[Group, Sequence[Curve]], title: str) -> str:
    from matplotlib import rc_context

    from bench.reporting.figures.curves import convergence_figure
    from bench.reporting.figures.drawing import inlined, style, svg_text
    from bench.reporting.figures.strokes import assign

    with rc_context(style()):
        svg = svg_text(convergence_figure(curves, assign(list(curves))))
    return inlined(svg, "curves", f"Convergence of {len(curves)} methods on {title}")
