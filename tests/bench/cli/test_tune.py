"""`proxy-bench tune`: what is refused, and a search of two trials from the first to the report."""

import json
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.cli import tune as command
from bench.cli.tune import Options, check_suite, keep_former, notes, summary, tune
from bench.reporting.tuning import diverged_sentences
from bench.store.runs import RunDir
from bench.suites import load_suite
from bench.tuning import draw
from bench.tuning.search import WITH_START, default_specs, read_search, write_search
from tests.support.fabricated import seal
from tests.support.searches import (
    SUITE,
    lose_gradients,
    make_search,
    outcomes_of,
    write_stored_search,
    write_suite,
)

pytestmark = pytest.mark.usefixtures("without_figures")


def options(results: Path, **changes: object) -> Options:
    fields = {"trials": 2, "seed": 1000, "results": results, "data_root": None}
    fields |= {"processes": 2, "device": "cpu", "test": False}
    return Options(**{**fields, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda text: text.replace("seeds = [0, 1]", "seeds = [0, 1000]"),
            r"--seed 1000 is also a seed of the runs of mine \(seeds = \[0, 1000\]\)",
        ),
        (
            lambda text: text.replace("evaluate_every = 4", "evaluate_every = 6"),
            "mine: budgets.digits has fewer than 3 validations after the start",
        ),
    ],
)
def test_a_suite_that_cannot_be_searched_is_refused(
    change: Callable[[str], str], message: str, tmp_path: Path
) -> None:
    suite = load_suite(write_suite(tmp_path, change(SUITE)))
    with pytest.raises(ValueError, match=message):
        check_suite(suite, "mine", 1000)


def test_a_tuned_suite_is_not_tuned_again(tmp_path: Path) -> None:
    path = write_stored_search(tmp_path)
    with pytest.raises(ValueError, match="holds the values that a search of 'Two methods' chose"):
        tune(str(path), options(tmp_path))


def test_without_optuna_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "optuna", None)
    with pytest.raises(ValueError, match=r"pip install 'proxy-bench\[tune\]'"):
        draw.load_optuna()


def test_another_search_in_the_folder_is_refused_before_anything_is_written(
    tmp_path: Path,
) -> None:
    results = tmp_path / "results"
    folder = results / "tuning" / "mine"
    search, _ = make_search(tmp_path)
    write_search(folder, search)  # whose data is made up
    before = (folder / "search.json").read_bytes()
    with pytest.raises(ValueError, match="digits has images with the checksum cccccccccccc there"):
        tune(str(tmp_path / "mine.toml"), options(results))
    assert [path.name for path in folder.iterdir()] == ["search.json"]
    assert (folder / "search.json").read_bytes() == before


def test_a_suite_file_with_edits_is_kept_beside_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    assert keep_former(path, "new") is None
    path.write_text("new")
    assert keep_former(path, "new") is None
    path.write_text("edited")
    assert keep_former(path, "new") == tmp_path / "mine.before.toml"
    assert (tmp_path / "mine.before.toml").read_text() == "edited"
    path.write_text("edited again")
    assert keep_former(path, "new") == tmp_path / "mine.before2.toml"
    assert (tmp_path / "mine.before.toml").read_text() == "edited"


