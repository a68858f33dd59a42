"""The `proxy-bench` command. Everything heavy is imported by the command that needs it."""

import re
import runpy
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

import typer

from bench.cli.data import DataRoot, data
from bench.cli.document import AsJson, print_document, print_problems
from bench.cli.networks.weights import weights
from bench.datasets.files.work import cores
from bench.store.disk import advice
from bench.suggest import printable
from bench.terminal import (
    accept_every_character,
    command,
    default_results,
    plain_console,
    print_line,
    words_of,
)

app = typer.Typer(
    help="Train, score, compare and show losses of deep metric learning.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(data, name="data")
app.add_typer(weights, name="weights")

SuiteName = Annotated[str, typer.Argument(help="A suite's name, or a path that ends in .toml.")]
RunName = Annotated[str, typer.Argument(help="The start of a run's name or id.")]
Results = Annotated[Path, typer.Option(help="Folder of results.", envvar="PROXY_BENCH_RESULTS")]
Jobs = Annotated[int | None, typer.Option(min=1, help="Runs at a time; one per core if not given.")]
Device = Annotated[str, typer.Option(help="A torch device: cpu, cuda, cuda:1 ...")]
Margin = Annotated[
    float | None,
    typer.Option(
        min=0.01,
        max=50,
        help="Percentage points within which two scores count as the same; 0.5 if not given.",
    ),
]
Portable = Annotated[
    bool, typer.Option("--portable", help="Use arithmetic that other processors have too.")
]
RESULTS = Path("results")
SEARCH_SEED = 1000


@app.command()
def run(
    suite: SuiteName = "default",
    results: Results = RESULTS,
    data_root: DataRoot = None,
    jobs: Jobs = None,
    device: Device = "cpu",
    margin: Margin = None,
    until_decided: Annotated[
        bool,
        typer.Option(
            "--until-decided", help="Then add seeds to methods until each pair is decided."
        ),
    ] = False,
    max_seeds: Annotated[
        int | None,
        typer.Option(min=2, max=1000, help="To how many they may grow; 30 if not given."),
    ] = None,
    portable: Portable = False,
) -> None:
    """Train and score every run of SUITE that is not stored yet, then write its report."""
    if portable:
        make_portable(device)
    from bench.cli.report import finish
    from bench.cli.run_suite import run_suite
    from bench.cli.until_decided import add_seeds, fixed_plan
    from bench.suites import load_suite

    chosen = load_suite(suite)
    if max_seeds and not until_decided:
        raise typer.BadParameter("--max-seeds needs --until-decided")
    plan = fixed_plan(suite, chosen, results, max_seeds, share(margin)) if until_decided else None
    count = processes(jobs, device)
    failed = run_suite(chosen, results, data_root=data_root, processes=count, device=device).failed
    if plan and not failed:
        failed = add_seeds(
            suite, chosen, results, plan, data_root=data_root, processes=count, device=device
        )
    if not finish(suite, chosen, results, failed, share(margin)):
        raise typer.Exit(1)


@app.command()
def compare(
    folder: Annotated[
        Path, typer.Argument(help="Your photographs: a folder for each class, or images.csv.")
    ],
    minutes: Annotated[float, typer.Option(min=0.1, max=1e6, help="How long it may take.")] = 20,
    losses: Annotated[
        str, typer.Option(help="Names of losses, separated by commas; `list losses` has them.")
    ] = "proxy_nca,triplet,center",
    results: Results = RESULTS,
    jobs: Jobs = None,
    device: Device = "cpu",
    backbone: Annotated[
        str, typer.Option(help="The network: efficientnet_lite0, or timm:NAME.")
    ] = "efficientnet_lite0",
    weights: Annotated[
        str, typer.Option(help='"pretrained", or a file of weights.')
    ] = "pretrained",
    portable: Portable = False,
) -> None:
    """Compare losses on the photographs of FOLDER in the time at hand, and say which to prefer."""
    if portable:
        make_portable(device)
    from bench.cli.comparison.compare import compare_losses
    from bench.cli.comparison.suite_file import Options
    from bench.running.comparison import read_losses

    options = Options(
        minutes, read_losses(losses), results, processes(jobs, device), device, backbone, weights
    )
    if not compare_losses(folder, options):
        raise typer.Exit(1)


@app.command()
def tune(
    suite: SuiteName = "default",
    trials: Annotated[
        int, typer.Option(min=1, max=10_000, help="Trials of every method, on every budget.")
    ] = 16,
    seed: Annotated[
        int, typer.Option(min=0, max=2**32 - 1, help="Of draws and trials; no run may have it.")
    ] = SEARCH_SEED,
    test: Annotated[
        bool, typer.Option("--test", help="After the choice, score all trials on the test split.")
    ] = False,
    results: Results = RESULTS,
    data_root: DataRoot = None,
    jobs: Jobs = None,
    device: Device = "cpu",
    portable: Portable = False,
) -> None:
    """Search hyper-parameters and learning rates with equal trials for every method of SUITE, and
    write the suite of those that are best on the validation images."""
    if portable:
        make_portable(device)
    from bench.cli.tune import Options
    from bench.cli.tune import tune as search

    options = Options(trials, seed, results, data_root, processes(jobs, device), device, test)
    if not search(suite, options):
        raise typer.Exit(1)


@app.command()
def plan(
    suite: SuiteName = "default",
    results: Results = RESULTS,
    data_root: DataRoot = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Runs at a time; one per core if not given.")
    ] = None,
    device: Annotated[str, typer.Option(help="A torch device: cpu, cuda, cuda:1 ...")] = "cpu",
    trials: Annotated[
        int | None, typer.Option(min=1, max=10_000, help="Price `tune` with so many trials.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what the missing runs of SUITE cost here: measures a few steps, starts none of them."""
    from bench.cli.plan import Plan, Priced, price, print_plan, suite_to_price, trials_to_price
    from bench.cli.progress import show_work
    from bench.running.preflight import check_device, check_networks
    from bench.weights import PRETRAINED

    errors = plain_console(stderr=True)
    chosen, note = suite_to_price(suite, results)
    runs = Priced(chosen.specs, results, chosen.keep_model, chosen.keep_embeddings)
    if trials:
        runs = trials_to_price(chosen, suite, results, SEARCH_SEED, trials)
    check_device(device)
    if not note:  # whose weights are here
        check_networks([s for s in runs.specs if s.weights not in (None, PRETRAINED)], device)
    try:
        with show_work(errors) as report:
            costs = price(runs, data_root, device, report)
    except KeyboardInterrupt:
        errors.print("\nStopped; nothing was written.")
        raise typer.Exit(130) from None
    made = Plan(chosen.title, processes(jobs, device), device, costs, note)
    if as_json:
        print_document(made.document)
    else:
        print_plan(plain_console(), made)


@app.command()
def report(
    suite: SuiteName = "default",
    results: Results = RESULTS,
    margin: Margin = None,
    as_json: AsJson = False,
) -> None:
    """Write the report of SUITE from its stored runs."""
    from bench.cli.report import make, print_report, report_document
    from bench.suites.stored import suite_to_read

    made = make(suite, suite_to_read(suite, results), results, {}, share(margin))
    if as_json:
        content = report_document(made)
        print_document(content)
        print_problems(content["problems"])
    else:
        print_report(plain_console(), made)
    if made.problems:
        raise typer.Exit(1)


@app.command(
    context_settings={
        "allow_extra_args": True,
        "ignore_unknown_options": True,
        "help_option_names": [],
    }
)
def demo(context: typer.Context) -> None:
    """Look in a browser at what each loss retrieves; takes options, `demo --help` lists them."""
    if find_spec("gradio") is None:
        raise ValueError("the browser needs gradio; pip install 'proxy-bench[demo]'")
    sys.argv = ["proxy-bench demo", *context.args]
    runpy.run_module("demo", run_name="__main__")


@app.command()
def status(
    suite: SuiteName = "default", results: Results = RESULTS, as_json: AsJson = False
) -> None:
    """Show the state of every run of SUITE."""
    from bench.cli.listing import status_records, status_table, stored_runs
    from bench.running.until_decided import started_runs
    from bench.suites.stored import suite_to_read

    console, chosen = plain_console(), suite_to_read(suite, results)
    specs = started_runs(suite, chosen, results)
    runs, problems = stored_runs(specs, results)
    states = status_records(specs, runs, results)
    if as_json:
        print_document({"title": chosen.title, "runs": states, "problems": problems})
        print_problems(problems)
    else:
        console.print(status_table(states, results))
        for problem in problems:
            print_line(console, f"problem: {problem}")
    if problems:
        raise typer.Exit(1)


@app.command()
def show(
    run: RunName,
    results: Results = RESULTS,
    as_json: AsJson = False,
) -> None:
    """Show one stored run: scores, curve, specification and environment."""
    from bench.cli.listing import find_run, run_document, run_tables

    found = find_run(run, results)
    if as_json:
        print_document(run_document(found))
        return
    console = plain_console()
    for table in run_tables(found):
        console.print(table)


@app.command()
def verify(
    names: Annotated[
        list[str] | None, typer.Argument(help="Runs or suites; all stored runs if not given.")
    ] = None,
    stored: Annotated[
        bool, typer.Option("--stored", help="Check digests, ids, ranges and curves alone.")
    ] = False,
    train: Annotated[
        int, typer.Option(min=0, help="Train so many of the runs again, chosen by lot.")
    ] = 0,
    draw: Annotated[int, typer.Option(min=0, help="Of the lot.")] = 0,
    results: Results = RESULTS,
    data_root: DataRoot = None,
    jobs: Jobs = None,
    device: Device = "cpu",
    as_json: AsJson = False,
) -> None:
    """Compute the scores of stored runs again from their embeddings, and compare every digit.

    Exit status: 0 if all are equal, 1 if something differs or cannot be verified, 2 if all that
    differs may be explained by another processor, version or number of threads.
    """
    from bench.cli.verify import Options, exit_status, show_outcomes
    from bench.cli.verify import verify as verified

    if stored and train:
        raise typer.BadParameter("--stored computes nothing again; give it or --train")
    options = Options(results, data_root, processes(jobs, device), device, stored, train, draw)
    begun = time.monotonic()
    outcomes = verified(names or [], options)
    if as_json:
        print_document({"runs": [outcome.document() for outcome in outcomes]})
    else:
        show_outcomes(outcomes, time.monotonic() - begun, results)
    raise typer.Exit(exit_status(outcomes))


@app.command()
def diff(
    one: Annotated[
        str, typer.Argument(metavar="A", help="The start of a run's name or id, or its folder.")
    ],
    other: Annotated[str, typer.Argument(metavar="B", help="Another run.")],
    train: Annotated[
        bool, typer.Option("--train", help="Train both up to where they part, for the element.")
    ] = False,
    results: Results = RESULTS,
    data_root: DataRoot = None,
    device: Device = "cpu",
    as_json: AsJson = False,
) -> None:
    """Say at which step and in which tensor two stored runs part, and why that may be.

    Exit status: 0 if all that was compared is equal, else 1.
    """
    from bench.cli.diff import Options, show
    from bench.cli.diff import diff as compared

    options = Options(results, data_root, device, train)
    found = compared((one, other), options)
    if as_json:
        print_document(found.document())
    else:
        show(found)
    raise typer.Exit(0 if found.comparison.equal else 1)


@app.command()
def pack(
    suite: SuiteName,
    output: Annotated[Path, typer.Option("-o", "--output", help="A new folder.")],
    results: Results = RESULTS,
    title: Annotated[str | None, typer.Option(help="Of the submission.")] = None,
    author: Annotated[str | None, typer.Option(help="Whom to name; nobody if not given.")] = None,
    models: Annotated[
        bool, typer.Option("--models", help="Send the trained networks too.")
    ] = False,
    allow: Annotated[
        list[str] | None,
        typer.Option(help="A word that may occur although it is a name of this machine."),
    ] = None,
) -> None:
    """Pack the stored runs of SUITE to be sent, with nothing that names you or this machine."""
    from bench.cli.submissions.pack import pack_suite
    from bench.submissions.pack import Labels

    labels = Labels(title, author, models, allow or [])
    for line in pack_suite(suite, output, results, labels):
        print_line(plain_console(), line)


@app.command()
def accept(
    folder: Annotated[Path, typer.Argument(help="A folder that `pack` wrote.")],
    into: Annotated[
        Path | None, typer.Option(help="Folder of accepted ones; `community` in that of results.")
    ] = None,
    data_root: DataRoot = None,
    train: Annotated[
        int, typer.Option(min=0, help="Train so many runs of each data set again.")
    ] = 1,
    draw: Annotated[
        int | None, typer.Option(min=0, help="Of the lot; from the system if not given.")
    ] = None,
    minutes: Annotated[
        float, typer.Option(min=0.1, help="How long computing again may take; more is refused.")
    ] = 60,
    jobs: Jobs = None,
    device: Device = "cpu",
    as_json: AsJson = False,
) -> None:
    """Verify results that somebody sends by computing them again, and keep them if they hold.

    Exit status: 0 accepted, 1 refused, 2 accepted, with differences that another processor or
    version explains.
    """
    from bench.cli.submissions.accept import Options, show_acceptance
    from bench.cli.submissions.accept import accept as verified
    from bench.store.community import COMMUNITY
    from bench.submissions.acceptance import STATUS

    into = into or default_results() / COMMUNITY
    count = processes(jobs, device)
    options = Options(into, data_root, count, device, train, draw, minutes)
    found = verified(folder, options)
    if as_json:
        print_document(found.document())
    else:
        show_acceptance(found, into)
    raise typer.Exit(STATUS[found.verdict])


@app.command()
def embed(
    run: RunName,
    images: Annotated[
        list[Path],
        typer.Argument(help="Images, or folders: all images in them, or those of an images.csv."),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            help="A .npy file, beside which a .csv names its rows, or a .parquet file.",
        ),
    ],
    results: Results = RESULTS,
    device: Device = "cpu",
) -> None:
    """Embed images with the network that RUN stored, prepared as its test images were."""
    from bench.cli.listing import find_run, model_path
    from bench.cli.progress import show_work

    path = model_path(find_run(run, results))
    from bench.cli.networks.embed import (  # loads torch
        check_output,
        check_whole,
        embed_images,
        find_images,
        seen_note,
        write_embeddings,
        written,
    )
    from bench.running.preflight import check_device
    from bench.training.stored_model import load_model

    check_device(device)
    found, notes = find_images(images)
    check_output(output, found)
    console, model = plain_console(), load_model(path, device)
    for note in [*notes, *check_whole(model, found)]:
        print_line(console, note)
    with show_work(plain_console(stderr=True)) as report:
        embeddings, doubts = embed_images(model, found, report)
    write_embeddings(output, found, embeddings)
    for doubt in doubts:
        print_line(console, doubt)
    size = f"{embeddings.shape[1]} dimensions, {model.spec.run_name}"
    print_line(console, f"{len(found):,} images, {size}")
    for file in written(output):
        print_line(console, f"written {file}")
    if output.suffix == ".npy" and all(image.label for image in found):
        print_line(console, f"score   {command('score', *written(output))}")
        if note := seen_note(model):
            print_line(console, note)


@app.command()
def export(
    run: RunName,
    folder: Annotated[Path, typer.Argument(help="A new folder.")],
    results: Results = RESULTS,
    formats: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            help="Also as torch-export or onnx; or the scores as eval-results or every-eval-ever, "
            "then without the network unless a format of it is given too. May be repeated.",
        ),
    ] = None,
    data_root: DataRoot = None,
    organization: Annotated[
        str | None, typer.Option(help="Who publishes, for every-eval-ever.")
    ] = None,
    hub_dataset: Annotated[
        str | None, typer.Option(help="OWNER/NAME of a benchmark on the Hub, for eval-results.")
    ] = None,
    task: Annotated[str | None, typer.Option(help="Its task, for eval-results.")] = None,
    score: Annotated[str, typer.Option(help="The score of eval-results.")] = "recall@1",
) -> None:
    """Write the network that RUN stored, or its scores, to be used elsewhere."""
    from bench.cli.export_scores import SCORE_FORMATS, Destination, score_files, write_scores
    from bench.cli.listing import find_run, model_path

    console, stored = plain_console(), find_run(run, results)
    named = formats or []
    to = Destination(organization, hub_dataset, task, score)
    scores = score_files(stored, [name for name in named if name in SCORE_FORMATS], to)
    networks = [name for name in named if name not in SCORE_FORMATS]
    if scores and not networks:
        for path in write_scores(folder, scores):
            print_line(console, f"written {path}")
        return
    model_path(stored)
    from bench.cli.networks.export import export_run  # loads torch

    for line in export_run(stored, folder, networks, data_root, scores):
        print_line(console, line)


