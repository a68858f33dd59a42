"""What is there before each command, and what an undisturbed one makes of it."""

import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.faults.commands.cases import (
    CASES,
    Inputs,
    Prepare,
    Ready,
    Run,
    content,
    run_command,
    succeed,
)
from tests.faults.commands.served import bring, serving
from tests.faults.conftest import with_suites
from tests.faults.processes import exit_code
from tests.faults.writes import list_kinds
from tests.support.fabricated import write_results
from tests.support.photographs import write_pictures
from tests.support.zoo import NAMES

ZOO = """
title = "Pictures"
seeds = [0]
[budgets."folder:zoo"]
resize = 16
crop = 16
embedding_dim = 4
batch_size = 4
steps = 2
evaluate_every = 1
augmentation = "none"
learning_rate = 1e-3
weight_decay = 1e-4
[methods."Proxy-NCA"]
loss = "proxy_nca"
"""
EDITED = "# with values of mine\n"


def copy(folder: Path, into: Path) -> Path:
    """Put what is in a folder into an empty one, which is returned."""
    return Path(shutil.copytree(folder, into, symlinks=True, dirs_exist_ok=True))


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Execute a command in a folder; returns its exit code."""
    pictures = tmp_path_factory.mktemp("pictures")
    write_pictures(pictures / "zoo", NAMES)
    with serving() as address:
        inputs = Inputs(pictures, address)
        yield lambda folder, words, fault: exit_code(run_command, folder, words, inputs, fault)


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the suites alone."""
    return with_suites(tmp_path_factory.mktemp("empty"))


@pytest.fixture(scope="session")
def weightless(empty: Path) -> Path:
    """The same, once timm is imported."""
    pytest.importorskip("timm", reason="timm is not installed")
    return empty


@pytest.fixture(scope="session")
def stored(tmp_path_factory: pytest.TempPathFactory, whole: Path) -> Path:
    """The results of both suites."""
    folder = with_suites(tmp_path_factory.mktemp("stored"))
    shutil.copytree(whole, folder / "results")
    return folder


@pytest.fixture(scope="session")
def seeded(stored: Path, tmp_path_factory: pytest.TempPathFactory, run: Run) -> Path:
    """Also the results of the seeds that are added until pairs are decided."""
    folder = copy(stored, tmp_path_factory.mktemp("seeded"))
    succeed(run, folder, CASES["until decided"].words)
    shutil.rmtree(folder / "results" / "until-decided")
    return folder


@pytest.fixture(scope="session")
def searched(empty: Path, tmp_path_factory: pytest.TempPathFactory, run: Run) -> Path:
    """The trials of a search, and a suite of it that was edited."""
    pytest.importorskip("optuna", reason="Optuna is not installed")
    folder = copy(empty, tmp_path_factory.mktemp("searched"))
    succeed(run, folder, CASES["tune"].words)
    tuning = folder / "results" / "tuning"
    for written in (tuning / "one" / "search.json", *tuning.rglob("test.json")):
        written.unlink()
    (tuning / "one.toml").write_text(EDITED + (tuning / "one.toml").read_text())
    return folder


@pytest.fixture(scope="session")
def sent(stored: Path, tmp_path_factory: pytest.TempPathFactory, run: Run) -> Path:
    """A submission."""
    folder = copy(stored, tmp_path_factory.mktemp("sent"))
    succeed(run, folder, CASES["pack"].words)
    return folder


@pytest.fixture(scope="session")
def photographed(empty: Path, tmp_path_factory: pytest.TempPathFactory, run: Run) -> Path:
    """The results of a run on photographs, which are no longer decoded."""
    folder = copy(empty, tmp_path_factory.mktemp("photographed"))
    (folder / "zoo.toml").write_text(ZOO)
    succeed(run, folder, CASES["photographs"].words)
    shutil.rmtree(folder / "cache")
    return folder


@pytest.fixture(scope="session")
def brought(empty: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of a data set."""
    folder = copy(empty, tmp_path_factory.mktemp("brought"))
    bring(folder / "data")
    return folder


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory, run: Run) -> Path:
    """Exports of one of several runs, which new ones replace."""
    folder = tmp_path_factory.mktemp("exported")
    runs = write_results(folder / "results", ("digits",)) / "runs"
    name = min(path.name for path in runs.iterdir())
    for pages in ("pages", "pages in a .zip"):
        succeed(run, folder, f"{CASES[pages].words} --run {name}")
    return folder


@pytest.fixture(scope="session")
def prepare(
    run: Run, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Prepare:
    """What is there before and after a command of a name, found out once."""

    @cache
    def ready(name: str) -> Ready:
        case = CASES[name]
        before: Path = request.getfixturevalue(case.ready)
        folder = copy(before, tmp_path_factory.mktemp("undisturbed"))
        listed = folder.with_suffix(".places")
        succeed(run, folder, case.words, list_kinds(listed))
        kinds = listed.read_text().splitlines()
        return Ready(before, content(before), content(folder), kinds)

    return ready
