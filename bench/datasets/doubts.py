"""What is doubtful about the classes and files of a loaded data set, one sentence each."""

from collections import Counter
from collections.abc import Sequence
from functools import partial

import numpy as np

from bench.chance import chance_sentence, possible_sentence
from bench.datasets.files.looks import looks_of, same_picture
from bench.datasets.files.photographs import Photographs
from bench.datasets.files.work import quiet
from bench.datasets.folder.rows import NAME as LIST
from bench.datasets.look_alikes import look_alikes, may_be_missing, spelled
from bench.datasets.splits import SHARING
from bench.datasets.types import Dataset
from bench.suggest import first_names

_SHOWN = 3  # groups, and files of a group, that a sentence lists


def similar_classes(dataset: Dataset) -> tuple[list[str], list[str]]:
    """Classes whose names look alike: problems, where a class-disjoint split tests what it trains;
    and notes, where the parts of a group are not separated. Names of missing labels are notes."""
    problems: list[str] = []
    missing = [
        _describe(dataset, label, repr(name))
        for label, name in enumerate(dataset.class_names)
        if may_be_missing(name)
    ]
    notes = [f"a class that may be missing labels: {text}" for text in missing]
    for group in look_alikes(dataset.class_names):
        labels = [dataset.class_names.index(name) for name in group]
        described = " and ".join(map(partial(_describe, dataset), labels, spelled(group)))
        trained = [_is_in(dataset, label, ("train", "validation")) for label in labels]
        tested = [_is_in(dataset, label, ("query", "gallery")) for label in labels]
        if dataset.split.protocol not in SHARING and any(trained) and any(tested):
            problems.append(
                f"classes that look alike are trained and tested by {dataset.split.protocol}: "
                f"{described}; give them one label if they are one class"
            )
        else:
            notes.append(f"classes that look alike count as different classes: {described}")
    return _first(problems), _first(notes)


def joined_folders(dataset: Dataset) -> list[str]:
    """A note on classes whose folder holds several folders of images, which may be the classes that
    a user means; none where a list says of which class each image is."""
    if isinstance(dataset.images, Photographs) and (dataset.images.place / LIST).is_file():
        return []
    below: dict[str, set[str]] = {}
    for item in dataset.items:
        first, *rest = item.split("/")
        if len(rest) > 1:
            below.setdefault(first, set()).add(rest[0])
    joined = [
        f"{name} ({first_names(sorted(found))})" for name, found in below.items() if len(found) > 1
    ]
    return [f"classes that join several folders: {first_names(joined)}"] if joined else []


def chance(dataset: Dataset) -> list[str]:
    """A note on the R@1 that random neighbors reach, if it is high."""
    query, labels = dataset.split.query, dataset.labels
    gallery = dataset.searched
    positives = Counter(labels[gallery].tolist())
    if dataset.cameras is None:
        left_out = np.isin(query, gallery).astype(int)  # the query itself
    else:
        seen = Counter(zip(labels[gallery], dataset.cameras[gallery], strict=True))
        pairs = zip(labels[query], dataset.cameras[query], strict=True)
        left_out = np.array([seen[pair] for pair in pairs])
    relevant = np.array([positives[label] for label in labels[query].tolist()]) - left_out
    said = chance_sentence(relevant, len(gallery) - left_out)
    return [f"{dataset.split.protocol}: {said}"] if said else []


def untrained_queries(dataset: Dataset) -> list[str]:
    """A note on test images that no accuracy can get right, where there are accuracies."""
    trained = dataset.trained_queries
    said = possible_sentence(int(trained.sum()), len(trained))
    return [f"{dataset.split.protocol}: {said}"] if said else []


def unscored_validation(dataset: Dataset) -> list[str]:
    """A note on the camera rule in validation: that it does not hold, or which images it leaves out
    of the scores."""
    if dataset.cameras is None:
        return []
    said = f"{dataset.split.protocol}: "
    cameras, labels = dataset.validation_cameras, dataset.labels[dataset.split.validation]
    if cameras is None:
        return [
            f"{said}validation ignores cameras, so an image may match another one of its own "
            "camera; the test follows the camera rule"
        ]
    seen = Counter(label for label, _ in set(zip(labels.tolist(), cameras.tolist(), strict=True)))
    lost = np.array([seen[label] == 1 for label in labels.tolist()])
    if not lost.any():
        return []
    names = first_names(dataset.class_names[label] for label in np.unique(labels[lost]))
    return [
        f"{said}{int(lost.sum()):,} of {len(lost):,} validation images are left out of the "
        f"retrieval scores, since all images of their class are from one camera ({names})"
    ]


