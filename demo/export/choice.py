"""Which runs an export has, and on what its results are."""

from collections.abc import Sequence
from dataclasses import replace

from bench.reporting.groups import method_key
from bench.suggest import unknown
from demo.library import Library, Shelf, is_untrained, one_of_each


def choose(library: Library, names: Sequence[str]) -> Library:
    """The data sets of an export, with the runs that it browses; without names, one seed of each
    method, as on Start.

    Results are of all seeds of these methods. Without names they are of all runs.
    Raises: ValueError naming a run that there is not, or that did not keep its neighbors.
    """
    known = {run.name for shelf in library.shelves for run in shelf.runs}
    for name in names:
        if name not in known:
            raise ValueError(unknown("run", name, sorted(known)))
    chosen = [choose_of(shelf, names) for shelf in library.shelves]
    found = tuple(shelf for shelf in chosen if shelf.chosen)
    if not found:
        raise ValueError("no run kept the neighbors of its queries, so none can be exported")
    return replace(library, shelves=found, problems=(), fallback=None)


def choose_of(shelf: Shelf, names: Sequence[str]) -> Shelf:
    """A data set with the runs of it that an export browses, which may be none."""
    own = [run for run in shelf.runs if run.name in names]
    if not names:
        first = one_of_each(shelf) or list(shelf.browsable[:1])
        return replace(shelf, chosen=tuple(run.name for run in first if run.keeps_queries))
    for run in own:
        if not run.keeps_queries:
            raise ValueError(f"{run.name} did not keep the neighbors of its queries; leave it out")
    methods = {method_key(run) for run in own}
    runs = [run for run in shelf.runs if is_untrained(run) or method_key(run) in methods]
    return replace(shelf, runs=tuple(runs), chosen=tuple(run.name for run in own))
