"""`proxy-bench data`: list, download and verify data sets."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bench.cli.document import AsJson, print_document
from bench.terminal import plain_console, print_line

data = typer.Typer(help="List, download and verify data sets.", no_args_is_help=True)

DatasetName = Annotated[str, typer.Argument(help="A data set's name.")]
DataRoot = Annotated[
    Path | None,
    typer.Option(help="Folder of data sets that are not embedded.", envvar="PROXY_BENCH_DATA"),
]


@data.command("list")
def list_(as_json: AsJson = False) -> None:
    """List data sets, their splits and where they come from."""
    from bench.cli.listing import dataset_entries, datasets_table

    entries = dataset_entries()
    if as_json:
        print_document(entries)
    else:
        plain_console().print(datasets_table(entries))


@data.command()
def download(name: DatasetName, data_root: DataRoot = None) -> None:
    """Download a data set from its official source, or unpack what you got by hand; verify it."""
    from bench.cli.progress import show_work
    from bench.datasets import download as fetch
    from bench.datasets import find

    console = plain_console()
    source = find(name)
    print_line(console, f"{source.title}. Licence: {source.licence}")
    print_line(console, f"Cite: {source.citation}\n{source.homepage}")
    if source.embedded:
        print_line(console, f"{name} is embedded: there is nothing to download")
        return
    with show_work(console) as report:
        paths = fetch(name, data_root, report)
    for path in paths:
        print_line(console, f"found: {path}")
    check(console, name, data_root)


@data.command()
def verify(name: DatasetName, data_root: DataRoot = None) -> None:
    """Check counts, readability, split and content of a data set."""
    check(plain_console(), name, data_root)


def split_lines(name: str, data_root: Path | None) -> list[str]:
    """Of each split of a data set of photographs, its images, classes and fingerprint; then remarks
    on them, equal files and equal pictures."""
    from bench.datasets import find, load, remarks
    from bench.datasets.doubts import equal_files, equal_pictures

    lines: list[str] = []
    notes: list[str] = []
    source = find(name)
    for protocol in source.protocols if source.photographs else ():
        if protocol == "within-classes" and lines:
            continue  # it is for classes too few for the others
        try:
            dataset = load(name, data_root, protocol)
        except ValueError:  # a user's own list may not define this protocol
            continue
        parts = ", ".join(
            f"{part} {len(positions):,} images of {len(set(dataset.labels[positions])):,} classes"
            for part, positions in dataset.split.parts().items()
            if part != "gallery" or dataset.has_own_gallery
        )
        lines.append(f"{protocol}: {parts}; fingerprint {dataset.fingerprint[:12]}")
        notes += remarks(dataset, data_root)
        for found in (*equal_files(dataset), *equal_pictures(dataset)):
            notes += found
    return [*lines, *dict.fromkeys(notes)]


def check(console: Console, name: str, data_root: Path | None) -> None:
    """Verify a data set and print every problem; exit code 1 if there is one."""
    from bench.cli.progress import show_work
    from bench.datasets import verify

    with show_work(console) as report:
        problems = verify(name, data_root, lambda done, total: report("verifying", done, total))
    for problem in problems:
        print_line(console, problem, style="bold red")
    if problems:
        raise typer.Exit(1)
    for line in split_lines(name, data_root):
        print_line(console, line)
    print_line(console, f"{name}: no problems")
