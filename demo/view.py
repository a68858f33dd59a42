"""The state of the page, as its address holds it: links, reload and "back" all use it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from urllib.parse import parse_qsl, urlencode

from bench.suggest import unknown
from demo.library import Library
from demo.own.uploads import ID

TABS = {  # key in addresses -> title, in order
    "start": "Start",
    "explore": "Explore",
    "compare": "Compare",
    "failures": "Failures",
    "map": "Map",
    "time": "Time",
    "results": "Results",
    "own": "Own image",
    "folder": "Folder",
}
RENAMED = {"browse": "explore", "curves": "results"}  # tabs of earlier addresses
# Others have the name of their field. Gradio takes `page` out of addresses, for pages of its own.
KEYS = {"shelf": "ds", "query": "q", "neighbors": "k", "seen": "vq", "page": "p"}
# Values of the fields that choose one of a few; the first is the default.
CHOICES = {
    "show": ("all", "right", "wrong"),
    "only": ("all", "both", "a", "b", "none"),
    "sort": ("confident", "deep", "low", "same"),
}
NEIGHBORS = 20  # shown unless the address has another number
LONGEST = 100  # characters of a search, or of a name that does not exist
# A part of the map by 3 to 60 corners, x.y-x.y-x.y in 0..999.
AREA = re.compile(r"[0-9]{1,3}\.[0-9]{1,3}(-[0-9]{1,3}\.[0-9]{1,3}){2,59}")


@dataclass(frozen=True)
class View:
    """One state of the page: shelf and runs exist, choices are known, numbers may be too large.

    Attributes: tab; shelf and run; query, a position from 0; neighbors, how many from 1; other, the
    run that is compared; show, only and sort, see `CHOICES`; search, for classes; label, of the
    class that a list is of, and rival, of the one that it is confused with, -1 for any; page, of a
    list, from 1; area, a part of the map, see `AREA`; zoom, how many times larger it is, around the
    query; seen, a position among the validation images, and at, among the kept steps, -1 for the
    last; own, the id of an upload, and mine, the position of an image in it or in the
    visitor's folder; cluster, a position among the clusters of the folder, -1 for all.
    """

    tab: str
    shelf: str
    run: str
    query: int = 0
    neighbors: int = NEIGHBORS
    other: str = ""
    show: str = "all"
    only: str = "all"
    sort: str = "confident"
    search: str = ""
    label: int = -1
    rival: int = -1
    page: int = 1
    area: str = ""
    zoom: int = 1
    seen: int = 0
    at: int = -1
    own: str = ""
    mine: int = 0
    cluster: int = -1


# The whole numbers.
LEAST = {
    "query": 0,
    "neighbors": 1,
    "label": -1,
    "rival": -1,
    "page": 1,
    "zoom": 1,
    "seen": 0,
    "at": -1,
    "mine": 0,
    "cluster": -1,
}
ALWAYS = ("tab", "shelf", "run", "query", "neighbors")  # in every address


def read_view(library: Library, parameters: Mapping[str, object]) -> View:
    """The view of an address; a missing, unknown or malformed part falls back to its default.

    `parameters` may be forged, so nothing is assumed of their types.
    """
    found = {name: parameters.get(KEYS.get(name, name)) for name in names()}
    shelf = library.shelf(str(found["shelf"]))
    view = View(read_tab(parameters), shelf.key, shelf.run(str(found["run"])).name)
    known = {name: str(found[name]) for name in CHOICES if str(found[name]) in CHOICES[name]}
    numbers = {name: to_int(found[name]) for name in LEAST}
    whole = {name: max(LEAST[name], n) for name, n in numbers.items() if n is not None}
    search = found["search"] if isinstance(found["search"], str) else ""
    other = str(found["other"])
    texts = {
        "search": search[:LONGEST],
        "area": area if AREA.fullmatch(area := str(found["area"])) else "",
        "own": own if ID.fullmatch(own := str(found["own"])) else "",
        "other": other if any(run.name == other for run in shelf.browsable) else "",
    }
    return replace(view, **known, **whole, **texts)  # type: ignore[arg-type]


def read_tab(parameters: Mapping[str, object]) -> str:
    """The tab of an address: one that names a run or query but no tab is of Explore."""
    tab = str(parameters.get("tab"))
    first = "explore" if {"run", "q"} & parameters.keys() else "start"
    return RENAMED.get(tab, tab if tab in TABS else first)


def names() -> list[str]:
    """The fields of a view."""
    return [field.name for field in fields(View)]


def fit(view: View, queries: int, kept: int) -> View:
    """The view with query and neighbors moved into the range of a run."""
    query = min(view.query, max(queries - 1, 0))
    return replace(view, query=query, neighbors=min(view.neighbors, max(kept, 1)))


def read_address(address: object) -> dict[str, object]:
    """Parameters of an address's query part: `?q=3&k=20` -> {"q": "3", "k": "20"}."""
    return dict(parse_qsl(str(address).removeprefix("?")[:2000]))


def parts(view: View) -> dict[str, str]:
    """The parts of the view's address, without those that have their default."""
    default = View("", "", "")
    return {
        KEYS.get(name, name): str(getattr(view, name))
        for name in names()
        if name in ALWAYS or getattr(view, name) != getattr(default, name)
    }


def write_address(view: View, **changes: object) -> str:
    """The query part of the view's address after changes, from which `read_view` gives it back."""
    return "?" + urlencode(parts(replace(view, **changes)))  # type: ignore[arg-type]


def address_of(library: Library, run: str) -> str:
    """The query part of the address that shows a run first; empty for no name.

    Raises: ValueError if there is no such run.
    """
    if not run:
        return ""
    for shelf in library.shelves:
        if run in shelf.run_labels:
            return "?" + urlencode({"ds": shelf.key, "run": run})
    known = [name for shelf in library.shelves for name in shelf.run_labels]
    raise ValueError(unknown("run", run, known))


def to_int(value: object) -> int | None:
    """A whole number of at most nine digits from text or a number; None for anything else."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = str(value)
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) < 10 else None
