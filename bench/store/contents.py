"""What the curve, the queries and the ROC of a finished run must hold. Every function raises
ValueError with what was found."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pydantic import ConfigDict, Field, ValidationError

from bench.store.record import Count, Part, check_scores, first_mistake

ROUNDING = 1e-6  # of means over values that are stored in single precision
PER_QUERY = {  # array -> kind of its numbers
    "relevant": "i",
    "first_hit": "i",
    "average_precision": "f",
    "r_precision": "f",
}
PER_NEIGHBOR = {"neighbors": "i", "similarities": "f"}


class Point(Part):
    """One validation; all other fields are scores."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, float] = Field(init=False)

    step: Count
    epoch: float = Field(ge=0)
    images: Count
    seconds: float = Field(ge=0)
    loss: float | None
    recall: float = Field(alias="recall@1")
    precision: float = Field(alias="map@r")


def check_curve(points: Sequence[Any], spec: Mapping[str, Any]) -> None:
    """One point before training, one every `evaluate_every` steps and one at the end, which with
    `patience` may come earlier."""
    steps, every, batch = spec["steps"], spec["evaluate_every"], spec["batch_size"]
    try:
        found = [Point.model_validate(point) for point in points]
    except ValidationError as error:
        raise ValueError(first_mistake(error)) from error
    expected = sorted({*range(0, steps, every), steps})
    early = spec.get("patience") and len(found) > spec["patience"]
    if [point.step for point in found] != expected[: len(found) if early else None]:
        last = found[-1].step if found else None
        raise ValueError(
            f"has {len(found)} validations, the last at step {last}; expected one every {every} "
            f"steps up to {steps}"
        )
    if any(point.images != point.step * batch for point in found):
        raise ValueError(f"does not count {batch} images for each step")
    seconds = [point.seconds for point in found]
    if seconds != sorted(seconds):
        raise ValueError("has seconds that fall")
    for point in found:
        scores = {"recall@1": point.recall, "map@r": point.precision, **point.__pydantic_extra__}
        check_scores(f"step {point.step}", scores)


def check_queries(queries: Mapping[str, np.ndarray], record: Mapping[str, Any]) -> None:
    """The scores that follow from the stored queries must be those of `run.json`."""
    count = record["split"]["test_images"]
    for name, kind in (PER_QUERY | PER_NEIGHBOR).items():
        if name not in queries:
            raise ValueError(f"lacks {name}")
        array = queries[name]
        dimensions = 2 if name in PER_NEIGHBOR else 1
        if array.dtype.kind != kind or array.ndim != dimensions or len(array) != count:
            raise ValueError(f"has {name} of {array.dtype} {array.shape} for {count} queries")
    if not ((queries["relevant"] > 0) == (queries["first_hit"] > 0)).all():
        raise ValueError("has first hits of queries without a positive, or none of others")
    if not (queries["relevant"] > 0).any():
        raise ValueError("has no query with a positive")
    if queries["neighbors"].shape != queries["similarities"].shape:
        raise ValueError("has another number of neighbors than of similarities")
    for key, value in scores_of(queries, record["scores"]).items():
        stored = record["scores"][key]
        if not abs(value - stored) <= ROUNDING:
            raise ValueError(f"gives {key} = {value:.6f}, but run.json has {stored:.6f}")


def scores_of(queries: Mapping[str, np.ndarray], scores: Mapping[str, float]) -> dict[str, float]:
    """Those of the scores that are means over stored queries, computed from these."""
    known = queries["relevant"] > 0
    first = queries["first_hit"][known]
    recomputed = {
        "map@r": queries["average_precision"][known].mean(dtype=np.float64),
        "r_precision": queries["r_precision"][known].mean(dtype=np.float64),
        "queries_without_relevant": (~known).sum(),
    }
    for key in scores:
        if key.startswith("recall@"):
            recomputed[key] = (first <= int(key.removeprefix("recall@"))).mean()
    return {key: float(value) for key, value in recomputed.items() if key in scores}


def check_roc(roc: Mapping[str, np.ndarray]) -> None:
    """Shares of impostor and genuine pairs."""
    if set(roc) != {"far", "tar"}:
        raise ValueError(f"holds {', '.join(sorted(roc))}, expected far, tar")
    for name, values in roc.items():
        if values.dtype.kind != "f" or values.ndim != 1 or values.shape != roc["far"].shape:
            raise ValueError(f"has {name} of {values.dtype} {values.shape}")
        if not ((values >= 0) & (values <= 1)).all():
            raise ValueError(f"has {name} outside 0..1")
