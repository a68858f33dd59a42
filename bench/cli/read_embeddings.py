"""Embeddings that someone brings, read from their files and checked before they are scored."""

import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Literal
from unicodedata import normalize
from zipfile import BadZipFile, is_zipfile

import numpy as np

from bench.cli.read_labels import check_file, text_labels

SUFFIXES = (".npy", ".npz", ".safetensors")


def read_sides(
    queries: tuple[Path, Path | None], gallery: tuple[Path, Path | None] | None
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Embeddings (N, D) and classes (N,) int64 of the queries and, if there is one, of the gallery,
    as from `read_embeddings`; equal labels are equal classes on both sides."""
    files = [queries, gallery] if gallery else [queries]
    read = [read_embeddings(*side) for side in files]
    if len({labels.dtype.kind == "U" for _, labels in read}) > 1:
        read = [(found, as_numbers(labels)) for found, labels in read]
    if len({labels.dtype.kind == "U" for _, labels in read}) > 1:
        names = " and ".join(str(labels or path) for path, labels in files)
        raise ValueError(f"labels of {names} are words in one and numbers in the other: use one")
    classes = np.unique(np.concatenate([labels for _, labels in read]), return_inverse=True)[1]
    ends = np.cumsum([len(labels) for _, labels in read])[:-1]
    numbered = np.split(classes.astype(np.int64), ends)
    check_classes(queries[1] or queries[0], read[0][1], apart=gallery is not None)
    return [(side[0], found) for side, found in zip(read, numbered, strict=True)]


def as_numbers(labels: np.ndarray) -> np.ndarray:
    """The numbers (N,) that labels say if all are words for whole numbers, such as 7, not 07."""
    if labels.dtype.kind != "U":
        return labels
    digits = [str(label).removeprefix("-") for label in labels]
    if all(word.isdecimal() and str(int(word)) == word and len(word) < 19 for word in digits):
        return labels.astype(np.int64)
    return labels


def read_embeddings(path: Path, labels: Path | None) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings (N, D) and labels (N,) from files.

    `path`: .npy, or .npz or .safetensors with an array `embeddings` and, unless `labels` is given,
    one called `labels`. `labels`: the same kinds with an array `labels`, or a .csv or .txt of one
    label a line, with a column `label` where there are several. Labels may be any whole numbers or
    any words. Raises ValueError or FileNotFoundError, naming the file, what was found and what to
    do.
    """
    embeddings = read_array(path, "embeddings")
    if labels is None and path.suffix.lower() == ".npy":
        raise ValueError(
            f"{path} holds embeddings only: name a file of their labels too, for a gallery with "
            "--gallery-labels"
        )
    names = read_array(path, "labels") if labels is None else read_labels(labels)
    check_embeddings(path, embeddings)
    return embeddings, checked_labels(labels or path, names, len(embeddings))


def read_array(path: Path, name: str) -> np.ndarray:
    """The array of that name, or the only one of a .npy file."""
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"{path} is no file of arrays: expected {', '.join(SUFFIXES)}")
    check_file(path)
    try:
        tensors = path.suffix.lower() == ".safetensors"
        return read_tensor(path, name) if tensors else read_npy(path, name)
    except KeyError as error:
        raise ValueError(f"{path} has no array {name!r}, but {error.args[0]}") from error
    except (OSError, ValueError, EOFError) as error:
        raise ValueError(f"{path} cannot be read as {path.suffix} ({error})") from error


def check_name(name: str, names: Iterable[str]) -> None:
    """Raise KeyError with all names unless one of them is that name."""
    if name not in names:
        raise KeyError(", ".join(sorted(names)) or "none at all")


def read_npy(path: Path, name: str) -> np.ndarray:
    """The array of a .npy file, or that of a name in a .npz file."""
    try:
        with path.open("rb") as file:
            if file.read(2) == b"PK" and not is_zipfile(file):
                raise BadZipFile(path)  # numpy would leave the file open
        mode: Literal["r"] | None = "r" if path.suffix.lower() == ".npy" else None
        loaded = np.load(path, allow_pickle=False, mmap_mode=mode)
        if isinstance(loaded, np.ndarray):
            return loaded
        with loaded:
            check_name(name, loaded.files)
            found: np.ndarray = loaded[name]
            return found
    except (ValueError, BadZipFile, zlib.error) as error:
        if "allow_pickle=False" not in str(error):
            raise ValueError("it is damaged or cut short") from error
        # as numpy advises to load them, which runs what they hold
        raise ValueError(
            "it holds Python objects, if it is whole; save embeddings by astype(np.float32), "
            "labels by astype(np.int64) or astype(str)"
        ) from error
    except (NotImplementedError, RuntimeError) as error:  # unknown compression, encryption
        raise ValueError(f"{error}; save it by np.savez, without a password") from error


