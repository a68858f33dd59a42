"""Failures: queries whose nearest neighbor is of another class, and classes that are confused."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.reporting.groups import method_key
from bench.suggest import printable
from demo.failures import MOST_COMPARED, Confusion, between, confusions, ordered, same_pictures
from demo.library import Library, Shelf, one_of_each
from demo.pages import paged
from demo.pictures import Picture, Tile, class_of, picture, tile
from demo.render import render
from demo.retrieved import Retrieved, open_run
from demo.view import CHOICES, View, write_address

MOST_PAIRS = 12
TITLES = {
    "confident": "Most confident wrong",
    "deep": "Deepest first right",
    "low": "Lowest AP@R",
    "same": "Copies with another label",
}


@dataclass(frozen=True)
class Failure:
    """A query and its nearest neighbor, which is of another class unless `hit`."""

    query: Tile
    nearest: Picture
    nearest_class: str
    hit: bool
    similarity: float
    first_hit: int
    average_precision: float


def show(library: Library, view: View) -> str:
    """A page of failures in the order of the view, and the pairs of classes behind them."""
    shelf = library.shelf(view.shelf)
    retrieved = open_run(shelf, view.run)
    method = method_key(shelf.run(view.run))  # another seed of it is the same loss
    others = [run for run in one_of_each(shelf) if method_key(run) != method]
    opened = [open_run(shelf, run.name) for run in others]
    queries = between(retrieved, ordered(retrieved, view.sort), view.label, view.rival)
    pages = paged(len(queries), view)
    return render(
        "failures.html",
        view=view,
        wrong=len(retrieved.failures),
        known=int(retrieved.known.sum()),
        same=len(same_pictures(retrieved)),
        compared=min(MOST_COMPARED, len(retrieved.failures)),
        orders=[
            (name, TITLES[name], write_address(view, sort=name, page=1)) for name in CHOICES["sort"]
        ],
        title=TITLES[view.sort],
        chosen=[name_of(retrieved, label) for label in (view.label, view.rival) if label >= 0],
        every=write_address(view, label=-1, rival=-1, page=1),
        pages=pages,
        failures=[
            failure(shelf, retrieved, view, int(query))
            for query in queries[pages.first : pages.end]
        ],
        pairs=lines(retrieved, view, confusions(retrieved, opened)[:MOST_PAIRS]),
        others=" and ".join(shelf.run_labels[run.name] for run in others),
        word="identity" if retrieved.by_cameras else "class",
    )


def failure(shelf: Shelf, retrieved: Retrieved, view: View, query: int) -> Failure:
    """A query with its nearest neighbor; it leads to Explore."""
    arrays = retrieved.queries
    nearest = int(arrays["neighbors"][query, 0])
    return Failure(
        tile(shelf, retrieved, view, query, tab="explore", page=1),
        picture(shelf, nearest),
        class_of(retrieved, nearest),
        bool(retrieved.hits[query, 0]),
        float(arrays["similarities"][query, 0]),
        int(arrays["first_hit"][query]),
        float(arrays["average_precision"][query]),
    )


def lines(
    retrieved: Retrieved, view: View, pairs: Sequence[Confusion]
) -> list[tuple[Confusion, str, str, str]]:
    """Pairs of classes with their names and the address of their failures."""
    return [
        (
            pair,
            name_of(retrieved, pair.label),
            name_of(retrieved, pair.rival),
            write_address(view, label=pair.label, rival=pair.rival, sort="confident", page=1),
        )
        for pair in pairs
    ]


def name_of(retrieved: Retrieved, label: int) -> str:
    """The name of a class; empty for one that does not exist."""
    names = retrieved.pictures.class_names
    return printable(names[label]) if label < len(names) else ""
