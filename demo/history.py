"""What a run kept of its training: neighbors of a validation image at any kept step, and when an
image and a class were learnt. Plain functions over stored arrays: no Gradio, no HTML, no torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from hashlib import sha256

import numpy as np

from bench.store.runs import Run, StoredRunError
from bench.store.thumbnails import Thumbnails, load_thumbnails, thumbnails_path
from bench.suggest import printable
from demo.library import Shelf, number_of
from demo.missed import TIE, precise
from demo.nearest import candidates_of
from demo.retrieved import Neighbor, disagreement

OPEN = 3  # runs whose histories stay in memory
NEVER = np.iinfo(np.int64).max  # the step of what was not learnt
MISSING = (
    "{} kept nothing of its training. New runs on glyphs and digits and those of `compare` keep a "
    "few steps of it, others where the suite has `keep_embeddings = 6` at its top: run it by "
    "`proxy-bench run SUITE --results FOLDER`, and open that folder. The reference results have "
    "none, for their size."
)


@dataclass(frozen=True, eq=False)
class History:
    """A run with its kept steps and the pictures of its V validation images.

    Attributes: run; pictures; arrays, those of `Run.outcomes`; vectors, `Run.history_on_disk`;
    learnt (V,), the first kept step from which an image's nearest one has its class and keeps it,
    `NEVER` for none; findable (V,), whether any image is there to find; doubled (V,), whether an
    equal picture has another class, which no network can tell from it.
    """

    run: Run
    pictures: Thumbnails
    arrays: Mapping[str, np.ndarray]
    vectors: np.ndarray
    learnt: np.ndarray
    findable: np.ndarray
    doubled: np.ndarray

    @property
    def learnable(self) -> np.ndarray:
        """Whether a network could get each image (V,) right."""
        learnable: np.ndarray = self.findable & ~self.doubled
        return learnable

    @property
    def steps(self) -> list[int]:
        kept: list[int] = self.arrays["steps"].tolist()
        return kept

    @property
    def labels(self) -> np.ndarray:
        return self.arrays["labels"]

    @cached_property
    def picture_digest(self) -> int:
        """A number of 48 bits that changes with the pictures."""
        return number_of(self.pictures)

    def class_name(self, label: int) -> str:
        return printable(self.pictures.class_names[label])


def validation_split(run: Run) -> str:
    """The fingerprint of the split that a run validated with, which its seed may have drawn."""
    split = run.record["split"]
    return str(split.get("drawn") or split["fingerprint"])


@lru_cache(maxsize=OPEN)
def read_pictures(shelf: Shelf, fingerprint: str) -> Thumbnails:
    """The pictures of the validation images of a split.

    Raises: StoredRunError if they are missing or damaged.
    """
    return load_thumbnails(thumbnails_path(shelf.results, shelf.dataset, fingerprint, "validation"))


@lru_cache(maxsize=OPEN)
def open_history(shelf: Shelf, name: str) -> History:
    """Open the history of a run of a shelf.

    Raises: StoredRunError if the run kept none, or if its pictures are not of the same images.
    """
    run = next(run for run in shelf.runs if run.name == name)
    arrays = run.outcomes
    if arrays is None:
        raise StoredRunError(MISSING.format(shelf.run_labels[name]))
    pictures = read_pictures(shelf, validation_split(run))
    if pictures.source.split(" ")[0] != run.record["data_checksum"]:
        raise disagreement(run, "they were made from other data")
    same = np.array_equal(pictures.labels, arrays["labels"])
    if not same or run.record.get("validation_names") != pictures.names_digest:
        raise disagreement(run, "its validation images have other names or classes")
    first_hit = arrays["first_hit"]
    return History(
        run,
        pictures,
        arrays,
        run.history_on_disk,
        learnt=learnt_at(first_hit, arrays["steps"]),
        findable=np.any(first_hit > 0, axis=0),
        doubled=in_two_classes(pictures),
    )


def in_two_classes(pictures: Thumbnails) -> np.ndarray:
    """Whether each picture (V,) has an equal one of another class."""
    classes: dict[bytes, set[int]] = {}
    looks = [sha256(pictures.stored(position)).digest() for position in range(len(pictures))]
    for look, label in zip(looks, pictures.labels.tolist(), strict=True):
        classes.setdefault(look, set()).add(label)
    return np.array([len(classes[look]) > 1 for look in looks])


def learnt_at(first_hit: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """The first step (V,) from which first hits (S, V) are at rank 1 and stay there."""
    right = np.logical_and.accumulate(first_hit[::-1] == 1)[::-1]
    return np.where(right.any(axis=0), steps[right.argmax(axis=0)], NEVER)


def neighbors_at(history: History, place: int, query: int, count: int) -> list[Neighbor]:
    """The nearest validation images of one at a kept step, best first: the order of the scores.

    Arguments: place of the step; query, position of the image; count, how many.
    """
    arrays, labels = history.arrays, history.labels
    vectors = history.vectors[place]
    left_out = np.arange(len(labels)) == query
    if (cameras := arrays.get("cameras")) is not None:
        left_out |= (labels == labels[query]) & (cameras == cameras[query])
    found = candidates_of(vectors, vectors[query], count + int(left_out.sum()))
    found = found[~left_out[found]]
    cosines, hits = precise(vectors[found], vectors[query]), labels[found] == labels[query]
    # A miss precedes a hit that is at most `TIE` more similar.
    order = np.lexsort((hits, -(cosines + TIE * ~hits)))[:count]
    return [
        Neighbor(rank, position, history.class_name(int(labels[position])), cosine, hit, True)
        for rank, (position, cosine, hit) in enumerate(
            zip(found[order].tolist(), cosines[order].tolist(), hits[order].tolist(), strict=True),
            start=1,
        )
    ]


@dataclass(frozen=True)
class ClassHistory:
    """When a class was learnt, by the images that a network could get right.

    learnt, the first kept step from which half of its images or more are right at rank 1 and stay
    so, `NEVER` for none; right, the share of them at each kept step; slowest, the position of an
    image that was learnt last.
    """

    label: int
    name: str
    images: int
    learnt: int
    right: list[float]
    slowest: int


@lru_cache(maxsize=OPEN)
def class_histories(history: History) -> list[ClassHistory]:
    """The validation classes with an image that can be learnt, those learnt last first."""
    found = []
    right = history.arrays["first_hit"] == 1
    for label in np.unique(history.labels[history.learnable]).tolist():
        members = np.flatnonzero((history.labels == label) & history.learnable)
        when = np.sort(history.learnt[members])
        found.append(
            ClassHistory(
                label,
                history.class_name(label),
                len(members),
                int(when[(len(members) - 1) // 2]),
                right[:, members].mean(axis=1).tolist(),
                int(members[history.learnt[members].argmax()]),
            )
        )
    return sorted(found, key=lambda one: (-one.learnt, one.right[-1], one.name))
