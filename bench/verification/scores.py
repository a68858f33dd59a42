"""Every score of a run again, from its stored embeddings and the split."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from bench.datasets.types import Dataset
from bench.evaluation.score_test import score_embeddings
from bench.store.environment import describe
from bench.store.runs import Run
from bench.training.loop import deterministic
from bench.verification.environment import changes
from bench.verification.on_dataset import on_dataset
from bench.verification.outcome import Difference, Outcome, moved, moved_arrays

ACCURACIES = "accuracy_"  # begin their names: they need the training images and the loss
NOT_KEPT = "its embeddings were not kept; --train computes them again"


def verify_scores(directories: Sequence[Path], data_root: Path | None) -> list[Outcome]:
    """Verify runs on one data set and split, all of whose files were checked before."""
    return on_dataset(directories, data_root, verify_run)


def verify_run(run: Run, dataset: Dataset) -> Outcome:
    """Compare the scores of a run, and what is stored of each query, with those of its embeddings.

    To the last digit, because exact ranks leave nothing to rounding but sums.
    """
    if problem := unusable(run, dataset):
        return Outcome(run.name, error=problem)
    positions = dataset.test_positions
    stored = run.embeddings
    if not np.array_equal(stored["labels"], dataset.labels[positions]):
        label = Difference("labels of the embeddings", "others", "those of the split")
        return Outcome(run.name, ("labels",), (label,))
    with deterministic():
        embeddings = torch.from_numpy(stored["embeddings"])
        scores, queries, roc = score_embeddings(embeddings, dataset, positions)
    accuracies = [name for name in run.scores if name.startswith(ACCURACIES)]
    kept = {name: score for name, score in run.scores.items() if name not in accuracies}
    stored_queries = run.queries if run.keeps_queries else {}
    arrays = {**stored_queries, **(run.roc or {})}
    differences = [*moved("", kept, scores), *moved_arrays(arrays, {**queries, **roc})]
    here = describe(run.record["environment"]["device"], torch.get_num_threads())
    untrained = [f"untrained {name}" for name in run.record["untrained"]]
    return Outcome(
        run.name,
        compared=[*kept, *arrays],
        differences=differences,
        unchecked=["checksum of the images", *accuracies, *untrained],  # no image is read
        reasons=[*changes(run.record["environment"], here)] if differences else [],
    )


def unusable(run: Run, dataset: Dataset) -> str:
    """Why the scores of a run cannot be computed again; usually empty."""
    if not run.keeps_embeddings:
        return NOT_KEPT
    if (stored := run.record["split"]["fingerprint"]) != dataset.fingerprint:
        return (
            f"it was scored on the split {stored[:12]}, and the data set here has "
            f"{dataset.fingerprint[:12]}"
        )
    return ""
