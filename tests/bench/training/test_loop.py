"""Deterministic algorithms during a run, and what they were before it afterwards."""

import os
from contextlib import suppress
from pathlib import Path

import pytest
import torch

from bench.running.run import run
from bench.training.loop import deterministic
from tests.support.fabricated import make_spec


@pytest.mark.parametrize("before", [False, True])
def test_torch_is_deterministic_within_and_as_before_afterwards(
    before: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    torch.use_deterministic_algorithms(before)
    try:
        with suppress(KeyError), deterministic():
            assert torch.are_deterministic_algorithms_enabled()
            assert not torch.backends.cudnn.benchmark
            assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
            raise KeyError
        assert torch.are_deterministic_algorithms_enabled() == before
        assert torch.backends.cudnn.benchmark
    finally:
        torch.use_deterministic_algorithms(False)


def test_a_run_is_deterministic(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen = []

    def load(*_: object) -> None:
        seen.append(torch.are_deterministic_algorithms_enabled())
        raise KeyError

    monkeypatch.setattr("bench.running.run.load", load)
    spec = make_spec("digits", "Proxy-NCA", 0)
    with pytest.raises(KeyError):
        run(spec, tmp_path, data_root=None, device="cpu", report=print, stop=bool)
    assert seen == [True]
