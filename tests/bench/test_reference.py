"""The committed results: complete, of the present suite, true to themselves, and in the README."""

from pathlib import Path

import numpy as np
import pytest

from bench.cli.tuned import tuned_of
from bench.datasets import find
from bench.reporting.documents.readme import results_block, with_block
from bench.store.runs import Run, scan
from bench.store.thumbnails import load_thumbnails, thumbnails_path
from bench.suites import load_suite
from bench.tuning import outcomes

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "results" / "reference"


@pytest.fixture(scope="module")
def runs() -> list[Run]:
    runs, problems = scan(REFERENCE)
    assert problems == []
    return runs


def test_they_are_the_present_default_suite_with_ten_seeds(runs: list[Run]) -> None:
    bundled, own = load_suite("default"), load_suite(str(REFERENCE / "default.toml"))
    assert own.seeds == [*range(10)]
    assert own.model_copy(update={"seeds": bundled.seeds}) == bundled
    expected = {spec.run_name for spec in own.specs}
    assert {run.name for run in runs} == expected, "make them again: tox -e reference"


def test_the_default_suite_has_the_values_that_a_stored_search_chose(runs: list[Run]) -> None:
    chosen = load_suite("default")
    tuned, problems = tuned_of("default", chosen, runs, REFERENCE)
    assert problems == []
    assert chosen.edited == []
    assert tuned
    assert {len(outcome.trials) for outcome in tuned.outcomes} == {16}
    assert outcomes.tested(tuned.outcomes)
    searched = {spec.method: spec for spec in load_suite("untuned").grid([1000])}
    assert {outcome.searched.method for outcome in tuned.outcomes} == {*searched}


def test_they_were_made_from_a_commit_without_changes(runs: list[Run]) -> None:
    commits = {run.record["environment"]["commit"] for run in runs}
    assert commits != {"unknown"}
    assert not [commit for commit in commits if commit.endswith("+changes")]


def test_scores_follow_from_the_stored_neighbors_of_one_seed(runs: list[Run]) -> None:
    stored = [run for run in runs if run.files.queries.exists()]
    assert {run.spec["seed"] for run in runs if run not in stored} <= {*range(1, 10)}
    for run in stored:
        fingerprint = run.record["split"]["fingerprint"]
        pictures = load_thumbnails(thumbnails_path(REFERENCE, run.spec["dataset"], fingerprint))
        neighbors = run.queries["neighbors"]
        hits = pictures.labels[neighbors] == pictures.labels[:, None]
        for k in (1, 2, 4, 8):
            recall = hits[:, :k].any(axis=1).mean()
            assert recall == pytest.approx(run.scores[f"recall@{k}"], abs=1e-12)
        mean = run.queries["average_precision"].astype(np.float64).mean()
        assert mean == pytest.approx(run.scores["map@r"], abs=1e-6)


def test_their_splits_are_the_pinned_ones(runs: list[Run]) -> None:
    for run in runs:
        pinned = find(run.spec["dataset"]).fingerprints[run.spec["split"]]
        assert run.record["split"]["fingerprint"] == pinned


def test_they_are_small() -> None:
    files = [path for path in REFERENCE.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 10e6


def test_their_report_has_at_most_five_megabytes() -> None:
    pages = list(REFERENCE.glob("reports/*/report.html"))
    assert pages
    assert max(page.stat().st_size for page in pages) <= 5_000_000


def test_the_readme_shows_them(runs: list[Run]) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert with_block(text, results_block(runs)) == text, "make it again: tox -e reference"


def test_a_readme_without_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="must both be in the text"):
        with_block("nothing", "block")
    assert with_block("a\n<!-- results -->\nold<!-- /results -->\nb", "new\n") == (
        "a\n<!-- results -->\nnew\n<!-- /results -->\nb"
    )
