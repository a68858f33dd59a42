"""Labels, ids and cameras of users as integers that are equal where the words are."""

from collections.abc import Sequence
from pathlib import Path
from unicodedata import normalize

import numpy as np

from bench.cli.scoring.columns import HEADINGS, NUMBER
from bench.datasets.look_alikes import is_minus_one


def plain(path: Path, name: str, values: np.ndarray) -> np.ndarray:
    """Values (N,) of one of the `HEADINGS`, as int64 or as words."""
    words = values.dtype.kind in "US"
    return to_words(path, name, values) if words else to_integers(path, name, values)


def to_integers(path: Path, name: str, values: np.ndarray) -> np.ndarray:
    """Values (N,) as int64; refuses what int64, or their own type, does not hold exactly."""
    if values.dtype.kind not in "iuf":
        raise ValueError(f"{path}: {name} are {values.dtype}; expected whole numbers or words")
    missing = np.isnan(values)
    if missing.any():
        raise ValueError(
            f"{path}: {missing.sum():,} of {len(values):,} {name} are missing (NaN), the first in "
            f"row {missing.argmax()}; remove these images together with their embeddings"
        )
    with np.errstate(invalid="ignore"):  # infinity
        integers = values.astype(np.int64)
    broken = integers != values
    if values.dtype.kind == "f":
        broken |= np.abs(values) >= 2 ** (np.finfo(values.dtype).nmant + 1)
    if broken.any():
        row = int(broken.argmax())
        raise ValueError(
            f"{path}: the {HEADINGS[name]} in row {row} is {values[row]} ({values.dtype}), which "
            "is not a whole number or not exact in this type or in int64; use smaller whole "
            "numbers, or words"
        )
    return integers


def to_words(path: Path, name: str, values: np.ndarray) -> np.ndarray:
    """Values (N,) of text or UTF-8, without outer spaces, in Unicode's normal form NFC."""
    try:
        text = np.char.decode(values, "utf-8") if values.dtype.kind == "S" else values
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: {name} are bytes, but not UTF-8 ({error})") from error
    words = [normalize("NFC", str(word)).strip() for word in text]
    if "" in words:
        raise ValueError(f"{path}: the {HEADINGS[name]} in row {words.index('')} is empty")
    return np.array(words)


def number(files: str, name: str, sides: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Integers (N,) from 0 of the values of each side, and -1 for the number -1, which has a
    meaning of its own. Beside words, numbers are words too.
    """
    if len({values.dtype.kind for values in sides}) > 1:
        sides = [values.astype(str) for values in sides]
    distinct, numbers = np.unique(np.concatenate(sides), return_inverse=True)
    minus_one = distinct == -1
    if distinct.dtype.kind == "U":
        check_spelling(files, name, distinct.tolist())
        minus_one = np.array([written_one_way(name, word) == "-1" for word in distinct.tolist()])
    numbers = np.where(minus_one[numbers], -1, numbers)
    return np.split(numbers.astype(np.int64), np.cumsum([len(side) for side in sides])[:-1])


def check_spelling(files: str, name: str, words: Sequence[str]) -> None:
    """Raise ValueError if two words are one number, such as the cameras 1 and 01."""
    spelling: dict[str, str] = {}
    for word in words:
        other = spelling.setdefault(written_one_way(name, word), word)
        if other != word:
            raise ValueError(
                f"{files}: the {name} {other!r} and {word!r} are one number; write it one way"
            )


def written_one_way(name: str, word: str) -> str:
    """A word, or where it is a number, one of its spellings.

    Labels but -1 are classes as they are written, and the notes name those that look alike. The id
    007 is not 7, while 7.0 is 7 in a column with gaps.
    """
    if name == "labels":
        return "-1" if is_minus_one(word) else word
    if not NUMBER.fullmatch(word):
        return word
    whole = word.split(".")[0]
    return whole if name == "ids" else str(int(whole))
