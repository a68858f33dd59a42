"""Time: a validation image and what is retrieved for it, from the first kept step to the last."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bench.metrics import printed
from bench.store.runs import Run
from demo.history import (
    MISSING,
    NEVER,
    ClassHistory,
    History,
    class_histories,
    neighbors_at,
    open_history,
    validation_split,
)
from demo.library import Library, Shelf
from demo.maps import open_moving, run_number
from demo.pages import paged
from demo.pictures import Card, Picture
from demo.render import message, render
from demo.view import View, parts, write_address

WIDTH, HEIGHT = 320, 90  # of a curve, in units of its own


def show(library: Library, view: View) -> str:
    """The run, and another one beside it if the address names one, at the same kept step."""
    shelf = library.shelf(view.shelf)
    kept = {run.name: run for run in shelf.browsable if run.keeps_history}
    if view.run not in kept:
        others = [
            (shelf.run_labels[run.name], write_address(view, run=run.name)) for run in kept.values()
        ]
        text = message(MISSING.format(shelf.run_labels[view.run]), "notice")
        return text + render("time_others.html", others=others)
    history = open_history(shelf, view.run)
    view = fit_time(view, history)
    sides = [side(shelf, view, view.run)]
    # Runs of a study of variance may draw other validation images: none of theirs is this one.
    images = validation_split(kept[view.run])
    beside = [run for run in kept.values() if validation_split(run) == images]
    if any(run.name == view.other != view.run for run in beside):
        sides.append(side(shelf, view, view.other))
    rows = class_histories(history)
    pages = paged(len(rows), view)
    return render(
        "time.html",
        view=view,
        parts=parts(view),
        steps=history.steps,
        moves=moves(view, len(history.steps)),
        others=[(run.name, shelf.run_labels[run.name]) for run in beside if run.name != view.run],
        elsewhere=len(kept) - len(beside),
        sides=sides,
        images=len(history.labels),
        query=query_card(shelf, view, history),
        summary=summary(rows, history),
        rows=[
            (row, word(row.learnt), write_address(view, seen=row.slowest))
            for row in rows[pages.first : pages.end]
        ],
        pages=pages,
    )


def fit_time(view: View, history: History) -> View:
    """The view with step and image moved into the range of a history; -1 is the last step."""
    last = len(history.steps) - 1
    at = last if view.at < 0 else min(view.at, last)
    return replace(view, at=at, seen=min(view.seen, len(history.labels) - 1))


def moves(view: View, steps: int) -> dict[str, str]:
    """Addresses of other steps and images; empty where there is none."""
    return {
        "first": write_address(view, at=0),
        "earlier": write_address(view, at=view.at - 1) if view.at else "",
        "later": write_address(view, at=view.at + 1) if view.at + 1 < steps else "",
        "alone": write_address(view, other=""),
    }


@dataclass(frozen=True)
class Side:
    """One run at a step: its label, step and outcome, its neighbors, map and curves."""

    label: str
    step: int
    steps: int
    first_hit: int
    precision: float
    recall: str
    learnt: str
    cards: list[Card]
    canvas: dict[str, Any]
    variance: float
    curves: list[dict[str, Any]]


def side(shelf: Shelf, view: View, name: str) -> Side:
    """A run at the last of its kept steps that is not after the one of the address."""
    history, first = open_history(shelf, name), open_history(shelf, view.run)
    wanted = first.steps[view.at]
    place = max(0, int(np.searchsorted(history.steps, wanted, side="right")) - 1)
    step = history.steps[place]
    point = next(point for point in history.run.curve if point["step"] == step)
    seen = view.seen
    neighbors = neighbors_at(history, place, seen, view.neighbors)
    cards = [
        Card(
            neighbor,
            validation_picture(shelf, history, neighbor.position),
            write_address(view, seen=neighbor.position),
        )
        for neighbor in neighbors
    ]
    moving = open_moving(shelf, name)
    return Side(
        label=shelf.run_labels[name],
        step=step,
        steps=history.run.steps,
        first_hit=int(history.arrays["first_hit"][place, seen]),
        precision=float(history.arrays["average_precision"][place, seen]),
        recall=printed("recall@1", point["recall@1"]),
        learnt=sentence(history, seen),
        cards=cards,
        canvas={
            "source": f"points/1/{shelf.number}/{run_number(name)}/{moving.points.digest}",
            "pictures": address_of_pictures(shelf, history),
            "count": len(history.labels),
            "steps": len(history.steps),
            "step": place,
            "slot": "ab"[name != view.run],
            "key": "vq",
            "queries": len(history.labels),
            "query": seen,
            "rings": " ".join(
                f"{card.neighbor.position}:{int(card.neighbor.hit)}" for card in cards
            ),
        },
        variance=float(moving.variance[place]),
        curves=[curve(history.run, key, step) for key in ("recall@1", "map@r", "loss")],
    )


def curve(run: Run, key: str, step: int) -> dict[str, Any]:
    """A line over all validations, as points of a drawing, and where the step is on it."""
    points = [(point["step"], point[key]) for point in run.curve if point[key] is not None]
    values = [value for _, value in points]
    low = min(values) if key == "loss" else 0.0
    high = max(values) if key == "loss" else max(*values, 0.01)
    last = max(run.curve[-1]["step"], 1)

    def place(point: tuple[int, float]) -> tuple[float, float]:
        share = (point[1] - low) / (high - low) if high > low else 0.5
        return round(WIDTH * point[0] / last, 1), round(HEIGHT * (1 - share), 1)

    now = next((value for at, value in points if at == step), None)
    loss = key == "loss"
    return {
        "name": {"recall@1": "R@1", "map@r": "MAP@R", "loss": "Loss"}[key],
        "line": " ".join(f"{x},{y}" for x, y in map(place, points)),
        "at": place((step, now if now is not None else high)),
        "now": "–" if now is None else f"{now:.3g}" if loss else printed(key, now),
        "low": f"{low:.3g}" if loss else printed(key, low),
        "high": f"{high:.3g}" if loss else printed(key, high),
        "width": WIDTH,
        "height": HEIGHT,
        "marked": now is not None,
    }


def validation_picture(shelf: Shelf, history: History, position: int) -> Picture:
    """The validation image at a position."""
    address = f"{address_of_pictures(shelf, history)}{position}"
    return Picture(address, f"v{shelf.number}-{position}", *history.pictures.size)


def address_of_pictures(shelf: Shelf, history: History) -> str:
    return f"picture/{shelf.number}/{history.picture_digest}/"


def query_card(shelf: Shelf, view: View, history: History) -> dict[str, Any]:
    """Picture, class and name of the query."""
    return {
        "picture": validation_picture(shelf, history, view.seen),
        "class_name": history.class_name(int(history.labels[view.seen])),
        "item": history.pictures.items[view.seen],
    }


def sentence(history: History, seen: int) -> str:
    """When an image was learnt, or why it was not."""
    if not history.findable[seen]:
        by = " by another camera" if "cameras" in history.arrays else ""
        return f"no other image{by} has its class, so there is nothing to find"
    if history.doubled[seen]:
        return "an equal picture has another class, so no network can get it right"
    if history.learnt[seen] == NEVER:
        return "its nearest image is still of another class at the last step"
    if not history.learnt[seen]:
        return "its nearest image has its class at every kept step, also before training"
    return f"its nearest image has its class from {word(int(history.learnt[seen]))} on"


def word(learnt: int) -> str:
    """A step from which something is right, in words."""
    if learnt == NEVER:
        return "not learnt"
    return f"step {learnt}" if learnt else "before training"


def summary(rows: list[ClassHistory], history: History) -> dict[str, Any]:
    """How many classes were learnt by each kept step, and the last of them."""
    learnt = [row for row in rows if row.learnt != NEVER]
    return {
        "classes": len(rows),
        "never": len(rows) - len(learnt),
        "left_out": int((~history.learnable).sum()),
        "last": learnt[0] if learnt else None,
        "last_step": word(learnt[0].learnt) if learnt else "",
        "tied": sum(row.learnt == learnt[0].learnt for row in learnt[1:]),
        "images": [
            (step, int((history.learnt <= step).sum()), sum(row.learnt <= step for row in rows))
            for step in history.steps
        ],
    }
