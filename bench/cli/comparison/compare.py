"""The command `compare`: losses on one's own photographs, with a budget for the time at hand."""

import os
import time
from dataclasses import replace
from pathlib import Path

from bench.cli.comparison.suite_file import Expected, Options, add_seed, suite_file
from bench.cli.comparison.verdict import best_runs, sentences, why_this
from bench.cli.listing import stored_runs
from bench.cli.report import browse, finish
from bench.cli.run_suite import run_suite
from bench.datasets import find, load
from bench.datasets.folder.dataset import PREFIX
from bench.datasets.folder.rows import NAME, read_images
from bench.datasets.folder.splits import fitting
from bench.datasets.types import Dataset
from bench.running.choose_budget import Work, fits
from bench.running.comparison import CROP
from bench.running.preflight import (
    check_device,
    check_outside,
    check_results,
    check_same_images,
    check_weights,
    describe,
)
from bench.running.sweep import missing_runs
from bench.running.until_decided import with_further
from bench.store.environment import arithmetic_options
from bench.store.seed_plan import SeedPlan, read_plan
from bench.suites import load_suite
from bench.suites.model import Suite
from bench.terminal import clock, command, plain_console, print_line
from bench.weights import PRETRAINED, locate

LONGEST = 53  # characters of a folder's name, as the name of its data set has 60
FEW_IMAGES = 100  # below which scores are coarse


def compare_losses(folder: Path, options: Options) -> bool:
    """Compare losses on the photographs of a folder and say which to prefer.

    Returns: whether there are no problems. Raises: ValueError or OSError, with one message, for
    whatever cannot be used; typer.Exit after Ctrl-C.
    """
    started = time.monotonic()
    console = plain_console()
    root, name = as_dataset(folder, options.results)
    found = locate(options.backbone, options.weights)
    if options.weights != PRETRAINED:  # a file, which the suite names from any folder
        options = replace(options, weights=str(found.path.absolute()))
    check_results(options.results)
    check_device(options.device)
    if options.weights != PRETRAINED:
        check_weights(options.backbone, found.path, CROP)
    dataset = load(name, root, fitting(read_images(root / name.removeprefix(PREFIX))))
    lines = describe(dataset, root)
    for line in [*lines, *parts(dataset)]:
        print_line(console, line)
    check_same_images(dataset, options.results)
    path, expected = suite_file(dataset, root, options, started)
    suite, failed = run_seeds(path, root, options, started, expected, shown=lines)
    plan = read_plan(options.results, str(path), suite.seeds, suite.method_ids)
    good = finish(str(path), suite, options.results, failed, brief=plan is None)
    conclude(path, suite, root, options.results, plan)
    return good


def run_seeds(
    path: Path,
    root: Path,
    options: Options,
    started: float,
    expected: Expected,
    *,
    shown: list[str],
) -> tuple[Suite, dict[str, str]]:
    """Run a suite, and then one more seed of every loss after the other, as long as the minutes
    last: runs may have ended early; none where `--until-decided` adds them by its plan. `started`
    is when they began.

    Returns: the suite with all seeds, and the failed runs.
    """
    while True:
        suite, began = load_suite(str(path)), time.monotonic()
        planned = read_plan(options.results, str(path), suite.seeds, suite.method_ids)
        _, missing = missing_runs(suite.specs, options.results)
        state = run_suite(
            suite,
            options.results,
            data_root=root,
            processes=options.processes,
            device=options.device,
            shown=shown,
            expected=expected.run,
        )
        now = time.monotonic()
        work = Work(len(suite.methods), 0, 0, options.processes)
        left = 60 * options.minutes - (now - started)
        done = len(suite.seeds), len(missing), now - began
        if state.failed or planned or not fits(work, *done, left, expected.report):
            return suite, state.failed
        added = add_seed(path, suite)
        has = f"{path} has it" if added else f"add it to the seeds of {path}, which was edited"
        print_line(
            plain_console(), f"one more seed fits into the {clock(left)} that are left; {has}"
        )
        if not added:
            return suite, state.failed


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
        what = "is not a folder" if whole.exists() else "does not exist"
        raise FileNotFoundError(f"{folder} {what}")
    if len(whole.name) > LONGEST:
        raise ValueError(
            f"the name of {folder} has {len(whole.name)} characters; shorten it to {LONGEST}"
        )
    find(PREFIX + whole.name)  # ValueError for a name that cannot be used
    check_outside(folder, results)
    return whole.parent, PREFIX + whole.name


def parts(dataset: Dataset) -> list[str]:
    """What trains, validates and tests, and a word of caution about the small ones."""
    split, labels = dataset.split, dataset.labels
    of = {"training": split.train, "validation": split.validation, "test": split.query}
    listed = [
        f"{name} {len(positions):,} images of {len(set(labels[positions].tolist())):,} classes"
        for name, positions in of.items()
    ]
    lines = [f"  {', '.join(listed)}"]
    lines += [
        f"  few {name} images: one of {len(of[name])} that finds another nearest image "
        f"changes R@1 by {100 / len(of[name]):.1f} points"
        for name in ("validation", "test")
        if len(of[name]) < FEW_IMAGES
    ]
    return lines


def conclude(path: Path, suite: Suite, root: Path, results: Path, plan: SeedPlan | None) -> None:
    """Print which loss to prefer, or that the runs cannot say, and where everything lies.

    plan: by which seeds were added; then the findings of the report, which judges by it, are all
    that is said of the losses.
    """
    console = plain_console()
    runs, _ = stored_runs(with_further(suite, plan, results), results)
    print_line(console, "")
    again = ("run", path, "--data-root", root, "--results", results, *arithmetic_options())
    for sentence in () if plan else sentences(runs, command(*again, "--until-decided")):
        print_line(console, sentence)
    print_line(console, "")
    best = best_runs(runs)
    for model in best[:1]:
        where = model.directory / "model.safetensors"
        if where.exists():
            print_line(console, f"model   {where} ({why_this(model, best[1:])})")
    print_line(console, f"browse  {browse(results, best[0].name if best else '')}")
    print_line(console, f"suite   {path}; edit it and run it again by")
    print_line(console, f"        {command(*again)}")
