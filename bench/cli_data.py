"""`proxy-bench data`: list, download and verify data sets."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress, TaskID

data = typer.Typer(help="List, download and verify data sets.", no_args_is_help=True)

DatasetName = Annotated[str, typer.Argument(help="A data set's name.")]
Root = Annotated[
    Path | None, typer.Option("--data-root", help="Folder of data sets.", envvar="PROXY_BENCH_DATA")
]


@data.command("list")
def list_() -> None:
    """List data sets, their splits and where they come from."""
    from bench.describing import datasets_table

    Console().print(datasets_table())


@data.command()
def download(name: DatasetName, data_root: Root = None) -> None:
    """Fetch a data set from its official place, verify it and put it under the data root."""
    from bench.datasets import download as fetch
    from bench.datasets import find

    console = Console()
    source = find(name)
    console.print(f"{source.title}. {source.licence}", f"Cite: {source.citation}", sep="\n")
    with Progress(console=console) as progress:
        tasks: dict[str, TaskID] = {}

        def report(file: str, done: int, total: int | None) -> None:
            if file not in tasks:
                tasks[file] = progress.add_task(file, total=total)
            progress.update(tasks[file], completed=done, total=total)

        paths = fetch(name, data_root, report)
    if source.embedded:
        console.print(f"{name} is embedded: nothing needs to be downloaded")
    for path in paths:
        console.print(f"in place: {path}", markup=False)


@data.command()
def verify(name: DatasetName, data_root: Root = None) -> None:
    """Check counts, readability, split and content of a data set."""
    from bench.datasets import verify as check

    console = Console()
    with Progress(console=console) as progress:
        task = progress.add_task(f"verifying {name}", total=None)

        def report(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        problems = check(name, data_root, report)
    for problem in problems:
        console.print(problem, style="bold red", markup=False)
    if problems:
        raise typer.Exit(1)
    console.print(f"{name}: everything is as it should be")
