"""Commands beside `run` that write files, what is there before each, and how a process runs one.

Clocks are stopped, so that a command writes equal bytes each time. What it computes in other
processes is computed in its own, so that all it writes has places.
"""

import os
import re
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import BadZipFile, ZipFile

from huggingface_hub import constants

from bench.cli import report, verify
from bench.datasets import DATASETS
from bench.datasets.files import photographs
from bench.running import score_trials
from bench.store import environment
from bench.verification import scores, start, training  # noqa: F401, so that forks find them
from demo.export import write
from tests.faults.commands.served import sources
from tests.faults.outcome import OF_EVERY_RUN, Outcome
from tests.faults.processes import command
from tests.faults.writes import Fault, no_fault, watch

NOW = datetime(2026, 11, 28, tzinfo=UTC)
OF_THE_HARNESS = OF_EVERY_RUN | {"output.txt"}
# What the hub's library leaves in its cache when it ends early, which is not ours to delete.
OF_THE_HUB = re.compile(r"hub/(.*/)?(tmp[^/]*|main\.\w+\.tmp|[^/]+\.incomplete|CACHEDIR.TAG)(/.*)?")
Content = dict[str, object]


class Case(NamedTuple):
    """The words of a command, and the fixture whose folder is there before it."""

    words: str
    ready: str = "stored"


RUN, ZOO_RUN = "digits-proxy-nca-s0", "folder-zoo-proxy-nca-s0"
CASES = {
    "tune": Case("tune one.toml --trials 1 --test --jobs 1", "searched"),
    "until decided": Case("run two.toml --until-decided --max-seeds 2 --jobs 1", "seeded"),
    "pack": Case("pack two.toml -o sent --models"),
    "accept": Case("accept sent --into kept --train 0 --draw 0 --jobs 1", "sent"),
    "verify": Case("verify one.toml --train 1 --jobs 1"),
    "export": Case(f"export {RUN} network"),
    "export scores": Case(
        f"export {RUN} scores --format every-eval-ever --organization mine "
        "--format eval-results --hub-dataset a/b --task t"
    ),
    "embed": Case(f"embed {ZOO_RUN} {{pictures}}/zoo -o vectors.npy", "photographed"),
    "embed table": Case(f"embed {ZOO_RUN} {{pictures}}/zoo -o vectors.parquet", "photographed"),
    "photographs": Case("run zoo.toml --data-root {pictures} --jobs 1", "photographed"),
    "unpack": Case("data download brought --data-root data", "brought"),
    "download": Case("data download served --data-root data", "empty"),
    "weights": Case("weights download timm:resnet10t.c3_in1k", "weightless"),
    "pages": Case("demo --export pages", "exported"),
    "pages in a .zip": Case("demo --export pages.zip", "exported"),
}


class Ready(NamedTuple):
    """What is in a folder before and after a command to which nothing happens, and the kinds of its
    places."""

    folder: Path
    before: Content
    after: Content
    kinds: list[str]


Run = Callable[[Path, str, Fault], int]
Prepare = Callable[[str], Ready]


class Stopped(datetime):
    """A clock that always says NOW."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        return NOW


class Inputs(NamedTuple):
    """What commands read beside their folder: pictures, and what a server has at its address."""

    pictures: Path
    address: str


def run_command(folder: Path, words: str, inputs: Inputs, fault: Fault) -> None:
    """`proxy-bench` with some words in a folder, all of whose changes are places."""

    def prepare() -> None:
        make_repeatable(folder, inputs)
        watch(folder, fault)

    command(folder, *words.format(pictures=inputs.pictures).split(), prepare=prepare)


def succeed(run: Run, folder: Path, words: str, fault: Fault = no_fault) -> None:
    code, output = run(folder, words, fault), folder / "output.txt"
    assert code == 0, output.read_text()
    output.unlink()


def make_repeatable(folder: Path, inputs: Inputs) -> None:
    """Let commands of this process write equal bytes each time, by themselves, below a folder."""
    warnings.simplefilter("default")
    os.environ["PROXY_BENCH_CACHE"] = str(folder / "cache")
    time.time = NOW.timestamp
    vars(environment)["datetime"] = Stopped
    DATASETS.update(sources(inputs.address))
    photographs.TICK = -1e9  # digests are stored of pictures that were just written
    constants.HF_HUB_OFFLINE = False
    constants.HF_HUB_CACHE = str(folder / "hub")
    constants.ENDPOINT = inputs.address
    constants.HUGGINGFACE_CO_URL_TEMPLATE = (
        f"{inputs.address}/{{repo_id}}/{{revision}}/{{filename}}"
    )
    report.finish = lambda *_: True
    vars(verify)["in_processes"] = vars(score_trials)["in_processes"] = one_by_one
    vars(write)["render_results"] = lambda shelf: f"results of {len(shelf.runs)}"
    from bench.cli.submissions import cost

    cost.cost_of = lambda *_: cost.Cost(0.0, 0.0, [])


def one_by_one(
    function: Callable[..., Any], tasks: Sequence[tuple[Any, ...]], jobs: int
) -> Iterator[tuple[int, Any]]:
    """What `in_processes` does, in this process."""
    return ((number, function(*task)) for number, task in enumerate(tasks))


def content(folder: Path) -> Content:
    """All that is in a folder: bytes of files, those of each part of an archive, where links point
    to; None for folders."""
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")}
    return {
        name: one_content(path)
        for name, path in found.items()
        if path.name not in OF_THE_HARNESS and not OF_THE_HUB.fullmatch(name)
    }


def one_content(path: Path) -> object:
    if path.is_symlink():
        return os.readlink(path)
    if path.is_dir():
        return None
    if path.suffix in (".zip", ".npz"):
        try:
            with ZipFile(path) as archive:
                return {name: archive.read(name) for name in archive.namelist()}
        except BadZipFile:
            pass
    return path.read_bytes()


def compare(found: Content, ready: Ready, orphans: int = 0) -> Outcome:
    """What differs from a command to which nothing happens."""
    both = found.keys() & ready.after.keys()
    return Outcome(
        differing=sum(found[name] != ready.after[name] for name in both),
        lost=len(ready.after.keys() - found.keys()),
        orphans=orphans,
        litter=len(found.keys() - ready.after.keys()),
    )


def is_half(found: Content, ready: Ready) -> list[str]:
    """The files that are neither as before nor as after a command, or that are lost."""
    before, after = ready.before, ready.after
    odd = [
        name
        for name in found
        if found[name] is not None and found[name] not in (before.get(name), after.get(name))
    ]
    kept = list(found.values())
    lost = [name for name in before if name not in found and before[name] not in kept]
    return odd + lost
