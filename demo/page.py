"""From an address to everything the page shows, in plain functions without Gradio."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from bench.store.runs import StoredRunError
from demo.library import Library, Shelf
from demo.render import Picture, render, render_curves, render_problem, render_scores
from demo.retrieved import STEPS, Retrieved, neighbors_of, open_run, outcome, step_to
from demo.routes import picture_address
from demo.view import View, fit, read_view, write_address

NO_STEP = {
    "failure": "This run has no other failure: every other query is right at rank 1.",
    "random": "There is no other query.",
}


@dataclass(frozen=True)
class Page:
    """One state of the page: the view, its address, and HTML for each part.

    queries and kept: numbers of queries and of stored neighbors of each, 0 if the run cannot be
    shown. results and curves are None while their tab is closed, as they take time.
    """

    view: View
    address: str
    queries: int
    kept: int
    query: str
    neighbors: str
    results: str | None
    curves: str | None


def show(library: Library, parameters: Mapping[str, object], step: str = "") -> Page:
    """The page for the parameters of an address, moved by a step of `STEPS` if one is named."""
    view = read_view(library, parameters)
    shelf = library.shelf(view.shelf)
    try:
        retrieved = open_run(shelf, view.run)
    except StoredRunError as error:
        queries = kept = 0
        query, neighbors = render_problem(error), ""
    else:
        view, note = move(fit(view, retrieved), retrieved, step)
        wanted = str(parameters.get("run"))
        if wanted != view.run and wanted in shelf.run_labels:
            other = f"{shelf.run_labels[wanted]} did not keep its neighbors"
            note = f"{other}; this is {shelf.run_labels[view.run]}. {note}".strip()
        queries, kept = retrieved.hits.shape
        query, neighbors = render_browse(library.shelves.index(shelf), shelf, retrieved, view, note)
    results = render_scores(shelf) if view.tab == "results" else None
    curves = render_curves(shelf) if view.tab == "curves" else None
    return Page(view, write_address(view), queries, kept, query, neighbors, results, curves)


def move(view: View, retrieved: Retrieved, step: str) -> tuple[View, str]:
    """The view after a step, or the same view and the reason."""
    if step not in STEPS:
        return view, ""
    target = step_to(retrieved, view.query, step, np.random.default_rng())
    return (view, NO_STEP[step]) if target is None else (replace(view, query=target), "")


def render_browse(
    number: int, shelf: Shelf, retrieved: Retrieved, view: View, note: str
) -> tuple[str, str]:
    """Query and neighbors as HTML; `number` is the shelf's position in the library."""

    def picture(position: int) -> Picture:
        address = picture_address(number, shelf, position)
        return Picture(address, f"{number}-{position}", *shelf.pictures.size)

    neighbors = neighbors_of(retrieved, view.query, view.neighbors)
    pictures = [picture(neighbor.position) for neighbor in neighbors]
    scores = outcome(retrieved, view.query)
    query = render("query", scores, neighbors, picture(view.query), note)
    return query, render("neighbors", view.query, neighbors, pictures)
