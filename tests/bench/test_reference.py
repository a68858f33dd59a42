"""The committed results: complete, of the present suite, true to themselves, and in the README."""

from pathlib import Path

import numpy as np
import pytest

from bench.datasets import load
from bench.reporting.readme import results_block, with_block
from bench.store.runs import Run, scan
from bench.store.thumbnails import load_thumbnails, thumbnails_path
from bench.suites import load_suite

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "results" / "reference"


@pytest.fixture(scope="module")
def runs() -> list[Run]:
    runs, problems = scan(REFERENCE)
    assert problems == []
    return runs


def test_they_are_the_default_suite_as_it_stands(runs: list[Run]) -> None:
    suite = load_suite("default")
    expected = {spec.run_name for spec in suite.specs}
    assert {run.name for run in runs} == expected, "make them anew: tox -e reference"


def test_they_were_made_from_a_commit_without_changes(runs: list[Run]) -> None:
    commits = {run.record["environment"]["commit"] for run in runs}
    assert commits != {"unknown"}
    assert not [commit for commit in commits if commit.endswith("+changes")]


def test_scores_follow_from_the_stored_neighbors_of_one_seed(runs: list[Run]) -> None:
    stored = [run for run in runs if run.files.queries.exists()]
    assert {run.spec["seed"] for run in runs if run not in stored} <= {1, 2}
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
    for name in {run.spec["dataset"] for run in runs}:
        fingerprint = load(name, None, "class-disjoint").fingerprint
        stored = {r.record["split"]["fingerprint"] for r in runs if r.spec["dataset"] == name}
        assert stored == {fingerprint}


def test_their_report_has_at_most_five_megabytes() -> None:
    pages = list(REFERENCE.glob("reports/*/report.html"))
    assert pages
    assert max(page.stat().st_size for page in pages) <= 5_000_000


def test_the_readme_shows_them(runs: list[Run]) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert with_block(text, results_block(runs)) == text, "make it anew: tox -e reference"


def test_a_readme_without_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="must both stand in the text"):
        with_block("nothing", "block")
    assert with_block("a\n<!-- results -->\nold<!-- /results -->\nb", "new\n") == (
        "a\n<!-- results -->\nnew\n<!-- /results -->\nb"
    )
