"""Prints the recorded ratios under the benchmark's table, with the machine they were taken on."""

from collections.abc import Callable, Iterator

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.environment import PACKAGES, cpu_model, installed_version


@pytest.fixture(autouse=True)
def _keep_ratio(
    benchmark: BenchmarkFixture, record_property: Callable[[str, object], None]
) -> Iterator[None]:
    yield
    if "times_faster" in benchmark.extra_info:
        record_property("times_faster", benchmark.extra_info["times_faster"])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    ratios = {
        report.nodeid.split("::")[-1]: value
        for report in terminalreporter.getreports("passed")
        for name, value in report.user_properties
        if name == "times_faster"
    }
    if ratios:
        terminalreporter.section("times faster than the peer or the direct form")
        for name, value in sorted(ratios.items()):
            terminalreporter.write_line(f"{value:8.1f}  {name}")
        versions = ", ".join(f"{name} {installed_version(name)}" for name in PACKAGES)
        terminalreporter.write_line(f"{cpu_model()}, one thread; {versions}")