def _first(sentences: list[str]) -> list[str]:
    """The first sentences, the last of these with the number of the others."""
    more = len(sentences) - _SHOWN
    if more <= 0:
        return sentences
    return [*sentences[: _SHOWN - 1], f"{sentences[_SHOWN - 1]}; and {more:,} more"]


def _describe(dataset: Dataset, label: int, name: str) -> str:
    """A class, by its name as it is shown, and its number of images."""
    count = int((dataset.labels == label).sum())
    return f"{name} ({count:,} image{'s' * (count != 1)})"


def _is_in(dataset: Dataset, label: int, parts: Sequence[str]) -> bool:
    return any(label in dataset.labels[dataset.split.parts()[part]] for part in parts)


def equal_files(dataset: Dataset) -> tuple[list[str], list[str]]:
    """Photographs whose files are equal: problems, where their classes or parts differ; and notes,
    where one class holds a file several times."""
    assert isinstance(dataset.images, Photographs)
    _, which = np.unique(dataset.images.digests(quiet), axis=0, return_inverse=True)
    return _by_kind(dataset, _groups(which), "equal files are")


def equal_pictures(dataset: Dataset) -> tuple[list[str], list[str]]:
    """Different files of equal or nearly equal pictures, as `equal_files`: copies saved again.

    Raises: ValueError for a photograph that cannot be decoded.
    """
    assert isinstance(dataset.images, Photographs)
    _, first = np.unique(dataset.images.digests(quiet), axis=0, return_index=True)
    first.sort()
    groups = _groups(same_picture(looks_of(dataset.images)[first]))
    return _by_kind(dataset, [first[group] for group in groups], "pictures that look equal are")


def _groups(which: np.ndarray) -> list[np.ndarray]:
    """The positions of each number that occurs more than once, in order of the first."""
    order = np.argsort(which, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(which[order])) + 1)
    return sorted((group for group in groups if len(group) > 1), key=lambda group: int(group[0]))


def _by_kind(
    dataset: Dataset, groups: Sequence[np.ndarray], what: str
) -> tuple[list[str], list[str]]:
    """Problems of groups of several classes or parts, and notes on the others."""
    mixed: list[np.ndarray] = []
    plain: list[np.ndarray] = []
    parts = _part_names(dataset)
    for group in groups:
        kinds = {(dataset.class_of(i), parts[i]): i for i in group[::-1]}
        shown = list(dict.fromkeys([*sorted(kinds.values()), *group]))  # first one of each kind
        (mixed if len(kinds) > 1 else plain).append(np.array(shown))
    return (
        _sentence(dataset, parts, mixed, f"{what} in different classes or parts"),
        _sentence(dataset, parts, plain, f"{what} several images of one class"),
    )


def _sentence(
    dataset: Dataset, parts: Sequence[str], groups: Sequence[np.ndarray], what: str
) -> list[str]:
    if not groups:
        return []
    shown = [group[:_SHOWN] for group in groups[:_SHOWN]]
    listed = [" = ".join(_name(dataset, parts[i], i) for i in group) for group in shown]
    more = f" and {len(groups) - _SHOWN:,} more" if len(groups) > _SHOWN else ""
    files = sum(map(len, groups))
    return [f"{files:,} {what}: {', '.join(listed)}{more}"]


def _name(dataset: Dataset, part: str, position: int) -> str:
    return f"{dataset.items[position]} ({dataset.class_of(position)}, {part})"


def _part_names(dataset: Dataset) -> list[str]:
    """Of each image, the parts that hold it, as a user calls them."""
    held: list[list[str]] = [[] for _ in dataset.items]
    for part, positions in dataset.split.parts().items():
        for position in positions:
            held[position].append(part)
    return ["test" if found == ["query", "gallery"] else " and ".join(found) for found in held]
