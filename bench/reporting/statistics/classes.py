"""How much a score depends on the test classes: a bootstrap over classes of the stored queries.

Images of one class are alike, so classes are drawn, each with all its queries (Miller 2024, Adding
Error Bars to Evals). The gallery stays as it is.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.special import stdtrit

from bench.reporting.statistics.stats import LEVEL
from bench.store.runs import Run, StoredRunError
from bench.store.thumbnails import load_thumbnails, thumbnails_path

RESAMPLES = 2000
BLOCK = 100  # resamples at a time; with 11,316 classes they take 9 MB
SEED = 0
SCORES = ("recall@1", "map@r")  # means over queries


def test_labels(run: Run) -> np.ndarray:
    """The class (Q,) of each query of a run that keeps its queries.

    Raises: StoredRunError if the pictures of its split, which hold the labels, are missing, damaged
    or others.
    """
    results, split = run.directory.parents[1], run.record["split"]
    path = thumbnails_path(results, run.spec["dataset"], split["fingerprint"])
    pictures = load_thumbnails(path)
    if run.record.get("picture_names", pictures.names_digest) != pictures.names_digest:
        raise StoredRunError(f"{path} holds other pictures than those of {run.name}")
    return pictures.labels[: len(run.queries["relevant"])]


def query_scores(runs: Sequence[Run]) -> np.ndarray:
    """Each of `SCORES` of each query with a positive (Q, 2), as a mean over runs of one split."""
    found = [
        np.stack([run.queries["first_hit"] == 1, run.queries["average_precision"]], axis=1)
        for run in runs
    ]
    mean = np.asarray(np.mean(found, axis=0, dtype=np.float64))
    return mean[runs[0].queries["relevant"] > 0]


def class_means(
    kept: Mapping[str, Sequence[Run]], labels: np.ndarray
) -> tuple[dict[str, np.ndarray], int]:
    """Method -> its `SCORES` over `RESAMPLES` draws of the classes (RESAMPLES, 2), and the number
    of classes. The draws are the same for all methods.

    kept: the runs of each method that keep their queries, all of one split; labels, of all queries.
    """
    first = next(iter(kept.values()))[0]
    known = labels[first.queries["relevant"] > 0]
    values = np.concatenate([query_scores(runs) for runs in kept.values()], axis=1)
    sums, counts = class_sums(values, known)
    means = resampled(sums, counts)
    parts = np.split(means, len(kept), axis=1)
    return dict(zip(kept, parts, strict=True)), len(counts)


def class_sums(values: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sums (C, M) of values (Q, M) by class, and how many queries each class has (C,)."""
    _, index, counts = np.unique(labels, return_inverse=True, return_counts=True)
    sums = np.zeros((len(counts), values.shape[1]))
    np.add.at(sums, index, values)
    return sums, counts


def resampled(sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Means over queries (RESAMPLES, M) when as many classes are drawn with replacement; from the
    sums (C, M) and numbers (C,) of the queries of each class."""
    generator = np.random.default_rng(SEED)
    classes = len(counts)
    both = np.column_stack([sums, counts])
    means = []
    for _ in range(0, RESAMPLES, BLOCK):
        drawn = generator.integers(classes, size=(BLOCK, classes))
        drawn += classes * np.arange(BLOCK)[:, None]
        weights = np.bincount(drawn.ravel(), minlength=BLOCK * classes).reshape(BLOCK, classes)
        totals = weights @ both
        means.append(totals[:, :-1] / totals[:, -1:])
    return np.concatenate(means)


def half_width(means: np.ndarray, classes: int) -> np.ndarray:
    """Half of the 95 % interval (M,) from resampled means (RESAMPLES, M): their standard deviation
    times Student's t. A bootstrap of C classes is too narrow by sqrt((C - 1) / C), and t widens the
    interval where classes are few (Hesterberg 2015, What Teachers Should Know about the Bootstrap).
    NaN for one class."""
    if classes < 2:
        return np.full(means.shape[1:], np.nan)
    factor = stdtrit(classes - 1, (1 + LEVEL) / 2) * np.sqrt(classes / (classes - 1))
    half: np.ndarray = factor * means.std(axis=0)
    return half
