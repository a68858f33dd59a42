"""The history of a run: embeddings of its validation images at some validations of the training.

Test images are never part of it: they are embedded once, at the end.
"""

from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np

from bench.datasets import find
from bench.datasets.types import Dataset
from bench.spec import RunSpec

if TYPE_CHECKING:  # `plan` needs no torch
    from torch import Tensor

EMBEDDED = 6  # validations kept of an embedded data set, unless the suite says how many


def planned_steps(spec: RunSpec, keep_embeddings: int | None) -> frozenset[int]:
    """The steps of the validations that a run keeps: spread evenly, the first and last among them;
    of one, the last.

    keep_embeddings: how many; None for the default, which is 0 for data sets that are not embedded.
    Trials of a search and runs without training keep none.
    """
    if keep_embeddings is None:
        keep_embeddings = EMBEDDED if find(spec.dataset).embedded else 0
    if spec.purpose == "trial" or not spec.steps:
        return frozenset()
    validations = sorted({*range(0, spec.steps, spec.evaluate_every), spec.steps})
    count = min(keep_embeddings, len(validations))
    chosen = np.linspace(len(validations) - 1, 0, count).round().astype(int)
    return frozenset(validations[index] for index in chosen.tolist())


def keep(
    kept: dict[int, dict[str, "Tensor"]],
    step: int,
    images: dict[str, "Tensor"],
    planned: Collection[int],
) -> None:
    """Keep the validation of a step, and of those before only the planned ones: where training
    ends early, the last one is kept too.

    images: those of `bench.evaluation.score_test.Validation`.
    """
    if planned:
        for other in kept.keys() - set(planned):
            del kept[other]
        kept[step] = images


def history_arrays(dataset: Dataset, kept: dict[int, dict[str, "Tensor"]]) -> dict[str, np.ndarray]:
    """`Run.history` of what was kept by step."""
    positions, steps = dataset.split.validation, sorted(kept)
    cameras = dataset.validation_cameras
    return {
        "steps": np.array(steps),
        "labels": dataset.labels[positions],
        "images": positions,
        **({} if cameras is None else {"cameras": cameras}),
        **{name: np.stack([kept[step][name].numpy() for step in steps]) for name in kept[steps[0]]},
    }
