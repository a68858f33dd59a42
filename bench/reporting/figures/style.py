"""What all figures share: strokes of methods, text and ink, labels that do not overlap, files."""

import io
import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
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


@dataclass(frozen=True)
class Stroke:
    """How one method is drawn: colour, dashes (points on, off; empty is solid), marker."""

    colour: str
    dashes: tuple[float, ...]
    marker: str


# Okabe and Ito's palette for colour-blind readers (jfly.uni-koeln.de/color). These four have a
# contrast of at least 3:1 on white and on the report's dark background; orange and sky blue, which
# do not on white, are darkened below.
STROKES = {
    "proxy_nca": Stroke("#0072B2", (), "o"),
    "proxy_nca_softmax": Stroke("#CC79A7", (7, 2), "D"),
    "triplet": Stroke("#D55E00", (4, 1.5), "s"),
    "center": Stroke("#009E73", (1.2, 1.5), "^"),
}
OTHER_COLOURS = (
    *("#C08000", "#3C96C8", "#808080", "#8C6BD1", "#A0653A", "#7A8B00", "#D6336C", "#1F9AA0"),
    *(stroke.colour for stroke in STROKES.values()),
)
# 13 dashes and 14 markers, taken in turn: 182 different pairs, as the counts have no common factor.
OTHER_DASHES: tuple[tuple[float, ...], ...] = (
    *((6, 1.5, 1.2, 1.5), (3, 1, 1, 1, 1, 1), (9, 2, 2, 2), (12, 4), (4, 4, 1, 4), (1, 1, 1, 3)),
    *((6, 4), (10, 1.5, 4, 1.5), (2, 1, 2, 4), (6, 1, 1, 1, 6, 3), (2, 3), (5, 1, 1, 1, 1, 1)),
    (1, 4),
)
OTHER_MARKERS = ("v", "P", "X", "o", "^", "s", "D", "h", "<", "*", ">", "p", "8", "d")


def assign(methods: Mapping[str, str]) -> dict[str, Stroke]:
    """Method -> stroke, from method -> loss: one colour per loss, another line for each method.

    Methods differ in line and marker, so that they can be told from each other in grey too.
    """
    others = sorted(set(methods.values()) - STROKES.keys())
    colours = {loss: stroke.colour for loss, stroke in STROKES.items()}
    colours |= dict(zip(others, cycle(OTHER_COLOURS), strict=False))
    strokes: dict[str, Stroke] = {}
    free = dict(STROKES)
    for method, loss in sorted(methods.items()):
        number = len(strokes)
        dashes = OTHER_DASHES[number % len(OTHER_DASHES)]
        marker = OTHER_MARKERS[number % len(OTHER_MARKERS)]
        strokes[method] = free.pop(loss, Stroke(colours[loss], dashes, marker))
    return strokes


def rc_params() -> dict[str, object]:
    """Settings for `matplotlib.rc_context`; a dollar in a method's name starts no formula."""
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
    """
    from scipy.optimize import isotonic_regression

    order = np.argsort(positions, kind="stable")
    sizes = np.asarray(heights, dtype=np.float64)[order]
    offsets = np.cumsum(sizes) - sizes / 2  # centre of each label when stacked without gaps
    feet = isotonic_regression(np.asarray(positions, dtype=np.float64)[order] - offsets).x
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
    """The figure as an <svg> element without header or size, its ink as currentColor."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata=NO_METADATA)
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :].replace(INK, "currentColor")
    return re.sub(r"<svg[^>]*>", lambda tag: re.sub(r' (width|height)="[^"]*"', "", tag[0]), svg)


def inlined(svg: str, prefix: str, description: str) -> str:
    """The element for a page that holds several: own ids, and a text for screen readers."""
    from markupsafe import escape

    svg = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{prefix}-", svg)
    return svg.replace("<svg", f'<svg role="img" aria-label="{escape(description)}"', 1)


def themed(svg: str) -> str:
    """The element as a file of its own, light on a viewer's dark background."""
    rule = "<style>@media (prefers-color-scheme: dark) { svg { color: #e8e8e8 } }</style>"
    end = svg.index(">") + 1
    return f'<?xml version="1.0" encoding="utf-8"?>\n{svg[:end]}{rule}{svg[end:]}'
