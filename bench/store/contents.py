"""What the curve, the arrays and the network of a finished run must hold. Every function raises
ValueError with what was found."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pydantic import ConfigDict, Field, ValidationError

from bench.spec import id_of
from bench.store.record import Count, Part, check_scores, first_mistake

ROUNDING = 1e-6  # of means over values that are stored in single precision
SLACK = 1e-4  # by which the rounding of stored numbers may carry them beyond their range
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


def check_curve(points: Sequence[Any], record: Mapping[str, Any]) -> None:
    """One point before training, one every `evaluate_every` steps and one at the end, which with
    `patience`, or for a trial that diverged, may come earlier. Images and seconds of the last one
    are those of `run.json`."""
    spec, cost = record["spec"], record["cost"]
    steps, every, batch = spec["steps"], spec["evaluate_every"], spec["batch_size"]
    found = read_points(points, batch)
    expected = sorted({*range(0, steps, every), steps})
    early = spec.get("patience") and len(found) > spec["patience"]
    early = early or (found and record.get("diverged"))
    if [point.step for point in found] != expected[: len(found) if early else None]:
        last = found[-1].step if found else None
        raise ValueError(
            f"has {len(found)} validations, the last at step {last}; expected one every {every} "
            f"steps up to {steps}"
        )
    ends = {"images": found[-1].images, "seconds": found[-1].seconds}
    for name, stored in {"images": cost["images"], "seconds": cost["train_seconds"]}.items():
        if ends[name] != stored:
            raise ValueError(f"ends after {ends[name]} {name}, but run.json has {stored}")


def read_points(points: Sequence[Any], batch: int) -> list[Point]:
    """The validations of a curve, each of which must be possible; batch, images of a step."""
    try:
        found = [Point.model_validate(point) for point in points]
    except ValidationError as error:
        raise ValueError(first_mistake(error)) from error
    if any(point.images != point.step * batch for point in found):
        raise ValueError(f"does not count {batch} images for each step")
    seconds = [point.seconds for point in found]
    if seconds != sorted(seconds):
        raise ValueError("has seconds that fall")
    for point in found:
        scores = {"recall@1": point.recall, "map@r": point.precision, **point.__pydantic_extra__}
        check_scores(f"step {point.step}", scores)
    return found


def check_queries(
    queries: Mapping[str, np.ndarray], record: Mapping[str, Any], labels: np.ndarray | None
) -> None:
    """The scores that follow from the stored queries must be those of `run.json`, and each query's
    those that follow from the labels of its neighbors.

    labels: (N,) of the test images, or None if the run did not keep them.
    """
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
    check_ranges(queries, images_of(record))
    for key, value in scores_of(queries, record["scores"]).items():
        stored = record["scores"][key]
        if not abs(value - stored) <= ROUNDING:
            raise ValueError(f"gives {key} = {value:.6f}, but run.json has {stored:.6f}")
    if labels is not None and queries["neighbors"].size:
        check_neighbors(queries, labels)


def check_neighbors(queries: Mapping[str, np.ndarray], labels: np.ndarray) -> None:
    """The rank of the first positive, and AP@R and R-Precision of queries with no more positives
    than there are neighbors, must be those of the neighbors' labels."""
    neighbors, relevant = queries["neighbors"], queries["relevant"]
    if neighbors.max() >= len(labels):
        raise ValueError(f"has the neighbor {neighbors.max()} of {len(labels)} images")
    hits = (labels[neighbors] == labels[: len(neighbors), None]) & (neighbors >= 0)
    ranks = np.arange(1, hits.shape[1] + 1)
    first = np.where(hits.any(axis=1), hits.argmax(axis=1) + 1, 0)
    among = hits & (ranks <= relevant[:, None])  # the first R
    precision = (np.cumsum(among, axis=1) / ranks * among).sum(axis=1)
    whole, count = relevant <= hits.shape[1], np.maximum(relevant, 1)
    listed = np.where(queries["first_hit"] <= hits.shape[1], queries["first_hit"], 0)
    differ = {
        "first_hit": first != listed,
        "average_precision": whole & apart(precision / count, queries["average_precision"]),
        "r_precision": whole & apart(among.sum(axis=1) / count, queries["r_precision"]),
    }
    for name, wrong in differ.items():
        if wrong.any():
            raise ValueError(
                f"has {name} that contradicts the labels of the neighbors, for {wrong.sum():,} of "
                f"{len(wrong):,} queries, such as {wrong.argmax()}"
            )


def apart(found: np.ndarray, stored: np.ndarray) -> np.ndarray:
    """Where two numbers differ by more than the rounding of those that are stored."""
    different: np.ndarray = np.abs(found - stored) > ROUNDING
    return different


def images_of(record: Mapping[str, Any]) -> int:
    """The largest number of images that a query's neighbors and positives can be among."""
    split = record["split"]
    return int(split["test_images"]) + int(split.get("gallery_images") or 0)


