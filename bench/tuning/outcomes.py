"""What the trials of a search came to: validation scores, the best one, and test scores."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from bench.results import final_score
from bench.spec import sha256
from bench.store.runs import Run, RunDir, damage, naming, read_runs, write_text
from bench.tuning.search import MethodSearch, Search
from bench.tuning.space import Value

WORST = 0.0  # the score of a trial that diverged: the lowest that there is
TESTED = "map@r"  # the test score whose expectation is reported, that of the criterion


@dataclass(frozen=True)
class Trial:
    """One stored trial; number 0 has the suite's own values."""

    number: int
    values: Mapping[str, Value | str | None]
    run: Run

    @property
    def diverged(self) -> str:
        """Why it has no last step; usually empty."""
        return self.run.record.get("diverged") or ""

    @cached_property
    def score(self) -> float:
        """The criterion: final MAP@R on the validation images."""
        if self.diverged:
            return WORST
        return final_score([point["map@r"] for point in self.run.curve])

    @cached_property
    def test(self) -> float | None:
        """MAP@R on the test split; None if it was not computed."""
        return self.on_test(TESTED)

    def on_test(self, score: str) -> float | None:
        """A score on the test split; None if it was not computed."""
        if self.diverged:
            return WORST
        scores = read_test(self.run)
        return None if scores is None else scores.get(score)


@dataclass(frozen=True)
class Outcome:
    """The trials of one method on one budget; default has the suite's own values."""

    searched: MethodSearch
    default: Trial
    trials: tuple[Trial, ...]

    @property
    def best(self) -> Trial:
        """The trial with the highest validation score, among them the suite's own values; of equal
        ones the earliest."""
        return max((self.default, *self.trials), key=lambda trial: trial.score)

    @property
    def diverged(self) -> list[Trial]:
        return [trial for trial in self.trials if trial.diverged]

    @property
    def edges(self) -> list[str]:
        """The values of the best trial that are within 5 % of an end of their range."""
        found = [
            (dimension, dimension.edge(value))
            for dimension in self.searched.space
            if isinstance(value := self.best.values[dimension.name], int | float)
        ]
        return [
            f"{dimension.name.replace('_', ' ')} {self.best.values[dimension.name]:g} is at the "
            f"{edge} end of {dimension.low:g} to {dimension.high:g}"
            for dimension, edge in found
            if edge
        ]


def read_outcomes(folder: Path, search: Search) -> tuple[list[Outcome], list[str]]:
    """The methods of a search whose trials are all stored, and what is missing or damaged."""
    names = [name for method in search.methods for name in method.runs]
    directories = [RunDir(folder / "runs" / name) for name in names]
    runs, errors = read_runs(directories, purpose="trial")
    problems = [str(error) for error in errors]
    stored = {run.name: run for run in runs if not (found := mismatch(run, search))}
    problems += [found for run in runs if (found := mismatch(run, search))]
    outcomes = []
    for method in search.methods:
        if missing := [name for name in method.runs if name not in stored]:
            problems.append(
                f"{method.method} on {method.budget}: {len(missing)} of {len(method.runs)} trials "
                f"are not stored, such as {missing[0]}"
            )
            continue
        values: list[Mapping[str, Value | str | None]] = [method.default, *method.values]
        trials = [
            Trial(number, drawn, stored[name])
            for number, (drawn, name) in enumerate(zip(values, method.runs, strict=True))
        ]
        outcomes.append(Outcome(method, trials[0], tuple(trials[1:])))
    return outcomes, problems


def mismatch(run: Run, search: Search) -> str:
    """What is wrong with a trial that was made on other images or another split."""
    budgets = {name: method.budget for method in search.methods for name in method.runs}
    data = search.data[budgets[run.name]]
    found = run.record["split"]["fingerprint"], run.record["data_checksum"]
    if found == (data.fingerprint, data.checksum):
        return ""
    return (
        f"{run.name} was made on other images or another split than its search: checksum "
        f"{found[1][:12]} and {data.checksum[:12]}, fingerprint {found[0][:12]} and "
        f"{data.fingerprint[:12]}; delete its folder to run it again"
    )


def scores_path(run: Run) -> Path:
    return run.directory / "test.json"


def write_test(run: Run, scores: Mapping[str, float]) -> None:
    """Store the test scores of a trial, with the digest of its `run.json`."""
    content = {"run": run.record["digest"], "scores": dict(scores)}
    text = json.dumps(content | {"digest": sha256(content)}, indent=2, allow_nan=False)
    write_text(scores_path(run), text + "\n")


def read_test(run: Run) -> Mapping[str, float] | None:
    """The test scores of a trial; None if they were not computed.

    Raises: StoredRunError naming the file if it was changed or is of another run.
    """
    path = scores_path(run)
    if not path.exists():
        return None
    with naming(path):
        content = json.loads(path.read_text(encoding="utf-8"))
        digest = content.pop("digest", None)
        if digest != sha256(content) or content["run"] != run.record["digest"]:
            raise damage(path, "was changed, or is of another run")
        scores: Mapping[str, float] = content["scores"]
        return scores


def tested(outcomes: Sequence[Outcome]) -> bool:
    """Whether every trial has its test score."""
    return all(trial.test is not None for outcome in outcomes for trial in outcome.trials)
