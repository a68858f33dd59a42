"""The state of the page, as its address holds it: links, reload and "back" all use it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, urlencode

from bench.suggest import unknown
from demo.library import Library
from demo.retrieved import Retrieved

TABS = ("browse", "results", "curves")
NEIGHBORS = 20  # shown unless the address has another number


@dataclass(frozen=True)
class View:
    """One state of the page: shelf and run exist; `fit` moves query and neighbors into range.

    query is a position from 0, neighbors a number of images from 1.
    """

    shelf: str
    run: str
    query: int
    neighbors: int
    tab: str


def read_view(library: Library, parameters: Mapping[str, object]) -> View:
    """The view of an address; a missing, unknown or malformed part falls back to its default.

    `parameters` may be forged, so nothing is assumed of their types.
    """
    shelf = library.shelf(str(parameters.get("ds")))
    query, neighbors = to_int(parameters.get("q")), to_int(parameters.get("k"))
    tab = str(parameters.get("tab"))
    return View(
        shelf.key,
        shelf.run(str(parameters.get("run"))).name,
        0 if query is None else query,
        NEIGHBORS if neighbors is None else neighbors,
        tab if tab in TABS else TABS[0],
    )


def fit(view: View, retrieved: Retrieved) -> View:
    """The view with query and neighbors moved into the run's range."""
    queries, kept = retrieved.hits.shape
    query = min(max(view.query, 0), queries - 1)
    return replace(view, query=query, neighbors=min(max(view.neighbors, 1), kept))


def read_address(address: object) -> dict[str, object]:
    """Parameters of an address's query part: `?q=3&k=20` -> {"q": "3", "k": "20"}."""
    return dict(parse_qsl(str(address).removeprefix("?")[:2000]))


def write_address(view: View) -> str:
    """The query part of the view's address, from which `read_view` gives the same view."""
    values = view.shelf, view.run, view.query, view.neighbors, view.tab
    return "?" + urlencode(dict(zip(("ds", "run", "q", "k", "tab"), values, strict=True)))


def address_of(library: Library, run: str) -> str:
    """The query part of the address that shows a run first; empty for no name.

    Raises: ValueError if there is no such run.
    """
    if not run:
        return ""
    for shelf in library.shelves:
        if run in shelf.run_labels:
            return "?" + urlencode({"ds": shelf.key, "run": run})
    names = [name for shelf in library.shelves for name in shelf.run_labels]
    raise ValueError(unknown("run", run, names))


def to_int(value: object) -> int | None:
    """A whole number of at most nine digits from text or a number; None for anything else."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = str(value)
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) < 10 else None
