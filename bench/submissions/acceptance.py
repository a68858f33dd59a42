"""The verdict on a submission, and the copy that is kept of an accepted one."""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import stdtrit

from bench.metrics import describe as metric_of
from bench.reporting.statistics.verdicts import MARGIN
from bench.spec import RunSpec
from bench.store.community import ACCEPTED, SUBMISSION, Accepted, Verdict, changed, read_submission
from bench.store.environment import describe
from bench.store.runs import Run, digest_of, write_text
from bench.submissions.form import Finding
from bench.temporary import new_folder
from bench.verification.outcome import CODE, NOTHING, Difference, Outcome
from bench.verification.spread import with_sizes
from bench.verification.training import PARAMETERS

Bounds = Mapping[str, float]
STATUS: dict[Verdict, int] = {
    "accepted": 0,
    "refused": 1,
    "accepted with explained differences": 2,
    "accepted without all scores": 2,
}
# By how much a share may move where another processor or version is a reason:
EXACT = 1e-6  # from the same embeddings, since ranks are exact
ROUNDED = 0.02  # from the same embeddings, where k-means or thresholds follow rounding
# By another training, which moves shares as far as another seed does (docs/reproducibility.md):
CHANCE = 0.001  # that two honest trainings are further from each other, by the spread over seeds
FEW = 4  # seeds; fewer show too little of their spread
MOST, MOST_OF_CURVE = 0.15, 0.5  # whatever the spread
SHOWN = 3  # differences of a run, before how far its scores moved
# What no environment explains:
NEVER = ("checksum of the images", "fingerprint of the split", CODE)
SCHEMA = 1


@dataclass
class Acceptance:
    """What `accept` found: findings are reasons to refuse, differences are explained ones.

    scored: runs whose scores were computed again; without the data of a run, an invention that is
    consistent passes.
    """

    name: str
    draw: int
    runs: int = 0
    scored: int = 0
    trained: list[str] = field(default_factory=list)
    checked: list[str] = field(default_factory=list)
    not_checked: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)

    @property
    def verdict(self) -> Verdict:
        if self.findings:
            return "refused"
        if self.scored < self.runs:
            return "accepted without all scores"
        return "accepted with explained differences" if self.differences else "accepted"

    def document(self) -> dict[str, Any]:
        """All of it as data."""
        findings = [vars(finding) for finding in self.findings]
        return vars(self) | {"verdict": self.verdict, "findings": findings}

    def add(
        self,
        check: str,
        outcomes: Sequence[Outcome],
        bounds: Mapping[str, Bounds],
        runs: Sequence[Run],
    ) -> None:
        """Count what was computed again; bounds: of each run, by how much its scores may differ if
        its environment explains it; runs: all of the submission."""
        for outcome in with_sizes(outcomes, runs, runs):
            allowed = bounds_of_equal(outcome, bounds[outcome.run])
            self.findings += [*unexplained(check, outcome, allowed)]
            if outcome.verdict == "differs, explained":
                self.differences.append(f"{check}: {outcome.run}: {explained(outcome)}")


def explained(outcome: Outcome) -> str:
    """What differs, how far scores moved, and what may be the cause."""
    moved = [*map(str, outcome.differences)]
    more = [f"and {len(moved) - SHOWN} more"] if len(moved) > SHOWN else []
    said = "; ".join([*moved[:SHOWN], *more, *outcome.size_lines])
    return f"{said} ({'; '.join(outcome.reasons)})"


def unexplained(check: str, outcome: Outcome, bounds: Bounds) -> Iterator[Finding]:
    """What another processor or version does not explain: any difference in the same environment,
    and scores that differ by more than their bound."""
    if outcome.error:
        yield Finding(check, outcome.run, outcome.error)
    for difference in outcome.differences:
        bound = bounds.get(difference.quantity)
        if not outcome.reasons or difference.quantity in NEVER:
            yield Finding(check, outcome.run, str(difference))
        elif bound is not None and beyond(difference, bound):
            what = f"{difference}, more than its environment explains ({bound:.2g})"
            yield Finding(check, outcome.run, what)


