"""Stored trials: the best one, those that diverged, and damage."""

import json
from collections.abc import Callable
from pathlib import Path
from statistics import mean
from typing import Any

import pytest

from bench.spec import RunSpec, sha256
from bench.store.runs import RunDir, StoredRunError, load_run, scan
from bench.suites import load_suite
from bench.tuning.outcomes import read_test
from bench.tuning.search import CRITERION, WITH_START, search_path
from tests.support.fabricated import seal
from tests.support.searches import outcomes_of, some_score, write_stored_search, write_trial


def test_the_best_trial_is_chosen_and_divergence_is_the_worst(
    tmp_path: Path,
) -> None:
    write_stored_search(tmp_path)
    (proxy, triplet), problems = outcomes_of(tmp_path)
    assert not problems
    scores = [some_score(0, trial) or 0.0 for trial in range(6)]
    assert [trial.score for trial in proxy.trials] == pytest.approx(scores[1:])
    assert proxy.default.score == pytest.approx(scores[0])
    assert proxy.best.number == max(range(6), key=scores.__getitem__)
    (lost,) = triplet.diverged
    assert (lost.number, lost.score, lost.test) == (3, 0.0, 0.0)
    assert lost.diverged == "the loss became nan at step 2"


def test_own_values_may_be_chosen_and_of_equal_trials_the_first_is(tmp_path: Path) -> None:
    write_stored_search(tmp_path, score=lambda method, trial: 0.9 if method != bool(trial) else 0.5)
    (first, second), _ = outcomes_of(tmp_path)
    assert first.best.number == 1
    assert second.best is second.default


@pytest.mark.parametrize(("criterion", "start"), [(CRITERION, []), (WITH_START, [0.1])])
def test_the_start_counts_only_by_the_criterion_of_earlier_searches(
    tmp_path: Path, criterion: str, start: list[float]
) -> None:
    write_stored_search(tmp_path, score=lambda method, trial: 0.7)
    forge(tmp_path, lambda content: content.update(criterion=criterion))
    (proxy, _), problems = outcomes_of(tmp_path)
    assert not problems
    for trial in (early := proxy.trials[:2]):
        del trial.run.curve[trial.number + 1 :]  # one or two validations after the start
    expected = [mean([*start, 0.7]), mean([*start, 0.7, 0.7])]
    assert [trial.score for trial in early] == pytest.approx(expected)
    assert proxy.default.score == pytest.approx(0.7)


def test_missing_and_damaged_trials_are_named(tmp_path: Path) -> None:
    write_stored_search(tmp_path)
    folder = tmp_path / "tuning" / "mine" / "runs"
    one, two = sorted(path for path in folder.iterdir() if "triplet" in path.name)[:2]
    (one / "run.json").unlink()
    (two / "curve.jsonl").write_text("")
    outcomes, problems = outcomes_of(tmp_path)
    assert [outcome.searched.method for outcome in outcomes] == ["Proxy-NCA"]
    assert any(str(two / "curve.jsonl") in problem for problem in problems)
    assert any("Triplet on digits: 2 of 6 trials are not stored" in text for text in problems)


def test_trials_are_no_results_and_results_no_trials(tmp_path: Path) -> None:
    write_stored_search(tmp_path)
    folder = tmp_path / "tuning" / "mine"
    runs, problems = scan(folder)
    assert not runs
    assert "is a trial, expected a result" in str(problems[0])
    assert scan(tmp_path) == ([], [])


def test_a_trial_with_test_scores_or_a_result_that_diverged_is_refused(tmp_path: Path) -> None:
    write_stored_search(tmp_path)
    files = RunDir(next((tmp_path / "tuning" / "mine" / "runs").iterdir()))
    seal(files.path, scores={"recall@1": 0.5, "map@r": 0.5})
    with pytest.raises(StoredRunError, match="on the test split, which a trial never sees"):
        load_run(files, "trial")


def test_changed_test_scores_are_refused(tmp_path: Path) -> None:
    write_stored_search(tmp_path)
    (proxy, triplet), _ = outcomes_of(tmp_path)
    path = proxy.best.run.directory / "test.json"
    content = json.loads(path.read_text())
    content["scores"]["map@r"] = 1.0
    path.write_text(json.dumps(content))
    with pytest.raises(StoredRunError, match="was changed"):
        read_test(proxy.best.run)
    other = triplet.best.run.directory / "test.json"
    path.write_bytes(other.read_bytes())
    with pytest.raises(StoredRunError, match="is of another run"):
        read_test(proxy.best.run)


