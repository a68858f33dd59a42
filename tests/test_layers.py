"""Who may import whom: proxy_core <- bench <- demo, and what must open without torch."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FORBIDDEN = {"proxy_core": {"bench", "demo"}, "bench": {"demo"}, "demo": set()}
LIGHT = [
    "bench.spec",
    "bench.store.runs",
    "bench.store.thumbnails",
    "bench.cli.main",
    "bench.suites",
    "bench.datasets",
    "bench.reporting.page",
    "demo.browser",
    "demo.page",
    "demo.__main__",
]


def imported(path: Path) -> set[str]:
    """Top-level packages imported anywhere in a file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(str(node.module).split(".")[0])
    return found


@pytest.mark.parametrize("package", FORBIDDEN)
def test_no_package_imports_one_above_it(package: str) -> None:
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    for path in files:
        assert not imported(path) & FORBIDDEN[package], path


@pytest.mark.parametrize("module", LIGHT)
def test_opens_without_torch(module: str) -> None:
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_files_stay_small() -> None:
    for package in [*FORBIDDEN, "tests"]:
        for path in (ROOT / package).rglob("*.py"):
            lines = len(path.read_text(encoding="utf-8").splitlines())
            assert lines <= 250, f"{path} has {lines} lines; split it"
