"""One run with its network, for tests that embed images with it."""

from pathlib import Path

import pytest

from demo.library import Library, open_library
from tests.support.networks import write_run_with_network


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    write_run_with_network(folder)
    return folder


@pytest.fixture
def library(results: Path) -> Library:
    return open_library(results)
