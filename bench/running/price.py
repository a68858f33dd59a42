"""What a suite costs, from measured speeds: pure arithmetic."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from bench.datasets.splits import SHARING
from bench.running.choose_budget import Speed
from bench.spec import RunSpec

ASPECT = 4 / 3  # of photographs in the mean
FLOAT = 4  # bytes


class Size(NamedTuple):
    """Images of each part of a data set, and the classes that train; `photographs`, all of them."""

    photographs: int
    train: int
    validation: int
    test: int
    classes: int


# Of published data sets whose lists may not be here.
SIZES = {
    ("cub200", "class-disjoint"): Size(11_788, 4_697, 1_167, 5_924, 80),
    ("cub200", "official"): Size(11_788, 4_800, 1_194, 5_794, 200),
    ("cub200_boxes", "class-disjoint"): Size(11_788, 4_697, 1_167, 5_924, 80),
    ("cub200_boxes", "official"): Size(11_788, 4_800, 1_194, 5_794, 200),
    ("cars196", "class-disjoint"): Size(16_185, 6_497, 1_557, 8_131, 79),
    ("cars196", "official"): Size(16_185, 6_598, 1_546, 8_041, 196),
    ("sop", "class-disjoint"): Size(120_053, 53_650, 5_901, 60_502, 10_187),
    ("grocery_store", "class-disjoint"): Size(5_421, 2_454, 597, 2_370, 33),
    ("grocery_store", "official"): Size(5_421, 2_640, 296, 2_485, 81),
}


class Footprint(NamedTuple):
    """Bytes of memory that the process of a run needs; parameters and dimensions of its network."""

    memory: float
    parameters: int
    dimensions: int


def embedded_images(spec: RunSpec, size: Size) -> int:
    """How many images a run embeds: to validate, before the first step and after, and to score the
    network after training and, from random weights, before, of all images if head or class vectors
    start from them. From weights, all that precedes training takes the `kept_images`."""
    if spec.weights and (spec.frozen == "backbone" or not spec.steps):
        return 0
    validations = 1 + -(-spec.steps // spec.evaluate_every)
    classified = size.train if spec.split in SHARING else 0  # where test classes are trained
    scored = 0 if spec.purpose == "trial" else size.test + classified
    before = 0 if spec.weights else start_images(spec, size) or scored
    return validations * size.validation + scored + before


def start_images(spec: RunSpec, size: Size) -> int:
    """Images from which head and class vectors start."""
    from_data = spec.head_init == "pca" or spec.class_vectors_init != "random"
    return size.train + size.validation + size.test if from_data else 0


def kept_images(spec: RunSpec, size: Size) -> int:
    """Images whose features are computed once for all runs that start from the same weights."""
    return size.train + size.validation + size.test if spec.weights else 0


def seconds(spec: RunSpec, size: Size, speed: Speed) -> float:
    """How long a run takes alone, without reading photographs and searching neighbors."""
    trained = speed.start + spec.steps * speed.step
    return trained + embedded_images(spec, size) * speed.embed


def cache_bytes(spec: RunSpec, size: Size) -> float:
    """Decoded photographs of a budget on the disk; small images stay in memory."""
    return size.photographs * 3 * ASPECT * spec.resize**2 if spec.resize else 0.0


def stored_bytes(size: Size, network: Footprint, *, keep_model: bool, kept: int = 0) -> float:
    """What a run stores: embeddings of the test images, of the validation images as often as they
    are kept, and its network if that is kept."""
    parameters = network.parameters if keep_model else 0
    images = size.test + kept * size.validation
    return FLOAT * (images * network.dimensions + parameters)


def extrapolated(measured: Sequence[tuple[int, float]], batch: int) -> float:
    """The straight line through two measurements (images, value), the larger one last, at a batch.

    It never falls, and is never below 0; without measurements it is 0.
    """
    if not measured:
        return 0.0
    small, large = measured
    slope = max(0.0, (large[1] - small[1]) / (large[0] - small[0]))
    return max(0.0, large[1] + slope * (batch - large[0]))


def sweep_hours(run_seconds: Iterable[float], jobs: int) -> float:
    """Hours of a sweep of `jobs` processes; it cannot be shorter than its longest run."""
    found = list(run_seconds)
    return max(sum(found) / jobs, max(found, default=0.0)) / 3600
