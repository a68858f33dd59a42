"""The ROC of verification on unseen classes, one line a method."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from bench.reporting.figures.curves import place_of, tidy
from bench.reporting.figures.drawing import wrapped
from bench.reporting.figures.strokes import Stroke
from bench.reporting.groups import Group

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH, HEIGHT, LINE = 10.4, 4.2, 0.17  # inches; of the figure, and of a line of names


def mean_roc(group: Group) -> tuple[np.ndarray, np.ndarray] | None:
    """FARs (200,) and the mean over seeds of the TARs there; None where a seed has none.

    Seeds of a split have the same pairs, and so the same FARs.
    """
    found = [run.roc for run in group.runs]
    known = [roc for roc in found if roc is not None]
    if not known or len(known) < len(found):
        return None
    return known[0]["far"], np.mean([roc["tar"] for roc in known], axis=0)


def roc_figure(groups: Sequence[Group], strokes: Mapping[str, Stroke]) -> "Figure | None":
    """TAR in percent over FAR on a log scale, mean over seeds; None where no method has a ROC.

    Draw it and save it within `matplotlib.rc_context(drawing.style())`.
    """
    from matplotlib.figure import Figure

    lines = {group: roc for group in groups if (roc := mean_roc(group)) is not None}
    if not lines:
        return None
    names = [wrapped(group.method) for group in lines]
    height = max(HEIGHT, LINE * sum(name.count("\n") + 1.2 for name in names) + 1)
    figure = Figure(figsize=(WIDTH, height))
    panel = figure.subplots()
    figure.subplots_adjust(left=0.06, right=0.75, top=1 - 0.15 / height, bottom=0.85 / height)
    for (group, (far, tar)), name in zip(lines.items(), names, strict=True):
        stroke = strokes[group.method]
        dashes = stroke.dashes or (None, None)
        panel.plot(far, 100 * tar, color=stroke.colour, dashes=dashes, label=name)
    panel.set_xscale("log")
    panel.set_xlim(float(min(far[0] for far, _ in lines.values())), 1)
    panel.set_ylim(-2, 102)
    panel.set_xlabel("FAR, share of pairs of two classes accepted")
    panel.set_ylabel("TAR, pairs of one class accepted (percent)")
    tidy(panel)
    panel.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False, fontsize=8)
    note = "Line: mean over seeds at each FAR."
    figure.text(0.01, 0.08 / height, f"{place_of(groups)}, test. {note}", fontsize=8)
    return figure
