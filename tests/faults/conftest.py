"""Fixtures of small suites, and the sums over all tests, printed at their end."""

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bench.reporting.page import write_report
from bench.suites import load_suite
from tests.faults.outcome import Outcome, compare
from tests.faults.processes import command, exit_code
from tests.faults.small_run import with_report
from tests.faults.writes import no_fault
from tests.support import quick_reports
from tests.support.short_runs import execute, spec_for

ONE = """
title = "Small runs"
seeds = [0]

[budgets.digits]
embedding_dim = 8
batch_size = 24
steps = 12
evaluate_every = 4
learning_rate = 1e-3
weight_decay = 1e-4

[methods."Proxy-NCA"]
loss = "proxy_nca"
loss_learning_rate = 0.01
"""
TWO = f"""{ONE}
[methods."Magnet"]
loss = "magnet"
args = {{ refresh_every = 3 }}
"""
SUMS = ("kills", "full_disks", *Outcome._fields)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """They fork, and read /proc."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.skipif(sys.platform != "linux", reason="needs Linux"))
            item.add_marker(pytest.mark.filterwarnings("ignore::DeprecationWarning"))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """What all tests did and found, those in processes of pytest-xdist too."""
    sums = Counter(dict.fromkeys(SUMS, 0))
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", "") == "teardown":
                sums.update({name: n for name, n in report.user_properties if name in SUMS})
    if sums["kills"]:
        words = ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in sums.items())
        terminalreporter.write_line(f"faults: {words}")


@contextmanager
def quick() -> Iterator[None]:
    """Few episodes and no figures, here and in forked processes."""
    with quick_reports.without_figures(), pytest.MonkeyPatch.context() as patch:
        patch.setattr("bench.evaluation.protocols.COUNT", 20)
        patch.setattr("bench.reporting.figures.roc_figure", lambda *_: object())
        yield


@pytest.fixture(scope="session", autouse=True)
def _warm(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Forked processes find everything imported and compiled."""
    folder = tmp_path_factory.mktemp("warm")
    with quick():
        runs = [execute(spec_for(loss), folder) for loss in ("proxy_nca", "magnet")]
        write_report(runs, folder / "report", title="Warm")


@pytest.fixture(autouse=True)
def _quick() -> Iterator[None]:
    """For each test alone: other tests may follow in this process."""
    with quick():
        yield


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with both suites, for their results."""
    return with_suites(tmp_path)


def with_suites(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "one.toml").write_text(ONE)
    (folder / "two.toml").write_text(TWO)
    return folder


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of both suites, to which nothing happened."""
    folder = with_suites(tmp_path_factory.mktemp("whole"))
    with quick():
        code = exit_code(command, folder, "run", "two.toml")
        assert code == 0, (folder / "output.txt").read_text()
        assert exit_code(with_report, folder, no_fault) == 0
    return folder / "results"


@pytest.fixture(scope="session")
def seconds(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> float:
    """How long the suite of two runs takes where nothing happens."""
    folder = with_suites(tmp_path_factory.mktemp("timed"))
    started = time.monotonic()
    with quick():
        assert exit_code(command, folder, "run", "two.toml") == 0
    return time.monotonic() - started


Judge = Callable[..., Outcome]


@pytest.fixture
def add(record_property: Callable[[str, object], None]) -> Iterator[Callable[..., None]]:
    """Add up what a test does and finds, by name."""
    sums: Counter[str] = Counter()
    yield sums.update
    for name, number in sums.items():
        record_property(name, number)


@pytest.fixture
def judge(whole: Path, add: Callable[..., None]) -> Judge:
    """Compare the results in a folder with undisturbed ones; all that tests do and find is added
    up."""

    def found(folder: Path, suite: str, *, orphans: int = 0, **done: int) -> Outcome:
        specs = load_suite(str(folder / suite)).specs
        outcome = compare(specs, folder / "results", whole, orphans)
        add(done | outcome._asdict())
        return outcome

    return found
