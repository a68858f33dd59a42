"""Prints the recorded ratios under the benchmark's table, with the machine they were taken on."""

import statistics
from collections.abc import Iterator

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from bench.store.environment import PACKAGES, cpu_model, installed_version

RECORDED = pytest.StashKey[dict[str, dict[str, float]]]()
RATIOS = "times_faster"
OTHERS = {  # what else tests keep in extra_info
    "extra_megabytes": "extra memory, MB",
    "picoseconds": "CPU time / (N^2 D), ps: level as far as it grows with that alone",
}


@pytest.fixture(autouse=True)
def _keep_recorded(benchmark: BenchmarkFixture, request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    recorded = request.config.stash.setdefault(RECORDED, {})
    for kind in (RATIOS, *OTHERS):
        if kind in benchmark.extra_info:
            recorded.setdefault(kind, {})[request.node.name] = benchmark.extra_info[kind]


def groups(ratios: dict[str, float]) -> dict[str, list[float]]:
    """Ratios by test and its first parameter that is a word, where there is more than one."""
    found: dict[str, list[float]] = {}
    for name, value in sorted(ratios.items()):
        test, _, parameters = name.removesuffix("]").partition("[")
        word = next((part for part in parameters.split("-") if not part.isdigit()), "")
        found.setdefault(f"{test} {word}".strip(), []).append(value)
    return {name: values for name, values in found.items() if len(values) > 1}


def write_section(
    terminalreporter: pytest.TerminalReporter, title: str, values: dict[str, float]
) -> None:
    if values:
        terminalreporter.section(title)
    for name, value in sorted(values.items()):
        terminalreporter.write_line(f"{value:8.2f}  {name}")


@pytest.hookimpl(trylast=True)  # under the table of times
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    recorded = config.stash.get(RECORDED, {})
    if not recorded:
        return
    ratios = recorded.get(RATIOS, {})
    write_section(terminalreporter, "times faster than the peer or the direct form", ratios)
    terminalreporter.section("the same by group: mean, least")
    for name, values in groups(ratios).items():
        line = f"{statistics.mean(values):8.2f} {min(values):8.2f}  {name}"
        terminalreporter.write_line(line)
    for kind, title in OTHERS.items():
        write_section(terminalreporter, title, recorded.get(kind, {}))
    versions = ", ".join(f"{name} {installed_version(name)}" for name in PACKAGES)
    gpu = f" and {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    terminalreporter.write_line(f"{cpu_model()}, one thread{gpu}; {versions}")
