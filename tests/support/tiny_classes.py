"""A made-up data set in memory: small random images of a few classes."""

import numpy as np

from bench.datasets.images import ArrayImages
from bench.datasets.splits import Split
from bench.datasets.types import Dataset


def tiny_classes(train: int = 12, per_class: int = 4, seed: int = 0) -> Dataset:
    """`train` classes of `per_class` training images, two of validation and two of test images."""
    classes = train + 4
    labels = np.repeat(np.arange(classes), [per_class] * train + [4] * 4)
    generator = np.random.default_rng(seed)
    pixels = generator.integers(0, 256, (len(labels), 8, 8), dtype=np.uint8)
    items = tuple(f"{label}/{i}" for i, label in enumerate(labels.tolist()))
    names = tuple(map(str, range(classes)))
    parts = labels < train, (labels >= train) & (labels < train + 2), labels >= train + 2
    positions = [np.flatnonzero(part) for part in parts]
    split = Split("class-disjoint", positions[0], positions[1], positions[2], positions[2])
    return Dataset("tiny", ArrayImages(pixels, items), labels, names, items, split)
