"""Stored thumbnails: JPEG files stay in their file until they are used."""

from pathlib import Path

import numpy as np
import pytest

from bench.store.runs import StoredRunError
from bench.store.thumbnails import Thumbnails, as_jpegs, load_thumbnails, save_thumbnails


@pytest.fixture
def made() -> Thumbnails:
    images = np.random.default_rng(0).integers(0, 256, (6, 16, 16, 3), dtype=np.uint8)
    names = tuple(f"{n}.jpg" for n in range(6))
    return Thumbnails(as_jpegs(images), np.arange(6) % 2, ("a", "b"), names, "x")


def test_jpeg_files_are_mapped_and_not_held_in_memory(made: Thumbnails, tmp_path: Path) -> None:
    save_thumbnails(tmp_path / "new.npz", made)
    with (tmp_path / "old.npz").open("wb") as file, np.load(tmp_path / "new.npz") as stored:
        np.savez_compressed(file, allow_pickle=False, **dict(stored))  # as it was written before
    for name, kind in (("new", np.memmap), ("old", np.ndarray)):
        found = load_thumbnails(tmp_path / f"{name}.npz")
        assert type(found.files["jpegs"]) is kind
        assert found.digest == made.digest
        for position in range(6):
            assert found.encoded(position) == made.encoded(position)
    (tmp_path / "new.npz").unlink()
    assert load_thumbnails(tmp_path / "old.npz").size == (16, 16)


def test_a_changed_byte_of_a_mapped_file_is_found(made: Thumbnails, tmp_path: Path) -> None:
    path = tmp_path / "new.npz"
    save_thumbnails(path, made)
    data = bytearray(path.read_bytes())
    data[data.index(made.stored(3)) + 50] ^= 1
    path.write_bytes(data)
    with pytest.raises(StoredRunError, match="its pictures were changed"):
        load_thumbnails(path)
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(StoredRunError, match="cannot be read"):
        load_thumbnails(path)
