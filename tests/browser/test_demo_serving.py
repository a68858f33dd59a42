"""The server behind the retrieval browser: its requests, answers, refusals, and how it ends."""

import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page

from demo.page import draw
from tests.browser.conftest import Served, free_port, serve
from tests.support.fabricated import write_results

pytestmark = pytest.mark.browser
Visit = Callable[[str], Page]


def test_only_this_machine_was_looked_up(visit: Visit, served: Served) -> None:
    visit("?tab=results")
    hosts = set(re.findall(r"looked up (\S+)", served.log.read_text()))
    assert hosts <= {"127.0.0.1", "localhost", "None"}


def test_pictures_are_cached_and_other_paths_refused(served: Served) -> None:
    path = re.findall(r'src="([^"]+)"', draw(served.library, {"tab": "explore"}))[0]
    with urllib.request.urlopen(served.address + path) as answer:
        assert answer.headers["Content-Type"] == "image/png"
        assert "immutable" in answer.headers["Cache-Control"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
    _, shelf, digest, _ = path.split("/")
    ours = f"{shelf}/{digest}"
    for bad in (f"{ours}/48", f"{ours}/-1", f"9/{digest}/0", f"{shelf}/1/0", "0/x/..%2f", "a"):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"{served.address}picture/{bad}")


def test_it_stops_cleanly_and_frees_its_port(tmp_path: Path) -> None:
    results, port = write_results(tmp_path / "results", ("digits",)), free_port()
    for _ in range(2):  # the second start finds the port free again
        demo = serve(results, tmp_path / "log", port)
        code, output = demo.stop()
        assert code == 0
        assert "Stopped." in output
        assert "Traceback" not in demo.log.read_text()


@pytest.mark.parametrize("case", ["empty folder", "busy port"])
def test_what_prevents_a_start_is_one_clear_message(
    served: Served, tmp_path: Path, case: str
) -> None:
    busy = served.address.rstrip("/").rsplit(":", 1)[1]
    results = tmp_path if case == "empty folder" else served.library.results
    command = [sys.executable, "-m", "demo", "--no-open", "--port", busy]
    ended = subprocess.run(
        [*command, "--results", str(results)], capture_output=True, text=True, timeout=300
    )
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    if case == "empty folder":
        assert f"no finished run in {tmp_path.resolve()}" in ended.stderr
        assert "proxy-bench run" in ended.stderr
    else:
        assert f"port {busy} cannot be used; choose another with --port" in ended.stderr
