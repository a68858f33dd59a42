"""A served demo over made-up results, and a Chromium whose page fails its test on any error."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from demo.library import Library, open_library
from tests.support.fabricated import write_results

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"
# Starts the demo as its command does, and prints every host name that Python looks up.
RECORDING = """
import runpy, socket, sys
look_up = socket.getaddrinfo
def recorded(host, *rest, **named):
    print("looked up", host, file=sys.stderr, flush=True)
    return look_up(host, *rest, **named)
socket.getaddrinfo = recorded
runpy.run_module("demo", run_name="__main__", alter_sys=True)
"""


@dataclass(frozen=True)
class Served:
    """A demo at `address` over `library`, and what it printed up to its address."""

    library: Library
    process: subprocess.Popen[str]
    address: str
    log: Path
    printed: str

    def stop(self) -> tuple[int, str]:
        """End it by Ctrl-C; its exit code and its output after the address."""
        self.process.send_signal(signal.SIGINT)
        output, _ = self.process.communicate(timeout=30)
        return self.process.returncode, output


def missing() -> str:
    """Why no browser test can run here; empty if they can."""
    if find_spec("gradio") is None:
        return "gradio is not installed: pip install proxy-bench[demo]"
    if not Path(CHROMIUM).exists():
        return f"no Chromium at {CHROMIUM}; set CHROMIUM to where it is"
    return ""


@pytest.fixture(scope="session", autouse=True)
def _equipped() -> None:
    """Skip without Chromium or Gradio, but never in CI, where nobody would notice."""
    if reason := missing():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def serve(results: Path, log: Path, port: int, *options: str, program: str = RECORDING) -> Served:
    """Start the demo and wait until it prints its address."""
    arguments = ["--results", str(results), "--port", str(port), "--no-open", *options]
    with log.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-c", program, *arguments],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    assert process.stdout is not None
    output = ""
    for line in process.stdout:
        output += line
        if address := re.search(r"http://127\.0\.0\.1:\d+/", line):
            return Served(open_library(results), process, address[0], log, output)
    raise AssertionError(f"the demo ended: {output}{log.read_text()}")


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("demo")
    demo = serve(write_results(folder / "results"), folder / "log", free_port())
    yield demo
    demo.stop()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    expect.set_options(timeout=30_000)  # milliseconds; the first curves import matplotlib
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-background-networking"]
        )
        yield browser
        browser.close()


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    context = chromium.new_context(viewport={"width": 1280, "height": 800})
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext, served: Served) -> Iterator[Page]:
    """A page that fails its test on an error, a console error or a request to elsewhere."""
    page, wrong = context.new_page(), []
    page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
    page.on("console", lambda message: wrong.append(console_error(message.type, message.text)))
    page.on("request", lambda request: wrong.append(outside(request.url, served.address)))
    yield page
    assert [event for event in wrong if event] == []


def console_error(kind: str, text: str) -> str:
    """A console error, unless it is Gradio's own about an event stream that leaving a page cuts."""
    cut = "AbortError" in text or "Connection errored out" in text
    return f"console: {text}" if kind == "error" and not cut else ""


def outside(url: str, address: str) -> str:
    return "" if url.startswith((address, "data:", "blob:")) else f"request to {url}"


@pytest.fixture
def visit(page: Page, served: Served) -> Callable[[str], Page]:
    """Open an address of the demo and wait for what it shows."""

    def go(query: str) -> Page:
        page.goto(served.address + query)
        page.wait_for_selector("[data-address]", state="attached", timeout=120_000)
        return page

    return go
