"""What is checked before the first run starts, so that a mistake costs seconds and not a sweep."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryFile

import numpy as np

from bench.datasets.files.progress import Report
from bench.running.same_images import check_same_images
from bench.spec import LossArgument, RunSpec


def check_results(results: Path) -> None:
    """Raises: OSError saying so if the results folder cannot be written to."""
    try:
        results.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=results) as file:
            file.write(b"\0" * 4096)
    except OSError as error:
        raise OSError(
            f"the results folder {results} cannot be written to ({error.strerror}); "
            "choose another with --results"
        ) from error


def check_device(device: str) -> None:
    """Raises: ValueError if torch does not know the device or the machine has none."""
    import torch

    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        first = str(error).splitlines()[0]
        raise ValueError(f"device {device!r} cannot be used ({first}); try --device cpu") from error


def check_data(
    specs: Iterable[RunSpec], data_root: Path | None, results: Path, report: Report
) -> None:
    """Load every data set that the runs need, once, and decode its photographs; what its loader
    raises says what is missing.

    Raises: ValueError also for a loss whose settings do not fit the number of training classes, and
    for photographs that are others than those of the runs in ``results``.
    """
    from bench.datasets import load

    runs = list(specs)
    needed = dict.fromkeys((spec.dataset, spec.split, spec.resize, spec.crop) for spec in runs)
    for name, split, resize, crop in needed:
        dataset = load(name, data_root, split).prepare(resize, crop, report)
        check_same_images(dataset, results)
        classes = len(np.unique(dataset.labels[dataset.split.train]))
        for spec in runs:
            if (spec.dataset, spec.split) == (name, split):
                check_settings(spec, classes)


def check_settings(spec: RunSpec, classes: int) -> None:
    """Raises: ValueError naming the method if its loss cannot be built for so many classes."""
    try:
        check_loss(spec.loss, classes, spec.loss_args)
    except ValueError as error:
        raise ValueError(f"{spec.method} on {spec.dataset}: {error}") from error


def check_loss(loss: str, classes: int, args: Mapping[str, LossArgument]) -> None:
    """Build a loss without its memory. Raises: ValueError for arguments that it refuses."""
    import torch

    from proxy_core.losses import LOSSES

    with torch.device("meta"):
        LOSSES[loss](classes, 2, **args)
