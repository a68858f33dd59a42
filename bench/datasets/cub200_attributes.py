"""CUB-200-2011's attributes: how often each class was seen to have each of 312."""

from pathlib import Path

import numpy as np

from bench.datasets.cub200_reading import CLASSES
from bench.datasets.files.listed import changed, read_rows

ATTRIBUTES = 312
_VALUES = "attributes/class_attribute_labels_continuous.txt"
_DIGEST = "2f253a4be38f8c55f30d8456e845edf3d45bd6349504b4401ef464b78a4647bb"


def read_attributes(folder: Path) -> tuple[tuple[str, ...], np.ndarray]:
    """Read the attributes' names (312) and values (200, 312) float64, percent of answers 0..100.

    ``folder``: the unpacked CUB_200_2011. The names lie in attributes.txt: beside the folder, as in
    the official archive, in it, or in its folder attributes. Raises FileNotFoundError naming what
    is missing, ValueError for values of another shape or range.
    """
    values = folder / _VALUES
    places = [folder / "attributes", folder, folder.parent]
    listed = [place / "attributes.txt" for place in places if (place / "attributes.txt").is_file()]
    if not values.is_file() or not listed:
        missing = "attributes.txt" if values.is_file() else _VALUES
        raise FileNotFoundError(f"{folder}: {missing} is missing, which the official archive has")
    names = [name for _, name in read_rows(listed[0], 2)]
    if len(names) != ATTRIBUTES:
        raise ValueError(f"{listed[0]} names {len(names)} attributes, published are {ATTRIBUTES}")
    return tuple(names), _read_values(values)


def _read_values(path: Path) -> np.ndarray:
    rows = read_rows(path, ATTRIBUTES)
    try:
        values = np.array(rows, dtype=np.float64)
    except ValueError as error:
        raise ValueError(f"{path} cannot be used: {error}") from error
    if len(rows) != CLASSES:
        raise ValueError(f"{path} has {len(rows)} lines, expected one for each class ({CLASSES})")
    if not ((values >= 0) & (values <= 100)).all():
        raise ValueError(f"{path}: values must be percentages in 0..100")
    return values


def wrong_attributes(folder: Path) -> list[str]:
    """What is wrong with the attributes, in words."""
    try:
        read_attributes(folder)
    except (FileNotFoundError, ValueError) as error:
        return [str(error)]
    return changed(folder, {_VALUES: _DIGEST})
