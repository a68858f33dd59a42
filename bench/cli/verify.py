"""`proxy-bench verify`: stored runs, computed again."""

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.cli.listing import find_directory
from bench.cli.progress import show_work
from bench.cli.run_suite import execute, resumable
from bench.datasets.files.work import quiet
from bench.running.preflight import check_data, check_device
from bench.running.processes import chunked, in_processes
from bench.running.until_decided import started_runs
from bench.spec import RunSpec
from bench.store.environment import current_pins, describe, pinned
from bench.store.runs import Run, RunDir, directories, load_run, read_runs, scan
from bench.suites import names as suite_names
from bench.suites.loss_source import was_edited
from bench.suites.stored import suite_to_read
from bench.temporary import remove_folder
from bench.terminal import plain_console, print_line, show_late
from bench.tuning.search import search_folders
from bench.verification.environment import changes
from bench.verification.leftover import folder_of_runs
from bench.verification.outcome import Outcome
from bench.verification.spread import with_sizes

CHUNK = 4  # runs for which a data set is loaded once
EVERY = 1000  # validations: those that a run kept are among all of them
SHOWN = 5  # differences of a run on the terminal; --json has all


@dataclass(frozen=True)
class Options:
    """Options of the command; train: how many runs to train again, 0 for none."""

    results: Path
    data_root: Path | None
    processes: int
    device: str
    stored_only: bool
    train: int
    draw: int


def verify(names: Sequence[str], options: Options) -> list[Outcome]:
    """Verify the runs of the given names, which are those of runs or suites; all without a name.

    Raises: ValueError if a name is unknown, or if there is no run; typer.Exit after Ctrl-C.
    """
    places = [files for name in names for files in named(name, options.results)]
    places = [files for files in places or directories(options.results) if present(files)]
    if not places:
        raise ValueError(f"no run is stored in {options.results}")
    runs, outcomes = [], []
    with show_late(plain_console(stderr=True), "reading stored runs") as report:
        for done, files in enumerate(places):
            report(done, len(places))
            read, errors = read_runs([files])
            runs += read
            outcomes += [Outcome(files.name, error=str(error)) for error in errors]
    if options.stored_only:
        return outcomes + [Outcome(run.name, compared=["stored files"]) for run in runs]
    chosen = by_lot(runs, options) if options.train else runs
    again = (train_again if options.train else score_again)(chosen, options)
    differs = any(outcome.differences for outcome in again)
    return outcomes + with_sizes(again, runs, scan(options.results)[0] if differs else [])


def present(files: RunDir) -> bool:
    """Whether there is something to verify."""
    return files.finished or files.lost


def named(name: str, results: Path) -> list[RunDir]:
    """The directories of a suite's runs, or of one run."""
    if name not in suite_names() and not name.endswith(".toml"):
        return [find_directory(name, results)]
    suite = suite_to_read(name, results)
    return [RunDir.of(results, spec) for spec in started_runs(name, suite, results)]


def score_again(runs: Sequence[Run], options: Options) -> list[Outcome]:
    """Compute the scores of the runs again from their embeddings; no data is loaded without any."""
    from bench.verification.scores import NOT_KEPT, verify_scores

    kept = [run for run in runs if run.keeps_embeddings]
    others = [Outcome(run.name, error=NOT_KEPT) for run in runs if not run.keeps_embeddings]
    return others + compute_again(verify_scores, "scoring stored embeddings", kept, options)


def compute_again(
    verify: Callable[[Sequence[Path], Path | None], list[Outcome]],
    words: str,
    runs: Sequence[Run],
    options: Options,
) -> list[Outcome]:
    """What a function of run directories and data root finds, a few runs at a time in each
    process; words: what it does."""
    found: list[Outcome] = []
    with (
        resumable(plain_console(stderr=True), "Stopped"),
        show_work(plain_console(stderr=True)) as report,
    ):
        report(words, 0, len(runs))
        for pins, members in by_pins(runs).items():
            chunks = chunked(members, CHUNK)
            tasks = [([run.directory for run in chunk], options.data_root) for chunk in chunks]
            with pinned(pins):
                for _, outcomes in in_processes(verify, tasks, options.processes):
                    found += outcomes
                    report(words, len(found), len(runs))
    return sorted(found, key=lambda outcome: outcome.run)


def by_lot(runs: Sequence[Run], options: Options) -> list[Run]:
    """The runs to train again; options.draw makes the lot repeatable."""
    candidates = trained(runs)
    return random.Random(options.draw).sample(candidates, min(options.train, len(candidates)))


