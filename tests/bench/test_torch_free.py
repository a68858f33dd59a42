"""Modules that read results and name things open without torch."""

import subprocess
import sys

import pytest

TORCH_FREE = [
    "bench.spec",
    "bench.store.runs",
    "bench.store.thumbnails",
    "bench.cli.main",
    "bench.suites",
    "bench.datasets",
    "bench.reporting.page",
    "demo.page",
    "demo.__main__",
]


@pytest.mark.parametrize("module", TORCH_FREE)
def test_a_module_opens_without_torch(module: str) -> None:
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
