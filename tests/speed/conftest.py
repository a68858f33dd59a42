"""Prints the recorded ratios under the benchmark's table, with the machine they were taken on."""

import statistics
from collections.abc import Iterator

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.environment import PACKAGES, cpu_model, installed_version

RATIOS = pytest.StashKey[dict[str, float]]()
MEMORY = pytest.StashKey[dict[str, float]]()


@pytest.fixture(autouse=True)
def _keep_ratio(benchmark: BenchmarkFixture, request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "times_faster" in benchmark.extra_info:
        ratios = request.config.stash.setdefault(RATIOS, {})
        ratios[request.node.name] = benchmark.extra_info["times_faster"]
    if "extra_megabytes" in benchmark.extra_info:
        memory = request.config.stash.setdefault(MEMORY, {})
        memory[request.node.name] = benchmark.extra_info["extra_megabytes"]


def groups(ratios: dict[str, float]) -> dict[str, list[float]]:
    """Ratios by test and its first parameter that is a word, where there is more than one."""
    found: dict[str, list[float]] = {}
    for name, value in sorted(ratios.items()):
        test, _, parameters = name.removesuffix("]").partition("[")
        word = next((part for part in parameters.split("-") if not part.isdigit()), "")
        found.setdefault(f"{test} {word}".strip(), []).append(value)
    return {name: values for name, values in found.items() if len(values) > 1}


@pytest.hookimpl(trylast=True)  # under the table of times
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    ratios = config.stash.get(RATIOS, {})
    if not ratios:
        return
    terminalreporter.section("times faster than the peer or the direct form")
    for name, value in sorted(ratios.items()):
        terminalreporter.write_line(f"{value:8.2f}  {name}")
    terminalreporter.section("the same by group: mean, least")
    for name, values in groups(ratios).items():
        line = f"{statistics.mean(values):8.2f} {min(values):8.2f}  {name}"
        terminalreporter.write_line(line)
    if memory := config.stash.get(MEMORY, {}):
        terminalreporter.section("extra memory, MB")
        for name, value in sorted(memory.items()):
            terminalreporter.write_line(f"{value:8.0f}  {name}")
    versions = ", ".join(f"{name} {installed_version(name)}" for name in PACKAGES)
    terminalreporter.write_line(f"{cpu_model()}, one thread; {versions}")
