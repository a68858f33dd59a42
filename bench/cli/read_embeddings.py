"""Embeddings and labels for `score`, read from files and checked before they are scored."""

import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from unicodedata import normalize
from zipfile import BadZipFile

import numpy as np

from bench.datasets.files.csv_records import mistakes, records, uneven

ARRAYS, TEXT = (".npy", ".npz", ".safetensors"), (".csv", ".txt")
UNREADABLE = (OSError, ValueError, EOFError, BadZipFile, zlib.error, RuntimeError)
NUMBER = re.compile(r"[-+]?[0-9]{1,100}(\.0*)?")

Files = tuple[Path, Path | None]  # of embeddings, and of labels if they are in another file
Record = tuple[int, list[str]]  # line number from 1, and the fields


def read_sides(queries: Files, gallery: Files | None) -> list[tuple[np.ndarray, np.ndarray]]:
    """Read the queries and, if there is one, the gallery.

    Embeddings are arrays: .npy, or .npz or .safetensors with an array `embeddings`. Labels are in
    the same file or another one of these, in an array `labels`, or in a .csv or .txt with one label
    per line or a column `label`. Labels are whole numbers or words.
    Returns: embeddings (N, D) and classes (N,) int64 of each; equal labels are equal classes.
    Raises: ValueError or FileNotFoundError with the file, what was found and what to do.
    """
    files = [queries, gallery] if gallery else [queries]
    names = " and ".join(str(labels or path) for path, labels in files)
    embeddings = [read_embeddings(path) for path, _ in files]
    labels = [
        read_labels(*side, count=len(found)) for side, found in zip(files, embeddings, strict=True)
    ]
    classes = number_classes(names, labels)
    if gallery is None:
        check_classes(names, classes[0])
    return list(zip(embeddings, classes, strict=True))


def read_embeddings(path: Path) -> np.ndarray:
    """Embeddings (N, D) of a file, floating point of 16 to 64 bits without NaN or infinity."""
    embeddings = read_array(path, "embeddings")
    if embeddings.ndim != 2 or 0 in embeddings.shape:
        raise ValueError(
            f"{path}: embeddings have shape {embeddings.shape}; expected (images, dimensions), "
            "not empty"
        )
    if embeddings.dtype.kind != "f" or embeddings.dtype.itemsize > 8:
        raise ValueError(
            f"{path}: embeddings are {embeddings.dtype}; expected floating point of 16 to 64 bits, "
            "such as by astype(np.float32)"
        )
    broken = np.flatnonzero(~np.isfinite(embeddings).all(axis=1))
    if len(broken):
        raise ValueError(
            f"{path}: {len(broken):,} of {len(embeddings):,} embeddings hold NaN or infinity, the "
            f"first in row {broken[0]}; remove them together with their labels"
        )
    return embeddings


def read_labels(path: Path, labels: Path | None, *, count: int) -> np.ndarray:
    """Labels (count,) of the embeddings in `path`, as int64 or as words."""
    if labels is None and path.suffix.lower() == ".npy":
        raise ValueError(
            f"{path} holds embeddings only: name the file of their labels too, that of a gallery "
            "with --gallery-labels"
        )
    source = labels or path
    text = source.suffix.lower() in TEXT
    found = np.array(read_text(source)) if text else read_array(source, "labels")
    if found.shape != (count,):
        heading = "; a heading must be called 'label'" if text else ""
        raise ValueError(
            f"{source}: labels have shape {found.shape}; expected one for each of {count:,} "
            f"embeddings{heading}"
        )
    return to_words(source, found) if found.dtype.kind in "US" else to_integers(source, found)


def read_array(path: Path, name: str) -> np.ndarray:
    """The array with a name, or the only one of a .npy file."""
    if path.suffix.lower() not in ARRAYS:
        raise ValueError(f"{path} holds no arrays: expected {', '.join(ARRAYS)}")
    try:
        tensors = path.suffix.lower() == ".safetensors"
        return read_tensor(path, name) if tensors else read_numpy(path, name)
    except KeyError as error:
        raise ValueError(f"{path} has no array {name!r}, but {error.args[0]}") from error
    except (*UNREADABLE, MemoryError) as error:  # a cut .npy may announce more than fits
        raise ValueError(f"{path} cannot be read as {path.suffix} ({error})") from error


def read_numpy(path: Path, name: str) -> np.ndarray:
    """The array of a .npy file, or one of a .npz file; KeyError with the names that exist."""
    with path.open("rb") as file:
        try:
            loaded = np.load(file, allow_pickle=False)
            if not isinstance(loaded, np.ndarray):
                loaded = loaded[check_name(name, loaded.files)]
        except ValueError as error:
            if "allow_pickle" not in str(error):
                raise
            raise ValueError(  # numpy recommends to unpickle it, which can run any code
                "it is damaged or holds Python objects; save embeddings by astype(np.float32), "
                "labels by astype(np.int64) or astype(str)"
            ) from error
    array: np.ndarray = loaded
    return array


