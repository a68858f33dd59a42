"""Labels that may be mistakes: `Heron` and `heron`, `3` and `03` and `3.0`; `nan`."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from fractions import Fraction

_NUMBER = re.compile(r"[-+]?[0-9]{1,100}(\.[0-9]{0,100})?")
# Signs without a shape that Unicode does not count among the signs of format and control.
_INVISIBLE = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u2800\ufe00-\ufe0f\U000e0100-\U000e01ef]")
# Cyrillic and Greek letters with the shape of a Latin one, and marks of quotation.
_SHAPES = str.maketrans(
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455"
    "\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0423\u0425\u0406\u0408\u0405"
    "\u03b1\u03bf\u03bd\u03b9\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7"
    "\u2019\u2018\u02bc\u00b4`\u2032",
    "aeopcyxijsABEKMHOPCTYXIJSaoviABEZHIKMNOPTYX" + "'" * 6,
)
_SEPARATORS = re.compile(r"(?<=[^\W_])[-_ ]+(?=[^\W_])")

# In small letters, how pandas, NumPy, databases and spreadsheets write that there is no value.
_MISSING = (
    *("nan", "-nan", "nan.0", "none", "null", "(null)", "<na>", "na", "n/a", "#n/a", "#na"),
    *("#value!", "nat", "nil", "undefined", "unknown", "missing", "?", "-", ".", "\\n"),
    *("-9223372036854775808", "-2147483648"),  # NaN as a whole number
)


def look_alikes(labels: Iterable[str]) -> list[list[str]]:
    """Groups of two or more different labels that look alike, sorted, as are the labels of each.

    Not compared are: capitals, full-width and other compatible forms, spaces at the ends, repeated
    spaces, signs that are not seen, which dash, underscore or space parts two words, Cyrillic and
    Greek letters in a Latin word, marks of quotation, and how a number is written. A single letter
    keeps its case: `A` and `a` are classes of handwriting.
    """
    groups: dict[str, list[str]] = {}
    for label in sorted(set(labels)):
        groups.setdefault(_appearance(label), []).append(label)
    return [group for group in groups.values() if len(group) > 1]


def is_minus_one(label: str) -> bool:
    """Whether a label is the number -1 however it is written, as `-1.0` by a spreadsheet."""
    may_be = not label[:1].isalnum()  # for speed: `_appearance` takes 20 microseconds
    return may_be and _appearance(label) == "-1"


def _appearance(label: str) -> str:
    """What is compared: equal for labels that look alike."""
    seen = (sign for sign in label if sign.isspace() or unicodedata.category(sign)[0] != "C")
    text = _INVISIBLE.sub("", unicodedata.normalize("NFKC", "".join(seen)))
    dashes = {sign: "-" for sign in text if sign == "\u2212" or unicodedata.category(sign) == "Pd"}
    text = " ".join("".join(dashes.get(sign, sign) for sign in text).split())
    if _NUMBER.fullmatch(text):
        return str(Fraction(text))
    latin = text.translate(_SHAPES)
    if not any(unicodedata.name(sign, "").startswith(("CYRILLIC", "GREEK")) for sign in latin):
        text = latin
    return _SEPARATORS.sub(" ", text.casefold() if len(text) > 1 else text)


def may_be_missing(label: str) -> bool:
    """Whether a label is a word for a missing one, beside signs that are not seen."""
    seen = "".join(sign for sign in label if sign.isprintable())
    return seen.strip().lower() in _MISSING


def spelled(group: Sequence[str]) -> list[str]:
    """Labels as Python writes them, in ASCII if one of them is: then they are seen to differ."""
    plain = any(label.isascii() for label in group)
    return [ascii(label) if plain else repr(label) for label in group]
