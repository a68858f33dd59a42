"""Numbers that no honest run has. Each check is one that an honest run cannot fail."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from importlib.metadata import metadata, requires
from itertools import combinations, pairwise

import numpy as np
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from bench.reporting.groups import changed_losses
from bench.spec import RunSpec
from bench.store.environment import THEN, installed_version
from bench.store.runs import Run
from bench.submissions.form import Finding
from bench.verification.training import timeless

PACKAGE = "proxy-bench"
COPY = 0.01  # by which embeddings of two random networks surely differ, as a share of their length
GAP = 0.5  # of MAP@R, by which no test split is easier than the fewer images of validation


def implausible(runs: Sequence[Run]) -> Iterator[Finding]:
    """What is not possible about runs whose files are in order."""
    for problem in changed_losses(runs):
        yield Finding("loss", "all runs", problem)
    for run in runs:
        for check, problems in {
            "cost": costs(run),
            "version": versions(run),
            "gap": gap(run),
        }.items():
            yield from (Finding(check, run.name, what) for what in problems)
    yield from equal_seeds(runs)


def costs(run: Run) -> Iterator[str]:
    """Steps that took no time, or a curve whose epochs are not those of its images. That seconds do
    not fall, and that images are steps by batch, is checked where the curve is read."""
    seconds = [point["seconds"] for point in run.curve]
    if any(before >= after for before, after in pairwise(seconds)):
        yield "has validations between which no time passes"
    images = run.record["split"]["train_images"]
    for point in run.curve:
        if not images or point["epoch"] != point["images"] / images:
            yield (
                f"has epoch {point['epoch']} after {point['images']:,} images, of which its split "
                f"trains {images:,}"
            )
            return
    if run.curve[0]["loss"] is not None or any(point["loss"] is None for point in run.curve[1:]):
        yield "has a training loss before the first step, or none after a later one"


def versions(run: Run) -> Iterator[str]:
    """Versions that are none, or with which this version of the package does not run."""
    environment = run.record["environment"]
    try:
        datetime.fromisoformat(environment["finished"])
    except ValueError:
        yield f"was finished at {environment['finished']!r}, which is not a time"
    found = environment["packages"] | {"python": environment["python"]}
    needed = needs() if found.get(PACKAGE) == installed_version(PACKAGE) else {}
    stated = [(name, text) for name, texts in found.items() for text in texts.split(THEN)]
    for name, text in stated:
        try:
            version = Version(text.removesuffix("+"))  # which builds of Python may end in
        except InvalidVersion:
            if text != "not installed" or name in needed:
                yield f"has {name} {text!r}, which is not a version"
            continue
        if name in needed and not needed[name].contains(version, prereleases=True):
            yield f"has {name} {text}, but {PACKAGE} needs {name}{needed[name]}"


def needs() -> dict[str, SpecifierSet]:
    """The versions that this version of the package needs."""
    parsed = map(Requirement, requires(PACKAGE) or ())
    found = {need.name: need.specifier for need in parsed if need.marker is None}
    return found | {"python": SpecifierSet(metadata(PACKAGE)["Requires-Python"])}


def gap(run: Run) -> Iterator[str]:
    """A test that is far easier than the validation, although it has more images to confuse."""
    end, test = run.curve[-1]["map@r"], run.scores["map@r"]
    split = run.record["split"]
    if split["test_images"] >= split["validation_images"] and test - end > GAP:
        yield f"has MAP@R {test:.3f} on the test images, but {end:.3f} on those of validation"


def equal_seeds(runs: Sequence[Run]) -> Iterator[Finding]:
    """Runs of one method whose seeds differ and whose results do not."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        if run.spec["steps"]:
            groups.setdefault(RunSpec(**run.spec).method_id, []).append(run)
    for members in groups.values():
        for one, other in combinations(members, 2):
            if one.spec["seed"] != other.spec["seed"] and (what := equal(one, other)):
                yield Finding("seeds", other.name, f"{what} {one.name}, which has another seed")


def equal(one: Run, other: Run) -> str:
    """In what two runs are equal that no two seeds share; usually empty."""
    if one.record["parameters"]["sha256"] == other.record["parameters"]["sha256"]:
        return "has the parameters of"
    if [timeless(point) for point in one.curve] == [timeless(point) for point in other.curve]:
        return "has the curve of"
    first, second = one.embeddings["embeddings"], other.embeddings["embeddings"]
    if first.shape != second.shape:
        return ""
    random = RunSpec(**one.spec).varied("weights") and one.spec.get("weights") is None
    most = COPY * float(np.linalg.norm(first)) if random else 0.0
    return "has the embeddings of" if np.linalg.norm(first - second) <= most else ""
