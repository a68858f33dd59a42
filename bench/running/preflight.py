"""Checks before the first run starts, so that a mistake costs seconds and not a sweep."""

import fcntl
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from bench.datasets import find, load, remarks
from bench.datasets.files.photographs import Photographs
from bench.datasets.files.work import Report
from bench.datasets.folder.rows import NAME as LIST
from bench.datasets.types import Dataset
from bench.spec import NO_LOSS, RunSpec
from bench.store.disk import full_disk, is_full
from bench.store.runs import Run, RunDir, StoredRunError, directories, load_run
from bench.suites.tuned import Tuning, check_tuned_data
from bench.temporary import remove_leftovers
from bench.weights import PRETRAINED

if TYPE_CHECKING:
    from proxy_core.models.embedding_model import EmbeddingModel


def check_results(results: Path) -> None:
    """Raises: OSError if the results folder cannot be written to, or its files not be locked."""
    what = "written to"
    try:
        results.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=results) as file:
            file.write(b"\0" * 4096)
            file.flush()
            what = "locked"
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        reason = full_disk(results) if is_full(error) else error.strerror
        raise OSError(
            f"the results folder {results} cannot be {what} ({reason}); "
            "choose another with --results"
        ) from error


def clear_litter(specs: Iterable[RunSpec], results: Path) -> None:
    """Delete what killed processes left beside finished runs and pictures."""
    for spec in specs:
        RunDir.of(results, spec).tidy()
    remove_leftovers(results / "pictures")


def check_device(device: str) -> None:
    """Raises: ValueError if the device is unknown, missing, or computes nothing."""
    import torch

    try:
        torch.zeros(1, device=device).item()  # a device such as meta computes nothing
    except (RuntimeError, AssertionError) as error:
        first = str(error).splitlines()[0]
        raise ValueError(f"device {device!r} cannot be used ({first}); try --device cpu") from error


def to_check(specs: Iterable[RunSpec], missing: Collection[RunSpec]) -> list[RunSpec]:
    """Runs whose data must be loaded: missing ones, and stored ones on a user's own images, which
    may have changed since."""
    names = {spec.run_name for spec in missing}
    return [spec for spec in specs if spec.run_name in names or is_own(spec.dataset, spec.split)]


def is_own(name: str, split: str) -> bool:
    """Whether a data set is a user's own images, whose split no fingerprint pins."""
    return find(name).fingerprints[split] is None


def check_data(
    specs: Iterable[RunSpec],
    data_root: Path | None,
    results: Path,
    device: str,
    report: Report,
    tuning: Tuning | None = None,
) -> list[str]:
    """Load every data set of the runs once and decode its photographs, after a look at the networks
    that see them, whose weights are read sooner.

    tuning: the search that their hyper-parameters come from.
    Returns: what is taken for granted of weights from files, what each data set uses and leaves
    out, what is doubtful about its classes, and which runs resume from the checkpoint before their
    last one.
    Raises: what a loader raises if data is missing; ValueError for hyper-parameters that do not fit
    the number of training classes, for losses that have nothing to compare, for checkpoints that
    cannot be resumed, and for other images than those of the stored runs or of the search.
    """
    specs = list(specs)
    described = check_networks(specs, device)
    by_data: dict[tuple[str, str, int | None, int | None, str], list[RunSpec]] = {}
    for spec in specs:
        key = spec.dataset, spec.split, spec.resize, spec.crop, spec.interpolation
        by_data.setdefault(key, []).append(spec)
    for (name, split, resize, crop, interpolation), runs in by_data.items():
        dataset = load(name, data_root, split)
        if is_own(name, split) and isinstance(dataset.images, Photographs):
            check_outside(dataset.images.place, results)
        described += describe(dataset, data_root)
        if tuning:
            check_tuned_data(tuning, name, split, dataset.fingerprint, dataset.checksum)
        methods = {spec.method: spec for spec in runs}.values()  # seeds make no difference here
        trained = [spec for spec in methods if spec.loss != NO_LOSS]
        for spec in trained:
            check_hyper_parameters(spec, dataset.training_classes)
        check_comparisons(trained, dataset)
        dataset = dataset.prepare(resize, crop, report, interpolation)
        if not find(name).photographs:
            described += check_networks(methods, device, dataset)
        check_same_images(dataset, results)
        described += check_checkpoints(runs, dataset, results, device)
    return list(dict.fromkeys(described))  # a data set may be used at several sizes


def describe(dataset: Dataset, data_root: Path | None) -> list[str]:
    """A line on what is used of a data set, and one for each remark on it."""
    images, classes = f"{len(dataset.items):,} images", f"{len(dataset.class_names):,} classes"
    line = f"{dataset.name}, {dataset.split.protocol}: {images} of {classes}"
    return [line, *(f"  {remark}" for remark in remarks(dataset, data_root))]


def check_hyper_parameters(spec: RunSpec, classes: int) -> None:
    """Build the loss without its memory.

    Raises: ValueError naming the method if the loss refuses its arguments for this many classes.
    """
    import torch

    from proxy_core.losses import LOSSES

    try:
        with torch.device("meta"):
            LOSSES[spec.loss](classes, 2, **spec.loss_args)
    except ValueError as error:
        raise ValueError(f"{spec.method} on {spec.dataset}: {error}") from error


