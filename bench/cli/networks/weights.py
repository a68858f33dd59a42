"""`proxy-bench weights`: list, download and verify pretrained weights."""

from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from bench.cli.document import AsJson, print_document
from bench.suggest import printable
from bench.terminal import plain_console, print_line
from bench.weights import LITE0, Weights, locate, published

weights = typer.Typer(help="List, download and verify pretrained weights.", no_args_is_help=True)

BackboneName = Annotated[str, typer.Argument(help="efficientnet_lite0, or timm:NAME.")]


@weights.command("list")
def list_(
    pattern: Annotated[
        str, typer.Argument(help="Names of timm to add to the list, such as 'resnet50*'.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """List the weights that are here, and those of timm whose name matches PATTERN."""
    from bench.weights import in_cache_of_timm, matching

    found = matching(pattern) if pattern else []
    if pattern and not found:
        raise ValueError(f"weights: no name of timm matches {pattern!r}; '*' matches any letters")
    entries = [entry(name) for name in dict.fromkeys([LITE0, *in_cache_of_timm(), *found])]
    if as_json:
        print_document(entries)
        return
    table = Table(title="pretrained weights")
    for heading in ("backbone", "licence", "size", "where"):
        table.add_column(heading, overflow="fold")  # whole, so that it can be copied
    for item in entries:
        size = f"{item['bytes'] / 1e6:.1f} MB" if item["path"] else ""
        where = item["path"] or item["problem"]
        table.add_row(*map(printable, (item["backbone"], item["licence"], size, where)))
    plain_console().print(table, crop=False)  # a path may be longer than a line


def entry(backbone: str) -> dict[str, Any]:
    """Name, licence, size and path of weights; of those that are not here, why in `problem`."""
    item = {"backbone": backbone, "licence": "", "bytes": None, "path": None, "problem": None}
    try:
        found = locate(backbone, "pretrained")
    except FileNotFoundError:
        return item | {"licence": licence_of(backbone), "problem": "not here"}
    except ValueError as error:
        return item | {"problem": str(error)}
    where = {"bytes": found.path.stat().st_size, "path": str(found.path)}
    return item | where | {"licence": licence_of(backbone)}


def licence_of(backbone: str) -> str:
    """What the package, or timm, says of the licence."""
    if backbone == LITE0:
        return "Apache-2.0"
    try:
        return published(backbone).licence
    except (OSError, ValueError):  # timm is not installed, or does not know what the cache has
        return ""


@weights.command()
def download(name: BackboneName) -> None:
    """Download the weights of a backbone, unless they are here; print licence and digest."""
    from bench.weights import download as fetch

    console = plain_console()
    if name == LITE0:
        print_line(console, f"{name} is embedded: there is nothing to download")
    show(console, name, fetch(name))


@weights.command()
def verify(name: BackboneName) -> None:
    """Compare the weights of a backbone with their published digest; print licence and digest."""
    console = plain_console()
    show(console, name, locate(name, "pretrained"))
    print_line(console, f"{name}: no problems")


def show(console: Console, backbone: str, found: Weights) -> None:
    """Print where weights come from, where they are, and their digest."""
    print_line(console, f"{backbone}: {found.source}. Licence: {licence_of(backbone)}")
    print_line(console, f"found: {found.path}")
    print_line(console, f"SHA-256: {found.sha256}")
