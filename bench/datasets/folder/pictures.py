"""What is doubtful about a user's pictures once they are decoded, one sentence each."""

from collections.abc import Iterator, Sequence

import numpy as np

from bench.suggest import first_names

QUARTER = 64  # of 255: 14 bits of 16, rounded up


def picture_problems(paths: Sequence[str], looks: np.ndarray) -> list[str]:
    """Problems of images (N,) with their looks (N,) of `bench.datasets.files.looks`, or with their
    `DOUBTS` alone."""
    dark = looks["undeclared"] & (looks["brightest"] <= QUARTER) & ~looks["plain"]
    if (looks["undeclared"] & (looks["brightest"] > QUARTER)).any():
        dark[:] = False  # others use the range
    several = [f"{paths[i]}: {looks['pictures'][i]}" for i in _where(looks["pictures"] > 1)]
    found = [
        (
            _names(paths, looks["plain"]),
            "are almost one colour once decoded",
            "look at them, and save those that you see otherwise with 8 bits per colour",
        ),
        (_names(paths, looks["cut"]), "lack the end of their picture", "get them again"),
        (
            several,
            "hold several pictures; only the first is used",
            "save each in a file of its own, or only the first",
        ),
        (
            _names(paths, dark),
            "are of 16 bits and use only the darkest quarter of them or less, as values of 13 or "
            "14 bits do",
            "if they look darker than they should, save them with 8 bits per colour",
        ),
    ]
    return list(_sentences(len(paths), found))


def _sentences(count: int, found: Sequence[tuple[Sequence[str], str, str]]) -> Iterator[str]:
    for names, what, advice in found:
        if names:
            of = f"{len(names):,} of {count:,} images"
            yield f"{of} {what} ({first_names(names)}); {advice}"


def _names(paths: Sequence[str], mask: np.ndarray) -> list[str]:
    return [paths[i] for i in _where(mask)]


def _where(mask: np.ndarray) -> list[int]:
    positions: list[int] = np.flatnonzero(mask).tolist()
    return positions
