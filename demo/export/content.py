"""The data of an export, as its scripts hold it: texts, and arrays of numbers in base64."""

from base64 import b64encode
from collections.abc import Callable
from typing import Any

import numpy as np

from bench.reporting.groups import method_key
from bench.reporting.projection import NEAREST, counted_text, nearest_points
from bench.store.maps import map_path
from bench.suggest import printable
from demo.export.pictures import Pictures
from demo.library import Library, Shelf
from demo.maps import Shown, open_map
from demo.missed import Missed, gallery_of, missed
from demo.retrieved import Retrieved, open_run
from demo.tabs.compare import seeds
from demo.tabs.explore import MOST_MISSED, UNRANKED
from demo.tabs.start import Section, section
from demo.view import NEIGHBORS, View

MOST_COSINES = 2 * 10**8  # of a run, all of which are computed where its ranks are exact

CUT = "This export has the ranks of the {} nearest neighbors alone"


def describe(shelf: Shelf, number: int, pictures: Pictures) -> dict[str, Any]:
    """What the page needs of a data set before it opens it."""
    return {
        "key": shelf.key,
        "number": number,
        "queries": len(open_run(shelf, shelf.chosen[0]).hits),
        "images": len(shelf.pictures),
        "height": pictures.height,
        "width": pictures.width,
        "media": pictures.media,
        "together": pictures.together,
        "stored": len(shelf.runs),
        "first": shelf.first.name,
        "runs": [
            {
                "name": run.name,
                "label": shelf.run_labels[run.name],
                "method": method_key(run),
                "kept": min(NEIGHBORS, open_run(shelf, run.name).hits.shape[1]),
            }
            for run in shelf.browsable
        ],
    }


def images(shelf: Shelf) -> dict[str, Any]:
    """The labels and names of the test images."""
    stored = shelf.pictures
    return {
        "labels": packed(stored.labels),
        "class_names": [printable(name) for name in stored.class_names],
        "items": [printable(item) for item in stored.items],
    }


def retrieval(shelf: Shelf, name: str, every: Shelf, step: Callable[[int], None]) -> dict[str, Any]:
    """What a run retrieves; every: the data set with all its runs, for what its method's seeds say.

    step: called with 1 after each query.
    """
    run = open_run(shelf, name)
    kept = run.hits.shape[1]
    shown = min(kept, NEIGHBORS)
    return {
        "searched": run.searched,
        "word": "identity" if run.by_cameras else "class",
        "saved": kept,
        "shown": shown,
        "exact": has_ranks(run),
        "unranked": (CUT if run.keeps_embeddings else UNRANKED).format(kept),
        "flips": seeds(every, name),
        "neighbors": packed(run.queries["neighbors"][:, :shown]),
        "similarities": packed(run.queries["similarities"][:, :shown]),
        "relevant": packed(run.queries["relevant"]),
        "first_hit": packed(run.queries["first_hit"]),
        "average_precision": packed(run.queries["average_precision"]),
        "beyond": beyond(run, shown, step),
        "map": placed(shelf, name, run),
    }


def has_ranks(run: Retrieved) -> bool:
    """Whether the ranks of all images that a query should have found are in the export."""
    return run.keeps_embeddings and len(run.hits) * len(run.pictures) <= MOST_COSINES


def beyond(run: Retrieved, shown: int, step: Callable[[int], None]) -> dict[str, Any]:
    """Of each query (Q,) how many images of its class lie behind the shown neighbors, and the first
    `MOST_MISSED` of them: positions, ranks (0 if not known) and cosines, None
    if none is known; -1 where there are fewer.
    """
    size = len(run.hits), MOST_MISSED
    positions, ranks = np.full(size, -1), np.zeros(size, int)
    cosines, count = np.full(size, np.nan), np.zeros(len(run.hits), int)
    for query in range(len(run.hits)):
        found = missed(run, query, shown, exact=has_ranks(run))
        count[query] = len(found)
        for column, item in enumerate(found[:MOST_MISSED]):
            positions[query, column] = item.position
            ranks[query, column] = item.rank or 0
            cosines[query, column] = cosine(item)
        step(1)
    width = min(max(1, int(count.max(initial=0))), MOST_MISSED)
    positions, ranks, cosines = positions[:, :width], ranks[:, :width], cosines[:, :width]
    return {
        "count": packed(count),
        "positions": packed(positions),
        "ranks": packed(ranks),
        "cosines": packed(cosines) if np.isfinite(cosines).any() else None,
    }


def cosine(item: Missed) -> float:
    """With the digits that the page shows, which single precision could round otherwise."""
    return np.nan if item.similarity is None else round(item.similarity, 3)


def map_of(shelf: Shelf, name: str) -> Shown | None:
    """The map of a run, None if there is neither a map nor embeddings.

    Raises: StoredRunError as `open_map`, if it is damaged.
    """
    run = shelf.run(name)
    is_there = map_path(shelf.results, run).exists() or run.keeps_embeddings
    return open_map(shelf, name) if is_there else None


def placed(shelf: Shelf, name: str, run: Retrieved) -> dict[str, Any] | None:
    """The map of a run with, for each query (Q,), bits for which of its nearest images are among
    the nearest points; None if there is no map."""
    shown = map_of(shelf, name)
    if shown is None:
        return None
    return {
        "method": printable(shown.map.method),
        "variance": shown.map.variance,
        "kept": shown.map.kept,
        "nearest": NEAREST,
        "counted": counted_text(len(shown.map.points)),
        "places": packed(shown.points.places[0].T),
        "near": None
        if (gallery := gallery_of(run)) is None
        else packed(near_bits(shown, run, gallery)),
    }


def near_bits(shown: Shown, run: Retrieved, gallery: np.ndarray) -> np.ndarray:
    """Bit n (Q,): the neighbor of rank n + 1 is among the nearest points of the gallery (G,)."""
    count = len(run.hits)
    near = nearest_points(shown.map.points, np.arange(count), NEAREST, gallery)
    bits = np.zeros(count, int)
    for column in range(min(NEAREST, run.hits.shape[1])):
        neighbors = run.queries["neighbors"][:, column]
        kept = [place in found for place, found in zip(neighbors, near, strict=True)]
        bits |= np.array(kept) << column
    return bits


def start(library: Library) -> list[dict[str, Any]]:
    """What Start says of each data set."""
    view = View("start", "", "", neighbors=NEIGHBORS)
    return [entry(section(library, shelf, view), shelf) for shelf in library.shelves]


def entry(found: Section, shelf: Shelf) -> dict[str, Any]:
    """A data set of Start, with the positions of its queries."""
    queries = [
        {"words": words, "name": tile.class_name, "position": tile.position, "to": tile.address}
        for words, tile in found.queries
    ]
    return {**vars(found), "queries": queries, "shelf": shelf.key}


def packed(values: np.ndarray) -> dict[str, str]:
    """An array in base64, its numbers with their lowest byte first: fractions in single precision,
    whole numbers in as few bytes as they need."""
    kinds = ["f4"] if values.dtype.kind == "f" else ["i1", "i2", "u2", "i4"]
    kind = next(kind for kind in kinds if fits(values, kind))
    content = np.ascontiguousarray(values, dtype=f"<{kind}").tobytes()
    return {"kind": kind, "base64": b64encode(content).decode()}


def fits(values: np.ndarray, kind: str) -> bool:
    """Whether numbers are in the range of a kind."""
    if kind == "f4" or not values.size:
        return True
    range_ = np.iinfo(kind)
    return bool(range_.min <= values.min() and values.max() <= range_.max)
