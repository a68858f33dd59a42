"""The suite file of `compare`: found again, or chosen for the time at hand, by measuring."""

import time
import tomllib
from dataclasses import dataclass
from pathlib import Path

import typer

from bench.cli.progress import show_work
from bench.datasets.doubts import equal_files, equal_pictures
from bench.datasets.splits import SHARING
from bench.datasets.types import Dataset
from bench.running.choose_budget import (
    LEAST_SEEDS,
    LEAST_STEPS,
    MOST_SEEDS,
    REPORT_SECONDS,
    Plan,
    Work,
    choose,
    report_seconds,
    run_seconds,
)
from bench.running.comparison import (
    Conditions,
    content_of,
    is_for,
    suite_path,
    suite_text,
    with_seeds,
)
from bench.running.measure import Measured, measure
from bench.running.preflight import check_data
from bench.running.probe import Job
from bench.store.environment import arithmetic_options
from bench.store.runs import set_aside, write_text
from bench.suites import load_suite
from bench.suites.model import Suite
from bench.terminal import clock, command, end_like_ctrl_c, plain_console, print_line


@dataclass(frozen=True)
class Options:
    """Options of the command; `processes` are runs at a time."""

    minutes: float
    losses: tuple[str, ...]
    results: Path
    processes: int
    device: str
    backbone: str
    weights: str


@dataclass(frozen=True)
class Expected:
    """Seconds of one run, None if they were not measured, and of the report."""

    run: float | None = None
    report: float = REPORT_SECONDS


def suite_file(
    dataset: Dataset, root: Path, options: Options, started: float
) -> tuple[Path, Expected]:
    """The suite file of a comparison that began at `started`: that of an earlier command with the
    same images and options, or a new one; and how long its parts take.

    Raises: what the checks and measurements raise; typer.Exit after Ctrl-C.
    """
    console = plain_console()
    conditions = Conditions(
        content_of(dataset),
        options.minutes,
        options.losses,
        options.backbone,
        options.weights,
        arithmetic_options(),
    )
    path = suite_path(options.results, dataset.name)
    if is_for(path, conditions):
        check_same_data(path, dataset)
        print_line(
            console,
            f"goes on with {path}: every run in it will be finished, also if that takes longer; "
            f"more seeds follow while they fit into {options.minutes:g} minutes from now",
        )
        return path, Expected()
    end_like_ctrl_c()
    try:
        text, expected = measured_text(dataset, root, conditions, options, started)
    except KeyboardInterrupt:
        console.print("\nStopped; nothing was trained yet.")
        raise typer.Exit(130) from None
    if before := replace_file(path, text):
        print_line(
            console,
            f"an earlier comparison had other images or options: its suite file is now {before}, "
            f"its report gives way to the new one, and `{command('report', before)}` writes it "
            "again",
        )
    return path, expected


def measured_text(
    dataset: Dataset, root: Path, conditions: Conditions, options: Options, started: float
) -> tuple[str, Expected]:
    """The suite of the plan that fits the time at hand, as text, after everything was checked; and
    how long its parts take."""
    console = plain_console()
    least = Plan(LEAST_SEEDS, LEAST_STEPS, 0.0)
    trial = Suite.model_validate(tomllib.loads(suite_text(dataset, conditions, least)))
    specs = trial.untrained + trial.grid(trial.seeds[:1])
    with show_work(console) as report:
        check_data(specs, root, options.results, options.device, report)
        for found in (*equal_files(dataset), *equal_pictures(dataset)):
            for line in found:
                print_line(console, f"  {line}")
        job = Job(spec=specs[-1], data_root=root, device=options.device)
        count = min(options.processes, MOST_SEEDS * len(conditions.losses))
        measured = measure(job, count, len(dataset.items), report)
    work = Work(len(conditions.losses), len(dataset.split.validation), scored(dataset), count)
    seconds = 60 * options.minutes - (time.monotonic() - started)
    plan = choose(measured.speed, work, seconds)
    print_line(console, speed_line(measured, count, specs[-1].batch_size))
    print_line(console, plan_line(plan, conditions, seconds))
    speed = measured.speed
    expected = Expected(run_seconds(speed, work, plan.steps), report_seconds(speed))
    return suite_text(dataset, conditions, plan), expected


def scored(dataset: Dataset) -> int:
    """How many images are embedded to score a network: also those that train, where their classes
    are tested."""
    split = dataset.split
    return len(dataset.test_positions) + (len(split.train) if split.protocol in SHARING else 0)


def speed_line(measured: Measured, processes: int, batch: int) -> str:
    """What was measured."""
    speed = measured.speed
    alone = f" ({measured.alone:.2f} s alone)" if processes > 1 else ""
    at_once = f"with {processes} processes at once, " if processes > 1 else ""
    return (
        f"{at_once}a step of {batch} images takes {speed.step:.2f} s{alone}, embedding an image "
        f"{1000 * speed.embed:.0f} ms, the start of a run {speed.start:.0f} s"
    )


def plan_line(plan: Plan, conditions: Conditions, seconds: float) -> str:
    """What was chosen, and how long it will take."""
    count = len(conditions.losses)
    losses = f"{count} loss{'es' * (count != 1)}"
    what = f"{plan.seeds} seeds of {losses}, at most {plan.steps} steps each"
    if plan.seconds > seconds:
        return (
            f"the least that is sensible, {what}, takes about {clock(plan.seconds)}, but only "
            f"{clock(max(seconds, 0))} of {conditions.minutes:g} minutes are left: it will end "
            f"about {clock(plan.seconds - max(seconds, 0))} later than that"
        )
    return (
        f"{what}: about {clock(plan.seconds)} of the {clock(seconds)} that are left of "
        f"{conditions.minutes:g} minutes"
    )


def replace_file(path: Path, text: str) -> Path | None:
    """Write a suite file; what was there is kept under another name, as it may have been edited.

    Returns: that name.
    """
    before = set_aside(path, "-before") if path.exists() else None
    write_text(path, text)
    return before


def add_seed(path: Path, suite: Suite) -> bool:
    """Write one more seed into a suite file, so that the same command goes on with it.

    Returns: whether it could be written."""
    seeds = [*suite.seeds, max(suite.seeds) + 1]
    text = with_seeds(path.read_text(encoding="utf-8"), seeds)
    if text is not None:
        write_text(path, text)
    return text is not None


def check_same_data(path: Path, dataset: Dataset) -> None:
    """Raises: ValueError if a suite file was edited to be on other images or another split."""
    found = {(budget.dataset, budget.split) for budget in load_suite(str(path)).budgets.values()}
    if found != {(dataset.name, dataset.split.protocol)}:
        listed = "; ".join(", ".join(each) for each in sorted(found))
        raise ValueError(
            f"{path} was edited to be on {listed}, not on {dataset.name}, "
            f"{dataset.split.protocol}: run it by `proxy-bench run`, or rename it and compare again"
        )
