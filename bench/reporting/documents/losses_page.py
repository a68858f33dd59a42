"""The page of losses, from docstrings:
`python -m bench.reporting.documents.losses_page docs/losses.md`."""

import importlib
import inspect
import re
import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from types import ModuleType
from typing import Any

from bench.reporting.tables import escaped
from bench.suites.arguments import Declaration, declared_losses

OPENING = r"""# Losses

<!-- Made from the docstrings by `tox -e docs`: change them, not this page. -->

What every loss of `proxy_core` computes: formula, source, and differences from the paper and from
common code, in the words of the docstrings. B is the number of images in a batch, C of classes, P
of proxies, D of dimensions of an embedding; x is an embedding, y its class, p\_y the proxy of that
class; e^{v} is e to the power of v, and \[v\]\_+ is v, or 0 where v is negative.

`proxy-bench list losses` lists them in a terminal.
"""
ADDRESS = r"https?://[^\s)]*[^\s).,:;]"
SHARED = (
    "proxy_core.losses.parts.assignment",
    "proxy_core.losses.parts.negative_sampling",
    "proxy_core.metrics.triplet_bound",
)


def losses_page() -> str:
    """The page, in GitHub's Markdown."""
    losses = declared_losses()
    contract = importlib.import_module("proxy_core.losses")
    parts = [OPENING, "## Contract", docstring(contract), "## Overview", overview(losses)]
    for module, family in groupby(losses, key=lambda name: losses[name].module):
        parts += section(importlib.import_module(module))
        for name in family:
            parts += [f"### `{name}`", markdown(losses[name].docstring), arguments(losses[name])]
    for module in SHARED:
        parts += section(importlib.import_module(module))
    return "\n\n".join(part.strip() for part in parts) + "\n"


def overview(losses: dict[str, Declaration]) -> str:
    """One row for each loss."""
    rows = ["| name in suites | description | paper | hyper-parameters |", "|---|---|---|---|"]
    for name, loss in losses.items():
        names = ", ".join(f"`{key}`" for key in loss.hyper_parameters)
        address = loss.paper.removeprefix("https://")
        summary = f"[{markdown(loss.summary)}](#{name})"
        rows.append(f"| `{name}` | {summary} | [{address}]({loss.paper}) | {names} |")
    return "\n".join(rows)


def section(module: ModuleType) -> Iterator[str]:
    """Heading and docstring of a module, and those of what it defines, except losses."""
    title, _, rest = docstring(module).partition("\n\n")
    name, colon, described = title.partition(": ")
    yield f"## {name.removesuffix('.')}"
    yield described[:1].upper() + described[1:] if colon else ""
    yield rest
    for defined, value in documented(module):
        yield f"**`{defined}`**: {docstring(value)}"
    path = module.__name__.replace(".", "/") + ".py"
    yield f"Code: [`{path}`](../{path})."


def documented(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """Functions and classes, except losses, that a module defines with more than a summary line."""
    losses = importlib.import_module("proxy_core.losses").LOSSES.values()
    for name, value in vars(module).items():
        own = getattr(value, "__module__", None) == module.__name__ and value not in losses
        # torch.compile leaves functions of its own in a module: `__resume_at_...`
        if own and not name.startswith("_") and "\n\n" in (inspect.getdoc(value) or ""):
            yield name, value


def docstring(value: Any) -> str:
    """The docstring of a module, class or function as Markdown."""
    return markdown(inspect.getdoc(value) or "")


def markdown(docstring: str) -> str:
    """A docstring as Markdown that reads the same: paragraphs, lists ("- item"), code, links."""
    parts = re.split(rf"(`[^`]+`|{ADDRESS})", docstring)
    text = "".join(
        f"<{part}>" if part.startswith("http") else part if part.startswith("`") else escaped(part)
        for part in parts
    )
    return re.sub(r"^\+ ", r"\\+ ", text, flags=re.MULTILINE)  # a sum and not a list


def arguments(loss: Declaration) -> str:
    """The hyper-parameters as a suite writes them, with their ranges."""
    lines = "\n".join(loss.defaults)
    return f"Hyper-parameters, with their defaults and what each may be:\n\n```toml\n{lines}\n```"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(losses_page(), encoding="utf-8")
