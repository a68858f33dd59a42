"""A run's map as the browser shows it: its points, what it keeps of a query's neighbors, and which
images lie within a part of it. Plain functions: no Gradio, no HTML, no torch."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from bench.reporting.projection import NEAREST, directions, nearest_points, pca, pca_map
from bench.store.mapped import in_blocks
from bench.store.maps import Map, load_map
from bench.store.runs import Run, StoredRunError
from demo.history import open_history
from demo.library import Shelf

OPEN = 4  # maps that stay in memory
SIDE = 2**16 - 1  # the largest coordinate that the page gets
GRAIN = 999  # the largest coordinate of a corner in an address
MISSING = (
    "There is no map of {}, and it did not keep the embeddings that one is made from. Run its "
    "suite again, and `proxy-bench map {}` computes a map."
)


@dataclass(frozen=True, eq=False)
class Points:
    """What the page draws.

    Attributes: places (S, N, 2) uint16, at one or several steps; labels (N,); digest, a number of
    48 bits that changes with either.
    """

    places: np.ndarray
    labels: np.ndarray
    digest: int

    @property
    def content(self) -> bytes:
        """All x of the first step, then all y, the other steps, and the labels as uint32, each
        with its lowest byte first."""
        flat = np.ascontiguousarray(self.places.transpose(0, 2, 1)).astype("<u2")
        return flat.tobytes() + self.labels.astype("<u4").tobytes()


def as_points(places: np.ndarray, labels: np.ndarray) -> Points:
    """Points of places (S, N, 2) at one scale for both axes, in the middle of the square."""
    least, most = places.min(axis=(0, 1)), places.max(axis=(0, 1))
    span = max(float((most - least).max()), np.finfo(np.float32).tiny)
    whole = (places - (least + most) / 2) / span * SIDE + SIDE / 2
    found = Points(whole.round().clip(0, SIDE).astype(np.uint16), labels, 0)
    digest = hashlib.sha256(found.content).digest()
    return Points(found.places, labels, int.from_bytes(digest[:6]))


@dataclass(frozen=True, eq=False)
class Shown:
    """The map of a run's test images, and its points."""

    map: Map
    points: Points


@lru_cache(maxsize=OPEN)
def open_map(shelf: Shelf, name: str) -> Shown:
    """The stored map of a run, or its principal components at once.

    Raises: StoredRunError if there is neither a map nor embeddings, or if it is damaged.
    """
    run = shelf.run(name)
    found = load_map(shelf.results, run)
    if found is None:
        if run.files.embeddings.name not in run.digests:
            raise StoredRunError(MISSING.format(shelf.run_labels[run.name], run.name))
        found = pca_map(Run(run.directory, run.record).embeddings_on_disk)
    if len(found.points) != len(shelf.pictures):
        raise StoredRunError(
            f"the map of {run.name} has {len(found.points)} points for {len(shelf.pictures)} "
            f"images; delete it, and `proxy-bench map {run.name}` computes it again"
        )
    return Shown(found, as_points(found.points[None], shelf.pictures.labels))


@dataclass(frozen=True, eq=False)
class Moving:
    """The validation images of a run at its kept steps, on the same two axes; variance (S,), the
    share that these have of each step's variance."""

    points: Points
    variance: np.ndarray


@lru_cache(maxsize=OPEN)
def open_moving(shelf: Shelf, name: str) -> Moving:
    """The moving map of a run; raises as `open_history`."""
    history = open_history(shelf, name)

    def step(place: int) -> Iterator[np.ndarray]:
        return map(directions, in_blocks(history.vectors[place]))

    places, variance = pca(step, len(history.steps))
    return Moving(as_points(places, history.labels), variance)


def run_number(name: str) -> int:
    """The number of a run in addresses of points: 28 bits of the id that its name ends with."""
    return int(name.rpartition("-")[2][:7], 16)


def near_on_map(shown: Shown, query: int, gallery: np.ndarray) -> set[int]:
    """The images of a gallery (G,) whose points are nearest to that of a query."""
    [near] = nearest_points(shown.map.points, np.array([query]), NEAREST, gallery)
    return set(near.tolist())


def within(points: Points, area: str) -> np.ndarray:
    """Positions of the images within a part of the map, by its corners `x.y-x.y-x.y` in 0..999."""
    from matplotlib.path import Path

    corners = [[int(part) for part in corner.split(".")] for corner in area.split("-")]
    outline = Path(np.array(corners) * (SIDE / GRAIN))
    return np.flatnonzero(outline.contains_points(points.places[0].astype(float)))
