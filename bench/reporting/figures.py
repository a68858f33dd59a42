"""The figures of one data set and split: test scores, ROC, convergence on the validation images.

Draw and save them within `matplotlib.rc_context(rc_params())`. `members` are the rows of one data
set and split of `bench.reporting.groups.comparable_frame`; `strokes` are from `assign`.
"""

import io
import re
import textwrap
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.metrics import describe
from bench.reporting.cost.convergence import SCORES, on_common_costs
from bench.reporting.cost.cost_to_target import Convergence, share_reached
from bench.reporting.findings import COMPARED
from bench.reporting.machines import count_kinds, kinds_text
from bench.reporting.statistics.stats import mean_interval
from bench.store.runs import Run, write_text
from bench.suggest import printable
from bench.temporary import atomic

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COSTS = {"step": "Optimizer steps", "seconds": "Training time (seconds)"}  # columns of convergence
WIDTH, LINE = 10.4, 0.3  # inches; of a figure, and of a method's name in its legend
MOST_BANDS = 8  # methods whose bands can be distinguished where they overlap
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
INK = "#010203"  # of text and axes; in SVG it becomes currentColor, so the page decides
DPI = 200  # of PNG files
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

    Methods differ in line and marker, so that they stay distinct in grey too.
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


def make_figure(height: float, methods: int) -> "Figure":
    """An empty figure of at least `height` inches, high enough for a legend of the methods."""
    from matplotlib.figure import Figure

    return Figure(figsize=(WIDTH, max(height, 1 + LINE * methods)), layout="constrained")


def scores_figure(members: "pd.DataFrame", strokes: Mapping[str, Stroke]) -> "Figure":
    """R@1, MAP@R and NMI on the test split in percent: mean, 95 % t interval, every seed."""
    methods = list(members["method"].unique())
    figure = make_figure(0, 2 * len(methods))
    keys = [key for key in COMPARED if key in members and members[key].notna().any()]
    panels = figure.subplots(1, len(keys), sharey=True, squeeze=False)[0]
    for panel, key in zip(panels, keys, strict=True):
        draw_scores(panel, members, key, strokes)
        panel.set_ylim(len(methods) - 0.5, -0.5)
        left, right = panel.get_xlim()
        panel.set_xlim(max(left, -2), min(right, 102))  # where scores can be; intervals go beyond
        label(panel, f"{describe(key).heading}, test (percent)", "")
    panels[0].set_yticks(range(len(methods)), map(wrapped, methods))
    text = "Large mark: mean over seeds; bar: its t-based 95 % confidence interval; dots: seeds."
    note(figure, f"{origin(members)}, test. {text}")
    return figure


def draw_scores(
    panel: "Axes", members: "pd.DataFrame", key: str, strokes: Mapping[str, Stroke]
) -> None:
    """Each method's mean with its interval on its line, and its seeds just below."""
    import seaborn

    methods = list(members["method"].unique())
    rows = members["method"].map(methods.index)
    data = members.assign(value=100 * members[key], row=rows).dropna(subset="value")
    shared = {
        "x": "value",
        "hue": "method",
        "hue_order": methods,
        "palette": [strokes[method].colour for method in methods],
        "orient": "y",
        "native_scale": True,
        "legend": False,
        "ax": panel,
    }
    seaborn.pointplot(
        data,
        y="row",
        errorbar=t_bounds,
        linestyle="none",
        markers=[strokes[method].marker for method in methods],
        markersize=7,
        err_kws={"linewidth": 2},
        **shared,
    )
    below = data.assign(row=data["row"] + 0.27)
    seaborn.stripplot(below, y="row", jitter=False, size=3.5, **shared)


def t_bounds(values: "pd.Series[float]") -> tuple[float, float]:
    """Lower and upper end of the 95 % t interval, for seaborn's error bars."""
    interval = mean_interval(list(values))
    half = interval.half or 0.0
    return interval.mean - half, interval.mean + half


def roc_figure(
    members: "pd.DataFrame", runs: Sequence[Run], strokes: Mapping[str, Stroke]
) -> "Figure | None":
    """TAR in percent over FAR on a log scale, mean over seeds; None where no method has a ROC."""
    data = roc_frame(members, runs)
    if data is None:
        return None
    figure = make_figure(4.2, data["method"].nunique())
    panel = figure.subplots()
    panel.set_xscale("log")
    draw_lines(panel, data, "far", "tar", strokes, markevery=0.2)
    panel.set_xlim(float(data["far"].min()), 1)
    panel.xaxis.set_major_formatter(lambda value, _: power_of_ten(value))
    panel.set_ylim(-2, 102)
    label(panel, "FAR, pairs of two classes accepted", "TAR, same-class pairs accepted (percent)")
    add_legend(figure, data["method"].unique())
    note(figure, f"{origin(members)}, test. Line: mean over seeds at each FAR.")
    return figure


def roc_frame(members: "pd.DataFrame", runs: Sequence[Run]) -> "pd.DataFrame | None":
    """Columns method, far and tar (percent) of the methods whose runs all have a ROC."""
    import pandas as pd

    rocs = {run.name: run.roc for run in runs}
    parts = [
        pd.DataFrame({"method": method, "far": roc["far"], "tar": 100 * roc["tar"]})
        for method, group in members.groupby("method")
        if all(rocs[run] for run in group["run"])
        for roc in group["run"].map(rocs)
    ]
    return pd.concat(parts) if parts else None


def power_of_ten(value: float) -> str:
    """0.001 -> 10⁻³; matplotlib's own labels are formulas, which `text.parse_math` turns off."""
    return "10" + str(round(np.log10(value))).translate(SUPERSCRIPTS)


