"""`python -m bench.reporting.losses_page docs/losses.md`: every loss as its docstrings tell it."""

import importlib
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.reporting.catalogue import Family, families, formulas, link, settings, state, summary
from bench.reporting.prose import labelled, paragraphs, prose, row
from bench.store.runs import atomic

if TYPE_CHECKING:
    from torch import nn

WIDTH = 96  # columns of a constructor's signature
OPENING = r"""# Losses

<!-- Made from the docstrings by `tox -e docs`; a change belongs there. -->

What every loss of `proxy_core` computes, to the letter: formula, source, and where it differs from
the paper or from common code, in the words of the code's docstrings. B is the number of images in a
batch, C of classes, P of proxies, D of the numbers in an embedding; x is an embedding, y its class,
p\_y the proxy of that class; e^{v} is e to the power of v, and \[v\]\_+ is v, or 0 where v is
negative.

`proxy-bench list losses` lists them in a terminal. Names under "learned" are those
in the `state_dict()` of a loss.
"""
RULES = {  # what losses share, beside their own files: module -> what of it is shown
    "proxy_core.losses.parts.assignment": (
        "static_assignment",
        "dynamic_assignment",
        "shared_members",
        "Assigner",
        "Assignment",
    ),
    "proxy_core.losses.parts.negative_sampling": (
        "Draws",
        "canonical_order",
        "distance_weights",
        "draw_negatives",
    ),
    "proxy_core.metrics.triplet_bound": ("triplet_bound", "TripletBound"),
}
HEADINGS = ("name in suites", "what", "paper", "learned", "hyper-parameters")


def losses_page() -> str:
    """The page, in GitHub's Markdown."""
    from proxy_core import losses

    found = families()
    references = targets(found)
    parts = [OPENING]
    contract = paragraphs(inspect.getdoc(losses) or "")
    parts += ["## Contract", *[labelled(text, references) for text in contract]]
    parts += ["## Overview", overview(found)]
    for family in found:
        parts += [f"## {prose(family.title, {})}", *introduction(family, references)]
        for name, loss in family.losses.items():
            own = inspect.signature(loss).parameters  # `margin` there is no other loss
            elsewhere = {
                key: to for key, to in references.items() if to != f"#{name}" and key not in own
            }
            parts += [f"### `{name}`", *section(loss, elsewhere)]
    for module, names in RULES.items():
        parts += rules(module, names, references)
    return "\n\n".join(part.strip() for part in parts) + "\n"


def targets(found: list[Family]) -> dict[str, str]:
    """What a name in backticks links to: that of a loss in suites, and that of its class."""
    losses = {name: loss for family in found for name, loss in family.losses.items()}
    by_class = {loss.__name__: f"#{name}" for name, loss in losses.items()}
    rules = {
        name: f"#{anchor(rule_title(module))}"
        for module, names in RULES.items()
        for name in (module, *names, *[f"{module.split('.')[-1]}.{name}" for name in names])
    }
    return rules | by_class | {name: f"#{name}" for name in losses}


def overview(found: list[Family]) -> str:
    """All losses in one table, each family under a line of its own."""
    lines = [row(HEADINGS), row(["---"] * len(HEADINGS))]
    for family in found:
        title = prose(family.title, {})
        lines.append(row(["", f"**[{title}](#{anchor(family.title)})**", "", "", ""]))
        for name, loss in family.losses.items():
            described = f"[{prose(summary(loss), {})}](#{name})"
            hyper = "<br>".join(f"`{item.replace(' = ', '=')}`" for item in settings(loss))
            source = f"[{link_label(link(loss))}]({link(loss)})"
            lines.append(row([f"`{name}`", described, source, learned(loss, "<br>"), hyper]))
    return "\n".join(lines)


def anchor(title: str) -> str:
    """What GitHub calls a heading: lower case, hyphens for spaces, no other signs."""
    kept = "".join(sign for sign in title.lower() if sign.isalnum() or sign in "-_ ")
    return kept.replace(" ", "-")


def link_label(address: str) -> str:
    """`arXiv 1703.07464` or the name of the site."""
    host, _, path = address.partition("://")[2].partition("/")
    return f"arXiv {path.removeprefix('abs/')}" if host == "arxiv.org" else host


def learned(loss: "type[nn.Module]", separator: str) -> str:
    """`proxies` (C, D), and what a checkpoint keeps of `centers` (C, D), without gradient."""
    parameters, buffers = state(loss)
    parts = [f"`{name}` {shape}" for name, shape in parameters.items()]
    parts += [f"`{name}` {shape}, without gradient" for name, shape in buffers.items()]
    return separator.join(parts) or "nothing"


def introduction(family: Family, references: Mapping[str, str]) -> list[str]:
    """The rest of the module's docstring, and where the code is."""
    path = family.module.replace(".", "/") + ".py"
    words = [prose(text, references) for text in paragraphs(family.introduction) if text]
    return [*words, f"Code: [`{path}`](../{path})."]


def section(loss: "type[nn.Module]", references: Mapping[str, str]) -> list[str]:
    """One loss: description, formula, what else its docstring says, how it is built."""
    first, *rest = paragraphs(inspect.getdoc(loss) or "")
    parts = [f"**{prose(first, references)}**"]
    parts += [part for function in formulas(loss) for part in formula(function, references)]
    parts += [labelled(text, references) for text in rest]
    return [*parts, f"```python\n{signature(loss)}\n```", f"Learned: {learned(loss, '; ')}."]


def rules(module: str, names: Sequence[str], references: Mapping[str, str]) -> list[str]:
    """Section of a module that losses share: its docstring and those of what it shows."""
    loaded = importlib.import_module(module)
    first, *rest = paragraphs(inspect.getdoc(loaded) or "")
    parts = [f"## {prose(rule_title(module), {})}", *[labelled(t, {}) for t in (first, *rest)]]
    elsewhere = {k: to for k, to in references.items() if to != f"#{anchor(rule_title(module))}"}
    for name in names:
        words = paragraphs(inspect.getdoc(getattr(loaded, name)) or "")
        parts += [f"**`{name}`**", *[labelled(text, elsewhere) for text in words]]
    return [*parts, f"Code: [`{module.replace('.', '/')}.py`](../{module.replace('.', '/')}.py)."]


def rule_title(module: str) -> str:
    """First line of a module's docstring up to its colon."""
    words = inspect.getdoc(importlib.import_module(module)) or ""
    return words.split("\n")[0].split(":")[0].rstrip(".")


def formula(function: Callable[..., object], references: Mapping[str, str]) -> list[str]:
    """A pure function's docstring: what it computes, as it is written, then shapes and units."""
    words = inspect.getdoc(function) or ""
    first, _, rest = words.partition("\n\n")
    block = f"Formula (`{function.__name__}`):\n\n```text\n{first}\n```"
    return [block, *[prose(text, references) for text in paragraphs(rest) if text]]


def signature(loss: "type[nn.Module]") -> str:
    """The constructor with types and defaults, on one line if it fits."""
    parameters = list(map(str, inspect.signature(loss).parameters.values()))
    parts = [*parameters[:2], "*", *parameters[2:]]
    flat = f"{loss.__name__}({', '.join(parts)})"
    lines = "".join(f"    {part},\n" for part in parts)
    return flat if len(flat) <= WIDTH else f"{loss.__name__}(\n{lines})"


if __name__ == "__main__":
    with atomic(Path(sys.argv[1])) as temporary:
        temporary.write_text(losses_page(), encoding="utf-8")