@app.command("map")
def map_(
    runs: Annotated[list[str], typer.Argument(help="The start of a run's name or id; several.")],
    results: Results = RESULTS,
) -> None:
    """Compute a map of the test images of each RUN for the browser: t-SNE, a minute or more."""
    from bench.cli.listing import find_run
    from bench.reporting.projection import NEAREST, counted_text, tsne_map
    from bench.store.maps import map_path, save_map

    console = plain_console()
    for stored in [find_run(name, results) for name in runs]:
        found = tsne_map(stored.embeddings["embeddings"])
        save_map(results, stored, found)
        print_line(
            console,
            f"{map_path(results, stored)}: keeps {found.kept:.0%} of the {NEAREST} nearest images, "
            f"over {counted_text(len(found.points))}",
        )


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
    audit: Annotated[
        bool,
        typer.Option(
            "--audit", help="Check what may be wrong, and compare with other libraries' scores."
        ),
    ] = False,
    dataset: Annotated[
        str | None,
        typer.Option(help="With --audit, the known data set whose test part this should be."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Score your own embeddings, exactly: Recall@K, R-Precision, MAP@R, NMI and AMI."""
    from bench.cli.scoring.audit.counts import check_known
    from bench.cli.scoring.read_embeddings import read_sides

    console, errors = plain_console(), plain_console(stderr=True)  # progress stays out of a pipe
    if gallery_labels and not gallery:
        raise typer.BadParameter("--gallery-labels needs --gallery")
    if dataset and not audit:
        raise typer.BadParameter("--dataset needs --audit")
    check_known(dataset)
    ks = read_ks(at)
    sides = read_sides((embeddings, labels), (gallery, gallery_labels) if gallery else None)
    queries, others = sides[0], sides[1] if gallery else None
    from bench.cli.progress import show_work
    from bench.cli.scoring.audit.report import (
        Audit,
        audit_document,
        beside,
        make_audit,
        print_audit,
    )
    from bench.cli.scoring.score import (  # loads torch
        counts,
        heading,
        score_embeddings,
        score_table,
    )

    scores: dict[str, float] = {}
    notes: list[str] = []
    audited: Audit | None = None
    stopped = False
    try:
        with show_work(errors) as report:
            for found, said in score_embeddings(queries, others, ks, metric, report):
                scores |= found
                notes += said
            if audit:
                audited = make_audit(queries, others, metric, ks, scores, dataset, report)
                notes = beside(notes, audited)
    except KeyboardInterrupt:
        stopped = True
    if scores and as_json:
        content = {**counts(queries, others), "scores": scores, "notes": notes}
        print_document(content | ({"audit": audit_document(audited)} if audited else {}))
    elif scores:
        print_line(console, heading(counts(queries, others)))
        console.print(score_table(scores))
        for note in notes:
            print_line(console, note)
        if audited:
            print_audit(console, audited)
    if stopped:
        missing = "the last scores or the audit are" if scores else "every score is"
        errors.print(f"\nStopped: {missing} missing.")
        raise typer.Exit(130)


@app.command()
def published(
    dataset: Annotated[
        str | None, typer.Argument(help="A data set; all that have published numbers if not given.")
    ] = None,
    method: Annotated[
        str | None, typer.Option(help="A loss of `list losses`, or a part of a method's name.")
    ] = None,
    backbone: Annotated[str | None, typer.Option(help="A part of its name: resnet50.")] = None,
    dim: Annotated[int | None, typer.Option(min=1, help="Dimensions of the embedding.")] = None,
    year: Annotated[str | None, typer.Option(help="A year, or two: 2017-2020.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the numbers that papers print, with their sources and conditions."""
    from bench.cli import published as listing
    from bench.published import published, select

    rows = select(
        published(),
        dataset=dataset,
        method=method,
        backbone=backbone,
        dimension=dim,
        years=None if year is None else listing.read_years(year),
    )
    if as_json:
        print_document([row.model_dump() for row in rows])
    else:
        listing.print_rows(plain_console(), rows)


@app.command("list")
def list_(
    what: Annotated[str, typer.Argument(help="suites, losses or datasets; all if not given.")] = "",
    as_json: AsJson = False,
) -> None:
    """List suites, losses or data sets."""
    from bench.cli.listing import LISTS
    from bench.suggest import unknown

    if what and what not in LISTS:
        raise typer.BadParameter(unknown("list", what, LISTS))
    found = {name: LISTS[name].entries() for name in LISTS if what in ("", name)}
    if as_json:
        print_document(found)
        return
    for name, entries in found.items():
        shown = LISTS[name].shown(entries)
        plain_console().print(shown, crop=False)  # an address may be longer than a line


def share(points: float | None) -> float | None:
    """Percentage points as a share."""
    return None if points is None else points / 100


def processes(jobs: int | None, device: str) -> int:
    """Runs at a time: as many as given, or one per core, and one on any other device."""
    return jobs or (cores() if device == "cpu" else 1)


def make_portable(device: str) -> None:
    """Pin the arithmetic of this process and those that it starts, before torch is imported.

    Raises: ValueError for another device than the processor, or one that lacks the instructions.
    """
    from bench.store.environment import PORTABLE, cpu_features, set_pins, written

    if device != "cpu":
        raise ValueError(f"--portable pins the arithmetic of a processor, not of {device}")
    if "avx2" not in cpu_features().split():
        raise ValueError("--portable needs a processor with AVX2, which this one lacks")
    set_pins(written(PORTABLE))


def read_ks(text: str) -> tuple[int, ...]:
    """`1,10,100` -> (1, 10, 100); ValueError for anything but whole numbers from 1."""
    parts = [part.strip() for part in text.split(",")]
    if not all(re.fullmatch("[1-9][0-9]{0,8}", part) for part in parts):
        raise ValueError(
            f"--at is {text!r}: expected whole numbers from 1 and below 10^9, such as 1,10,100"
        )
    return tuple(dict.fromkeys(map(int, parts)))


def main() -> None:
    """Entry point: a user's mistake is one message, never a traceback."""
    accept_every_character()
    try:
        app()
    except (ValueError, OSError) as error:
        print(printable(f"proxy-bench: {words_of(error)}{advice(error)}"), file=sys.stderr)
        sys.exit(1)
