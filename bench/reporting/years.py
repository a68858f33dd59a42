"""The figure of published numbers over the years, with ours in it."""

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING

from bench.metrics import describe
from bench.published import Published
from bench.reporting.figures import (
    INK,
    OTHER_COLOURS,
    label,
    make_figure,
    note,
    origin,
    wrapped,
)
from bench.spec import NO_LOSS

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


def published_figure(published: Sequence[Published], members: "pd.DataFrame") -> "Figure | None":
    """Published R@1 over the years by backbone, and ours beside it; None without a year.

    Within a year each paper has a column of its own. Hollow: a number quoted from another paper.
    `published` are rows of the data set and split of `members`, the runs with a loss.
    """
    import seaborn
    from matplotlib.ticker import MaxNLocator

    data = published_frame(published)
    if data.empty:
        return None
    backbones = sorted(data["backbone"].unique())
    colours = dict(zip(backbones, cycle(OTHER_COLOURS), strict=False))
    figure = make_figure(4.2, len(backbones) + 3)
    panel = figure.subplots()
    for quoted, rows in data.groupby("quoted"):
        seaborn.scatterplot(
            rows,
            x="position",
            y="score",
            hue="backbone",
            palette={name: "none" if quoted else colour for name, colour in colours.items()},
            edgecolor=[colours[name] for name in rows["backbone"]],
            legend=False,
            ax=panel,
        )
    ours = 100 * members.groupby("method")["recall@1"].mean()
    year = int(str(members["environment.finished"].max())[:4])
    panel.scatter([year] * len(ours), ours, color=INK, marker="D", s=40)
    label(panel, "Year", f"{describe('recall@1').heading}, test (percent)")
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    add_backbones(figure, colours, ", ".join(members["backbone"].unique()))
    text = "Conditions differ: not a ranking. Hollow: quoted from another paper."
    note(figure, f"{origin(members)}. {text}")
    return figure


def published_frame(published: Sequence[Published]) -> "pd.DataFrame":
    """One row per R@1 of a trained network whose year is known, with its place on the axis."""
    import pandas as pd

    data = pd.DataFrame(
        [
            {
                "year": row.year,
                "paper": row.paper,
                "backbone": row.backbone,
                "quoted": row.run_by == "quoted",
                "score": row.scores["recall@1"].value,
            }
            for row in published
            if isinstance(row.year, int) and "recall@1" in row.scores and row.loss != NO_LOSS
        ]
    )
    if not data.empty:
        papers = data.groupby("year")["paper"]
        column = papers.transform(lambda names: pd.factorize(names)[0])
        count = papers.transform("nunique")
        data["position"] = data["year"] + 0.16 * (column - (count - 1) / 2)
    return data


def add_backbones(figure: "Figure", colours: Mapping[str, str], ours: str) -> None:
    """The legend of the figure of published numbers."""
    from matplotlib.lines import Line2D

    dots = [
        Line2D([], [], color=colour, marker="o", linestyle="", label=wrapped(name))
        for name, colour in colours.items()
    ]
    own = Line2D([], [], color=INK, marker="D", linestyle="", label=wrapped(f"ours: {ours}"))
    figure.legend(handles=[*dots, own], loc="outside right center", frameon=False, fontsize=8)
