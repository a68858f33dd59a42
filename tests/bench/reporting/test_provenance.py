"""What is said of runs that ended early, and of scores that no embedding changes."""

from pathlib import Path

import pandas as pd
import pytest

from bench.reporting.page import write_report
from bench.reporting.provenance import (
    constant_sentence,
    early_sentence,
    machine_sentence,
    perfect_runs,
    possible_accuracy_sentence,
    random_sentence,
)
from bench.store.runs import Run, scan
from tests.support import fabricated
from tests.support.fabricated import make_spec, seal, write_run

pytestmark = pytest.mark.usefixtures("without_figures")


def test_the_page_names_the_runs_that_ended_early() -> None:
    images = {"A": [3200, 1280, 1920], "B": [3200] * 3}
    members = pd.DataFrame(
        [
            {"method": method, "loss": "x", "steps": 100, "batch_size": 32, "cost.images": count}
            | {"run": f"{method}{number}"}
            for method, counts in images.items()
            for number, count in enumerate(counts)
        ]
    )
    text = early_sentence(members, {"A0", "B0"})
    assert "had stopped improving: A (2 of 3 runs, after 40, 60 steps). Such" in text
    assert "with fewer than four validations it is in no number on convergence" in text
    assert early_sentence(members[members["method"] == "B"], set()) == ""
    mixed = early_sentence(members, {"A1"})
    reached = "had reached 100 %, above which nothing can improve"  # also where it fell after that
    assert f"had stopped improving, once because it {reached}: A (" in mixed
    perfect = early_sentence(members, {"A1", "A2"})
    assert f"Ended early, because validation {reached}: A (2 of" in perfect


def test_seconds_are_of_one_machine_and_one_arithmetic() -> None:
    """Pinned arithmetic is slower; runs without pins are alike, whether stored as none or not."""
    environment = {"environment.cpu": "CPU", "environment.device": "cpu", "environment.threads": 1}
    rows = [environment | {"environment.pins": pins} for pins in ("", None)]
    assert "one kind of machine: CPU, cpu, 1 thread." in machine_sentence(pd.DataFrame(rows))
    assert "one kind of machine" in machine_sentence(pd.DataFrame([environment]))
    rows.append(environment | {"environment.pins": "OMP_NUM_THREADS=1"})
    assert "2 kinds of machine or arithmetic" in machine_sentence(pd.DataFrame(rows))
    moved = [environment | {"environment.cpu": "CPU, then GPU"}] * 2
    assert "2 kinds of machine or arithmetic" in machine_sentence(pd.DataFrame(moved))
    silent = [environment | {"environment.features": features} for features in ("", None)]
    assert "one kind of machine" in machine_sentence(pd.DataFrame(silent))
    virtual = [environment | {"environment.features": features} for features in ("avx2", "avx512")]
    assert "2 kinds of machine or arithmetic" in machine_sentence(pd.DataFrame(virtual))


def test_runs_are_perfect_once_validation_reached_100_percent() -> None:
    runs = [Run(Path(name), {}) for name in "abc"]
    for run, scores in zip(runs, ([1.0, 0.9], [0.99], []), strict=True):
        run.__dict__["curve"] = [{"map@r": score} for score in scores]
    assert perfect_runs(runs) == {"a"}
    assert perfect_runs([Run(Path("lost"), {"files": {}})]) == set()


@pytest.mark.parametrize(
    ("per_class", "expected"),
    [
        (3, "100 % for any embeddings: R@4, R@8, since no query has more than 3 images of other"),
        (5, "100 % for any embeddings: R@8, since no query has more than 5 images of other"),
        (8, ""),
    ],
)
def test_scores_that_no_embedding_changes_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, per_class: int, expected: str
) -> None:
    monkeypatch.setattr(fabricated, "CLASSES", 2)
    monkeypatch.setattr(fabricated, "PER_CLASS", per_class)
    write_run(tmp_path, make_spec("digits", "Proxy-NCA", 0), gain=0.1)
    runs, problems = scan(tmp_path)
    assert not problems
    assert constant_sentence(runs)[: len(expected) or None] == expected


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        (2, "R@1 of random neighbors is about 47 %, since up to 7 of the 15 images that a query"),
        (5, ""),  # 7 of 39
    ],
)
def test_what_random_neighbors_reach_is_named_where_it_is_high(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, classes: int, expected: str
) -> None:
    monkeypatch.setattr(fabricated, "CLASSES", classes)
    write_run(tmp_path, make_spec("digits", "Proxy-NCA", 0), gain=0.1)
    runs, problems = scan(tmp_path)
    assert not problems
    assert random_sentence(runs)[: len(expected) or None] == expected
    report = write_report(runs, tmp_path / "report", title="x")
    for text in (*report.regimes, report.html.read_text("utf-8")):
        assert ("R@1 of random neighbors" in text) == bool(expected)
    (tmp_path / "runs" / runs[0].name / "queries.safetensors").write_bytes(b"")
    assert random_sentence(scan(tmp_path)[0]) == ""


def with_fact(results: Path, name: str, value: int) -> tuple[list[Run], list[Run]]:
    """The runs of a results folder before and after one stores a further fact of its split."""
    directory = write_run(results, make_spec("digits", "Proxy-NCA", 0), gain=0.1)
    before, _ = scan(results)
    seal(directory, split=before[0].record["split"] | {name: value})
    after, problems = scan(results)
    assert not problems
    return before, after


def test_with_a_gallery_the_stored_number_says_which_scores_are_constant(tmp_path: Path) -> None:
    before, after = with_fact(tmp_path, "most_negatives", 4)
    assert constant_sentence(before) == ""
    assert constant_sentence(after).startswith(
        "100 % for any embeddings: R@8, since no query has more"
    )


def test_the_report_says_which_accuracy_is_possible(tmp_path: Path) -> None:
    before, after = with_fact(tmp_path, "trained_test_images", 12)
    assert possible_accuracy_sentence(before) == ""
    sentence = "36 of 48 test images are of classes without training images: no accuracy can exceed"
    assert possible_accuracy_sentence(after) == f"{sentence} 25.0 %."
    report = write_report(after, tmp_path / "report", title="x")
    assert sentence in report.regimes[0]
