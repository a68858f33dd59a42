"""Arrays in a user's .npy, .npz and .safetensors files, which may be damaged or forged.

Nothing is unpickled. What a file declares is compared with what it holds before memory is taken.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import IO
from zipfile import ZipFile, ZipInfo

import numpy as np
from numpy.lib import format as npy

ARRAYS = (".npy", ".npz", ".safetensors")
HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
DENSEST, SMALL = 100, 2**30  # an entry of more bytes than SMALL is unpacked up to DENSEST-fold


def read_array(path: Path, name: str) -> np.ndarray:
    """The array with a name, or the only one of a .npy file.

    Raises: ValueError with the file and what was found.
    """
    check_suffix(path)
    try:
        array = read_tensor(path, name) if is_tensors(path) else read_numpy(path, name)
    except KeyError as error:
        raise ValueError(f"{path} {error.args[0]}") from error
    except Exception as error:  # the readers of damaged files raise some twenty types
        raise unreadable(path, error) from error
    return array


def array_names(path: Path) -> list[str]:
    """Names of the arrays in a file; none for a .npy file, whose array has no name."""
    check_suffix(path)
    try:
        if is_tensors(path):
            with open_tensors(path) as file:
                return list(file.keys())
        if not is_archive(path):
            return []
        with ZipFile(path) as archive:
            return entries(archive)
    except Exception as error:  # as above
        raise unreadable(path, error) from error


def check_suffix(path: Path) -> None:
    if path.suffix.lower() not in ARRAYS:
        raise ValueError(
            f"{path} holds no arrays: expected {', '.join(ARRAYS)}, as np.savez and "
            "safetensors.torch.save_file write them"
        )


def unreadable(path: Path, error: Exception) -> ValueError:
    return ValueError(
        f"{path} cannot be read as {path.suffix} ({str(error) or type(error).__name__})"
    )


def is_tensors(path: Path) -> bool:
    return path.suffix.lower() == ".safetensors"


def is_archive(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"PK"


def entries(archive: ZipFile) -> list[str]:
    """Names of the arrays in an archive."""
    return [entry.removesuffix(".npy") for entry in archive.namelist()]


def check_name(name: str, names: Sequence[str]) -> None:
    """Raise KeyError, with the end of a message, unless there is one array with the name."""
    if names.count(name) > 1:
        raise KeyError(f"has {names.count(name)} arrays {name!r}")
    if name not in names:
        raise KeyError(f"has no array {name!r}, but {', '.join(sorted(names)) or 'none at all'}")


def read_tensor(path: Path, name: str) -> np.ndarray:
    """An array of a .safetensors file; types of less than 32 bits, as bfloat16, as float32."""
    with open_tensors(path) as file:
        check_name(name, list(file.keys()))
        tensor = file.get_tensor(name)
    small = tensor.is_floating_point() and tensor.dtype.itemsize < 4
    array: np.ndarray = (tensor.float() if small else tensor).numpy()
    return array


def open_tensors(path: Path):  # type: ignore[no-untyped-def]  # safetensors has no types
    """A .safetensors file, to be used in a `with` block."""
    from safetensors import safe_open  # loads torch

    return safe_open(path, framework="pt")


def read_numpy(path: Path, name: str) -> np.ndarray:
    """The array of a .npy file, or one of a .npz file; KeyError if it has none of this name."""
    if not is_archive(path):
        with path.open("rb") as file:
            return read_npy(file, path.stat().st_size)
    with ZipFile(path) as archive:
        check_name(name, entries(archive))
        entry = next(
            info for info in archive.infolist() if info.filename.removesuffix(".npy") == name
        )
        check_density(entry)
        with archive.open(entry) as member:
            return read_npy(member, entry.file_size)


def check_density(entry: ZipInfo) -> None:
    """Raise ValueError for an entry that would fill the memory from next to nothing."""
    if entry.file_size > max(SMALL, DENSEST * entry.compress_size):
        raise ValueError(
            f"{entry.filename} would be unpacked from {entry.compress_size:,} bytes to "
            f"{entry.file_size:,}; if that is not a mistake, save it by np.save"
        )


def read_npy(file: IO[bytes], size: int) -> np.ndarray:
    """The array of an open .npy file of `size` bytes."""
    check_header(file, size)
    file.seek(0)
    array: np.ndarray = npy.read_array(file, allow_pickle=False)
    return array


def check_header(file: IO[bytes], size: int) -> None:
    """Raise ValueError for objects, and unless the array that is declared is all that follows."""
    start = file.read(len(npy.MAGIC_PREFIX))
    if start != npy.MAGIC_PREFIX:
        raise ValueError(f"it is damaged or no array: it begins with {start!r}")
    file.seek(0)
    version = npy.read_magic(file)
    if version not in HEADERS:
        raise ValueError(f"its format {version} is not one of {', '.join(map(str, HEADERS))}")
    shape, _, dtype = HEADERS[version](file)
    if dtype.hasobject:
        raise ValueError(
            "it holds Python objects, which could run any code; save embeddings by "
            "astype(np.float32), labels by astype(np.int64), and words by astype(str) once the "
            "missing ones are removed: None and NaN would become words"
        )
    if dtype.itemsize == 0 or min(shape, default=0) < 0:
        raise ValueError(f"it is damaged: it declares the shape {shape} of {dtype}")
    declared, held = math.prod(shape) * dtype.itemsize, size - file.tell()
    if declared != held:
        advice = "it is cut or damaged" if declared > held else "keep one array in a file"
        raise ValueError(
            f"it declares {declared:,} bytes ({dtype} of shape {shape}) and holds {held:,}: "
            f"{advice}"
        )
