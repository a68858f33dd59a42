"""Embeddings that someone brings, read from their files and checked before they are scored."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

SUFFIXES = (".npy", ".npz", ".safetensors")
NAMES = ("embeddings", "labels")  # of arrays in files that hold several


def read_sides(
    queries: tuple[Path, Path | None], gallery: tuple[Path, Path | None] | None
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Embeddings (N, D) and classes (N,) int64 of the queries and, if there is one, of the gallery,
    as from `read_embeddings`; equal labels are equal classes on both sides."""
    files = [queries, gallery] if gallery else [queries]
    read = [read_embeddings(*side) for side in files]
    kinds = {labels.dtype.kind in "US" for _, labels in read}
    if len(kinds) > 1:
        raise ValueError(
            f"labels of {queries[0]} and {files[-1][0]} are words and numbers: use one"
        )
    classes = np.unique(np.concatenate([labels for _, labels in read]), return_inverse=True)[1]
    ends = np.cumsum([len(labels) for _, labels in read])[:-1]
    numbered = np.split(classes.astype(np.int64), ends)
    check_classes(queries[1] or queries[0], read[0][1], apart=gallery is not None)
    return [(side[0], found) for side, found in zip(read, numbered, strict=True)]


def read_embeddings(path: Path, labels: Path | None) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings (N, D) and labels (N,) from files.

    `path`: .npy, or .npz or .safetensors with an array `embeddings` and, unless `labels` is given,
    one called `labels`. `labels`: the same kinds with an array `labels`, or a .csv or .txt of one
    label a line, with a column `label` where there are several. Labels may be any whole numbers or
    any words. Raises ValueError or FileNotFoundError, naming the file, what was found and what to
    do.
    """
    embeddings = read_array(path, "embeddings")
    if labels is None and path.suffix == ".npy":
        raise ValueError(f"{path} holds embeddings only: name a file of their labels too")
    names = read_array(path, "labels") if labels is None else read_labels(labels)
    check_embeddings(path, embeddings)
    return embeddings, checked_labels(labels or path, names, len(embeddings))


def read_array(path: Path, name: str) -> np.ndarray:
    """The array of that name, or the only one of a .npy file."""
    if path.suffix not in SUFFIXES:
        raise ValueError(f"{path} is no file of arrays: expected {', '.join(SUFFIXES)}")
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    try:
        arrays = read_arrays(path)
    except (OSError, ValueError, EOFError) as error:
        raise ValueError(f"{path} cannot be read as {path.suffix} ({error})") from error
    if "" in arrays:
        return arrays[""]
    if name not in arrays:
        raise ValueError(
            f"{path} has no array {name!r}, but {', '.join(sorted(arrays)) or 'nothing'}"
        )
    return arrays[name]


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """All arrays of a file by name; that of a .npy file has no name."""
    if path.suffix == ".safetensors":
        return read_safetensors(path)
    loaded = np.load(path, allow_pickle=False, mmap_mode="r" if path.suffix == ".npy" else None)
    if isinstance(loaded, np.ndarray):
        return {"": loaded}
    with loaded:
        return {name: loaded[name] for name in NAMES if name in loaded}


def read_safetensors(path: Path) -> dict[str, np.ndarray]:
    """Arrays of a .safetensors file; bfloat16, which numpy does not have, as float32."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in NAMES if name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(str(error)) from error
    return {
        name: (tensor.float() if tensor.is_floating_point() else tensor).numpy()
        for name, tensor in tensors.items()
    }


def read_labels(path: Path) -> np.ndarray:
    """Labels from a file of arrays, or from text with one label a line."""
    if path.suffix not in (".csv", ".txt"):
        return read_array(path, "labels")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [row for row in csv.reader(file) if row]
    except FileNotFoundError as error:
        raise FileNotFoundError(f"there is no file {path}") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path} cannot be read as text in UTF-8 ({error})") from error
    if not rows:
        raise ValueError(f"{path} is empty: expected one label a line")
    return np.array(label_column(path, rows))


def label_column(path: Path, rows: Sequence[Sequence[str]]) -> list[str]:
    """The labels of rows of text: of the column `label`, or of the only column."""
    head = [cell.strip().lower() for cell in rows[0]]
    if "label" in head:
        column, rows = head.index("label"), rows[1:]
    elif len(head) == 1:
        column = 0
    else:
        raise ValueError(
            f"{path} has {len(head)} columns and none is called 'label', but "
            f"{', '.join(rows[0])}: name the one with the labels"
        )
    short = next((i for i, row in enumerate(rows, start=1) if len(row) <= column), None)
    if short is not None:
        raise ValueError(f"{path}: row {short} has no label")
    return [row[column].strip() for row in rows]


def check_embeddings(path: Path, embeddings: np.ndarray) -> None:
    """Raise ValueError for what cannot be embeddings."""
    if embeddings.ndim != 2 or 0 in embeddings.shape:
        raise ValueError(
            f"{path}: embeddings have shape {embeddings.shape}; expected (images, dimensions)"
        )
    if not np.issubdtype(embeddings.dtype, np.floating):
        raise ValueError(f"{path}: embeddings are {embeddings.dtype}; expected floating point")
    broken = np.flatnonzero(~np.isfinite(embeddings).all(axis=1))
    if len(broken):
        raise ValueError(
            f"{path}: {len(broken):,} of {len(embeddings):,} embeddings hold NaN or infinity, the "
            f"first in row {broken[0]}; leave them out together with their labels"
        )


def checked_labels(path: Path, labels: np.ndarray, images: int) -> np.ndarray:
    """Labels (N,), whole numbers as int64 or words; ValueError for what cannot be labels."""
    if labels.shape != (images,):
        raise ValueError(
            f"{path}: labels have shape {labels.shape}; expected one for each of {images:,} "
            "embeddings"
        )
    if labels.dtype.kind in "US":
        return labels
    whole = labels.dtype.kind in "iu" or (
        labels.dtype.kind == "f" and bool((labels == np.floor(labels)).all())
    )
    if not whole:
        raise ValueError(f"{path}: labels are {labels.dtype}; expected whole numbers or words")
    if (abs(labels.astype(np.float64)) >= 2.0**63).any():
        raise ValueError(f"{path}: labels go beyond 64 bits, such as {labels.max()}; number them")
    return labels.astype(np.int64)


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
        raise ValueError(f"--at is {text!r}: expected whole numbers from 1, such as 1,10,100")
    return tuple(dict.fromkeys(int(part) for part in parts))
