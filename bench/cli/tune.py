"""`proxy-bench tune`: the same number of trials for every method, and the suite of the best."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import typer
from rich.table import Table
from rich.text import Text

from bench.cli.progress import show_work
from bench.cli.run_suite import execute, of_earlier_losses, resumable
from bench.datasets import load
from bench.reporting.provenance import is_perfect
from bench.results import LAST
from bench.running.preflight import check_data, check_device, check_results, clear_litter
from bench.running.sweep import missing_runs
from bench.spec import RunSpec, id_of
from bench.store.environment import arithmetic_options
from bench.store.runs import RunDir, read_runs, set_aside, write_text
from bench.suggest import printable
from bench.suites import SuiteError, load_suite
from bench.suites.model import Suite
from bench.terminal import (
    command,
    default_results,
    end_like_ctrl_c,
    plain_console,
    print_line,
)
from bench.tuning.chosen_suite import suite_text
from bench.tuning.draw import load_optuna
from bench.tuning.outcomes import Outcome, read_outcomes
from bench.tuning.search import (
    Data,
    Search,
    check_continues,
    declare,
    default_specs,
    read_search,
    search_folder,
    write_search,
)


@dataclass(frozen=True)
class Options:
    """Options of the command; test: whether all trials are scored on the test split at the end."""

    trials: int
    seed: int
    results: Path
    data_root: Path | None
    processes: int
    device: str
    test: bool


def tune(name: str, options: Options) -> bool:
    """Execute the missing trials of a search, then write the chosen suite.

    Returns: whether there are no problems. Raises: typer.Exit after Ctrl-C; ValueError and OSError
    of the checks.
    """
    console = plain_console()
    suite = load_suite(name)
    folder = search_folder(options.results, name)
    check_suite(suite, name, options.seed)
    load_optuna()
    check_results(options.results)
    search, specs = prepare(suite, folder, options)
    stored, _ = missing_runs(specs, folder)
    each = f"{options.trials} trials of every method on every budget"
    print_line(console, f"{suite.title}: {each}, and the suite's own values as trial 0")
    print_line(console, f"{len(specs)} runs, {len(stored)} stored already")
    directories = [RunDir.of(folder, spec) for spec in stored]
    for line in of_earlier_losses(read_runs(directories, purpose="trial")[0]):
        print_line(console, f"note: {line}")
    with resumable(console):
        state = execute(
            console,
            specs,
            folder,
            keep_model=True,  # its test scores come later
            keep_embeddings=0,
            data_root=options.data_root,
            processes=options.processes,
            device=options.device,
        )
    outcomes, problems = read_outcomes(folder, search)
    problems += [f"{run}: {error}" for run, error in state.failed.items()]
    if problems:
        for problem in problems:
            print_line(console, f"problem: {problem}")
        print_line(console, "Nothing is chosen before all trials are stored; run the same command")
        return False
    finish(suite, search, outcomes, folder, options)
    return True


def check_suite(suite: Suite, name: str, seed: int) -> None:
    """Raises: ValueError if a suite cannot be searched."""
    if suite.tuning:
        raise ValueError(
            f"{name} holds the values that a search of {suite.tuning.suite!r} chose; tune the "
            "suite that it came from"
        )
    if not suite.methods:
        raise ValueError(f"{name} has no method to tune: nothing is trained")
    if seed in suite.used_seeds:
        raise ValueError(
            f"--seed {seed} is also a seed of the runs of {name} (seeds = {suite.used_seeds}): "
            "values chosen on it would suit these runs by chance; give a seed that is used nowhere "
            "else"
        )
    for budget, found in suite.budgets.items():
        if -(-found.steps // found.evaluate_every) < LAST:
            raise ValueError(
                f"{name}: budgets.{budget} has fewer than {LAST} validations after the start, "
                "whose mean decides; lower evaluate_every"
            )


def prepare(suite: Suite, folder: Path, options: Options) -> tuple[Search, list[RunSpec]]:
    """Check data and device, and write what the search will do.

    Raises: ValueError if the folder holds another search, or one on other data.
    """
    check_device(options.device)
    end_like_ctrl_c()
    defaults = default_specs(suite, options.seed)
    seed, trials = options.seed, options.trials
    learns = {spec.loss: learns_parameters(spec.loss) for spec in defaults}
    data = {}
    for budget, found in suite.budgets.items():
        dataset = load(found.dataset, options.data_root, found.split)
        data[budget] = Data(fingerprint=dataset.fingerprint, checksum=dataset.checksum)
    search, specs = declare(suite, seed=seed, trials=trials, learns=learns, data=data)
    if stored := read_search(folder):
        check_continues(stored, search, folder)
        search = search.model_copy(update={"criterion": stored.criterion})
    clear_litter(specs, folder)
    with show_work(plain_console()) as report:
        lines = check_data(
            # Their checkpoints are checked; of a method's values, the suite's own, which come last.
            [*missing_runs(specs, folder)[1], *defaults],
            options.data_root,
            folder,
            options.device,
            report,
        )
    for line in lines:
        print_line(plain_console(), line)
    write_search(folder, search)
    return search, specs


def learns_parameters(loss: str) -> bool:
    """Whether a loss has parameters of its own."""
    import torch

    from proxy_core.losses import LOSSES

    with torch.device("meta"):
        return any(True for _ in LOSSES[loss](8, 8).parameters())


def finish(
    suite: Suite, search: Search, outcomes: Sequence[Outcome], folder: Path, options: Options
) -> None:
    """Write the chosen suite, print what was found, and score the test split if that is wanted."""
    console = plain_console()
    path = folder.with_name(f"{folder.name}.toml")
    text = suite_text(suite, search, outcomes)
    kept = keep_former(path, text)
    write_text(path, text)
    check_written(path, outcomes)
    console.print(summary(outcomes))
    for line in notes(outcomes):
        print_line(console, line)
    if kept:
        print_line(console, f"kept    {kept}, which was there before and differs")
    print_line(console, f"suite   {path}")
    if options.test:
        score_test_split(outcomes, options)
    elsewhere = [] if options.results == default_results() else ["--results", options.results]
    root = ["--data-root", options.data_root] if options.data_root else []
    print_line(console, f"run     {command('run', path, *elsewhere, *root, *arithmetic_options())}")


def keep_former(path: Path, text: str) -> Path | None:
    """Rename a suite file that would be lost: one of fewer trials, or with edits."""
    if not path.exists() or path.read_bytes() == text.encode():
        return None
    return set_aside(path, ".before")


def check_written(path: Path, outcomes: Sequence[Outcome]) -> None:
    """Raises: SuiteError if the written suite would not run what was chosen, which is an error of
    this program."""
    suite = load_suite(str(path))
    assert suite.tuning
    found = {id_of(spec.model_dump()) for spec in default_specs(suite, suite.tuning.seed)}
    if found != {outcome.best.run.spec_id for outcome in outcomes}:
        raise SuiteError(f"{path} does not hold the values that were chosen; please report this")


def score_test_split(outcomes: Sequence[Outcome], options: Options) -> None:
    """Score every trial on the test split. Raises: typer.Exit after Ctrl-C."""
    from bench.running.score_trials import score_trials

    runs = [trial.run for outcome in outcomes for trial in outcome.all]
    console = plain_console()
    try:
        with show_work(console) as report:
            score_trials(runs, options.data_root, options.device, options.processes, report)
    except KeyboardInterrupt:
        console.print("\nStopped; the chosen suite is written, the same command scores the rest.")
        raise typer.Exit(130) from None
    print_line(console, f"test    scores of {len(runs)} trials are stored; `run` reports them")


def summary(outcomes: Sequence[Outcome]) -> Table:
    """One line for each method: validation scores in percent."""
    table = Table(
        *("method", "budget", "trials", "diverged", "untrained", "best", "trial", "suite's own"),
        title="final MAP@R on validation (percent)",
    )
    for outcome in outcomes:
        table.add_row(
            Text(printable(outcome.searched.method)),
            Text(printable(outcome.searched.budget)),
            str(len(outcome.trials)),
            str(len(outcome.diverged)),
            str(len(outcome.untrained)),
            f"{100 * outcome.best.score:.1f}",
            str(outcome.best.number),
            f"{100 * outcome.default.score:.1f}",
        )
    return table


def notes(outcomes: Sequence[Outcome]) -> list[str]:
    """What to know of the choice: edges, trials that diverged or trained nothing, and own values
    that are better."""
    lines = []
    for outcome in outcomes:
        who = f"{outcome.searched.method} on {outcome.searched.budget}"
        lines += [f"edge    {who}: {edge}" for edge in outcome.edges]
        if failed := [trial for trial in outcome.all if trial.diverged]:
            numbers = ", ".join(str(trial.number) for trial in failed)
            lines.append(
                f"worst   {who}: trial {numbers} diverged and counts as 0: {failed[0].diverged}"
            )
        if text := outcome.untrained_text:
            lines.append(f"note    {who}: {text}")
        if outcome.best is outcome.default:
            perfect = is_perfect([outcome.default.score])
            outlook = "nothing is above 100 %" if perfect else "more trials may find better ones"
            lines.append(
                f"note    {who}: none of the {len(outcome.trials)} trials scores higher than the "
                f"suite's own values, which are kept; {outlook}"
            )
    return lines
