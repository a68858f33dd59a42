"""What is checked before the first run starts, so that a mistake costs seconds and not a sweep."""

from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryFile

from bench.spec import RunSpec


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


def check_data(specs: Iterable[RunSpec], data_root: Path | None) -> None:
    """Load every data set that the runs need, once; what its loader raises says what is missing."""
    from bench.datasets import load

    for dataset, split in sorted({(spec.dataset, spec.split) for spec in specs}):
        load(dataset, data_root, split)