def test_the_chosen_suite_holds_the_best_trials_and_can_be_read(tmp_path: Path) -> None:
    path = write_stored_search(tmp_path)
    suite = load_suite(str(path))
    outcomes, _ = outcomes_of(tmp_path)
    assert suite.tuning
    assert suite.edited == []
    for outcome, spec in zip(outcomes, suite.grid([0]), strict=True):
        found = {**spec.loss_args, **dict(spec)}
        for name, value in outcome.best.values.items():
            assert found[name] == value
        chosen = suite.tuning.budgets["digits"].methods[spec.method]
        assert (chosen.trials, chosen.trial) == (5, outcome.best.number)
        assert chosen.edges == outcome.edges
    assert suite.title == "Two methods, tuned"
    assert suite.seeds == [0, 1]


def forge(results: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change search.json and give it the digest of its new content."""
    path = search_path(results / "tuning" / "mine")
    content = json.loads(path.read_text())
    del content["digest"]
    change(content)
    path.write_text(json.dumps(content | {"digest": sha256(content)}))


def swap_methods(content: dict[str, Any]) -> None:
    first, second = content["methods"]
    first["runs"], second["runs"] = second["runs"], first["runs"]


def swap_trials(content: dict[str, Any]) -> None:
    runs = content["methods"][0]["runs"]
    runs[1], runs[2] = runs[2], runs[1]


def other_value(content: dict[str, Any]) -> None:
    content["methods"][0]["values"][0]["scale"] = 7


def other_seed(content: dict[str, Any]) -> None:
    content["seed"] = 7


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (swap_methods, "is not a trial of Proxy-NCA on digits"),
        (other_seed, "is not a trial of Triplet on digits"),
        (swap_trials, "has other values than search.json gives this trial"),
        (other_value, "has other values than search.json gives this trial"),
    ],
)
def test_a_search_that_its_trials_contradict_is_a_problem(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], problem: str
) -> None:
    write_stored_search(tmp_path)
    forge(tmp_path, change)
    _, problems = outcomes_of(tmp_path)
    assert any(problem in text for text in problems)


def test_a_trial_of_another_budget_is_a_problem(tmp_path: Path) -> None:
    """Twice the steps would be twice the budget of the other trials."""
    write_stored_search(tmp_path)
    folder = tmp_path / "tuning" / "mine"
    name = json.loads(search_path(folder).read_text())["methods"][0]["runs"][2]
    spec = RunSpec.model_validate(load_run(RunDir(folder / "runs" / name), "trial").spec)
    longer = spec.model_copy(update={"steps": 2 * spec.steps})
    write_trial(folder, longer, 0.9)
    forge(tmp_path, lambda content: replace_trial(content, name, longer.run_name))
    _, problems = outcomes_of(tmp_path)
    assert [
        f"{longer.run_name} differs from another trial in more than the drawn values" in text
        for text in problems
    ] == [True]


def replace_trial(content: dict[str, Any], name: str, other: str) -> None:
    runs = content["methods"][0]["runs"]
    runs[runs.index(name)] = other


def test_a_search_with_unequal_trials_is_refused(tmp_path: Path) -> None:
    write_stored_search(tmp_path)
    forge(tmp_path, lambda content: content["methods"][0]["runs"].pop())
    with pytest.raises(ValueError, match="methods do not have 5 trials each"):
        outcomes_of(tmp_path)


@pytest.mark.parametrize(
    ("scores", "what"),
    [
        ({"map@r": 7.0}, r"scores.map@r = 7.0, expected 0..1"),
        ({"map@r": "x"}, "scores.map@r = 'x'"),
        ({"map@r": None}, "scores.map@r = None"),
        ({"map@r": float("nan")}, "scores.map@r = nan"),
        ({}, "lacks scores.map@r"),
        ([1], "scores = "),
    ],
)
def test_impossible_test_scores_are_a_problem_and_leave_the_choice(
    tmp_path: Path, scores: object, what: str
) -> None:
    write_stored_search(tmp_path)
    (proxy, _), _ = outcomes_of(tmp_path)
    path = proxy.best.run.directory / "test.json"
    content = {"run": proxy.best.run.record["digest"], "scores": scores}
    path.write_text(json.dumps(content | {"digest": sha256(content)}))
    (again, _), problems = outcomes_of(tmp_path)
    assert again.best.test is None
    (problem,) = problems
    assert f"{path} is damaged" in problem
    assert what in problem


def test_trials_of_two_formulas_choose_nothing(tmp_path: Path) -> None:
    write_stored_search(tmp_path)
    (proxy, _), _ = outcomes_of(tmp_path)
    for number, trial in enumerate(proxy.all):
        (trial.run.directory / "test.json").unlink(missing_ok=True)
        seal(trial.run.directory, loss_source=f"{number > 2:d}" * 64)
    (left,), (problem,) = outcomes_of(tmp_path)
    assert left.searched.method != proxy.searched.method
    names = f"{proxy.all[0].run.name}, {proxy.all[3].run.name}"
    assert problem.endswith(
        f"the code of its loss was changed between its trials, such as {names}; delete those of "
        "the former one"
    )