def read_tensor(path: Path, name: str) -> np.ndarray:
    """An array of a .safetensors file; types of less than 32 bits, as bfloat16, as float32."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            tensor = file.get_tensor(check_name(name, file.keys()))
    except SafetensorError as error:
        raise ValueError(str(error)) from error
    small = tensor.is_floating_point() and tensor.dtype.itemsize < 4
    array: np.ndarray = (tensor.float() if small else tensor).numpy()
    return array


def check_name(name: str, names: Iterable[str]) -> str:
    if name not in names:
        raise KeyError(", ".join(sorted(names)) or "none at all")
    return name


def read_text(path: Path) -> list[str]:
    """Labels of a .csv or .txt file: the column `label`, or the only column without a heading."""
    lines = list(records(path))
    while lines and not lines[-1][1]:  # empty lines at the end
        lines.pop()
    if not lines:
        raise ValueError(f"{path} is empty: expected one label per line")
    columns = lines[0][1]
    heading = [name.lower() for name in columns]
    if len(heading) > 1 and heading.count("label") != 1:
        raise ValueError(
            f"{path} has the columns {', '.join(columns)}: call one of them, and no other, 'label'"
        )
    column = heading.index("label") if "label" in heading else 0
    body = lines[1:] if "label" in heading else lines
    if not body:
        raise ValueError(f"{path} holds a heading only: expected one label per line")
    mistakes(path, text_mistakes(body, columns, column))
    labels = [fields[column] for _, fields in body]
    if "label" not in heading:
        check_no_heading(path, labels)
    return labels


def text_mistakes(lines: Sequence[Record], columns: list[str], column: int) -> Iterator[str]:
    """Mistakes of lines without a label, with zero bytes (UTF-16), or with a wrong field count."""
    for line, fields in lines:
        if any("\0" in field for field in fields):
            yield f"line {line}: there is a zero byte; save the file as CSV UTF-8"
        elif any(fields) and len(fields) != len(columns):
            yield uneven(line, fields, columns)
        elif not any(fields) or not fields[column]:
            yield f"line {line}: there is no label"


def check_no_heading(path: Path, labels: Sequence[str]) -> None:
    """Raise ValueError if the only column seems to be a table, or to begin with a heading."""
    for separator, name in ((";", "semicolon"), ("\t", "tab")):
        if all(separator in label for label in labels):
            raise ValueError(
                f"{path}: every line has a {name}; separate columns by commas and call one 'label'"
            )
    numbers = [NUMBER.fullmatch(label) is not None for label in labels]
    if len(labels) > 2 and not numbers[0] and all(numbers[1:]):
        raise ValueError(
            f"{path}: the first line is {labels[0]!r} and all others are numbers: call the "
            "heading 'label', or remove it"
        )


def to_integers(path: Path, labels: np.ndarray) -> np.ndarray:
    """Labels (N,) as int64; refuses what int64, or their own type, does not hold exactly."""
    if labels.dtype.kind not in "iuf":
        raise ValueError(f"{path}: labels are {labels.dtype}; expected whole numbers or words")
    with np.errstate(invalid="ignore"):  # NaN and infinity
        integers = labels.astype(np.int64)
    broken = integers != labels
    if labels.dtype.kind == "f":
        broken |= np.abs(labels) >= 2 ** (np.finfo(labels.dtype).nmant + 1)
    if broken.any():
        row = int(broken.argmax())
        raise ValueError(
            f"{path}: the label in row {row} is {labels[row]} ({labels.dtype}), which is not a "
            "whole number or not exact in this type or in int64; number the classes, or use words"
        )
    return integers


def to_words(path: Path, labels: np.ndarray) -> np.ndarray:
    """Labels (N,) of text or UTF-8, without outer spaces, in Unicode's normal form NFC."""
    try:
        text = np.char.decode(labels, "utf-8") if labels.dtype.kind == "S" else labels
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: labels are bytes, but not UTF-8 ({error})") from error
    words = [normalize("NFC", str(word)).strip() for word in text]
    if "" in words:
        raise ValueError(f"{path}: the label in row {words.index('')} is empty")
    return np.array(words)


def number_classes(names: str, sides: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Classes (N,) from 0 of the labels of each side; beside words, numbers are words too."""
    if len({labels.dtype.kind for labels in sides}) > 1:
        sides = [labels.astype(str) for labels in sides]
    distinct, classes = np.unique(np.concatenate(sides), return_inverse=True)
    if distinct.dtype.kind == "U":
        check_spelling(names, distinct.tolist())
    return np.split(classes.astype(np.int64), np.cumsum([len(side) for side in sides])[:-1])


def check_spelling(names: str, words: Sequence[str]) -> None:
    """Raise ValueError if two words are one number, such as 1 and 1.0."""
    spelling: dict[int, str] = {}
    for word in words:
        if NUMBER.fullmatch(word):
            other = spelling.setdefault(int(word.split(".")[0]), word)
            if other != word:
                raise ValueError(
                    f"{names}: the labels {other!r} and {word!r} are one number; write it one way"
                )


def check_classes(names: str, classes: np.ndarray) -> None:
    """Raise ValueError if all labels are equal, or all different."""
    count = len(np.unique(classes))
    if count == 1:
        raise ValueError(f"{names}: all {len(classes):,} labels are equal; scores need two classes")
    if count == len(classes):
        raise ValueError(
            f"{names}: all {len(classes):,} labels differ, so that no query has a positive; "
            "expected the class of each embedding, not its number"
        )
