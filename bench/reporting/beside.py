"""Published rows beside ours: same data set, split and loss, with what differs in conditions.

Two numbers under different conditions are no ranking, so these rows are in a table of their own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.metrics import describe
from bench.published import UNKNOWN, Published, plain
from bench.reporting.groups import show
from bench.reporting.rows import Row, mean_text
from bench.spec import NO_LOSS, TIMM

if TYPE_CHECKING:
    import pandas as pd

R1 = "recall@1"
SCORES = (R1, "map", "map@r", "nmi")
CONDITIONS = ("backbone", "weights", "dimension", "input", "selection", "training")


@dataclass(frozen=True)
class Beside:
    """A published row, and the best of our methods with its loss.

    Attributes: ours, the method's name, or "" if no run has the loss; scores, key of `SCORES` ->
    our mean as text, and ours minus theirs in percentage points, for the scores that both have;
    differing, every condition in which they differ or may differ, theirs and ours.
    """

    published: Published
    ours: str
    scores: Mapping[str, tuple[str, float]]
    differing: tuple[str, ...]


def beside(
    published: Sequence[Published], rows: Sequence[Row], members: "pd.DataFrame"
) -> list[Beside]:
    """The published rows of one data set and split: those with a match first, each in the order
    given.

    Arguments: rows, ours as from `summarise`, and members, the runs behind them as from
    `comparable_frame`; both of that data set and split.
    """
    found = [match(row, rows, members) for row in published if fits(row, members)]
    return [item for item in found if item.ours] + [item for item in found if not item.ours]


def fits(row: Published, members: "pd.DataFrame") -> bool:
    """Whether a published row is of the data set and split of our runs."""
    ours = members["dataset"].iloc[0], members["split"].iloc[0]
    return (row.dataset, row.protocol) == ours


def match(row: Published, rows: Sequence[Row], members: "pd.DataFrame") -> Beside:
    """A published row with the method that has the highest mean R@1 of those with its loss."""
    losses = dict(zip(members["method"], members["loss"], strict=True))
    same = [ours for ours in rows if losses.get(ours.method) == row.loss and R1 in ours.scores]
    if not same or R1 not in row.scores:
        return Beside(row, "", {}, ())
    ours = max(same, key=lambda other: other.scores[R1].mean)
    run = members[members["method"] == ours.method].iloc[0]
    scores = {
        key: (
            mean_text(ours.scores[key], key),
            100 * ours.scores[key].mean - row.scores[key].value,
        )
        for key in SCORES
        if key in ours.scores and key in row.scores
    }
    return Beside(row, ours.method, scores, tuple(differing(row, run)))


def differing(row: Published, run: "pd.Series") -> list[str]:
    """`dimension 64 (ours: 128)` for each condition that is not known to be the same."""
    own = conditions(run)
    return [
        f"{field} {theirs} (ours: {own[field]})"
        for field in CONDITIONS
        if (theirs := str(getattr(row, field))) == UNKNOWN or plain(theirs) != plain(own[field])
    ]


def conditions(run: "pd.Series") -> dict[str, str]:
    """The conditions of one of our runs, in the words of published.toml."""
    backbone, _, tag = str(run["backbone"]).removeprefix(TIMM).partition(".")
    fixed = show(run["patience"]) == show(None)  # else validation may have ended runs before
    steps = f"{'' if fixed else 'at most '}{run['steps']} steps"
    training = f"{run['optimizer']}, batch {run['batch_size']}, {steps}"
    sizes = f"resize {show(run['resize'])}, crop {show(run['crop'])}"
    return {
        "backbone": backbone,
        "weights": weights(run, tag),
        "dimension": str(run["embedding_dim"] or "that of the backbone"),
        "input": "images as they are" if show(run["crop"]) == show(None) else sizes,
        "selection": "fixed" if fixed else "validation",
        "training": "none" if run["loss"] == NO_LOSS else training,
    }


def weights(run: "pd.Series", tag: str) -> str:
    """Where a backbone starts; `tag` says which of its pretrained weights timm has under a name."""
    if not isinstance(run["weights_sha256"], str):
        return "random"
    if run["weights"] != "pretrained":
        return f"a file, {show(run['weights_sha256'])}"
    return f"pretrained, {tag}" if tag else "pretrained"


def difference(value: float) -> str:
    """A difference in percentage points, with its sign: `−3.1`."""
    return f"{value:+.1f}".replace("-", "−")


def other_lines(items: Sequence[Beside]) -> list[tuple[str, ...]]:
    """Method, scores, conditions and source of published rows that nothing of ours is beside."""
    return [
        (
            item.published.method,
            ", ".join(
                f"{describe(key).heading} {score.printed}"
                for key, score in item.published.scores.items()
            ),
            item.published.backbone,
            str(item.published.dimension),
            item.published.selection,
            f"{item.published.source} ({item.published.year})",
        )
        for item in items
    ]
