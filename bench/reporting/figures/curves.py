"""Figures of one table: convergence on the validation classes, final scores on the test split."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from bench.reporting.convergence import Band, Curve, average
from bench.reporting.figures.drawing import INK, spread, wrapped
from bench.reporting.figures.strokes import Stroke
from bench.reporting.groups import Group
from bench.reporting.rows import HEADINGS, method_row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANELS = ("recall@1", "map@r")  # rows of the convergence figure
COSTS = {"step": "Optimiser steps", "seconds": "Training time (seconds)"}  # its columns
FINAL = ("recall@1", "map@r", "nmi")  # panels of the final scores
WIDTH, HEIGHT = 10.4, 6.4  # inches; of the convergence figure, where a few names suffice
ABOVE, BELOW = 0.04 * HEIGHT, 0.12 * HEIGHT  # inches; around its panels
HSPACE = 0.28  # between its panels, as a share of their height
PANEL = 0.84 * HEIGHT / (2 + HSPACE)  # inches; height of one panel
LINE_POINTS = 11.0  # height of one line of a label
MOST_BANDS = 8  # methods whose bands can be told apart where they overlap


def convergence_figure(
    curves: Mapping[Group, Sequence[Curve]], strokes: Mapping[str, Stroke]
) -> "Figure":
    """R@1 and MAP@R in percent over steps and seconds: mean over seeds, band its 95 % t interval.

    Draw it and save it within `matplotlib.rc_context(drawing.style())`.
    """
    from matplotlib.figure import Figure

    more = max(label_inches(curves) - PANEL, 0.0)
    height = HEIGHT + 2 * more
    figure = Figure(figsize=(WIDTH, height))
    axes = figure.subplots(2, 2)
    figure.subplots_adjust(left=0.06, right=0.83, top=1 - ABOVE / height, bottom=BELOW / height)
    figure.subplots_adjust(wspace=0.85, hspace=HSPACE * PANEL / (PANEL + more))
    for row, metric in zip(axes, PANELS, strict=True):
        for panel, (axis, words) in zip(row, COSTS.items(), strict=True):
            bands = {group: average(members, axis, metric) for group, members in curves.items()}
            draw_bands(panel, bands, strokes)
            panel.set_xlabel(words)
            panel.set_ylabel(f"{HEADINGS[metric]}, validation (percent)")
    place = f"{place_of(list(curves))}, validation"
    figure.text(0.06, 0.015 * HEIGHT / height, f"{place}. {band_note(len(curves))}", fontsize=8)
    return figure


def label_inches(groups: Iterable[Group]) -> float:
    """Height of all names above each other."""
    return sum(label_points(wrapped(group.method)) for group in groups) / 72


def label_points(name: str) -> float:
    """Height of one wrapped name with some air."""
    return 4 + LINE_POINTS * (name.count("\n") + 1)


def band_note(methods: int) -> str:
    """What lines and bands are; too many bands would hide each other and the lines."""
    if methods > MOST_BANDS:
        return f"Line: mean over seeds; no intervals, as there are more than {MOST_BANDS} methods."
    return "Line: mean over seeds; band: its t-based 95 % confidence interval (none for one seed)."


def draw_bands(panel: "Axes", bands: Mapping[Group, Band], strokes: Mapping[str, Stroke]) -> None:
    """Lines with their bands in percent, each named at its right end."""
    if len(bands) > MOST_BANDS:
        bands = {group: replace(band, half=None) for group, band in bands.items()}
    end = max(float(band.costs[-1]) for band in bands.values())
    for group, band in bands.items():
        stroke = strokes[group.method]
        panel.plot(
            band.costs, 100 * band.mean, color=stroke.colour, dashes=stroke.dashes or (None, None)
        )
        if band.half is not None:
            low, high = band.mean - band.half, band.mean + band.half
            panel.fill_between(
                band.costs, 100 * low, 100 * high, color=stroke.colour, alpha=0.12, linewidth=0
            )
    panel.set_xlim(0, end or 1)
    panel.set_ylim(*limits(list(bands.values())))
    tidy(panel)
    name_lines(panel, bands, strokes)


def limits(bands: Sequence[Band]) -> tuple[float, float]:
    """Range of all lines and bands in percent, within 0..100, with some air."""
    halves = [np.zeros(1) if band.half is None else band.half for band in bands]
    low = min(float((band.mean - half).min()) for band, half in zip(bands, halves, strict=True))
    high = max(float((band.mean + half).max()) for band, half in zip(bands, halves, strict=True))
    low, high = max(100 * low, 0), min(100 * high, 100)
    air = 0.04 * max(high - low, 1)
    return low - air, high + air


def name_lines(panel: "Axes", bands: Mapping[Group, Band], strokes: Mapping[str, Stroke]) -> None:
    """Names beside the panel at the height where their lines end, pushed apart, with leaders."""
    names = [wrapped(group.method) for group in bands]
    ends = [(float(band.costs[-1]), 100 * float(band.mean[-1])) for band in bands.values()]
    (low, high), right = panel.get_ylim(), panel.get_xlim()[1]
    points = 72 * panel.bbox.height / panel.figure.dpi
    heights = [(high - low) / points * label_points(name) for name in names]
    places = spread([y for _, y in ends], heights, low=low, high=high)
    crowded = len(bands) > MOST_BANDS
    at = (1.085 if crowded else 1.07) * right
    for group, name, (x, y), place in zip(bands, names, ends, places, strict=True):
        stroke = strokes[group.method]
        leader = [x, right, 1.05 * right], [y, y, place]
        panel.plot(*leader, color=stroke.colour, linewidth=0.7, clip_on=False)
        spots = [(x, y), (1.05 * right, place)][: 1 + crowded]  # many ends hide each other's marker
        for spot in spots:
            panel.plot(*spot, stroke.marker, color=stroke.colour, markersize=5, clip_on=False)
        panel.text(at, place, name, va="center", fontsize=8, linespacing=1.1)


def tidy(panel: "Axes") -> None:
    """Faint grid behind the data; no frame above and on the right."""
    import seaborn

    seaborn.despine(ax=panel)
    panel.grid(True, color=INK, alpha=0.12, linewidth=0.6)
    panel.set_axisbelow(True)


def scores_figure(groups: Sequence[Group], strokes: Mapping[str, Stroke]) -> "Figure":
    """R@1, MAP@R and NMI on the test split in percent: mean, 95 % t interval, every seed.

    Draw it and save it within `matplotlib.rc_context(drawing.style())`.
    """
    from matplotlib.figure import Figure

    names = [wrapped(group.method) for group in groups]
    lines = sum(max(name.count("\n") + 1, 2) for name in names)
    height = 1.1 + 0.24 * lines
    figure = Figure(figsize=(WIDTH, height))
    metrics = [key for key in FINAL if any(key in run.scores for g in groups for run in g.runs)]
    panels = figure.subplots(1, len(metrics), sharey=True)
    figure.subplots_adjust(
        left=0.19, right=0.98, top=1 - 0.1 / height, bottom=0.85 / height, wspace=0.12
    )
    for panel, metric in zip(panels, metrics, strict=True):
        for place, group in enumerate(groups):
            draw_scores(panel, place, group, metric, strokes[group.method])
        panel.set_xlabel(f"{HEADINGS[metric]}, test (percent)")
        panel.set_ylim(len(groups) - 0.5, -0.5)
        tidy(panel)
    panels[0].set_yticks(range(len(groups)), names)
    note = "Large mark: mean over seeds; bar: its t-based 95 % confidence interval; dots: seeds."
    figure.text(0.01, 0.08 / height, f"{place_of(groups)}, test. {note}", fontsize=8)
    return figure


def draw_scores(panel: "Axes", place: int, group: Group, metric: str, stroke: Stroke) -> None:
    """One method's mean with its interval on its line, and its seeds just below."""
    score = method_row(group).scores.get(metric)
    if score is None:  # a score that this protocol does not have
        return
    mean, half = 100 * score.mean, 100 * (score.half or 0)
    panel.plot([mean - half, mean + half], [place, place], color=stroke.colour, linewidth=2)
    panel.plot([mean], [place], stroke.marker, color=stroke.colour, markersize=7)
    seeds = [100 * run.scores[metric] for run in group.runs]
    panel.plot(seeds, [place + 0.25] * len(seeds), "o", color=stroke.colour, markersize=3)


def place_of(groups: Sequence[Group]) -> str:
    """Where the numbers are from, for a figure that stands alone."""
    return f"{groups[0].dataset}, {groups[0].split} split"
