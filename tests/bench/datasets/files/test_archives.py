"""Entries of zip archives and folders: read whole, and every kind of damage named."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from bench.datasets.files.archives import read_entries

RANDOM = np.random.default_rng(11)
CONTENTS = {
    f"zoo/{name}.png": RANDOM.bytes(size) for name, size in (("a", 90), ("b", 70), ("c", 0))
}


def _zip(path: Path, contents: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        for name, data in contents.items():
            file.writestr(name, data)
    return path


def _folder(path: Path, contents: dict[str, bytes]) -> Path:
    for name, data in contents.items():
        target = path.parent / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    return path


def test_zip_and_folder_hold_the_same(tmp_path: Path) -> None:
    litter = {"__MACOSX/zoo/._a.png": b"x", "zoo/.DS_Store": b"y", "zoo/sub/Thumbs.db": b"z"}
    zipped = _zip(tmp_path / "zoo.zip", {"zoo/": b"", **CONTENTS, **litter})
    folder = _folder(tmp_path / "zoo", {**CONTENTS, **litter})
    assert read_entries(zipped, 100) == (CONTENTS, {})
    assert read_entries(folder, 100) == (CONTENTS, {})


@pytest.mark.parametrize("kept", [0, 30, 200, -1])
def test_a_truncated_archive_is_named(tmp_path: Path, kept: int) -> None:
    path = _zip(tmp_path / "zoo.zip", CONTENTS)
    path.write_bytes(path.read_bytes()[:kept])
    contents, problems = read_entries(path, 100)
    assert contents == {}
    assert list(problems) == [""]
    assert problems[""].startswith(f"{path}: not a complete zip archive (")


def test_a_changed_byte_is_named_and_the_rest_is_read(tmp_path: Path) -> None:
    path = _zip(tmp_path / "zoo.zip", CONTENTS)
    stored = path.read_bytes()
    place = stored.index(CONTENTS["zoo/b.png"]) + 7
    path.write_bytes(stored[:place] + bytes([stored[place] ^ 4]) + stored[place + 1 :])
    contents, problems = read_entries(path, 100)
    assert contents == {name: CONTENTS[name] for name in ("zoo/a.png", "zoo/c.png")}
    assert list(problems) == ["zoo/b.png"]
    assert problems["zoo/b.png"].startswith(f"{path}: zoo/b.png is damaged (Bad CRC")


@pytest.mark.parametrize(
    "name", ["../a.png", "zoo/../../a.png", "/etc/a.png", "zoo\\a.png", "C:a.png"]
)
def test_names_that_lead_out_are_refused(tmp_path: Path, name: str) -> None:
    path = _zip(tmp_path / "zoo.zip", {name: b"x", **CONTENTS})
    contents, problems = read_entries(path, 100)
    assert contents == CONTENTS
    assert problems == {name: f"{path}: {name} leads out of the archive's folder; it was not read"}


def test_oversized_entries_are_not_read(tmp_path: Path) -> None:
    for place in (_zip(tmp_path / "zoo.zip", CONTENTS), _folder(tmp_path / "zoo", CONTENTS)):
        contents, problems = read_entries(place, 89)
        assert "zoo/a.png" not in contents
        expected = f"{place}: zoo/a.png is larger than 89 bytes; it was not read"
        assert problems == {"zoo/a.png": expected}


def test_a_name_that_occurs_twice_is_named(tmp_path: Path) -> None:
    path = _zip(tmp_path / "zoo.zip", CONTENTS)
    with (
        pytest.warns(UserWarning, match="Duplicate name"),
        zipfile.ZipFile(path, "a") as file,
    ):
        file.writestr("zoo/a.png", b"other")
    contents, problems = read_entries(path, 100)
    assert contents == CONTENTS
    assert problems == {"zoo/a.png": f"{path}: zoo/a.png occurs more than once"}
