"""The last checkpoint of a run is damaged, and its command goes on from the one before it."""

import os
import signal
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from bench.store.runs import RunDir
from bench.suites import load_suite
from tests.faults.conftest import Judge
from tests.faults.outcome import Outcome
from tests.faults.processes import exit_code
from tests.faults.small_run import a_worker, run_again
from tests.faults.writes import Place


def kill_before_scores(number: int, place: Place) -> None:
    """When all three checkpoints were written."""
    if place[1].startswith(".embeddings"):
        os.kill(os.getpid(), signal.SIGKILL)


def of_another_version(content: bytes) -> bytes:
    body = content.partition(b"\n")[2].replace(b'"version of torch": "', b'"version of torch": "0.')
    return sha256(body).hexdigest().encode() + b"\n" + body


@pytest.mark.faults
@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[: len(content) // 2],
        lambda content: content[:5000] + bytes([content[5000] ^ 4]) + content[5001:],
        of_another_version,
        lambda content: b"as an earlier version wrote it",
    ],
)
def test_the_checkpoint_before_a_damaged_one_gives_the_same_bits(
    damage: Callable[[bytes], bytes], folder: Path, judge: Judge
) -> None:
    assert exit_code(a_worker, folder, kill_before_scores) == -signal.SIGKILL
    (spec,) = load_suite(str(folder / "one.toml")).specs
    last = RunDir.of(folder / "results", spec).checkpoint
    last.write_bytes(damage(last.read_bytes()))
    code, output = run_again(folder)
    assert code == 0, output
    assert "cannot be resumed; its run resumes from checkpoint-before.pt" in output
    assert judge(folder, "one.toml", kills=1) == Outcome()
