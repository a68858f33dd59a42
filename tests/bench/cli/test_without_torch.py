"""Reading commands and the browser work where torch, torchvision and numba cannot be imported."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
CODE = """
import sys
from importlib.abc import MetaPathFinder

class Blocked(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in ("torch", "torchvision", "numba"):
            raise ModuleNotFoundError(f"{name} is blocked", name=name)

sys.meta_path.insert(0, Blocked())
results = sys.argv[1]
"""
COMMANDS = (
    CODE
    + """
from pathlib import Path
from bench.cli.main import app

run = min(Path(results, "runs").iterdir()).name
for arguments in (
    ["status", "default"],
    ["show", run],
    ["report", "default"],
):
    app([*arguments, "--results", results], standalone_mode=False)
to = str(Path(results, "out"))
scores = ["--format", "every-eval-ever", "--organization", "lab"]
app(["export", run, to, *scores, "--results", results], standalone_mode=False)
app(["list"], standalone_mode=False)
app(["published"], standalone_mode=False)
app(["data", "list"], standalone_mode=False)
"""
)
DEMO = (
    CODE
    + """
from pathlib import Path
import demo.__main__
from demo.app import build
from demo.library import open_library

build(open_library(Path(results)))
"""
)


@pytest.mark.parametrize("code", [COMMANDS, DEMO], ids=["commands", "demo"])
def test_no_torch_is_needed(code: str, tmp_path: Path) -> None:
    results = tmp_path / "results"
    shutil.copytree(
        ROOT / "results" / "reference", results, ignore=shutil.ignore_patterns("reports")
    )
    command = [sys.executable, "-c", code, str(results)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
