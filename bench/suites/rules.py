"""Which fields of a budget have no meaning together, and which do not fit its data set.

A rule is checked as soon as the fields that it reads are right by themselves, whatever else is
wrong, so that one look at a suite finds all mistakes.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from bench.datasets import find
from bench.suggest import unknown

NO_HEAD = "embedding_dim = 0 has no head"
SMALL = "{} has small images, which are not resized"


class Rule(NamedTuple):
    """The fields that a rule reads, the mistaken one first, and what is wrong with their values:
    a sentence, or nothing true."""

    fields: tuple[str, ...]
    mistake: Callable[..., str | bool | None]


def small(dataset: str) -> bool:
    """Whether a data set has small images, no photographs."""
    return not find(dataset).photographs


def mistaken_split(split: str, dataset: str) -> str | bool:
    known = find(dataset).protocols
    return split not in known and unknown("split", split, known)


def mistaken_augmentation(augmentation: str, dataset: str) -> str | bool:
    if small(dataset):
        return augmentation in ("crop", "resized-crop") and "small images take none or affine"
    return augmentation == "affine" and "photographs take none, crop or resized-crop"


def mistaken_size(size: int | None, dataset: str, meaning: str) -> str | bool:
    """Photographs need the sizes for decoding and cropping; small images take none."""
    if small(dataset):
        return size is not None and SMALL.format(dataset)
    return size is None and f"{dataset} has photographs, so give {meaning} in pixels"


def mistaken_head_rate(rate: float | None, size: int, frozen: str) -> str | bool:
    """What is wrong with a learning rate of the head, of a budget or a method, or nothing true."""
    if size == 0:
        return rate is not None and NO_HEAD
    return rate == 0 and frozen == "backbone" and "with 0 no part of the network learns"


RULES = (
    Rule(("split", "dataset"), mistaken_split),
    Rule(
        ("resize", "dataset"),
        lambda resize, data: mistaken_size(resize, data, "the shorter side after decoding"),
    ),
    Rule(
        ("crop", "dataset"),
        lambda crop, data: mistaken_size(crop, data, "the side of the square crop"),
    ),
    Rule(
        ("crop", "resize"),
        lambda crop, resize: (
            crop
            and resize
            and crop > resize
            and f"{crop} is more than the shorter side of {resize}"
        ),
    ),
    Rule(
        ("interpolation", "dataset"),
        lambda kind, data: kind != "bilinear" and small(data) and SMALL.format(data),
    ),
    Rule(("augmentation", "dataset"), mistaken_augmentation),
    Rule(
        ("augmentation", "frozen"),
        lambda augmentation, frozen: (
            frozen == "backbone"
            and augmentation != "none"
            and "features of a frozen backbone are computed once: choose none"
        ),
    ),
    Rule(
        ("frozen", "weights"),
        lambda frozen, weights: (
            frozen != "none"
            and not weights
            and "a backbone of random weights would never learn; give weights"
        ),
    ),
    Rule(
        ("embedding_dim", "frozen"),
        lambda size, frozen: (
            size == 0
            and frozen == "backbone"
            and "a frozen backbone without a head has nothing to train"
        ),
    ),
    Rule(
        ("head_init", "embedding_dim"),
        lambda start, size: size == 0 and start != "random" and NO_HEAD,
    ),
    Rule(("head_only_steps", "embedding_dim"), lambda steps, size: size == 0 and steps and NO_HEAD),
    Rule(("head_learning_rate", "embedding_dim", "frozen"), mistaken_head_rate),
    Rule(
        ("head_only_steps", "steps"),
        lambda first, steps: first >= steps and f"{first} leaves none of the {steps} steps",
    ),
    Rule(
        ("momentum", "optimizer"),
        lambda momentum, optimizer: (
            momentum
            and optimizer not in ("sgd", "rmsprop")
            and f"{optimizer} has none; it is for sgd and rmsprop"
        ),
    ),
    Rule(
        ("decay_every", "schedule"),
        lambda steps, schedule: (
            (steps is None) == (schedule == "step")
            and 'belongs to schedule = "step", which needs it'
        ),
    ),
    Rule(
        ("warmup_steps", "steps"),
        lambda warmup, steps: warmup > steps and f"{warmup} is more than the {steps} steps",
    ),
    Rule(
        ("evaluate_every", "steps"),
        lambda every, steps: every > steps and f"{every} is more than the {steps} steps",
    ),
    Rule(
        ("weights_sha256", "weights"),
        lambda digest, weights: digest and not weights and "is given without weights",
    ),
)


def broken(fields: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(field, mistake) of each rule that the right ones of the fields of a budget break."""
    for names, mistake in RULES:
        values = [fields[name] for name in names if name in fields]
        text = mistake(*values) if len(values) == len(names) else None
        if text:
            yield names[0], str(text)
