"""Explore: a query and the images that a run retrieves for it."""

import numpy as np

from demo.library import Library
from demo.pictures import Card, picture
from demo.render import render
from demo.retrieved import Retrieved, neighbors_of, open_run, outcome
from demo.view import View, write_address

STEPS = {  # step -> its words and its key
    "previous": ("Previous", "["),
    "next": ("Next", "]"),
    "random": ("Random", "r"),
    "failure": ("Random failure", "f"),
}


def show(library: Library, view: View) -> str:
    """The query, its neighbors and the ways to other queries."""
    shelf = library.shelf(view.shelf)
    retrieved = open_run(shelf, view.run)
    cards = [
        Card(
            neighbor,
            picture(shelf, neighbor.position),
            write_address(view, query=neighbor.position) if neighbor.is_query else "",
        )
        for neighbor in neighbors_of(retrieved, view.query, view.neighbors)
    ]
    return render(
        "explore.html",
        outcome=outcome(retrieved, view.query),
        picture=picture(shelf, view.query),
        cards=cards,
        steps=steps(retrieved, view, np.random.default_rng()),
    )


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
