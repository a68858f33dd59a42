"""The folder of pictures that tests change; some modules have one of their own."""

from pathlib import Path

import pytest

from tests.support.photographs import write_pictures
from tests.support.zoo import NAMES


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PROXY_BENCH_CACHE", str(tmp_path / "cache"))
    write_pictures(tmp_path / "data" / "zoo", NAMES)
    return tmp_path / "data" / "zoo"
