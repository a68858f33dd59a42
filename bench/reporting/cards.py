"""A card for each run: its specification, curve, scores, cost and environment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.metrics import describe, printed
from bench.reporting.groups import show
from bench.store.runs import Run

if TYPE_CHECKING:
    import pandas as pd

SHOWN = ("recall@1", "map@r")  # scores in a card's heading; the first is the one that is drawn
IN_HEADING = ("method", "dataset", "split", "seed", "loss", "loss_args")
WIDTH, HEIGHT = 100, 20  # of a curve, in its own units


@dataclass(frozen=True)
class Card:
    """One run for readers.

    Attributes: name, of its directory; method, under which the tables have it; heading; points, of
    the curve in `WIDTH` x `HEIGHT`, none without a curve; drawn, the curve in words; facts, (field,
    value); environment, its number, from 1.
    """

    name: str
    method: str
    heading: str
    points: str
    drawn: str
    facts: tuple[tuple[str, str], ...]
    environment: int


def cards(
    members: "pd.DataFrame",
    curves: "pd.DataFrame",
    runs: Mapping[str, Run],
    environments: Mapping[str, int],
) -> list[Card]:
    """The cards of one data set and split, in the order of its runs.

    members: rows of `comparable_frame`; curves: those that could be read; runs and environments:
    by the names of the runs.
    """
    score, *_ = SHOWN
    by_run = curves.groupby("run") if len(curves) else ()  # no curve without a trained run
    drawn = {str(name): points[score] for name, points in by_run}
    every = [value for values in drawn.values() for value in values]
    span = (min(every, default=0.0), max(every, default=1.0))
    found = []
    for name, method, seed in zip(members["run"], members["method"], members["seed"], strict=True):
        values, run = list(drawn.get(name, ())), runs[name]
        scores = [f"{describe(key).heading} {printed(key, run.scores[key])}" for key in SHOWN]
        found.append(
            Card(
                str(name),
                str(method),
                f"{method}, seed {seed}: {', '.join(scores)}",
                polyline(values, span),
                curve_words(values, score),
                tuple(facts(run)),
                environments[name],
            )
        )
    return found


def polyline(values: Sequence[float], span: tuple[float, float]) -> str:
    """Points of a line from left to right, between the lowest and the highest value of all runs;
    none for fewer than two values."""
    low, high = span
    last = len(values) - 1
    return " ".join(
        f"{WIDTH * n / last:.0f},{HEIGHT * (high - value) / ((high - low) or 1):.1f}"
        for n, value in enumerate(values if last > 0 else ())
    )


def curve_words(values: Sequence[float], score: str) -> str:
    """`R@1 on validation: from 15.5 to 82.0 %`."""
    if len(values) < 2:
        return ""
    ends = " to ".join(printed(score, value) for value in (values[0], values[-1]))
    return f"{describe(score).heading} on validation: from {ends} % in {len(values)} validations"


def facts(run: Run) -> list[tuple[str, str]]:
    """What `run.json` says of a run, in few words."""
    spec, cost, record = run.spec, run.record["cost"], run.record
    arguments = fields(spec["loss_args"]) or "no hyper-parameters"
    budget = {key: value for key, value in spec.items() if key not in IN_HEADING}
    return [
        ("Loss", f"{spec['loss']}: {arguments}"),
        ("Specification", fields(budget)),
        ("Cost", f"{cost['images']:,} images, {cost['train_seconds']:,.1f} s of training"),
        ("Network", f"{record['parameters']['count']:,} parameters"),
        ("Finished (UTC)", str(record["environment"].get("finished", "–"))[:16].replace("T", " ")),
    ]


def fields(values: Mapping[str, Any]) -> str:
    """`scale 12, margin 0.1`; those that are not set are left out."""
    shown = {key: value for key, value in values.items() if value is not None}
    return ", ".join(f"{key.replace('_', ' ')} {show(value)}" for key, value in shown.items())
