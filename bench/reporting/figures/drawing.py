"""What all figures share: style, labels that do not overlap, files that are equal on every run."""

import io
import re
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.store.runs import atomic

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK = "#010203"  # of text and axes; in SVG it becomes currentColor, so the page decides
DPI = 200  # of PNG files
WRAP = 24  # characters per line of a method's name
NO_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}


def style() -> dict[str, object]:
    """Settings for `matplotlib.rc_context`; a dollar in a method's name is no formula."""
    import seaborn

    inks = {f"{part}.color": INK for part in ("text", "xtick", "ytick")}
    inks |= {"axes.edgecolor": INK, "axes.labelcolor": INK}
    settings: dict[str, object] = seaborn.axes_style("ticks") | inks
    return settings | {
        "font.family": "sans-serif",
        "font.sans-serif": ["DejaVu Sans"],
        "font.size": 9,
        "axes.titlesize": 9,
        "axes.labelsize": 9,
        "xtick.labelsize": 8,
        "ytick.labelsize": 8,
        "text.parse_math": False,
        "svg.fonttype": "none",  # text stays text: it can be searched, copied and read aloud
        "svg.hashsalt": "proxy-bench",
    }


def wrapped(name: str) -> str:
    """A method's name on as many lines as it needs."""
    return "\n".join(textwrap.wrap(name, WRAP)) or name


def spread(
    positions: Sequence[float], heights: Sequence[float], *, low: float, high: float
) -> list[float]:
    """Centres nearest to the wanted positions (least squares) such that no two labels overlap.

    All in one unit. Labels that would leave low..high are moved in as one block; if they do not
    all fit, they start at `low` and end above `high` rather than overlap.
    Source: isotonic regression by pooling neighbours that violate the order.
    """
    order = np.argsort(positions, kind="stable")
    sizes = np.asarray(heights, dtype=np.float64)[order]
    offsets = np.cumsum(sizes) - sizes / 2  # centre of each label when stacked without gaps
    blocks: list[list[float]] = []  # sum and count of pooled wishes for the stack's foot
    for wish in np.asarray(positions, dtype=np.float64)[order] - offsets:
        blocks.append([float(wish), 1])
        while len(blocks) > 1 and blocks[-2][0] / blocks[-2][1] > blocks[-1][0] / blocks[-1][1]:
            total, count = blocks.pop()
            blocks[-1] = [blocks[-1][0] + total, blocks[-1][1] + count]
    feet = np.concatenate([np.full(int(count), total / count) for total, count in blocks])
    feet = np.maximum(np.minimum(feet, high - sizes.sum()), low)
    placed = np.empty(len(sizes))
    placed[order] = feet + offsets
    return [float(value) for value in placed]


def save_figure(figure: "Figure", stem: Path) -> tuple[Path, Path]:
    """Write `<stem>.svg` (transparent, follows a dark page) and `<stem>.png` (on white)."""
    svg, png = stem.with_name(f"{stem.name}.svg"), stem.with_name(f"{stem.name}.png")
    with atomic(svg) as temporary:
        temporary.write_text(themed(svg_text(figure)), encoding="utf-8")
    with atomic(png) as temporary:
        figure.savefig(
            temporary, format="png", dpi=DPI, facecolor="white", metadata={"Software": None}
        )
    return svg, png


def svg_text(figure: "Figure") -> str:
    """The figure as an <svg> element without header, ink as currentColor, as wide as its place."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata=NO_METADATA)
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :].replace(INK, "currentColor")
    return re.sub(r"<svg[^>]*>", lambda tag: re.sub(r' (width|height)="[^"]*"', "", tag[0]), svg)


def inlined(svg: str, prefix: str, description: str) -> str:
    """The element for a page that holds several: own ids, and a text for who cannot see it."""
    from markupsafe import escape

    svg = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{prefix}-", svg)
    return svg.replace("<svg", f'<svg role="img" aria-label="{escape(description)}"', 1)


def themed(svg: str) -> str:
    """The element as a file of its own, light on a viewer's dark ground."""
    rule = "<style>@media (prefers-color-scheme: dark) { svg { color: #e8e8e8 } }</style>"
    end = svg.index(">") + 1
    return f'<?xml version="1.0" encoding="utf-8"?>\n{svg[:end]}{rule}{svg[end:]}'