def check_ranges(queries: Mapping[str, np.ndarray], images: int) -> None:
    """Every number must be possible, not only the means; similarities are cosines, best first."""
    neighbors, similarities = queries["neighbors"], queries["similarities"]
    ranges = {"relevant": (0, images), "first_hit": (0, images), "neighbors": (-1, images - 1)}
    ranges |= {"average_precision": (0, 1), "r_precision": (0, 1)}
    for name, (least, most) in ranges.items():
        check_range(name, queries[name], least, most)
    found = np.where(neighbors >= 0, similarities, -1).astype(np.float64)
    check_range("similarities", found, -1, 1)
    if (np.diff(found, axis=1) > SLACK).any():
        raise ValueError("has similarities that rise from a neighbor to the next")


def check_range(name: str, values: np.ndarray, least: float, most: float) -> None:
    """Raise ValueError with the first value outside, or that is not a number."""
    wrong = values[~((values >= least - SLACK) & (values <= most + SLACK))]
    if wrong.size:
        raise ValueError(f"has {name} = {wrong.flat[0]}, expected {least}..{most}")


def check_embeddings(arrays: Mapping[str, np.ndarray], record: Mapping[str, Any]) -> None:
    """Finite embeddings of the dimension of the specification, and a label for each."""
    if set(arrays) != {"embeddings", "labels"}:
        raise ValueError(f"holds {', '.join(sorted(arrays))}, expected embeddings, labels")
    embeddings, labels = arrays["embeddings"], arrays["labels"]
    least, most = record["split"]["test_images"], images_of(record)
    if embeddings.ndim != 2 or embeddings.dtype != np.float32 or labels.dtype.kind != "i":
        raise ValueError(f"has embeddings of {embeddings.dtype} {embeddings.shape}")
    if not least <= len(embeddings) <= most or labels.shape != embeddings.shape[:1]:
        counts = f"{len(embeddings)} embeddings and {labels.size} labels"
        raise ValueError(f"has {counts} for {least} test images")
    dimension = record["spec"]["embedding_dim"] or embeddings.shape[1]
    if embeddings.shape[1] != dimension:
        raise ValueError(f"has embeddings of {embeddings.shape[1]} dimensions, not {dimension}")
    check_finite(embeddings)


def check_finite(embeddings: np.ndarray) -> None:
    """Raise ValueError unless all numbers are finite."""
    if not np.isfinite(embeddings).all():
        raise ValueError("has embeddings that are not finite numbers")


def check_history(
    arrays: Mapping[str, np.ndarray],
    kind: str,
    shape: tuple[int, ...],
    record: Mapping[str, Any],
    points: Sequence[Mapping[str, Any]],
) -> None:
    """Arrays that fit each other and embeddings of a kind and shape, at steps of the curve;
    Recall@1 and MAP@R that follow from them are those of the curve."""
    steps, count = arrays["steps"], record["split"]["validation_images"]
    dimension = record["spec"]["embedding_dim"] or shape[-1]
    if kind != "F32" or shape != (len(steps), count, dimension):
        raise ValueError(
            f"has embeddings of {kind} {shape}, expected F32 {(len(steps), count, dimension)}"
        )
    expected = {
        "steps": ("i", steps.shape[:1]),
        "first_hit": ("i", (len(steps), count)),
        "average_precision": ("f", (len(steps), count)),
        "labels": ("i", (count,)),
        "images": ("i", (count,)),
        "cameras": ("i", (count,)),
    }
    if lost := expected.keys() - arrays.keys() - {"cameras"}:
        raise ValueError(f"lacks {min(lost)}")
    for name, array in arrays.items():
        if name not in expected or (array.dtype.kind, array.shape) != expected[name]:
            raise ValueError(f"has {name} of {array.dtype} {array.shape} for {count} images")
    check_range("first_hit", arrays["first_hit"], 0, count)
    check_range("average_precision", arrays["average_precision"], 0, 1)
    curve = {point["step"]: point for point in points}
    if not len(steps) or (np.diff(steps) <= 0).any() or not set(steps.tolist()) <= curve.keys():
        raise ValueError(f"has steps {steps.tolist()} that are not validations of the curve")
    for step, first, precision in zip(
        steps.tolist(), arrays["first_hit"], arrays["average_precision"], strict=True
    ):
        known = first > 0
        found = {
            "recall@1": (first[known] == 1).mean(),
            "map@r": precision[known].mean(dtype=np.float64),
        }
        for name, value in found.items():
            if not abs(value - curve[step][name]) <= ROUNDING:
                raise ValueError(
                    f"gives {name} = {value:.6f} at step {step}, but curve.jsonl has "
                    f"{curve[step][name]:.6f}"
                )


def check_model(header: Mapping[str, str], record: Mapping[str, Any]) -> None:
    """The network names the run that it was stored for, and its data."""
    owner = id_of(json.loads(header["spec"]))
    if owner != record["spec_id"]:
        raise ValueError(f"is of another run, whose spec_id is {owner}")
    if header["data_checksum"] != record["data_checksum"]:
        raise ValueError(f"was trained on other data, {header['data_checksum'][:12]}")


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
        if (np.diff(values) < 0).any():
            raise ValueError(f"has {name} that falls")
