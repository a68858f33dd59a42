"""The command `compare`: losses on one's own photographs, with a budget for the time at hand."""

import os
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path

import typer

from bench.cli.listing import stored_runs
from bench.cli.progress import show_work
from bench.cli.report import finish
from bench.cli.run_suite import run_suite
from bench.cli.verdict import best_run, sentences
from bench.datasets import find, load
from bench.datasets.doubts import equal_files, equal_pictures
from bench.datasets.folder.dataset import PREFIX
from bench.datasets.folder.rows import NAME, read_images
from bench.datasets.folder.splits import fitting
from bench.datasets.types import Dataset
from bench.running.choose_budget import (
    LEAST_SEEDS,
    LEAST_STEPS,
    MOST_SEEDS,
    Plan,
    Work,
    choose,
    fits,
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
from bench.running.preflight import (
    check_data,
    check_device,
    check_results,
    check_same_images,
    describe,
)
from bench.running.sweep import missing_runs
from bench.running.trial import Job
from bench.store.runs import atomic
from bench.suites import load_suite
from bench.suites.model import Suite
from bench.terminal import command, end_like_ctrl_c, plain_console, print_line
from bench.weights import locate

LONGEST = 53  # characters of a folder's name, as the name of its data set has 60
FEW_IMAGES = 100  # test images below which scores are coarse


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


def compare_losses(folder: Path, options: Options) -> bool:
    """Compare losses on the photographs of a folder and say which to prefer.

    Returns: whether there are no problems. Raises: ValueError or OSError, with one message, for
    whatever cannot be used; typer.Exit after Ctrl-C.
    """
    started = time.monotonic()
    console = plain_console()
    root, name = as_dataset(folder, options.results)
    locate(options.backbone, options.weights)
    check_results(options.results)
    check_device(options.device)
    dataset = load(name, root, fitting(read_images(root / name.removeprefix(PREFIX))))
    lines = describe(dataset, root)
    for line in [*lines, *parts(dataset)]:
        print_line(console, line)
    check_same_images(dataset, options.results)
    conditions = Conditions(
        content_of(dataset), options.minutes, options.losses, options.backbone, options.weights
    )
    path = suite_path(options.results, name)
    if is_for(path, conditions):
        print_line(console, f"goes on with {path}")
    else:
        end_like_ctrl_c()
        try:
            text = chosen_suite(dataset, root, conditions, options, started)
        except KeyboardInterrupt:
            console.print("\nStopped; nothing was trained yet.")
            raise typer.Exit(130) from None
        replace_file(path, text)
    suite, failed = run_seeds(path, root, options, started, shown=lines)
    good = finish(str(path), suite, options.results, failed, brief=True)
    conclude(path, suite, root, options.results)
    return good


def run_seeds(
    path: Path, root: Path, options: Options, started: float, *, shown: list[str]
) -> tuple[Suite, dict[str, str]]:
    """Run a suite, and then one more seed of every loss after the other, as long as the minutes
    last: runs may have ended early. `started` is when they began.

    Returns: the suite with all seeds, and the failed runs.
    """
    while True:
        suite, began = load_suite(str(path)), time.monotonic()
        _, missing = missing_runs(suite.specs, options.results)
        state = run_suite(
            suite,
            options.results,
            data_root=root,
            processes=options.processes,
            device=options.device,
            shown=shown,
        )
        now = time.monotonic()
        work = Work(len(suite.methods), 0, 0, options.processes)
        left = 60 * options.minutes - (now - started)
        if state.failed or not fits(work, len(suite.seeds), len(missing), now - began, left):
            return suite, state.failed
        add_seed(path, suite)
        print_line(
            plain_console(),
            f"one more seed fits into the {clock(left)} that are left; {path} has it",
        )


def add_seed(path: Path, suite: Suite) -> None:
    """Write one more seed into a suite file, so that the same command goes on with it."""
    seeds = [*suite.seeds, max(suite.seeds) + 1]
    with atomic(path) as temporary:
        temporary.write_text(with_seeds(path.read_text(encoding="utf-8"), seeds), encoding="utf-8")


def as_dataset(folder: Path, results: Path) -> tuple[Path, str]:
    """The data root and the name under which a folder of photographs is a data set.

    Raises: ValueError or FileNotFoundError if it is none, or if it would hold the results.
    """
    whole = Path(os.path.abspath(folder))
    if whole.is_file():
        raise ValueError(
            f"{folder} is a file: give the folder that holds your photographs, in a folder for "
            f"each class or listed in {NAME}"
        )
    if not whole.is_dir():
        raise FileNotFoundError(f"{folder} does not exist")
    if len(whole.name) > LONGEST:
        raise ValueError(
            f"the name of {folder} has {len(whole.name)} characters; shorten it to {LONGEST}"
        )
    find(PREFIX + whole.name)  # ValueError for a name that cannot be used
    if results.resolve().is_relative_to(whole.resolve()):
        raise ValueError(
            f"the results folder {results} is in {folder}, where its pictures would be taken for "
            "photographs: choose another with --results"
        )
    return whole.parent, PREFIX + whole.name


def parts(dataset: Dataset) -> list[str]:
    """What trains, validates and tests, and a word of caution about a small test."""
    split, labels = dataset.split, dataset.labels
    of = {"training": split.train, "validation": split.validation, "test": split.query}
    listed = [
        f"{name} {len(positions):,} images of {len(set(labels[positions].tolist())):,} classes"
        for name, positions in of.items()
    ]
    lines = [f"  {', '.join(listed)}"]
    if len(split.query) < FEW_IMAGES:
        share = 100 / len(split.query)
        lines.append(
            f"  few test images: one of {len(split.query)} that finds another nearest image "
            f"changes R@1 by {share:.1f} points"
        )
    return lines


def chosen_suite(
    dataset: Dataset, root: Path, conditions: Conditions, options: Options, started: float
) -> str:
    """The suite file of the plan that fits the time at hand, after everything was checked."""
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
    validation, test = len(dataset.split.validation), len(dataset.split.query)
    work = Work(len(conditions.losses), validation, test, count)
    seconds = 60 * options.minutes - (time.monotonic() - started)
    plan = choose(measured.speed, work, seconds)
    print_line(console, speed_line(measured, count, specs[-1].batch_size))
    print_line(console, plan_line(plan, conditions, seconds))
    return suite_text(dataset, conditions, plan)


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
            f"the least that is sensible, {what}, will take about {clock(plan.seconds)}, more than "
            f"what is left of {conditions.minutes:g} minutes"
        )
    return (
        f"{what}: about {clock(plan.seconds)} of the {clock(seconds)} that are left of "
        f"{conditions.minutes:g} minutes"
    )


def clock(seconds: float) -> str:
    """`3:20`, in minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"


def replace_file(path: Path, text: str) -> None:
    """Write a suite file; what was there is kept under another name, as it may have been edited."""
    if path.exists():
        path.replace(path.with_name(f"{path.stem}-before.toml"))
    path.write_text(text, encoding="utf-8")


def conclude(path: Path, suite: Suite, root: Path, results: Path) -> None:
    """Print which loss to prefer, or that the runs cannot say, and where everything lies."""
    console = plain_console()
    runs, _ = stored_runs(suite.specs, results)
    print_line(console, "")
    for sentence in sentences(runs):
        print_line(console, sentence)
    print_line(console, "")
    if best := best_run(runs):
        where = best.directory / "model.safetensors"
        if where.exists():
            print_line(console, f"model   {where} ({best.spec['method']}, best on validation)")
    print_line(console, f"suite   {path}; edit it and run it again by")
    print_line(
        console, f"        {command('run', path, '--data-root', root, '--results', results)}"
    )
