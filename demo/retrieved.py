"""A run with the pictures it retrieved from, checked to belong to it."""

from dataclasses import dataclass

import numpy as np
from safetensors import safe_open

from bench.store.runs import Run, StoredRunError
from bench.store.thumbnails import Thumbnails
from demo.library import Shelf


@dataclass(frozen=True, eq=False)
class Retrieved:
    """A run with its pictures, both checked to be of the same images.

    Attributes: run; pictures (N images, of which the first Q are queries); neighbors (Q, K)
    positions, -1 beyond the gallery's end; similarities (Q, K) cosines; hits (Q, K), whether a
    neighbour has the query's label; relevant (Q,), number of positives in the gallery; first_hit
    (Q,), rank from 1 or 0 for none; average_precision (Q,), AP@R in 0..1.
    """

    run: Run
    pictures: Thumbnails
    neighbors: np.ndarray
    similarities: np.ndarray
    hits: np.ndarray
    relevant: np.ndarray
    first_hit: np.ndarray
    average_precision: np.ndarray

    @property
    def searched(self) -> str:
        """What the gallery of a query holds; with cameras, no image by its own camera."""
        if "gallery_images" not in self.run.record["split"]:
            return "other test image"
        return "gallery image by other cameras" if "map" in self.run.scores else "gallery image"

    @property
    def failures(self) -> np.ndarray:
        """Positions of the queries whose nearest neighbour is of another class."""
        return np.flatnonzero((self.first_hit != 1) & (self.relevant > 0))


def open_run(shelf: Shelf, name: str) -> Retrieved:
    """Open a run of a shelf (the first if the name is unknown) with the shelf's pictures.

    Raises: StoredRunError naming both if pictures and neighbours are not of the same images, or
    the file that is missing or damaged.
    """
    run, pictures = shelf.run(name), shelf.pictures
    queries = run.queries
    check_fingerprint(run, shelf.fingerprint)
    neighbors, first_hit = queries["neighbors"], queries["first_hit"]
    count = len(pictures.labels)
    number = int(run.record["split"]["test_images"])
    images = number if "gallery_images" not in run.record["split"] else max(number, count)
    if not (number == len(neighbors) == len(first_hit) and images == len(pictures) == count):
        raise disagreement(run, f"{len(neighbors)} of {number} queries, {count} pictures")
    if neighbors.max() >= count or neighbors.min() < -1:
        raise disagreement(run, f"neighbours beyond the {count} pictures")
    hits = (pictures.labels[neighbors] == pictures.labels[:number, None]) & (neighbors >= 0)
    check_hits(run, hits, first_hit)
    return Retrieved(
        run,
        pictures,
        neighbors,
        queries["similarities"].astype(np.float32),
        hits,
        queries["relevant"],
        first_hit,
        queries["average_precision"],
    )


def check_fingerprint(run: Run, fingerprint: str) -> None:
    """The neighbours' file must have the fingerprint of the split in `run.json`."""
    path = run.files.queries
    with safe_open(path, framework="numpy") as file:
        found = (file.metadata() or {}).get("fingerprint")
    if found != fingerprint:
        raise disagreement(run, f"split {found} in {path.name}, {fingerprint} in run.json")


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
