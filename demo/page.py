"""From an address to the whole page, in plain functions without Gradio."""

import secrets
from collections.abc import Mapping

from bench.store.runs import StoredRunError
from bench.suggest import printable
from demo.library import Library, Shelf
from demo.render import message, render
from demo.retrieved import open_run
from demo.tabs import SHOW
from demo.view import LONGEST, TABS, View, fit, parts, read_view, to_int, write_address


def draw(library: Library, parameters: Mapping[str, object]) -> str:
    """The page for the parameters of an address, as HTML."""
    view = read_view(library, parameters)
    shelf, queries, kept = library.shelf(view.shelf), 0, 0
    try:
        retrieved = open_run(shelf, view.run)
        queries, kept = retrieved.hits.shape
        view = fit(view, queries, kept)
        shown = SHOW[view.tab](library, view)
    except StoredRunError as error:
        shown = message(error, "problem")
    return render(
        "page.html",
        view=view,
        address=write_address(view),
        drawn=secrets.token_hex(4),  # a new text even where nothing else changed
        notice=printable(notice(library)),
        note=what_is_missing(library, shelf, view, parameters, queries),
        problems=[printable(problem) for problem in library.problems],
        titles=library.titles,
        runs=[(run.name, shelf.run_labels[run.name]) for run in shelf.browsable],
        stored=len(shelf.runs),
        why=shelf.kept,
        queries=queries,
        kept=kept,
        tabs=[
            (key, title, write_address(view, tab=key, page=1))
            for key, title in TABS.items()
            if key != "folder" or library.folder
        ],
        parts=parts(view),
        shown=shown,
    )


def notice(library: Library) -> str:
    """What to know about these results; empty if they are those of the given folder."""
    if library.fallback is None:
        return ""
    found = "no run that can be read" if library.problems else "no finished run"
    return (
        f"These are the reference results that come with the project ({library.results}): "
        f"{library.fallback / 'runs'} holds {found}. `proxy-bench run` makes your own."
    )


def what_is_missing(
    library: Library, shelf: Shelf, view: View, parameters: Mapping[str, object], queries: int
) -> str:
    """What the address names and is not shown, and what is shown instead; empty if all is there.

    queries: how many the run has, 0 if it cannot be read."""
    names = (str(parameters.get(key) or "") for key in ("ds", "run", "other"))
    dataset, run, other = (printable(name[:LONGEST]) for name in names)
    if dataset not in ("", shelf.key):
        here = library.titles[shelf.key]
        return f"The data set {dataset} of this address is not in these results; this is {here}."
    if run not in ("", view.run):
        return f"{lacking(shelf, run)}; this is {shelf.run_labels[view.run]}."
    if other not in ("", view.other):
        return f"{lacking(shelf, other)}, so it is not compared."
    query = to_int(parameters.get("q"))
    if queries and query is not None and query >= queries:
        return (
            f"There is no query {query}: the {queries} are numbered from 0; this is {view.query}."
        )
    return ""


def lacking(shelf: Shelf, name: str) -> str:
    """Why a run that an address names is not shown."""
    if name in shelf.run_labels:
        return f"{shelf.run_labels[name]} did not keep its neighbors"
    return f"The run {name} of this address is not in these results"
