"""Splits as a function of the seed, and batches as one of (seed, step), so that a resumed run draws
the same ones."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from zlib import crc32

import numpy as np

from bench.datasets.splits import with_other_validation
from bench.datasets.types import Dataset
from bench.spec import RunSpec


def derive(seed: int, purpose: str, *ids: int) -> np.random.Generator:
    """A generator for one purpose and its indices, e.g. `derive(seed, "batch", step)`.

    Draws for one purpose never change those for another.
    """
    return np.random.default_rng([seed, crc32(purpose.encode()), *ids])


def with_split_of(spec: RunSpec, dataset: Dataset) -> Dataset:
    """The data set as the run splits it: if its split varies, the seed draws which training classes
    validate; the test part is never drawn."""
    if not spec.varied("split"):
        return dataset
    generator = derive(spec.seed_of("split"), "split")
    split = with_other_validation(dataset.split, dataset.labels, generator)
    return replace(dataset, split=split, own_split=dataset.split)


def positions_by_class(labels: np.ndarray, positions: np.ndarray) -> dict[int, np.ndarray]:
    """Positions of each class's images, ascending, by ascending label."""
    ordered = positions[np.argsort(labels[positions], kind="stable")]
    classes, starts = np.unique(labels[ordered], return_index=True)
    return dict(zip(classes.tolist(), np.split(ordered, starts[1:]), strict=True))


def batch_positions(
    by_class: Mapping[int, np.ndarray],
    *,
    seed: int,
    step: int,
    batch_size: int,
    samples_per_class: int,
) -> np.ndarray:
    """Positions (B,) of the images of batch `step`: B / samples_per_class classes, equally filled.

    Classes are drawn without replacement; if the batch needs more than there are, they are used
    again. Images of a class are drawn without replacement, unless the class has too few.
    """
    generator = derive(seed, "batch", step)
    groups = batch_size // samples_per_class
    drawn = []
    for label, times in class_counts(list(by_class), groups, generator).items():
        members = by_class[label]
        needed = times * samples_per_class
        drawn.append(generator.choice(members, needed, replace=len(members) < needed))
    return np.concatenate(drawn)


def class_counts(
    classes: Sequence[int], groups: int, generator: np.random.Generator
) -> dict[int, int]:
    """How often each drawn class occurs: `groups` draws from shuffled rounds over all classes."""
    rounds, rest = divmod(groups, len(classes))
    counts = np.full(len(classes), rounds)
    counts[generator.permutation(len(classes))[:rest]] += 1
    return {label: times for label, times in zip(classes, counts.tolist(), strict=True) if times}


def random_positions(positions: np.ndarray, *, seed: int, step: int, batch_size: int) -> np.ndarray:
    """Positions (B,) of the images of batch `step`, whatever their classes.

    Each epoch is a permutation of all images; the last ones, that do not fill a batch, are left
    out. Fewer images than a batch are repeated.
    """
    per_epoch = max(1, len(positions) // batch_size)
    epoch, row = divmod(step, per_epoch)
    order = derive(seed, "epoch", epoch).permutation(positions)
    return np.resize(order, max(len(order), batch_size))[row * batch_size :][:batch_size]
