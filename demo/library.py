"""A results folder as the browser shows it: data sets, their runs, and the test pictures."""

import hashlib
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from statistics import fmean
from types import MappingProxyType

from bench.reporting.groups import (
    by_method,
    changed_losses,
    method_key,
    method_names,
    of_one_source,
    with_last_names,
)
from bench.spec import NO_LOSS, file_name
from bench.store.runs import Progress, Run, StoredRunError, scan
from bench.store.thumbnails import Thumbnails, load_thumbnails, thumbnails_path
from bench.suggest import printable
from demo.own.folder import Folder
from demo.own.uploads import Uploads

REFERENCE = "reference"  # the folder of the results that come with the project
MOST_METHODS = 6  # whose queries are compared at once


@dataclass(frozen=True, eq=False)
class Shelf:
    """Runs that were scored on the same test images, in order of method and seed; those without
    training come last. `chosen` has the names of those to browse, if not all."""

    results: Path
    dataset: str
    fingerprint: str
    runs: tuple[Run, ...]
    chosen: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Its name in addresses, e.g. `digits-0f3a5c7e9b1d`."""
        return f"{file_name(self.dataset)}-{self.fingerprint[:12]}"

    @cached_property
    def number(self) -> int:
        """Its number in addresses of pictures, of 28 bits."""
        return int(hashlib.sha256(self.key.encode()).hexdigest()[:7], 16)

    @property
    def title(self) -> str:
        return printable(f"{self.dataset} ({self.runs[0].spec['split']})")

    @cached_property
    def run_labels(self) -> dict[str, str]:
        """Run name -> unique label: `Proxy-NCA, seed 0`; pretrained features have no seed."""
        names = method_names(self.runs)
        return distinct(
            {
                run.name: name
                if is_untrained(run) and names.count(name) == 1
                else f"{name}, seed {run.spec['seed']}"
                for run, name in zip(self.runs, names, strict=True)
            }
        )

    @cached_property
    def pictures(self) -> Thumbnails:
        """The test images.

        Raises: StoredRunError naming the file and the way to get it, if it is missing or damaged.
        """
        path = thumbnails_path(self.results, self.dataset, self.fingerprint)
        if not path.exists():
            raise StoredRunError(
                f"{path} is missing: it holds the test images of {self.title}. Copy it from the "
                "machine that made the runs, or delete one of these runs and run the suite again"
            )
        return load_thumbnails(path)

    @cached_property
    def picture_digest(self) -> int:
        """A number of 48 bits that changes with the test images; raises as `pictures` does."""
        return number_of(self.pictures)

    @cached_property
    def browsable(self) -> tuple[Run, ...]:
        """Runs that kept the neighbors of their queries; all runs if none did."""
        runs = [run for run in self.runs if not self.chosen or run.name in self.chosen]
        kept = tuple(run for run in runs if run.keeps_queries)
        return kept or tuple(runs)

    @cached_property
    def methods(self) -> dict[str, list[Run]]:
        """The runs of each method, by `method_key`; those of a study of variance are no methods."""
        return by_method(run for run in self.runs if not of_one_source(run))

    @property
    def losses(self) -> int:
        """How many methods are trained."""
        return sum(not is_untrained(own[0]) for own in self.methods.values())

    @property
    def kept(self) -> str:
        """Which runs can be browsed, and why not all; empty if all can."""
        if self.chosen or len(self.browsable) == len(self.runs):
            return ""
        reference = (
            " The reference results keep those of one seed of each method, for their size."
            if self.results.name == REFERENCE
            else ""
        )
        return (
            f"{len(self.browsable)} of {len(self.runs)} runs can be browsed: the others did not "
            f"keep the neighbors of their queries.{reference}"
        )

    @cached_property
    def first(self) -> Run:
        """The run that is shown unless another is named, of the method with the best Recall@1."""
        return next(iter(one_of_each(self)), self.browsable[0])

    def run(self, name: str) -> Run:
        """The browsable run of that name, or `first` if there is none."""
        return next((run for run in self.browsable if run.name == name), self.first)


@dataclass(frozen=True, eq=False)
class Library:
    """An opened results folder: at least one shelf, and what was wrong with unreadable runs.

    `fallback` is the given folder, if it holds no finished run and the results that come with the
    project are shown instead; `stored` are the runs by the names in their files; `uploads` are
    images of visitors, and `folder` is that of `--images`.
    """

    results: Path
    shelves: tuple[Shelf, ...]
    problems: tuple[str, ...]
    fallback: Path | None
    stored: tuple[Run, ...] = ()
    uploads: Uploads = field(default_factory=Uploads, compare=False)
    folder: Folder | None = None

    def shelf(self, key: str) -> Shelf:
        """The shelf of that key, or the first if there is none."""
        return next((shelf for shelf in self.shelves if shelf.key == key), self.shelves[0])

    def numbered(self, number: int | None) -> Shelf | None:
        """The shelf with that number."""
        return next((shelf for shelf in self.shelves if shelf.number == number), None)

    @cached_property
    def titles(self) -> dict[str, str]:
        """Shelf key -> unique title: `digits (class-disjoint)`."""
        return distinct({shelf.key: shelf.title for shelf in self.shelves})


def inside(text: str, *folders: Path) -> str:
    """The text with the paths that begin with one of the folders as they are within it."""
    for folder in folders:
        text = re.sub(rf"(?<![^\s'\"(\[]){re.escape(f'{folder}{os.sep}')}", "", text)
    return text


def number_of(pictures: Thumbnails) -> int:
    """A number of 48 bits that changes with the pictures."""
    return int.from_bytes(pictures.digest[:6])


def is_untrained(run: Run) -> bool:
    """Whether the run scores a network as it starts."""
    return bool(run.spec["loss"] == NO_LOSS)


def one_of_each(shelf: Shelf) -> list[Run]:
    """The first browsable run of each trained method, those first whose method has the highest
    Recall@1 as a mean over its seeds; at most `MOST_METHODS`, so that they fit into memory."""
    first: dict[str, Run] = {}
    for run in shelf.browsable:
        if not is_untrained(run) and method_key(run) in shelf.methods:
            first.setdefault(method_key(run), run)
    means = {
        group: fmean(run.scores["recall@1"] for run in shelf.methods[group]) for group in first
    }
    ranked = sorted(first, key=lambda group: -means[group])
    return [first[group] for group in ranked[:MOST_METHODS]]


def distinct(labels: dict[str, str]) -> dict[str, str]:
    """Name -> label, in which labels that several names share carry the name."""
    shared = Counter(labels.values())
    return {
        name: label if shared[label] == 1 else f"{label} ({name})" for name, label in labels.items()
    }


def open_library(
    results: Path,
    report: Progress | None = None,
    known: Mapping[Path, Run] = MappingProxyType({}),
) -> Library:
    """Open `<results>`, or `<results>/reference` if only that holds finished runs.

    report: called with the number of runs that are read, and of all; known: runs by directory that
    were read before and did not change.

    Raises: FileNotFoundError naming the folder and the command that fills it, if neither does.
    """
    problems: list[str] = []
    for folder in (results, results / REFERENCE):
        runs, unreadable = scan(folder, report, known)
        problems += [str(problem) for problem in unreadable]
        problems += [f"{run.name}: {run.problem}" for run in runs if run.problem]
        if runs:
            fallback = None if folder == results else results
            made = shelves(folder, with_last_names(runs))
            problems += [problem for shelf in made for problem in changed_losses(shelf.runs)]
            return Library(folder, made, tuple(problems), fallback, tuple(runs))
    found = "\n".join(["", *problems])
    raise FileNotFoundError(
        f"no finished run in {results.resolve() / 'runs'}; `proxy-bench run` makes some, "
        f"`--results FOLDER` names another folder{found}"
    )


def shelves(results: Path, runs: Sequence[Run]) -> tuple[Shelf, ...]:
    """Runs by data set and fingerprint of the split, in order of data set."""
    found: dict[tuple[str, str], list[Run]] = {}
    for run in sorted(
        runs, key=lambda run: (is_untrained(run), run.spec["method"], run.spec["seed"], run.name)
    ):
        key = run.spec["dataset"], run.record["split"]["fingerprint"]
        found.setdefault(key, []).append(run)
    return tuple(Shelf(results, *key, tuple(members)) for key, members in sorted(found.items()))
