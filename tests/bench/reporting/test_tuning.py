"""The report's section on tuning, from made-up trials."""

import re
from pathlib import Path

import pytest

from bench.cli.report import report_name
from bench.cli.tuned import tuned_of
from bench.reporting.page import write_report
from bench.reporting.tuning import ranking_sentences
from bench.store.runs import Run, scan
from bench.suites import load_suite
from bench.tuning.best_of import best_of
from bench.tuning.search import write_search
from tests.support.fabricated import make_spec, seal, write_pictures, write_run
from tests.support.searches import lose_gradients, make_search, write_stored_search

pytestmark = pytest.mark.usefixtures("without_figures")


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """A tuned suite with its trials, and two results on the same data."""
    return write_stored_search(tmp_path)


@pytest.fixture
def runs(tmp_path: Path) -> list[Run]:
    write_pictures(tmp_path, "digits")
    for method in ("Proxy-NCA", "Triplet, semi-hard"):
        write_run(tmp_path, make_spec("digits", method, 0), gain=0.2)
    return scan(tmp_path)[0]


def page_of(suite: Path, runs: list[Run], folder: Path) -> tuple[str, list[str]]:
    tuned, problems = tuned_of(str(suite), load_suite(str(suite)), runs, folder)
    report = write_report(runs, folder, title="Tuned", problems=problems, tuned=tuned)
    return " ".join(report.html.read_text().split()), problems


def test_space_trials_best_default_and_edges_are_shown(
    suite: Path, runs: list[Run], tmp_path: Path
) -> None:
    page, problems = page_of(suite, runs, tmp_path / "report")
    assert not problems
    assert "<h3>Tuning</h3>" in page
    assert "scale 1 to 256 (log); samples per class 2, 4, 8" in page
    assert "5, 1 diverged" in page
    assert "Triplet: trial 3 (" in page
    assert "diverged and counts as 0: the loss became nan at step 2" in page
    assert "80.0 (trial 1)" in page  # best of the triplet loss
    assert "45.0 (learning rate 0.001, margin 0.2, samples per class 4)" in page  # its own values
    assert "every trial had seed 1000" in page
    for heading in ("n = 1", "n = 2", "n = 4", "n = 5"):
        assert heading in page
    assert "By expected MAP@R of the drawn trials on test, at n = 1, 2, 4, 5, the ranking" in page
    assert list((tmp_path / "report" / "figures").glob("*-tuning.svg"))


def test_trials_that_trained_nothing_are_counted_and_named(
    suite: Path, runs: list[Run], tmp_path: Path
) -> None:
    lose_gradients(tmp_path, "Triplet", [1])
    page, problems = page_of(suite, runs, tmp_path / "report")
    assert not problems
    assert "5, 1 diverged, 1 untrained" in page
    assert "Triplet: trial 1 trained nothing: the gradient was 0 at every step." in page
    assert "Proxy-NCA: trial" not in page


def test_without_test_scores_validation_is_shown(runs: list[Run], tmp_path: Path) -> None:
    suite = write_stored_search(tmp_path / "other", tested=False)
    page, _ = page_of(suite, runs, tmp_path / "report")
    assert (
        "By expected MAP@R of the drawn trials on validation, at n = 1, 2, 4, 5, the ranking"
        in page
    )
    assert '<td class="text">test</td>' not in page


def test_without_trials_the_suite_file_says_what_it_can(
    suite: Path, runs: list[Run], tmp_path: Path
) -> None:
    alone = tmp_path / "elsewhere.toml"
    alone.write_text(suite.read_text())
    page, problems = page_of(alone, runs, tmp_path / "report")
    assert not problems
    assert "The trials are not beside the suite file." in page
    assert "80.0 (trial 1)" in page


def test_a_search_that_went_on_is_a_problem(suite: Path, runs: list[Run], tmp_path: Path) -> None:
    more, _ = make_search(tmp_path, trials=6)
    write_search(suite.with_suffix(""), more)
    page, problems = page_of(suite, runs, tmp_path / "report")
    assert re.search(r"was chosen from the search \w+, and that in .* is \w+", problems[0])
    assert "n = 5" not in page


def test_a_choice_that_is_not_the_best_trial_and_edits_are_said(
    suite: Path, runs: list[Run], tmp_path: Path
) -> None:
    text = suite.read_text()
    suite.write_text(text.replace("\ntrial = 1\n", "\ntrial = 2\n"))
    _, problems = page_of(suite, runs, tmp_path / "report")
    assert "digits: the suite says trial 2" in problems[0]
    assert "the best of the search is trial 1" in problems[0]
    suite.write_text(text.replace("steps = 12", "steps = 24"))
    page, problems = page_of(suite, runs, tmp_path / "report")
    assert not problems
    assert "Edited by hand: Proxy-NCA on digits: its values or its budget were edited" in page


def test_results_on_other_images_than_the_search_are_refused(suite: Path, runs: list[Run]) -> None:
    results = runs[0].directory.parents[1]
    for run in runs:
        seal(run.directory, data_checksum="d" * 64)
    with pytest.raises(ValueError, match="digits: the hyper-parameters were tuned on images"):
        tuned_of(str(suite), load_suite(str(suite)), scan(results)[0], results)


def test_a_suite_and_its_tuned_form_have_two_reports(suite: Path) -> None:
    tuned = load_suite(str(suite))
    assert report_name("mine.toml", tuned.model_copy(update={"tuning": None})) == "mine"
    assert report_name(str(suite), tuned) == "mine-tuned"


def test_what_is_said_of_the_ranking() -> None:
    steady = [0.5, 0.52, 0.51, 0.5]
    risky = [0.1, 0.2, 0.9, 0.1]
    scores = {"validation": {"A": best_of(steady, steady), "B": best_of(risky, risky)}}
    (text,) = ranking_sentences(scores)
    assert "changes with the tuning budget, and with it who leads" in text
    assert "A, B at n = 1; B, A at n = 2." in text
    low = [0.1, 0.2, 0.1, 0.1]
    scores = {"validation": {"A": best_of(steady, steady), "B": best_of(low, low)}}
    (text,) = ranking_sentences(scores)
    assert text.endswith("at n = 1, 2, 4, the ranking is the same: A, B.")
    assert ranking_sentences({"validation": {"A": best_of(low, low)}}) == []


def test_methods_of_equal_expected_scores_are_tied() -> None:
    scores = {"B": [0.1, 0.3, 0.9], "A": [0.9, 0.3, 0.1], "C": [0.1, 0.2, 0.9], "D": [0.1] * 3}
    (text,) = ranking_sentences(
        {"validation": {method: best_of(own, own) for method, own in scores.items()}}
    )
    assert text.endswith(
        "at n = 1, 2, 3, the ranking changes with the tuning budget, and with it who leads: A and "
        "B (tied), C, D at n = 1; A and B and C (tied), D at n = 3. Differences within the bands "
        "are not shown by these trials."
    )
    one = {method: best_of([0.9], [0.9]) for method in "AB"}
    (text,) = ranking_sentences({"validation": one})
    assert text.endswith("at n = 1, the ranking is: A and B (tied).")
