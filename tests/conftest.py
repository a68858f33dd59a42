"""What holds for every test: one thread, no network, and where real data is looked for."""

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from proxy_core.metrics import retrieval
from tests.support import quick_reports

LOOPBACK = ("127.0.0.1", "::1", "localhost")


@pytest.fixture(autouse=True, scope="session")
def _reproducible() -> None:
    """One thread, and a setting that cuBLAS reads before its first product on a GPU."""
    torch.set_num_threads(1)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


@pytest.fixture(autouse=True, scope="session")
def _signals_work() -> None:
    """Started in the background, or by `nohup`, a shell lets Ctrl-C and a closed terminal be
    ignored here and in every child process."""
    for number, usual in (
        (signal.SIGINT, signal.default_int_handler),
        (signal.SIGHUP, signal.SIG_DFL),
    ):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, usual)


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any connection that would leave the machine fails the test."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and address[0] not in LOOPBACK:
            raise AssertionError(f"a test tried to reach {address}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(scope="module", params=["filter", "float64"])
def both_paths(request: pytest.FixtureRequest) -> Iterator[None]:
    """Exact ranking by the float32 filter and by whole rows in float64, each whatever the size."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(retrieval, "SMALL", 0 if request.param == "filter" else 2**40)
        yield


@pytest.fixture(scope="session")
def data_root() -> Path:
    """Folder of genuine data sets, from PROXY_BENCH_DATA."""
    root = os.environ.get("PROXY_BENCH_DATA")
    if not root:
        pytest.skip("PROXY_BENCH_DATA names no folder of genuine data sets")
    return Path(root)


@pytest.fixture(scope="module")
def few_draws() -> Iterator[None]:
    """Quick intervals of costs in the reports of a module."""
    with quick_reports.few_draws():
        yield


@pytest.fixture(scope="module")
def without_figures() -> Iterator[None]:
    """Quick reports without figures in a module."""
    with quick_reports.without_figures():
        yield
