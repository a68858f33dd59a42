"""How commands are ended from outside, and what they show while they read."""

import io
import subprocess
import sys

import pytest
from rich.console import Console

from bench import terminal
from bench.terminal import show_late

ENDED_TWICE = """
import os, signal
from bench.terminal import end_like_ctrl_c
end_like_ctrl_c()
ended = []
for _ in range(2):
    try:
        os.kill(os.getpid(), signal.{number})
    except KeyboardInterrupt:
        ended.append(1)
print(len(ended))
"""


@pytest.mark.parametrize(("number", "times"), [("SIGTERM", 2), ("SIGHUP", 1)])
def test_a_closed_terminal_ends_a_command_once(number: str, times: int) -> None:
    code = ENDED_TWICE.format(number=number)
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == [str(times)], found.stderr


@pytest.mark.parametrize(
    ("is_terminal", "patience", "shown"), [(True, -1, True), (True, 60, False), (False, -1, False)]
)
def test_reading_shows_progress_on_a_terminal_once_it_lasts(
    monkeypatch: pytest.MonkeyPatch, is_terminal: bool, patience: int, shown: bool
) -> None:
    monkeypatch.setattr(terminal, "PATIENCE", patience)
    text = io.StringIO()
    console = Console(file=text, width=80, force_terminal=is_terminal)
    with show_late(console, "reading runs") as report:
        for done in range(9):
            report(done, 9)
    assert ("reading runs" in text.getvalue()) == shown
    assert shown or text.getvalue() == ""
