"""Compare: two runs on the same query, rank by rank, and on all queries."""

from dataclasses import dataclass

import numpy as np

from bench.reporting.groups import method_key
from demo.library import Library, Shelf
from demo.outcomes import flips, seeds_of, sets_of, shared
from demo.pages import paged
from demo.pictures import card, tile
from demo.render import message, render
from demo.retrieved import neighbors_of, open_run, outcome
from demo.view import CHOICES, View, parts, write_address

ALONE = "Only one run of this data set kept its neighbors; two are needed to compare."


@dataclass(frozen=True)
class Side:
    """One of two runs: its letter and label, its outcome of the query, and what is known of how its
    method's seeds differ."""

    letter: str
    label: str
    outcome: dict[str, object]
    flips: str


def show(library: Library, view: View) -> str:
    """Both runs' neighbors of the query side by side, and the queries by outcome."""
    shelf = library.shelf(view.shelf)
    if (other := other_of(shelf, view)) is None:
        return message(ALONE, "notice")
    view = view if view.other == other else View(**{**vars(view), "other": other})
    names = (view.run, other)
    left, right = (open_run(shelf, name) for name in names)
    lists = [neighbors_of(run, view.query, view.neighbors) for run in (left, right)]
    common = set.intersection(*({item.position for item in found} for found in lists))
    rows = [
        [
            (card(shelf, view, item), letter, badge(item.position in common, letter))
            for item, letter in zip(row, "AB", strict=True)
        ]
        for row in zip(*lists, strict=False)
    ]
    sets = sets_of(left, right)
    members = sets[view.only]
    pages = paged(len(members), view)
    return render(
        "compare.html",
        view=view,
        parts=parts(view),
        runs=[
            (run.name, shelf.run_labels[run.name])
            for run in shelf.browsable
            if run.name != view.run
        ],
        swapped=write_address(view, run=other, other=view.run),
        sides=[
            Side(letter, shelf.run_labels[name], outcome(run, view.query), seeds(shelf, name))
            for letter, name, run in zip("AB", names, (left, right), strict=True)
        ],
        query=tile(shelf, left, view, view.query),
        rows=rows,
        cards=[item for row in rows for item, *_ in row],
        common=len(common),
        share=shared(left, right, view.neighbors),
        word="identity" if left.by_cameras else "class",
        sets=[
            (name, len(sets[name]), write_address(view, only=name, page=1))
            for name in CHOICES["only"]
        ],
        steps=steps(view, members),
        tiles=[tile(shelf, left, view, int(p)) for p in members[pages.first : pages.end]],
        pages=pages,
    )


def other_of(shelf: Shelf, view: View) -> str | None:
    """The run that is compared: that of the address, or the first of another method."""
    others = [run for run in shelf.browsable if run.name != view.run]
    if view.other in {run.name for run in others}:
        return view.other
    method = method_key(shelf.run(view.run))
    others.sort(key=lambda run: method_key(run) == method)  # stable: other methods first
    return others[0].name if others else None


def seeds(shelf: Shelf, name: str) -> str:
    """How many queries flip between the seeds of a run's method, or why that is not known."""
    names = seeds_of(shelf, shelf.run(name))
    if len(names) < 2:
        return "Only one seed of its method kept its neighbors: flips between seeds are unknown."
    share = flips(shelf, names)
    return f"Between {len(names)} seeds of its method, {100 * share:.1f} % of the queries flip."


def steps(view: View, members: np.ndarray) -> list[tuple[str, str, str]]:
    """Words, key and address of the queries before and after this one in a set."""
    found = np.flatnonzero(members == view.query)
    if not len(members):
        return []
    at = int(found[0]) if len(found) else None
    before = members[-1 if at is None else at - 1]
    after = members[0 if at is None else (at + 1) % len(members)]
    return [
        ("Previous", "[", write_address(view, query=int(before))),
        ("Next", "]", write_address(view, query=int(after))),
    ]


def badge(common: bool, letter: str) -> str:
    """Which lists have a neighbor."""
    return "in both" if common else f"only in {letter}"
