"""What the trials of a search came to: validation scores, the best one, and test scores."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from bench.results import LAST, final_score
from bench.spec import RunSpec, sha256
from bench.store.record import Part, Sha256, check_scores, first_mistake
from bench.store.runs import Run, RunDir, StoredRunError, read_runs, write_text
from bench.tuning.search import WITH_START, Data, MethodSearch, Search
from bench.tuning.space import Value, values_of, with_values

WORST = 0.0  # the score of a trial that diverged: the lowest that there is
TESTED = "map@r"  # the test score whose expectation is reported, that of the criterion
SAME = ("dataset", "split", "method", "loss")  # fields of a search and of the runs of its trials
AGAIN = "restore search.json, or delete the folder of the search to search again"


class TestScores(Part):
    """What `test.json` holds: the digest of `run.json`, scores, and a digest of both."""

    run: Sha256
    scores: dict[str, float]
    digest: Sha256


@dataclass(frozen=True)
class Trial:
    """One stored trial; number 0 has the suite's own values.

    tested: scores on the test split; None if they were not computed, or are damaged. criterion:
    that of its search.
    """

    number: int
    values: Mapping[str, Value | str | None]
    run: Run
    tested: Mapping[str, float] | None
    criterion: str

    @property
    def diverged(self) -> str:
        """Why it has no last step; usually empty."""
        return self.run.record.get("diverged") or ""

    @property
    def untrained(self) -> bool:
        """Whether its gradient was 0 at every step."""
        return bool(self.run.problem)

    @cached_property
    def score(self) -> float:
        """The criterion: final MAP@R on the validation images."""
        if self.diverged:
            return WORST
        scores = [point["map@r"] for point in self.run.curve]
        if self.criterion == WITH_START:
            return float(np.mean(scores[-LAST:]))
        return final_score(scores)

    @property
    def test(self) -> float | None:
        """MAP@R on the test split; None as `on_test`."""
        return self.on_test(TESTED)

    def on_test(self, score: str) -> float | None:
        """A score on the test split; None if it was not computed, or is damaged."""
        if self.diverged:
            return WORST
        return None if self.tested is None else self.tested.get(score)


@dataclass(frozen=True)
class Outcome:
    """The trials of one method on one budget; default has the suite's own values."""

    searched: MethodSearch
    default: Trial
    trials: tuple[Trial, ...]

    @property
    def all(self) -> tuple[Trial, ...]:
        """In order of their numbers, from 0."""
        return self.default, *self.trials

    @property
    def best(self) -> Trial:
        """The trial with the highest validation score, among them the suite's own values; of equal
        ones the earliest."""
        return max(self.all, key=lambda trial: trial.score)

    @property
    def diverged(self) -> list[Trial]:
        return [trial for trial in self.trials if trial.diverged]

    @property
    def untrained(self) -> list[Trial]:
        return [trial for trial in self.trials if trial.untrained]

    @property
    def untrained_text(self) -> str:
        """Which trials, that of the suite's own values among them, trained nothing; usually
        empty."""
        found = [trial for trial in self.all if trial.untrained]
        numbers = ", ".join(str(trial.number) for trial in found)
        many = "s" * (len(found) > 1)
        words = f"trial{many} {numbers} trained nothing: the gradient was 0 at every step"
        return words if found else ""

    @property
    def edges(self) -> list[str]:
        """The values of the best trial that are beyond or within 5 % of an end of their range."""
        found = [
            (dimension, value, dimension.edge(value))
            for dimension in self.searched.space
            if isinstance(value := self.best.values[dimension.name], int | float)
        ]
        return [
            f"{dimension.name.replace('_', ' ')} {value:g} is "
            f"{'at' if dimension.low <= value <= dimension.high else 'beyond'} the "
            f"{edge} end of {dimension.low:g} to {dimension.high:g}"
            for dimension, value, edge in found
            if edge
        ]