def beyond(difference: Difference, bound: float) -> bool:
    """Whether a number moved by more than a bound, or is missing on one side."""
    if NOTHING in (difference.stored, difference.found):
        return True
    return abs(float(difference.stored) - float(difference.found)) > bound


def bounds_of_scores(run: Run) -> Bounds:
    """From the same embeddings."""
    return {name: EXACT if is_exact(name) else ROUNDED for name in run.scores}


def is_exact(score: str) -> bool:
    """Whether a score follows from ranks alone."""
    return score.startswith(("recall@", "coarse_recall@", "map", "r_precision"))


def bounds_of_start(run: Run) -> Bounds:
    """From the same network before training, whose embeddings are rounded otherwise."""
    first = [f"step 0 {name}" for name in shares(run.curve[0])]
    return {
        name: ROUNDED for name in [*first, *(f"untrained {n}" for n in run.record["untrained"])]
    }


def bounds_of_training(runs: Sequence[Run]) -> dict[str, Bounds]:
    """From another training: as much as other seeds of its method move a score, or a validation."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(RunSpec(**run.spec).method_id, []).append(run)
    return {run.name: bounds_over_seeds(members) for members in groups.values() for run in members}


def bounds_over_seeds(members: Sequence[Run]) -> Bounds:
    """By how much each share of another training may differ, from the seeds of its method."""
    scores: dict[str, list[float]] = {}
    curve: dict[str, list[float]] = {}
    for run in members:
        for name, value in shares(run.scores).items():
            scores.setdefault(name, []).append(value)
        for point in run.curve:
            for name, value in shares(point).items():
                curve.setdefault(f"step {point['step']} {name}", []).append(value)
    found = {name: bound_over_seeds(values, MOST) for name, values in scores.items()}
    return found | {name: bound_over_seeds(each, MOST_OF_CURVE) for name, each in curve.items()}


def shares(scores: Mapping[str, Any]) -> dict[str, float]:
    """The scores that are shares of a whole; no loss, count or time."""
    return {name: value for name, value in scores.items() if metric_of(name).percent}


def bounds_of_equal(outcome: Outcome, bounds: Bounds) -> Bounds:
    """The bounds of a training: one that led to the same parameters explains no other score."""
    moved = any(difference.quantity == PARAMETERS for difference in outcome.differences)
    return bounds if moved else {name: min(bound, ROUNDED) for name, bound in bounds.items()}


def bound_over_seeds(values: Sequence[float], most: float) -> float:
    """By how much a share of another training may differ: two values of those of all seeds do so
    with a chance of `CHANCE`, by Student's t; never more than `most`."""
    if len(values) < FEW:
        return most
    quantile = float(stdtrit(len(values) - 1, 1 - CHANCE / 2))
    return min(most, max(MARGIN, quantile * float(np.sqrt(2) * np.std(values, ddof=1))))


def keep(folder: Path, into: Path, acceptance: Acceptance, device: str) -> Path:
    """Copy an accepted submission, whole or not at all, with what was verified; one that is already
    there only gets the latter. Returns: its folder.

    Raises: ValueError if there is one of its name, or if its files changed since they were read.
    """
    target = into / acceptance.name
    if target.exists() and target.samefile(folder):
        write_accepted(target, acceptance, device)
        return target
    with new_folder(target) as made:
        shutil.copytree(folder, made, symlinks=True, dirs_exist_ok=True)
        for problem in changed(made, read_submission(folder).files):
            raise ValueError(problem)
        write_accepted(made, acceptance, device)
    return target


def write_accepted(folder: Path, acceptance: Acceptance, device: str) -> None:
    """Write `accepted.json`: what was verified, how and where."""
    from bench.training.device import device_name  # loads torch

    document = {
        "schema": SCHEMA,
        "submission": digest_of(folder / SUBMISSION),
        "verdict": acceptance.verdict,
        "draw": acceptance.draw,
        "trained": acceptance.trained,
        "checked": acceptance.checked,
        "not_checked": acceptance.not_checked,
        "differences": acceptance.differences,
        "environment": describe(device_name(device), 1),
    }
    Accepted.model_validate(document)
    write_text(folder / ACCEPTED, json.dumps(document, indent=2, sort_keys=True) + "\n")