def read_tensor(path: Path, name: str) -> np.ndarray:
    """That of a .safetensors file; half precision, of which numpy lacks one, as float32."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            check_name(name, list(file.keys()))
            tensor = file.get_tensor(name)
    except SafetensorError as error:
        raise ValueError(str(error)) from error
    half = tensor.is_floating_point() and tensor.dtype.itemsize < 4
    found: np.ndarray = (tensor.float() if half else tensor).numpy()
    return found


def read_labels(path: Path) -> np.ndarray:
    """Labels from a file of arrays, or from text."""
    text = path.suffix.lower() in (".csv", ".txt")
    return np.array(text_labels(path)) if text else read_array(path, "labels")


def check_embeddings(path: Path, embeddings: np.ndarray) -> None:
    """Raise ValueError for what cannot be embeddings."""
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
            f"first in row {broken[0]}; leave them out together with their labels"
        )


def checked_labels(path: Path, labels: np.ndarray, images: int) -> np.ndarray:
    """Labels (N,), whole numbers as int64 or words; ValueError for what cannot be labels."""
    if labels.shape != (images,):
        heading = ""
        if labels.shape == (images + 1,) and labels.dtype.kind in "US":
            heading = f"; if its first line is a heading, call it 'label', not {str(labels[0])!r}"
        raise ValueError(
            f"{path}: labels have shape {labels.shape}; expected one for each of {images:,} "
            f"embeddings{heading}"
        )
    if labels.dtype.kind in "US":
        return words(path, labels)
    real = labels.dtype.kind == "f"
    broken = ~(np.isfinite(labels) & (labels == np.floor(labels))) if real else np.zeros(1, bool)
    if labels.dtype.kind not in "iuf" or broken.any():
        row = int(broken.argmax())
        first = f", {labels[row]} in row {row}" if real else ""
        raise ValueError(
            f"{path}: labels are {labels.dtype}{first}; expected whole numbers or words"
        )
    largest = 2 ** (np.finfo(labels.dtype).nmant + 1) if real else 2**63 - 1  # then floats skip
    if max(int(labels.max()), -int(labels.min()) - 1) > largest:
        raise ValueError(
            f"{path}: labels of type {labels.dtype} go from {labels.min()} to {labels.max()}, "
            f"beyond {largest:,}; number the classes"
        )
    return labels.astype(np.int64)


def words(path: Path, labels: np.ndarray) -> np.ndarray:
    """Words (N,) from text or bytes, normalised (NFC): one word is one class however typed."""
    try:
        text = np.char.decode(labels, "utf-8") if labels.dtype.kind == "S" else labels
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: labels are bytes, but not UTF-8 ({error})") from error
    return np.array([normalize("NFC", str(word)) for word in text])


def check_classes(path: Path, labels: np.ndarray, *, apart: bool) -> None:
    """Raise ValueError for labels under which nothing can be scored."""
    classes = len(np.unique(labels))
    if classes < 2 and not apart:
        raise ValueError(
            f"{path}: all {len(labels):,} labels are {labels[0]}; it takes two classes to score"
        )
    if classes == len(labels) > 1 and not apart:
        raise ValueError(
            f"{path}: all {len(labels):,} labels differ, so there is nothing to find; expected the "
            "class of each embedding, not its number"
        )


def read_ks(text: str) -> tuple[int, ...]:
    """`1,10,100` -> (1, 10, 100); ValueError for anything but whole numbers from 1."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and 0 < int(part) < 10**9 for part in parts):
        raise ValueError(
            f"--at is {text!r}: expected whole numbers from 1 and below 10^9, such as 1,10,100"
        )
    return tuple(dict.fromkeys(int(part) for part in parts))
