"""A run with the pictures it retrieved from: a query's neighbors, its outcome, the next query.

Plain functions over stored arrays: no Gradio, no HTML, no torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from bench.store.runs import Run, StoredRunError
from bench.store.thumbnails import Thumbnails
from bench.suggest import printable
from demo.library import Shelf

OPEN = 8  # runs whose arrays stay in memory


@dataclass(frozen=True, eq=False)
class Retrieved:
    """A run with its pictures, both checked to be of the same images.

    Attributes: run; pictures (N images, of which the first Q are queries); queries, the arrays of
    `Run.queries`, in which a neighbor of -1 lies beyond the gallery's end; hits (Q, K), whether a
    neighbor has the query's label.
    """

    run: Run
    pictures: Thumbnails
    queries: Mapping[str, np.ndarray]
    hits: np.ndarray

    @property
    def searched(self) -> str:
        """What the gallery of a query holds; with cameras, none of its class by its own camera."""
        separate = "gallery_images" in self.run.record["split"]
        images = "gallery image" if separate else "other test image"
        return f"{images} by other cameras" if self.by_cameras else images

    @property
    def by_cameras(self) -> bool:
        """Whether a query is not compared with images of its class by its own camera."""
        return self.run.by_cameras

    @property
    def keeps_embeddings(self) -> bool:
        return self.run.keeps_embeddings

    @property
    def known(self) -> np.ndarray:
        """Whether each query (Q,) has any image to find; the others count in no score."""
        known: np.ndarray = self.queries["relevant"] > 0
        return known

    @property
    def right(self) -> np.ndarray:
        """Whether the nearest neighbor of each query (Q,) is of its class."""
        right: np.ndarray = self.queries["first_hit"] == 1
        return right

    @property
    def failures(self) -> np.ndarray:
        """Positions of the queries whose nearest neighbor is of another class."""
        return np.flatnonzero(self.known & ~self.right)


@dataclass(frozen=True)
class Neighbor:
    """One retrieved image.

    rank counts from 1; similarity is a cosine; hit: it has the query's label; is_query: it can be
    made the query, which an image of a separate gallery cannot; item: its name in the data set.
    """

    rank: int
    position: int
    class_name: str
    similarity: float
    hit: bool
    is_query: bool
    item: str = ""


@lru_cache(maxsize=OPEN)
def open_run(shelf: Shelf, name: str) -> Retrieved:
    """Open a run of a shelf (the first if the name is unknown) with the shelf's pictures.

    Raises: StoredRunError naming both if pictures and neighbors are not of the same images, or
    the file that is missing or damaged.
    """
    stored, pictures = shelf.run(name), shelf.pictures
    run = Run(stored.directory, stored.record)  # so that its arrays leave memory with the cache
    neighbors, first_hit = run.queries["neighbors"], run.queries["first_hit"]
    count = len(pictures.labels)
    number = int(run.record["split"]["test_images"])
    images = number if "gallery_images" not in run.record["split"] else max(number, count)
    if not (number == len(neighbors) == len(first_hit) and images == len(pictures) == count):
        raise disagreement(run, f"{len(neighbors)} of {number} queries, {count} pictures")
    if neighbors.max() >= count or neighbors.min() < -1:
        raise disagreement(run, f"neighbors beyond the {count} pictures")
    hits = (pictures.labels[neighbors] == pictures.labels[:number, None]) & (neighbors >= 0)
    check_hits(run, hits, first_hit)
    check_origin(run, pictures)
    return Retrieved(run, pictures, run.queries, hits)


def check_origin(run: Run, pictures: Thumbnails) -> None:
    """The pictures must be of the run's data, under the names that it had stored."""
    if pictures.source.split(" ")[0] != run.record["data_checksum"]:
        raise disagreement(run, "they were made from other data")
    if run.record.get("picture_names", pictures.names_digest) != pictures.names_digest:
        raise disagreement(run, "names or classes of images were changed")


def check_hits(run: Run, hits: np.ndarray, first_hit: np.ndarray) -> None:
    """The labels beside the pictures must give the first hits that the run has stored.

    This finds pictures in another order, which would put the marks on the wrong ones.
    """
    kept = hits.shape[1]
    seen = np.where(hits.any(axis=1), hits.argmax(axis=1) + 1, 0)
    stored = np.where(first_hit <= kept, first_hit, 0)
    if wrong := np.flatnonzero(seen != stored).tolist():
        raise disagreement(run, f"first hits differ for {len(wrong)} queries, e.g. {wrong[0]}")


def disagreement(run: Run, what: str) -> StoredRunError:
    return StoredRunError(
        f"the pictures beside {run.directory} are not those it retrieved from ({what}); "
        "delete the pictures file and the run, and run it again"
    )


def neighbors_of(retrieved: Retrieved, query: int, k: int) -> list[Neighbor]:
    """The k nearest of a query, best first; fewer if fewer are stored or in the gallery."""
    pictures, found = retrieved.pictures, []
    for column, position in enumerate(retrieved.queries["neighbors"][query, :k].tolist()):
        if position >= 0:
            found.append(
                Neighbor(
                    column + 1,
                    position,
                    printable(pictures.class_names[int(pictures.labels[position])]),
                    float(retrieved.queries["similarities"][query, column]),
                    bool(retrieved.hits[query, column]),
                    position < len(retrieved.hits),
                    printable(pictures.items[position]),
                )
            )
    return found


def outcome(retrieved: Retrieved, query: int) -> dict[str, Any]:
    """A query's names, and its scores against the whole gallery and not only stored neighbors.

    first_hit: rank from 1, 0 for none; average_precision: AP@R; searched: what the gallery holds,
    such as "other test image".
    """
    pictures = retrieved.pictures
    scores = ("relevant", "first_hit", "average_precision")
    return {
        "query": query,
        "class_name": printable(pictures.class_names[int(pictures.labels[query])]),
        "item": printable(pictures.items[query]),
        "searched": retrieved.searched,
        **{name: retrieved.queries[name][query].item() for name in scores},
    }
