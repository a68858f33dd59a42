"""Colour, line and marker of each loss: the same in every figure, told apart also in grey."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.reporting.groups import Group


@dataclass(frozen=True)
class Stroke:
    """How one method is drawn: colour, dashes (points on, off; empty is solid), marker."""

    colour: str
    dashes: tuple[float, ...]
    marker: str


# Okabe and Ito's palette for colour-blind readers (jfly.uni-koeln.de/color). These four keep a
# contrast of at least 3:1 on white and on the report's dark ground; orange and sky blue, which do
# not on white, are darkened for the losses that have no entry of their own.
STROKES = {
    "proxy_nca": Stroke("#0072B2", (), "o"),
    "proxy_nca_softmax": Stroke("#CC79A7", (7, 2), "D"),
    "triplet": Stroke("#D55E00", (4, 1.5), "s"),
    "center": Stroke("#009E73", (1.2, 1.5), "^"),
}
OTHERS = (
    Stroke("#C08000", (6, 1.5, 1.2, 1.5), "v"),
    Stroke("#3C96C8", (3, 1, 1, 1, 1, 1), "P"),
    Stroke("#808080", (9, 2, 2, 2), "X"),
)
# The fourth such loss and those after it combine these; the dashes occur nowhere else, so no pair
# of line and marker does. Seven dashes and ten markers: 70 pairs before one returns.
FURTHER_COLOURS = (
    *("#8C6BD1", "#A0653A", "#7A8B00", "#D6336C", "#1F9AA0"),
    *(stroke.colour for stroke in (*STROKES.values(), *OTHERS)),
)
FURTHER_DASHES: tuple[tuple[float, ...], ...] = (
    *((12, 4), (4, 4, 1, 4), (1, 1, 1, 3), (6, 4)),
    *((10, 1.5, 4, 1.5), (2, 1, 2, 4), (6, 1, 1, 1, 6, 3)),
)
FURTHER_MARKERS = ("o", "X", "^", "s", "P", "v", "D", "h", "<", "*")
# Variants of a loss that is in the figure already keep its colour and take these in turn.
VARIANT_DASHES = ((10, 2), (2, 3), (8, 2, 1, 2), (5, 1, 1, 1, 1, 1), (1, 4), (3, 3))
VARIANT_MARKERS = ("<", ">", "h", "p", "*", "8", "d")  # seven for six dashes: 42 pairs


def assign(groups: Sequence[Group]) -> dict[str, Stroke]:
    """Method -> stroke for all methods of a report, the same on every data set."""
    losses = dict(sorted((group.method, group.loss) for group in groups))
    others = sorted(set(losses.values()) - STROKES.keys())
    table = STROKES | {loss: other(i) for i, loss in enumerate(others)}
    strokes: dict[str, Stroke] = {}
    seen: list[str] = []
    for method, loss in losses.items():
        strokes[method] = (
            table[loss] if loss not in seen else variant(table[loss], len(seen) - len(set(seen)))
        )
        seen.append(loss)
    return strokes


def other(number: int) -> Stroke:
    """The stroke of a loss without an entry of its own, counted from 0."""
    if number < len(OTHERS):
        return OTHERS[number]
    number -= len(OTHERS)
    return Stroke(
        FURTHER_COLOURS[number % len(FURTHER_COLOURS)],
        FURTHER_DASHES[number % len(FURTHER_DASHES)],
        FURTHER_MARKERS[number % len(FURTHER_MARKERS)],
    )


def variant(stroke: Stroke, number: int) -> Stroke:
    """The same colour with another line and marker."""
    dashes = VARIANT_DASHES[number % len(VARIANT_DASHES)]
    return Stroke(stroke.colour, dashes, VARIANT_MARKERS[number % len(VARIANT_MARKERS)])