@pytest.mark.parametrize("root", [None, Path("my data")])
def test_the_last_line_runs_the_chosen_suite_on_the_same_data(
    root: Path | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_stored_search(tmp_path)
    outcomes, _ = outcomes_of(tmp_path)
    search = read_search(path.with_suffix(""))
    assert search
    suite = load_suite(str(tmp_path / "mine.toml"))
    command.finish(suite, search, outcomes, path.with_suffix(""), options(tmp_path, data_root=root))
    last = capsys.readouterr().out.splitlines()[-1]
    expected = ["run", str(path), "--results", str(tmp_path)]
    expected += ["--data-root", str(root)] if root else []
    assert shlex.split(last)[2:] == expected


def test_edges_divergence_and_better_own_values_are_said(tmp_path: Path) -> None:
    write_stored_search(
        tmp_path,
        trials=40,  # the first one is as good as the suite's own values
        score=lambda method, trial: None if trial == 2 else 0.9 - max(trial - 1, 0) / 100,
    )
    outcomes, _ = outcomes_of(tmp_path)
    lines = notes(outcomes)
    assert (
        sum("trial 2 diverged and counts as 0: the loss became nan" in text for text in lines) == 2
    )
    kept = "none of the 40 trials scores higher than the suite's own values, which are kept"
    assert sum(kept in text for text in lines) == 2
    edges = [edge for outcome in outcomes for edge in outcome.edges]
    assert [line for line in lines if line.startswith("edge")] == [
        f"edge    {outcome.searched.method} on digits: {edge}"
        for outcome in outcomes
        for edge in outcome.edges
    ]
    near = [
        dimension.edge(outcome.best.values[dimension.name])  # type: ignore[arg-type]
        for outcome in outcomes
        for dimension in outcome.searched.space
    ]
    assert len(edges) == len(list(filter(None, near)))


@pytest.mark.parametrize(
    ("score", "end"), [(0.99, "more trials may find better ones"), (1.0, "nothing is above 100 %")]
)
def test_better_values_are_hoped_for_below_100_percent(
    tmp_path: Path, score: float, end: str
) -> None:
    write_stored_search(tmp_path, score=lambda method, trial: score)
    outcomes, _ = outcomes_of(tmp_path)
    kept = [line for line in notes(outcomes) if line.startswith("note")]
    assert len(kept) == 2
    assert all(line.endswith(f"suite's own values, which are kept; {end}") for line in kept)


def test_own_values_that_diverged_are_named(tmp_path: Path) -> None:
    write_stored_search(tmp_path, score=lambda method, trial: 0.5 if trial else None)
    outcomes, _ = outcomes_of(tmp_path)
    assert [len(outcome.diverged) for outcome in outcomes] == [0, 0]  # of the drawn ones
    assert sum("trial 0 diverged and counts as 0" in line for line in notes(outcomes)) == 2
    said = diverged_sentences(outcomes)
    assert [text.partition(" (")[0] for text in said] == ["Proxy-NCA: trial 0", "Triplet: trial 0"]


def test_trials_that_trained_nothing_are_counted_and_named(tmp_path: Path) -> None:
    write_stored_search(tmp_path)
    lose_gradients(tmp_path, "Triplet", [0, 2, 4])
    outcomes, problems = outcomes_of(tmp_path)
    assert not problems
    table = summary(outcomes)
    assert [*table.columns[4].cells] == ["0", "2"]  # of the drawn ones
    text = "trials 0, 2, 4 trained nothing: the gradient was 0 at every step"
    assert f"note    Triplet on digits: {text}" in notes(outcomes)
    assert sum("trained nothing" in line for line in notes(outcomes)) == 1


@pytest.mark.slow
def test_a_search_is_executed_chosen_and_found_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes, then one trial again in one process: the same suite, to the byte."""
    pytest.importorskip("optuna", reason="Optuna is not installed")
    text = SUITE.replace("seeds = [0, 1]", "seeds = [0]").partition("[methods.Triplet]")[0]
    suite, results = write_suite(tmp_path, text), tmp_path / "results"
    assert tune(suite, options(results))
    chosen = results / "tuning" / "mine.toml"
    first = chosen.read_bytes()
    loaded = load_suite(str(chosen))
    assert loaded.tuning
    assert loaded.edited == []
    assert "final MAP@R on validation" in capsys.readouterr().out
    runs = sorted((results / "tuning" / "mine" / "runs").iterdir())
    assert len(runs) == 3
    best = loaded.tuning.budgets["digits"].methods["Proxy-NCA"].run
    lost = RunDir(next(path for path in runs if path.name.endswith(best)))
    parameters = json.loads(lost.record.read_text())["parameters"]
    lost.record.unlink()
    scored: list[int] = []
    monkeypatch.setattr(
        "bench.running.score_trials.score_trials",
        lambda runs, *rest: scored.append(len(runs)),
    )
    assert tune(suite, options(results, processes=1, test=True))
    assert chosen.read_bytes() == first
    assert json.loads(lost.record.read_text())["parameters"] == parameters
    assert scored == [3]
    assert not (results / "tuning" / "mine.before.toml").exists()
    folder = results / "tuning" / "mine"
    stored = read_search(folder)
    assert stored
    write_search(folder, stored.model_copy(update={"criterion": WITH_START}))
    assert tune(suite, options(results, processes=1))  # goes on by the criterion of its beginning
    continued = read_search(folder)
    assert continued
    assert continued.criterion == WITH_START
    seal(lost.path, loss_source="0" * 64)
    chosen_before = chosen.read_bytes()
    capsys.readouterr()
    assert not tune(suite, options(results, processes=1))
    output = " ".join(capsys.readouterr().out.split())
    assert "note: the code of the loss of Proxy-NCA has changed since these runs" in output
    assert str(lost.path) in output
    assert "the code of its loss was changed between its trials" in output
    assert chosen.read_bytes() == chosen_before


def test_a_written_suite_that_would_run_other_values_is_an_error(
    tmp_path: Path,
) -> None:
    path = write_stored_search(tmp_path)
    outcomes, _ = outcomes_of(tmp_path)
    command.check_written(path, outcomes)
    path.write_text(path.read_text().replace("steps = 12", "steps = 24"))
    with pytest.raises(ValueError, match="does not hold the values that were chosen"):
        command.check_written(path, outcomes)
    assert default_specs(load_suite(str(path)), 1000)
