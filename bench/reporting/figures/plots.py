"""The figures of one data set and split: test scores, ROC, convergence on the validation images.

Draw and save them within `matplotlib.rc_context(style.rc_params())`. `members` are the rows of one
data set and split of `bench.reporting.groups.comparable_frame`.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from bench.metrics import describe
from bench.reporting.convergence import SCORES, on_common_costs
from bench.reporting.figures.style import INK, Stroke, spread, wrapped
from bench.reporting.findings import COMPARED
from bench.reporting.stats import mean_interval
from bench.store.runs import Run

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COSTS = {"step": "Optimizer steps", "seconds": "Training time (seconds)"}  # columns of convergence
WIDTH, HEIGHT = 10.4, 6.4  # inches; of the convergence figure of a few methods
ABOVE, BELOW = 0.04 * HEIGHT, 0.12 * HEIGHT  # inches; around its panels
HSPACE = 0.28  # between its panels, as a share of their height
PANEL = 0.84 * HEIGHT / (2 + HSPACE)  # inches; height of one panel
LINE_POINTS = 11.0  # height of one line of a label
MOST_BANDS = 8  # methods whose bands can be distinguished where they overlap
ROC_HEIGHT, LEGEND_LINE = 4.2, 0.17  # inches; of the ROC, and of one line of its legend
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def scores_figure(members: "pd.DataFrame", strokes: Mapping[str, Stroke]) -> "Figure":
    """R@1, MAP@R and NMI on the test split in percent: mean, 95 % t interval, every seed."""
    from matplotlib.figure import Figure

    methods = list(members["method"].unique())
    names = [wrapped(method) for method in methods]
    height = 1.1 + 0.24 * sum(max(name.count("\n") + 1, 2) for name in names)
    figure = Figure(figsize=(WIDTH, height))
    keys = [key for key in COMPARED if key in members and members[key].notna().any()]
    panels = figure.subplots(1, len(keys), sharey=True, squeeze=False)[0]
    figure.subplots_adjust(
        left=0.19, right=0.98, top=1 - 0.1 / height, bottom=0.85 / height, wspace=0.12
    )
    for panel, key in zip(panels, keys, strict=True):
        draw_scores(panel, members, key, strokes)
        panel.set_ylim(len(methods) - 0.5, -0.5)
        label(panel, f"{describe(key).heading}, test (percent)", "")
    panels[0].set_yticks(range(len(methods)), names)
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


def band_bounds(values: "pd.Series[float]") -> tuple[float, float]:
    """As `t_bounds`, cut at 0 and 100 percent."""
    low, high = t_bounds(values)
    return max(low, 0.0), min(high, 100.0)


def roc_figure(
    members: "pd.DataFrame", runs: Sequence[Run], strokes: Mapping[str, Stroke]
) -> "Figure | None":
    """TAR in percent over FAR on a log scale, mean over seeds; None where no method has a ROC."""
    from matplotlib.figure import Figure

    data = roc_frame(members, runs)
    if data is None:
        return None
    names = [wrapped(method) for method in data["method"].unique()]
    height = max(ROC_HEIGHT, LEGEND_LINE * sum(name.count("\n") + 1.2 for name in names) + 1)
    figure = Figure(figsize=(WIDTH, height))
    panel = figure.subplots()
    figure.subplots_adjust(left=0.07, right=0.75, top=1 - 0.15 / height, bottom=0.85 / height)
    panel.set_xscale("log")
    draw_lines(panel, data, "far", "tar", strokes, bands=False)
    for line, name in zip(panel.lines, names, strict=True):
        line.set_label(name)
    panel.set_xlim(float(data["far"].min()), 1)
    panel.xaxis.set_major_formatter(lambda value, _: power_of_ten(value))
    panel.set_ylim(-2, 102)
    label(panel, "FAR, share of other pairs accepted", "TAR, same-class pairs accepted (percent)")
    panel.legend(
        loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False, fontsize=8, handlelength=4
    )
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

    curves: of one data set and split, from `bench.reporting.convergence.read_curves`.
    """
    from matplotlib.figure import Figure

    methods = list(curves["method"].unique())
    more = max(sum(label_points(wrapped(method)) for method in methods) / 72 - PANEL, 0.0)
    height = HEIGHT + 2 * more
    figure = Figure(figsize=(WIDTH, height))
    panels = figure.subplots(2, 2)
    figure.subplots_adjust(left=0.06, right=0.83, top=1 - ABOVE / height, bottom=BELOW / height)
    figure.subplots_adjust(wspace=0.85, hspace=HSPACE * PANEL / (PANEL + more))
    for column, (axis, words) in zip(panels.T, COSTS.items(), strict=True):
        data = on_common_costs(curves, axis)
        data[list(SCORES)] *= 100
        for panel, key in zip(column, SCORES, strict=True):
            draw_lines(panel, data, axis, key, strokes, bands=len(methods) <= MOST_BANDS)
            fit_limits(panel)
            label(panel, words, f"{describe(key).heading}, validation (percent)")
            name_lines(panel, methods, strokes)
    note(figure, f"{origin(curves)}, validation. {band_note(len(methods))}")
    return figure


def draw_lines(
    panel: "Axes",
    data: "pd.DataFrame",
    x: str,
    y: str,
    strokes: Mapping[str, Stroke],
    *,
    bands: bool,
) -> None:
    """One line per method, mean over seeds, with the band of its t interval."""
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
        errorbar=band_bounds if bands else None,
        err_kws={"alpha": 0.12, "linewidth": 0},
        legend=False,
        ax=panel,
    )


def fit_limits(panel: "Axes") -> None:
    """From cost 0; all lines and bands, with some margin."""
    low, high = panel.dataLim.intervaly
    margin = 0.04 * max(high - low, 1)
    panel.set_ylim(low - margin, high + margin)
    panel.set_xlim(0, panel.dataLim.x1 or 1)


def label_points(name: str) -> float:
    """Height of a wrapped name with some margin."""
    return 4 + LINE_POINTS * (name.count("\n") + 1)


def name_lines(panel: "Axes", methods: Sequence[str], strokes: Mapping[str, Stroke]) -> None:
    """Names beside the panel at the height where their lines end, pushed apart, with leaders."""
    names = [wrapped(method) for method in methods]
    ends = [np.asarray(line.get_xydata())[-1] for line in panel.lines]
    (low, high), right = panel.get_ylim(), panel.get_xlim()[1]
    points = 72 * panel.bbox.height / panel.figure.dpi
    heights = [(high - low) / points * label_points(name) for name in names]
    centres = spread([y for _, y in ends], heights, low=low, high=high)
    crowded = len(methods) > MOST_BANDS  # then ends hide each other's marker: repeat it at the name
    at = (1.085 if crowded else 1.07) * right
    for method, name, (x, y), centre in zip(methods, names, ends, centres, strict=True):
        stroke = strokes[method]
        leader = [x, right, 1.05 * right], [y, y, centre]
        panel.plot(*leader, color=stroke.colour, linewidth=0.7, clip_on=False)
        for spot in [(x, y), (1.05 * right, centre)][: 1 + crowded]:
            panel.plot(*spot, stroke.marker, color=stroke.colour, markersize=5, clip_on=False)
        panel.text(at, centre, name, va="center", fontsize=8, linespacing=1.1)


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
    figure.text(0.01, 0.08 / figure.get_figheight(), text, fontsize=8)


def origin(members: "pd.DataFrame") -> str:
    """The data set and split that the numbers are from."""
    return f"{members['dataset'].iloc[0]}, {members['split'].iloc[0]} split"


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
