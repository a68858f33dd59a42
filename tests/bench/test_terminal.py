"""How commands are ended from outside."""

import subprocess
import sys

import pytest

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