def convergence_figure(curves: "pd.DataFrame", strokes: Mapping[str, Stroke]) -> "Figure":
    """R@1 and MAP@R in percent over steps and seconds: mean over seeds, band its 95 % t interval.

    curves: of one data set and split, from `bench.reporting.cost.convergence.read_curves`.
    """
    methods = curves["method"].nunique()
    figure = make_figure(6.4, methods)
    panels = figure.subplots(2, 2, sharex="col", sharey="row")
    kinds = count_kinds(curves["machine"])
    for column, (axis, words) in zip(panels.T, COSTS.items(), strict=True):
        words += f", {kinds_text(kinds)}" if axis == "seconds" and kinds > 1 else ""
        data = on_common_costs(curves, axis)
        data[list(SCORES)] *= 100
        for panel, key in zip(column, SCORES, strict=True):
            draw_lines(panel, data, axis, key, strokes, markevery=[-1], bands=methods <= MOST_BANDS)
            panel.set_xlim(left=0)
            label(panel, words, f"{describe(key).heading}, validation (percent)")
    add_legend(figure, curves["method"].unique())
    note(figure, f"{origin(curves)}, validation. {band_note(methods)}")
    return figure


def targets_figure(
    curves: "pd.DataFrame", converged: Sequence[Convergence], strokes: Mapping[str, Stroke]
) -> "Figure | None":
    """Share of targets that are reached within a number of steps, for each score."""
    if not converged:
        return None
    figure = make_figure(3.6, len(converged[0].costs))
    panels = figure.subplots(1, len(converged), sharey=True, squeeze=False)[0]
    for panel, found in zip(panels, converged, strict=True):
        for method, costs in found.costs.items():
            steps, shares = share_reached(costs["step"])
            stroke = strokes[method]
            panel.step(
                steps, 100 * shares, where="post", color=stroke.colour, dashes=stroke.dashes or ()
            )
        panel.set_xlim(left=0)
        panel.set_ylim(0, 100)
        label(panel, COSTS["step"], f"Targets of {describe(found.metric).heading} (percent)")
    add_legend(figure, converged[0].costs)
    note(figure, f"{origin(curves)}, validation. Kaplan-Meier estimate over targets and seeds.")
    return figure


def draw_lines(
    panel: "Axes",
    data: "pd.DataFrame",
    x: str,
    y: str,
    strokes: Mapping[str, Stroke],
    *,
    markevery: float | list[int],
    bands: bool = False,
) -> None:
    """One line per method, mean over seeds, with markers and the band of its t interval."""
    import seaborn

    methods = list(data["method"].unique())
    seaborn.lineplot(
        data,
        x=x,
        y=y,
        hue="method",
        style="method",
        hue_order=methods,
        style_order=methods,
        palette=[strokes[method].colour for method in methods],
        dashes=[strokes[method].dashes or "" for method in methods],
        markers=[strokes[method].marker for method in methods],
        markevery=markevery,
        markeredgewidth=0,
        errorbar=(lambda values: np.clip(t_bounds(values), 0, 100)) if bands else None,
        err_kws={"alpha": 0.12, "linewidth": 0},
        legend=False,
        ax=panel,
    )


def add_legend(figure: "Figure", methods: Iterable[str]) -> None:
    """Names of the methods with their lines, beside the panels."""
    figure.legend(
        figure.axes[0].lines,
        map(wrapped, methods),
        loc="outside right center",
        frameon=False,
        fontsize=8,
        handlelength=4,
    )


def wrapped(name: str) -> str:
    """A method's name on as many lines as it needs."""
    return textwrap.fill(name, 24)


def label(panel: "Axes", x: str, y: str) -> None:
    """Axis labels, a faint grid behind the data, no frame above and on the right."""
    import seaborn

    panel.set_xlabel(x)
    panel.set_ylabel(y)
    seaborn.despine(ax=panel)
    panel.grid(True, color=INK, alpha=0.12, linewidth=0.6)
    panel.set_axisbelow(True)


def note(figure: "Figure", text: str) -> None:
    """A line at the foot of a figure, for where it is shown without its caption."""
    figure.supxlabel(text, x=0.01, ha="left", fontsize=8)


def origin(members: "pd.DataFrame") -> str:
    """The data set and split that the numbers are from."""
    return printable(f"{members['dataset'].iloc[0]}, {members['split'].iloc[0]} split")


def band_note(methods: int) -> str:
    """What lines and bands are; too many bands would hide each other and the lines."""
    if methods > MOST_BANDS:
        return (
            f"Line: mean over seeds; no intervals, as bands of more than {MOST_BANDS} methods "
            "would hide each other."
        )
    return (
        "Line: mean over seeds; band: its t-based 95 % confidence interval at each point (none "
        "for one seed), cut at 0 and 100 %."
    )


def save_figure(figure: "Figure", stem: Path) -> tuple[tuple[Path, Path], str]:
    """Write `<stem>.svg` (transparent, follows a dark page) and `<stem>.png` (on white); returns
    both paths and the <svg> element. Signs that the font lacks are boxes in the .png; in the other
    two text stays text."""
    svg, png = stem.with_name(f"{stem.name}.svg"), stem.with_name(f"{stem.name}.png")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        element = svg_text(figure)
        write_text(svg, themed(element))
        with atomic(png) as temporary:
            figure.savefig(
                temporary, format="png", dpi=DPI, facecolor="white", metadata={"Software": None}
            )
    return (svg, png), element


def svg_text(figure: "Figure") -> str:
    """The figure as an <svg> element without header or size, its ink as currentColor."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata=NO_METADATA)
    figure.set_layout_engine("none")  # it is laid out, which takes as long as drawing it
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