def check_networks(
    specs: Iterable[RunSpec], device: str, dataset: Dataset | None = None
) -> list[str]:
    """Build each network once: those that see the small images of a data set or, without one, those
    that see photographs, which are as large as their specifications say.

    Returns: a line for each file of weights, see `input_of`, and for each network that does not see
    the whole image.
    Raises: ValueError naming the data set if the backbone is unknown, its weights do not fit, or it
    refuses the size of the images or, on this device, the precision.
    """
    import torch

    from bench.training.network import check_precision, network_for
    from proxy_core.models.backbones import unseen_edge

    seen, lines = set(), []
    for spec in specs:
        side, _, channels = dataset.images.shape if dataset else (spec.crop, 0, 3)
        parts = spec.pooling, spec.embedding_dim, spec.frozen, spec.precision
        network = spec.backbone, spec.weights_sha256, *parts
        if side and (*network, side) not in seen:
            seen.add((*network, side))
            try:
                model = network_for(spec, side, channels)
                check_precision(spec, model, side, channels, torch.device(device))
            except (ValueError, OSError) as error:
                raise ValueError(f"{spec.method} on {spec.dataset}: {error}") from error
            if spec.weights not in (None, PRETRAINED):
                lines.append(input_of(spec, model))
            if unseen := unseen_edge(model.backbone, channels, side):
                lines.append(
                    f"{spec.backbone} sees no pixel of the last {unseen} rows and columns of "
                    f"images of {side} x {side} pixels, which its strides do not divide"
                )
    return lines


def input_of(spec: RunSpec, model: "EmbeddingModel") -> str:
    """On which images a file of weights is taken to be trained, which no file says."""
    mean, deviation = (
        " ".join(f"{number:.3f}" for number in model.backbone.get_buffer(name).flatten().tolist())
        for name in ("mean", "std")
    )
    return (
        f"weights {spec.weights}: taken for those of {spec.backbone}, whose images have the mean "
        f"{mean} and the standard deviation {deviation}; if these were trained on others, name "
        "their tag (timm:NAME.TAG)"
    )


def check_weights(backbone: str, weights: Path, side: int) -> None:
    """Raises: ValueError if a file does not hold the weights of a backbone for square images of a
    side."""
    from proxy_core.models.embedding_model import EmbeddingModel
    from proxy_core.models.weights import load_weights

    model = EmbeddingModel(backbone, channels=3, embedding_dim=0, image_side=side)
    load_weights(model.backbone, backbone, weights)


def check_comparisons(specs: Iterable[RunSpec], dataset: Dataset) -> None:
    """Raises: ValueError with a line for each method whose loss has nothing to compare."""
    from bench.training.comparisons import nothing_to_compare

    found = [(spec.method, nothing_to_compare(spec, dataset)) for spec in specs]
    lines = [f"{method} on {dataset.name}: {line}" for method, line in found if line]
    if lines:
        raise ValueError("\n".join(lines))


def check_checkpoints(
    specs: Iterable[RunSpec], dataset: Dataset, results: Path, device: str
) -> list[str]:
    """A line for each unfinished run that resumes from the checkpoint before its last one.

    Raises: CheckpointError with a line for each one that cannot be resumed.
    """
    import torch

    from bench.training.checkpoint import CheckpointError, origin_of, read_checkpoint

    remarks, errors = [], []
    for spec in specs:
        files = RunDir.of(results, spec)
        if files.has_checkpoint and not files.finished:
            try:
                saved = read_checkpoint(files, origin_of(spec, dataset, torch.device(device)))
            except CheckpointError as error:
                errors.append(str(error))
            else:
                if saved and saved.later:
                    remarks.append(
                        f"{files.checkpoint} cannot be resumed; "
                        f"its run resumes from {files.checkpoint_before.name}"
                    )
    if errors:
        raise CheckpointError("\n".join(errors))
    return remarks


def check_outside(folder: Path, results: Path) -> None:
    """Raises: ValueError if a user's folder of photographs would hold the results, unless a list
    says which pictures are photographs."""
    if not (folder / LIST).is_file() and results.resolve().is_relative_to(folder.resolve()):
        raise ValueError(
            f"the results folder {results} is in {folder}, where its pictures would be taken for "
            "photographs: choose another with --results"
        )


def check_same_images(dataset: Dataset, results: Path) -> None:
    """Compare photographs with those of the stored runs on this data set and split.

    A run's id holds the data set's name, not its photographs: a user's folder may have changed or
    be another one. Images in memory are checked by their loaders.
    Raises: ValueError naming a stored run on other photographs.
    """
    if not find(dataset.name).photographs:
        return
    same_name = {"dataset": dataset.name, "split": dataset.split.protocol}
    for run in readable_runs(results):
        found = run.record["split"]["fingerprint"], run.record["data_checksum"]
        same = found == (dataset.fingerprint, dataset.checksum)
        if same_name.items() <= run.spec.items() and not same:
            raise ValueError(
                f"{results} holds runs on other images or another split of them under the name "
                f"{dataset.name}, such as {run.name}: choose another folder with --results, or "
                "give the folder of the images another name"
            )


def readable_runs(results: Path) -> Iterator[Run]:
    """The finished runs; their large files are not read here, and the report names damage."""
    for files in directories(results):
        if files.finished:
            with suppress(StoredRunError):
                yield load_run(files)
