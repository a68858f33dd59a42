"""What is doubtful about the classes and files of a loaded data set, one sentence each."""

from collections.abc import Sequence

import numpy as np

from bench.datasets.files.photographs import Photographs
from bench.datasets.files.work import quiet
from bench.datasets.look_alikes import look_alikes
from bench.datasets.types import Dataset

_SHOWN = 3  # groups, and files of a group, that a sentence lists


def similar_classes(dataset: Dataset) -> tuple[list[str], list[str]]:
    """Classes whose names look alike: problems, where a class-disjoint split tests what it trains;
    and notes, where the parts of a group are not separated."""
    problems, notes = [], []
    for group in look_alikes(dataset.class_names):
        labels = [dataset.class_names.index(name) for name in group]
        plain = any(name.isascii() for name in group)
        described = " and ".join(_describe(dataset, label, plain) for label in labels)
        trained = [_is_in(dataset, label, ("train", "validation")) for label in labels]
        tested = [_is_in(dataset, label, ("query", "gallery")) for label in labels]
        if dataset.split.protocol != "official" and any(trained) and any(tested):
            problems.append(
                f"classes that look alike are trained and tested by {dataset.split.protocol}: "
                f"{described}; give them one label if they are one class"
            )
        else:
            notes.append(f"classes that look alike are kept apart: {described}")
    return problems, notes


def _describe(dataset: Dataset, label: int, plain: bool) -> str:
    """A class and its number of images; plain: in ASCII, where a look-alike is."""
    count, name = int((dataset.labels == label).sum()), dataset.class_names[label]
    return f"{ascii(name) if plain else repr(name)} ({count:,} image{'s' * (count != 1)})"


def _is_in(dataset: Dataset, label: int, parts: Sequence[str]) -> bool:
    return any(label in dataset.labels[dataset.split.parts()[part]] for part in parts)


def equal_files(dataset: Dataset) -> tuple[list[str], list[str]]:
    """Photographs whose files are equal: problems, where their classes or parts differ; and notes,
    where one class holds a file several times."""
    assert isinstance(dataset.images, Photographs)
    _, inverse = np.unique(dataset.images.digests(quiet), axis=0, return_inverse=True)
    order = np.argsort(inverse, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(inverse[order])) + 1)
    mixed: list[np.ndarray] = []
    plain: list[np.ndarray] = []
    for group in sorted(groups, key=lambda group: int(group[0])):
        if len(group) > 1:
            kinds = {(dataset.class_of(i), _part_of(dataset, i)) for i in group}
            (mixed if len(kinds) > 1 else plain).append(group)
    return (
        _sentence(dataset, mixed, "equal files are in different classes or parts"),
        _sentence(dataset, plain, "equal files are several images of one class"),
    )


def _sentence(dataset: Dataset, groups: Sequence[np.ndarray], what: str) -> list[str]:
    if not groups:
        return []
    listed = [" = ".join(_name(dataset, i) for i in group[:_SHOWN]) for group in groups[:_SHOWN]]
    more = f" and {len(groups) - _SHOWN:,} more" if len(groups) > _SHOWN else ""
    files = sum(map(len, groups))
    return [f"{files:,} {what}: {', '.join(listed)}{more}"]


def _name(dataset: Dataset, position: int) -> str:
    described = f"{dataset.class_of(position)}, {_part_of(dataset, position)}"
    return f"{dataset.items[position]} ({described})"


def _part_of(dataset: Dataset, position: int) -> str:
    """The parts that hold an image, as a user calls them."""
    held = [part for part, found in dataset.split.parts().items() if position in found]
    return "test" if held == ["query", "gallery"] else " and ".join(held)
