"""Explore: a query, the images that a run retrieves for it, and those that it should have found."""

import csv
import io
from collections.abc import Sequence
from urllib.parse import quote

import numpy as np

from bench.reporting.tables import as_text
from bench.suggest import printable
from demo.library import Library, Shelf
from demo.missed import missed
from demo.pictures import Tile, card, picture, tile
from demo.render import render
from demo.retrieved import Neighbor, Retrieved, neighbors_of, open_run, outcome
from demo.view import CHOICES, View, parts, write_address

STEPS = {  # step -> its words and its key
    "previous": ("Previous", "["),
    "next": ("Next", "]"),
    "random": ("Random", "r"),
    "failure": ("Random failure", "f"),
}
MOST_MISSED, MOST_CLASSES = 12, 24  # shown
UNRANKED = "This run kept its {} nearest neighbors but no embeddings"


def show(library: Library, view: View) -> str:
    """The query, its neighbors, what it missed, and the ways to other queries."""
    shelf = library.shelf(view.shelf)
    retrieved = open_run(shelf, view.run)
    neighbors = neighbors_of(retrieved, view.query, view.neighbors)
    shown = [item for item in neighbors if fits(item, view.show)]
    lost = missed(retrieved, view.query, len(neighbors))
    return render(
        "explore.html",
        view=view,
        parts=parts(view),
        outcome=outcome(retrieved, view.query),
        word="identity" if retrieved.by_cameras else "class",
        picture=picture(shelf, view.query),
        neighbors=neighbors,
        cards=[card(shelf, view, item) for item in shown],
        filters=[(name, write_address(view, show=name)) for name in CHOICES["show"]],
        lost=[(tile(shelf, retrieved, view, item.position), item) for item in lost[:MOST_MISSED]],
        more_lost=max(0, len(lost) - MOST_MISSED),
        unlisted=unlisted(retrieved, view.query, len(neighbors), len(lost)),
        saved=retrieved.hits.shape[1],
        exact=retrieved.keeps_embeddings,
        unranked=UNRANKED.format(retrieved.hits.shape[1]),
        steps=steps(retrieved, view, np.random.default_rng()),
        classes=classes(shelf, retrieved, view),
        export=data_address(csv_text(retrieved, shown)),
        file_name=f"{view.run}-query-{view.query}",
    )


def unlisted(retrieved: Retrieved, query: int, shown: int, lost: int) -> int:
    """How many images a query should have found are neither among the shown neighbors nor among
    the `lost` ones: with cameras only the stored neighbors say which images those are."""
    found = int(retrieved.hits[query, :shown].sum())
    return max(0, int(retrieved.queries["relevant"][query]) - found - lost)


def fits(neighbor: Neighbor, show: str) -> bool:
    """Whether a filter of `CHOICES` shows a neighbor."""
    return show == "all" or neighbor.hit == (show == "right")


def steps(
    retrieved: Retrieved, view: View, generator: np.random.Generator
) -> list[tuple[str, str, str, str]]:
    """Step, words, key and address of the ways to other queries; no address without another."""
    found = []
    for step, (words, key) in STEPS.items():
        target = step_to(retrieved, view.query, step, generator)
        address = "" if target is None else write_address(view, query=target)
        found.append((step, words, key, address))
    return found


def step_to(
    retrieved: Retrieved, query: int, step: str, generator: np.random.Generator
) -> int | None:
    """The query after a step of `STEPS`; a random one is another one, None if there is none."""
    count = len(retrieved.hits)
    if step in ("previous", "next"):
        return (query + (1 if step == "next" else -1)) % count
    candidates = retrieved.failures if step == "failure" else np.arange(count)
    others = candidates[candidates != query]
    return int(generator.choice(others)) if len(others) else None


def classes(shelf: Shelf, retrieved: Retrieved, view: View) -> tuple[list[Tile], int]:
    """The first query of each class whose name contains the search, and how many more there are."""
    text = view.search.casefold().strip()
    if not text:
        return [], 0
    labels = retrieved.pictures.labels[: len(retrieved.hits)]
    names = retrieved.pictures.class_names
    first = zip(*np.unique(labels, return_index=True), strict=True)
    found = [query for label, query in first if text in printable(names[label]).casefold()]
    tiles = [tile(shelf, retrieved, view, int(query)) for query in found[:MOST_CLASSES]]
    return tiles, max(0, len(found) - MOST_CLASSES)


def csv_text(retrieved: Retrieved, neighbors: Sequence[Neighbor]) -> str:
    """The list as a table; the first line is that of the columns."""
    file = io.StringIO()
    table = csv.writer(file, lineterminator="\n")
    table.writerow(("rank", "position", "item", "class", "similarity", "same_class"))
    for item in neighbors:
        name = as_text(retrieved.pictures.items[item.position])
        row = (item.rank, item.position, name, as_text(item.class_name))
        table.writerow((*row, f"{item.similarity:.6f}", int(item.hit)))
    return file.getvalue()


def data_address(text: str) -> str:
    """A file that the address itself holds."""
    return f"data:text/csv;charset=utf-8,{quote(text)}"
