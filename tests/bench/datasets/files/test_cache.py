"""Cached arrays: found again, keyed by all settings, replaced when damaged, written atomically."""

import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from bench.datasets.files.cache import cache_folder, cached


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PROXY_BENCH_CACHE", str(tmp_path / "kept"))
    return tmp_path / "kept"


class Maker:
    """Makes the same random array each time, and counts how often."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> np.ndarray:
        self.calls += 1
        return np.random.default_rng(5).integers(0, 256, (7, 3, 2), dtype=np.uint8)


def test_an_array_is_computed_once(folder: Path) -> None:
    make = Maker()
    first, second = (cached("zoo", {"size": 3}, make) for _ in range(2))
    assert make.calls == 1
    assert second.dtype == np.uint8
    np.testing.assert_array_equal(first, second)
    second[0] = 0  # as writable as when it was made
    assert [path.name[:4] for path in folder.iterdir()] == ["zoo-"]


def test_other_settings_are_another_array(folder: Path) -> None:
    make = Maker()
    for settings in ({"size": 3, "faces": ["a", "b"]}, {"size": 3, "faces": ["b", "a"]}, {}):
        cached("zoo", settings, make)
    cached("zoo", {"faces": ["a", "b"], "size": 3}, make)  # order of keys does not matter
    assert make.calls == 3


@pytest.mark.parametrize("damage", ["empty", "short", "flipped"])
def test_a_damaged_file_is_replaced(folder: Path, damage: str) -> None:
    make = Maker()
    cached("zoo", {}, make)
    (path,) = folder.iterdir()
    stored = path.read_bytes()
    flipped = stored[:-5] + bytes([stored[-5] ^ 1]) + stored[-4:]
    path.write_bytes({"empty": b"", "short": stored[:-1], "flipped": flipped}[damage])
    np.testing.assert_array_equal(cached("zoo", {}, make), make())
    assert make.calls == 3
    assert path.read_bytes() == stored


@pytest.mark.parametrize("settings", [{}, {"data": "b", "size": 3}, {"data": "a", "size": 4}])
def test_an_array_of_other_settings_under_this_name_is_replaced(
    folder: Path, settings: dict[str, object]
) -> None:
    cached("zoo", settings, Maker())
    (other,) = folder.iterdir()
    content = other.read_bytes()
    cached("zoo", {"data": "a", "size": 3}, Maker())
    (path,) = set(folder.iterdir()) - {other}
    stored = path.read_bytes()
    path.write_bytes(content)  # whole, as after a mistaken copy
    make = Maker()
    cached("zoo", {"data": "a", "size": 3}, make)
    assert make.calls == 1
    assert path.read_bytes() == stored


def test_a_failure_is_not_stored(folder: Path) -> None:
    def fail() -> np.ndarray:
        raise RuntimeError("no font")

    with pytest.raises(RuntimeError, match="no font"):
        cached("zoo", {}, fail)
    assert cached("zoo", {}, Maker()).shape == (7, 3, 2)


def test_two_writers_at_once_leave_one_good_file(folder: Path) -> None:
    both = threading.Barrier(2)

    def make() -> np.ndarray:
        both.wait(timeout=10)  # neither has found the other's file
        return Maker()()

    threads = [threading.Thread(target=cached, args=("zoo", {}, make)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(list(folder.iterdir())) == 1
    again = Maker()
    np.testing.assert_array_equal(cached("zoo", {}, again), Maker()())
    assert again.calls == 0


def test_a_folder_that_cannot_be_written_costs_only_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("PROXY_BENCH_CACHE", str(tmp_path / "file" / "kept"))
    with pytest.warns(UserWarning, match=r"zoo could not be stored .* set PROXY_BENCH_CACHE"):
        assert cached("zoo", {}, Maker()).shape == (7, 3, 2)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have other folders")
def test_default_folder_is_the_platforms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROXY_BENCH_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg/proxy-bench"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache/proxy-bench"