def read_outcomes(folder: Path, search: Search) -> tuple[list[Outcome], list[str]]:
    """The methods of a search whose trials are all stored, and what is missing or damaged."""
    names = [name for method in search.methods for name in method.runs]
    directories = [RunDir(folder / "runs" / name) for name in names]
    runs, errors = read_runs(directories, purpose="trial")
    stored, problems = {run.name: run for run in runs}, [str(error) for error in errors]
    outcomes = []
    for method in search.methods:
        found = [
            (number, drawn, stored[name])
            for number, (drawn, name) in enumerate(
                zip(all_values(method), method.runs, strict=True)
            )
            if name in stored
        ]
        default = RunSpec.model_validate(found[0][-1].spec) if found else None
        wrong = [
            text
            for _, drawn, run in found
            if default and (text := mismatch(run, method, drawn, search, default))
        ]
        wrong += of_two_formulas(method, [run for _, _, run in found])
        problems += wrong
        if missing := [name for name in method.runs if name not in stored]:
            problems.append(
                f"{method.method} on {method.budget}: {len(missing)} of {len(method.runs)} trials "
                f"are not stored, such as {missing[0]}"
            )
        elif not wrong:
            trials = [
                Trial(*each, test_scores(each[-1], problems), search.criterion) for each in found
            ]
            outcomes.append(Outcome(method, trials[0], tuple(trials[1:])))
    return outcomes, problems


def of_two_formulas(method: MethodSearch, runs: Sequence[Run]) -> list[str]:
    """A problem if the trials of a method had different code of its loss, as far as they say."""
    found: dict[str, Run] = {}
    for run in runs:
        if source := run.record.get("loss_source"):
            found.setdefault(str(source), run)
    if len(found) < 2:
        return []
    names = ", ".join(run.name for run in found.values())
    return [
        f"{method.method} on {method.budget}: the code of its loss was changed between its trials, "
        f"such as {names}; delete those of the former one"
    ]


def all_values(method: MethodSearch) -> list[Mapping[str, Value | str | None]]:
    """The values of every trial, in order of their numbers."""
    return [method.default, *method.values]


def mismatch(
    run: Run,
    method: MethodSearch,
    drawn: Mapping[str, Value | str | None],
    search: Search,
    other: RunSpec,
) -> str:
    """What is wrong with a trial that was made on other images or another split, or of another
    method, other values or another budget than the search says; empty if nothing is.

    other: another trial of the method, which has all but the values in common with it.
    """
    if text := other_data(run, search.data[method.budget], "those of its search"):
        return f"{text}; delete its folder to run it again"
    spec = RunSpec.model_validate(run.spec)
    same_seed = spec.seed == search.seed
    if not same_seed or any(getattr(spec, key) != getattr(method, key) for key in SAME):
        return f"{run.name} is not a trial of {method.method} on {method.budget}; {AGAIN}"
    if values_of(spec, method.space) != drawn:
        return f"{run.name} has other values than search.json gives this trial; {AGAIN}"
    if with_values(other, drawn).spec_id != run.spec_id:
        return f"{run.name} differs from another trial in more than the drawn values; {AGAIN}"
    return ""


def other_data(run: Run, data: Data, whose: str) -> str:
    """Both sides if a trial was made on other images or another split; empty if it was not."""
    fingerprint, checksum = run.record["split"]["fingerprint"], run.record["data_checksum"]
    if Data(fingerprint=fingerprint, checksum=checksum) == data:
        return ""
    return (
        f"{run.name} was made on other images or another split than {whose}: checksum "
        f"{checksum[:12]} and {data.checksum[:12]}, fingerprint {fingerprint[:12]} and "
        f"{data.fingerprint[:12]}"
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

    Raises: StoredRunError naming the file if it cannot be read, was changed or is of another run.
    """
    path = scores_path(run)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        found = TestScores.model_validate(content)
        if found.digest != sha256({"run": found.run, "scores": content["scores"]}):
            raise ValueError("was changed")
        if found.run != run.record["digest"]:
            raise ValueError("is of another run")
        if TESTED not in found.scores:
            raise ValueError(f"lacks scores.{TESTED}")
        check_scores("scores", found.scores)
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise damaged_test(path, first_mistake(error)) from error
    except (OSError, ValueError, RecursionError) as error:
        raise damaged_test(path, str(error)) from error
    return found.scores


def damaged_test(path: Path, what: str) -> StoredRunError:
    advice = "delete it, and `proxy-bench tune --test` scores this trial again"
    return StoredRunError(f"{path} is damaged ({what}); {advice}")


def test_scores(run: Run, problems: list[str]) -> Mapping[str, float] | None:
    """As `read_test`; a damaged file becomes a problem."""
    try:
        return read_test(run)
    except StoredRunError as error:
        problems.append(str(error))
        return None


def tested(outcomes: Sequence[Outcome]) -> bool:
    """Whether every trial has its test score."""
    return all(trial.test is not None for outcome in outcomes for trial in outcome.trials)