def trained(runs: Sequence[Run]) -> list[Run]:
    """The runs that took steps; the others score networks as they start."""
    return [run for run in runs if run.spec["steps"]]


def train_again(runs: Sequence[Run], options: Options) -> list[Outcome]:
    """Train the runs again in a folder of their own, which is removed once they are compared."""
    outcomes: list[Outcome] = []
    for pins, members in by_pins(runs).items():
        with pinned(pins):
            outcomes += train_alike(members, options)
    return outcomes


def by_pins(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """Runs by the arithmetic that their processes must be pinned to."""
    found: dict[str, list[Run]] = {}
    for run in runs:
        found.setdefault(pins_of(run), []).append(run)
    return found


def pins_of(run: Run) -> str:
    """The arithmetic of a stored run; earlier runs do not say, so that of this process."""
    return str(run.record["environment"].get("pins", current_pins()))


def train_alike(runs: Sequence[Run], options: Options) -> list[Outcome]:
    """Train runs again whose arithmetic is pinned alike, as it is in this environment."""
    check_device(options.device)
    folder = options.results / "verification"
    keep_embeddings = EVERY if any(run.keeps_history for run in runs) else 0
    with folder_of_runs(folder, options.device, keep_embeddings) as left:
        if left:
            print_line(plain_console(stderr=True), left)
        return train_in(folder, runs, keep_embeddings, options)


def train_in(
    folder: Path, runs: Sequence[Run], keep_embeddings: int, options: Options
) -> list[Outcome]:
    """Train runs again in a folder, and compare them."""
    from bench.verification.training import compare_runs

    specs = [RunSpec(**run.spec) for run in runs]
    check_data(specs, options.data_root, folder, options.device, quiet)
    console = plain_console(stderr=True)
    for reason in dict.fromkeys(reason for run in runs for reason in moved_since(run, options)):
        print_line(console, f"made elsewhere, so numbers may differ: {reason}")
    with resumable(console):
        state = execute(
            console,
            specs,
            folder,
            keep_model=False,
            keep_embeddings=keep_embeddings,
            data_root=options.data_root,
            processes=options.processes,
            device=options.device,
        )
    outcomes = [
        Outcome(run.name, error=f"training it again failed: {state.failed[run.name]}")
        if run.name in state.failed
        else compare_runs(run, load_run(RunDir.of(folder, spec)))
        for run, spec in zip(runs, specs, strict=True)
    ]
    if not state.failed:
        remove_folder(folder)  # what a kill leaves of it would be taken for runs
    return outcomes


def moved_since(run: Run, options: Options) -> Iterator[str]:
    """What of the environment of a run is not as it is where it is trained again."""
    from bench.training.device import device_name  # loads torch

    if was_edited(run.record):
        yield f"the code of the loss {run.spec['loss']} was another one"
    yield from changes(run.record["environment"], describe(device_name(options.device), threads=1))


def show_outcomes(outcomes: Sequence[Outcome], seconds: float, results: Path) -> None:
    """Print runs that do not pass, then counts, and what was not compared."""
    console = plain_console()
    for outcome in outcomes:
        if outcome.verdict == "pass":
            continue
        print_line(console, f"{outcome.verdict}: {outcome.run}")
        if outcome.error:
            print_line(console, f"    {outcome.error}")
        for difference in outcome.differences[:SHOWN]:
            print_line(console, f"    {difference}")
        if (more := len(outcome.differences) - SHOWN) > 0:
            print_line(console, f"    and {more} more; --json has all")
        for line in outcome.size_lines:
            print_line(console, f"    {line}")
        for reason in outcome.reasons:
            print_line(console, f"    may be because of: {reason}")
    counts = Counter(outcome.verdict for outcome in outcomes)
    listed = ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items()))
    print_line(console, f"{len(outcomes)} runs in {seconds:.0f} s: {listed}")
    if compared := dict.fromkeys(name for outcome in outcomes for name in outcome.compared):
        print_line(console, f"compared: {', '.join(compared)}")
    if unchecked := dict.fromkeys(name for outcome in outcomes for name in outcome.unchecked):
        print_line(console, f"not compared: {', '.join(unchecked)}; --train compares them")
    if searches := search_folders(results):
        names = ", ".join(folder.name for folder in searches)
        print_line(console, f"not compared: the trials of `tune` ({names}), which reports show")


def exit_status(outcomes: Sequence[Outcome]) -> int:
    """0 if all pass, 2 if all differences are explained, else 1."""
    verdicts = {outcome.verdict for outcome in outcomes} - {"pass"}
    return 0 if not verdicts else 2 if verdicts == {"differs, explained"} else 1
