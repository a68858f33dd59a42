"""What is installed beside the modules: a file that a wheel lacks is missed only at run time."""

import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DATA = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]


@pytest.mark.parametrize("package", DATA)
def test_every_data_file_is_installed(package: str) -> None:
    folder = ROOT / package
    found = {
        path
        for path in folder.rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc", ".nbi", ".nbc")
    }
    assert found == {
        path for pattern in DATA[package] for path in folder.glob(pattern) if path.is_file()
    }
