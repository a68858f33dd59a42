"""The `proxy-bench` command. Everything heavy is imported by the command that needs it."""

import re
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from bench.cli.data import DataRoot, data
from bench.cli.weights import weights
from bench.datasets.files.work import cores
from bench.store.disk import full_disk, is_full
from bench.suggest import printable
from bench.terminal import accept_every_character, end_like_ctrl_c, plain_console, print_line

app = typer.Typer(
    help="Train, score, compare and show losses of deep metric learning.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(data, name="data")
app.add_typer(weights, name="weights")

SuiteName = Annotated[str, typer.Argument(help="A suite's name, or a path that ends in .toml.")]
Results = Annotated[Path, typer.Option(help="Folder of results.", envvar="PROXY_BENCH_RESULTS")]
RESULTS = Path("results")


@app.command()
def run(
    suite: SuiteName = "default",
    results: Results = RESULTS,
    data_root: DataRoot = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Runs at a time; one per core if not given.")
    ] = None,
    device: Annotated[str, typer.Option(help="A torch device: cpu, cuda, cuda:1 ...")] = "cpu",
) -> None:
    """Train and score every run of SUITE that is not stored yet, then write its report."""
    from bench.cli.listing import stored_runs
    from bench.cli.progress import show_sweep, show_work
    from bench.cli.report import finish
    from bench.running.preflight import (
        check_data,
        check_device,
        check_results,
        clear_litter,
        to_check,
    )
    from bench.running.sweep import StoppedAtOnceError, missing_runs, sweep
    from bench.suites import load_suite

    console = plain_console()
    chosen = load_suite(suite)
    specs = chosen.specs
    check_results(results)
    clear_litter(specs, results)
    stored, problems = stored_runs(specs, results)
    print_line(console, f"{chosen.title}: {len(specs)} runs, {len(stored)} stored already")
    _, missing = missing_runs(specs, results)
    for problem in problems if missing else []:  # else the report soon lists them
        print_line(console, f"problem: {problem}")
    check_device(device)
    processes = jobs or (cores() if device == "cpu" else 1)
    end_like_ctrl_c()
    try:
        with show_work(console) as report:
            lines = check_data(to_check(specs, missing), data_root, results, device, report)
        for line in lines:
            print_line(console, line)
        with show_sweep(console, processes) as show:
            state = sweep(
                specs,
                results,
                data_root=data_root,
                device=device,
                keep_model=chosen.keep_model,
                jobs=processes,
                show=show,
            )
    except StoppedAtOnceError:
        console.print("\nStopped at once; the same command resumes from the last checkpoints.")
        raise typer.Exit(130) from None
    except KeyboardInterrupt:
        console.print("\nStopped with checkpoints; the same command resumes.")
        raise typer.Exit(130) from None
    if not finish(suite, chosen, results, state.failed):
        raise typer.Exit(1)


@app.command()
def report(suite: SuiteName = "default", results: Results = RESULTS) -> None:
    """Write the report of SUITE from its stored runs."""
    from bench.cli.report import finish
    from bench.suites import load_suite

    if not finish(suite, load_suite(suite), results, {}):
        raise typer.Exit(1)


@app.command()
def status(suite: SuiteName = "default", results: Results = RESULTS) -> None:
    """Show the state of every run of SUITE."""
    from bench.cli.listing import status_table, stored_runs
    from bench.suites import load_suite

    console, specs = plain_console(), load_suite(suite).specs
    runs, problems = stored_runs(specs, results)
    console.print(status_table(specs, runs, results))
    for problem in problems:
        print_line(console, f"problem: {problem}")
    if problems:
        raise typer.Exit(1)


@app.command()
def show(
    run: Annotated[str, typer.Argument(help="The start of a run's name or id.")],
    results: Results = RESULTS,
) -> None:
    """Show one stored run: scores, curve, specification and environment."""
    from bench.cli.listing import find_run, run_tables

    console = plain_console()
    for table in run_tables(find_run(run, results)):
        console.print(table)


@app.command()
def score(
    embeddings: Annotated[
        Path,
        typer.Argument(help="A .npy file, or .npz or .safetensors with an array 'embeddings'."),
    ],
    labels: Annotated[
        Path | None,
        typer.Argument(
            help="Numbers or words: an array 'labels' in such a file, if in another, or a .csv or "
            ".txt with one label per line or a column 'label'. Arrays 'ids' and 'cameras', or "
            "columns 'id' and 'camera', leave a query, or views of its camera, out of its search."
        ),
    ] = None,
    gallery: Annotated[Path | None, typer.Option(help="Embeddings to search in.")] = None,
    gallery_labels: Annotated[
        Path | None, typer.Option(help="Their labels, if in another file.")
    ] = None,
    at: Annotated[str, typer.Option(help="K of Recall@K, separated by commas.")] = "1,2,4,8",
    metric: Annotated[
        Literal["cosine", "euclidean"], typer.Option(help="How two embeddings are compared.")
    ] = "cosine",
) -> None:
    """Score your own embeddings, exactly: Recall@K, R-Precision, MAP@R, NMI and AMI."""
    from bench.cli.read_embeddings import read_sides

    console, errors = plain_console(), plain_console(stderr=True)  # progress stays out of a pipe
    if gallery_labels and not gallery:
        raise typer.BadParameter("--gallery-labels needs --gallery")
    ks = read_ks(at)
    sides = read_sides((embeddings, labels), (gallery, gallery_labels) if gallery else None)
    queries, others = sides[0], sides[1] if gallery else None
    from bench.cli.progress import show_work
    from bench.cli.score import heading, score_embeddings, score_table  # loads torch

    scores: dict[str, float] = {}
    notes: list[str] = []
    stopped = False
    try:
        with show_work(errors) as report:
            for found, said in score_embeddings(queries, others, ks, metric, report):
                scores |= found
                notes += said
    except KeyboardInterrupt:
        stopped = True
    if scores:
        print_line(console, heading(queries, others))
        console.print(score_table(scores))
        for note in notes:
            print_line(console, note)
    if stopped:
        errors.print(f"\nStopped: {'the last scores are' if scores else 'every score is'} missing.")
        raise typer.Exit(130)


@app.command("list")
def list_(
    what: Annotated[str, typer.Argument(help="suites, losses or datasets; all if not given.")] = "",
) -> None:
    """List suites, losses or data sets."""
    from bench.cli.listing import LISTS
    from bench.suggest import unknown

    if what and what not in LISTS:
        raise typer.BadParameter(unknown("list", what, LISTS))
    for name, table in LISTS.items():
        if what in ("", name):
            plain_console().print(table(), crop=False)  # an address may be longer than a line


def read_ks(text: str) -> tuple[int, ...]:
    """`1,10,100` -> (1, 10, 100); ValueError for anything but whole numbers from 1."""
    parts = [part.strip() for part in text.split(",")]
    if not all(re.fullmatch("[1-9][0-9]{0,8}", part) for part in parts):
        raise ValueError(
            f"--at is {text!r}: expected whole numbers from 1 and below 10^9, such as 1,10,100"
        )
    return tuple(dict.fromkeys(map(int, parts)))


def advice(error: Exception) -> str:
    """What lacks on a full disk, which the system's words do not always say."""
    if not is_full(error):
        return ""
    name = getattr(error, "filename", None)
    return f"; {full_disk(Path(name).parent if name else Path())} and repeat the command"


def main() -> None:
    """Entry point: a user's mistake is one message, never a traceback."""
    accept_every_character()
    try:
        app()
    except (ValueError, OSError) as error:
        print(printable(f"proxy-bench: {error}{advice(error)}"), file=sys.stderr)
        sys.exit(1)
