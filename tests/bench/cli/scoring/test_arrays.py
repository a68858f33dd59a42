"""Damaged and forged array files end in one message, before memory is taken."""

import json
import pickle
import re
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from bench.cli.scoring import arrays
from bench.cli.scoring.arrays import array_names, read_array
from tests.support.own_vectors import vectors


def npy(shape: str, dtype: str = "<f4", data: bytes = b"\0" * 24) -> bytes:
    """A .npy file of six numbers that declares what it likes."""
    header = f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    header = header.ljust(118) + b"\n" if len(header) < 118 else header + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + data


def tensors(header: object, data: bytes = b"\0" * 24) -> bytes:
    """A .safetensors file of six numbers that declares what it likes."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def entry(start: int, end: int, shape: list[int], dtype: str = "F32") -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


FORGED = {
    "giant": (npy("(1000000000000, 128)"), "declares 512,000,000,000,000 bytes .* and holds 24"),
    "beyond 64 bits": (npy("(9223372036854775807, 2)"), "declares 73,786,976,294,838,206,456"),
    "negative": (npy("(-1, 6)"), r"damaged: it declares the shape \(-1, 6\)"),
    "negative twice": (npy("(-2, -3)"), "damaged: it declares the shape"),
    "cut": (npy("(3, 2)", data=b"\0" * 20), "declares 24 .* holds 20: it is cut or damaged"),
    "two arrays": (npy("(3, 2)") * 2, "holds 177: keep one array in a file"),
    "empty words": (npy("(1000000000000,)", "<U0"), "damaged: it declares the shape"),
    "objects": (npy("(6,)", "|O"), "holds Python objects"),
    "objects inside": (npy("(6,)", "O"), "holds Python objects"),
    "nested": (npy("(" * 3000), "nested|parenthes|parse|EOF"),
    "no type": (npy("(3, 2)", "<f99"), "descr is not a valid dtype"),
    "another version": (
        npy("(3, 2)").replace(b"\x01\x00", b"\x09\x09", 1),
        "its format .9, 9. is not one of",
    ),
    "pickle": (pickle.dumps({"embeddings": 1}), "damaged or no array"),
    "header only": (b"\x93NUMPY\x01\x00", "EOF"),
}


@pytest.mark.parametrize(("content", "message"), FORGED.values(), ids=FORGED)
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_forged_arrays_are_refused(
    content: bytes, message: str, suffix: str, tmp_path: Path
) -> None:
    path = tmp_path / f"x{suffix}"
    path.write_bytes(content)
    if suffix == ".npz":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
            archive.writestr("embeddings.npy", content)
    tracemalloc.start()
    with pytest.raises(ValueError, match="cannot be read") as caught:
        read_array(path, "embeddings")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert re.search(rf"x{suffix} cannot be read as {suffix} (?s:.)*{message}", str(caught.value))
    assert peak < 2**25


@pytest.mark.parametrize(
    "compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_damaged_archives_are_refused_or_unchanged(compression: int, tmp_path: Path) -> None:
    """Every byte in turn, and every length in steps: the array as it was, or one message."""
    path = tmp_path / "x.npz"
    np.save(tmp_path / "e.npy", vectors()[:4])
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.write(tmp_path / "e.npy", "embeddings.npy")
    whole = path.read_bytes()
    flipped = [whole[:i] + bytes([whole[i] ^ 0x41]) + whole[i + 1 :] for i in range(len(whole))]
    for content in flipped + [whole[:end] for end in range(0, len(whole), 7)]:
        path.write_bytes(content)
        found = found_or_refused(path)
        assert found is None or np.array_equal(found, vectors()[:4])


def found_or_refused(path: Path) -> np.ndarray | None:
    """The embeddings of a file, or None if a message that names the file refuses it."""
    try:
        return read_array(path, "embeddings")
    except ValueError as error:
        if str(path) not in str(error):
            raise
        return None


def test_an_archive_that_would_fill_the_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zeros = np.zeros((2**14, 64), np.float32)
    np.savez_compressed(tmp_path / "x.npz", embeddings=zeros)
    assert read_array(tmp_path / "x.npz", "embeddings").shape == zeros.shape
    monkeypatch.setattr(arrays, "SMALL", 2**20)
    with pytest.raises(ValueError, match=r"would be unpacked from [\d,]+ bytes to 4,194,432"):
        read_array(tmp_path / "x.npz", "embeddings")
    np.savez(tmp_path / "x.npz", embeddings=zeros)
    assert read_array(tmp_path / "x.npz", "embeddings").shape == zeros.shape


def test_an_archive_names_what_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"")
        archive.writestr("labels.npy", npy("(6,)"))
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("labels.npy", npy("(6,)"))
    assert sorted(set(array_names(path))) == ["archive/data.pkl", "labels"]
    with pytest.raises(ValueError, match=r"x\.npz has no array 'embeddings', but archive/data.pkl"):
        read_array(path, "embeddings")
    with pytest.raises(ValueError, match=r"x\.npz has 2 arrays 'labels'"):
        read_array(path, "labels")


TENSORS = {
    "no header": b"\xff" * 16,
    "giant header": (2**62).to_bytes(8, "little") + b"{}",
    "no JSON": tensors(b"{'embeddings': 1"),
    "nested": tensors(b'{"embeddings":' + b"[" * 100_000),
    "overlapping": tensors({"embeddings": entry(0, 24, [3, 2]), "labels": entry(8, 24, [4])}),
    "beyond the end": tensors({"embeddings": entry(0, 48, [6, 2])}),
    "a gap": tensors({"embeddings": entry(8, 24, [2, 2])}),
    "another shape": tensors({"embeddings": entry(0, 24, [3, 3])}),
    "giant": tensors({"embeddings": entry(0, 24, [2**62, 2**62])}),
    "negative": tensors({"embeddings": entry(0, 24, [-3, -2])}),
    "no type": tensors({"embeddings": entry(0, 24, [3, 2], "F31")}),
    "empty": b"",
}


@pytest.mark.parametrize("content", TENSORS.values(), ids=TENSORS)
def test_forged_tensors_are_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_bytes(content)
    for read in (lambda path: read_array(path, "embeddings"), array_names):
        with pytest.raises(
            ValueError, match=r"x.safetensors cannot be read as .safetensors \(.+\)"
        ):
            read(tmp_path / "x.safetensors")
