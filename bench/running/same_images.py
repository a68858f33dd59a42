"""Runs on other photographs under the same name must not stand beside those that are to come."""

from pathlib import Path

from bench.datasets import find
from bench.datasets.types import Dataset
from bench.store.runs import Run, scan


def check_same_images(dataset: Dataset, results: Path) -> None:
    """Compare photographs with those that stored runs on this data set and split have seen.

    A run's id holds the data set's name, and nothing else of photographs is pinned: a user's folder
    may have changed or be another one, a published set may have been scaled down. Images in memory
    are checked by their loaders. Raises ValueError naming a stored run and the way out.
    """
    if not find(dataset.name).photographs:
        return
    mine = {"dataset": dataset.name, "split": dataset.split.protocol}
    for run in scan(results)[0]:
        if mine.items() <= run.spec.items() and not saw(run, dataset):
            raise ValueError(
                f"{results} holds runs on other images or another split of them under the name "
                f"{dataset.name}, such as {run.name}: choose another folder with --results, or "
                "give the folder of the images another name"
            )


def saw(run: Run, dataset: Dataset) -> bool:
    """Whether a stored run was made on this split of these images."""
    same_split = run.record["split"]["fingerprint"] == dataset.fingerprint
    return same_split and run.record.get("data_checksum") == dataset.checksum
