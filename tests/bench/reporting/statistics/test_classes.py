"""The bootstrap over test classes against loops and known truths; both uncertainties as data."""

import csv
import io
import time
from pathlib import Path

import numpy as np
import pytest

from bench.reporting.groups import group_id
from bench.reporting.page import write_report
from bench.reporting.rows import summarise
from bench.reporting.statistics import uncertainty
from bench.reporting.statistics.classes import class_sums, half_width, resampled
from bench.reporting.statistics.verdicts import RULE
from bench.store.runs import Run, scan
from bench.store.seed_plan import SeedPlan, keep_plan
from tests.support.fabricated import CLASSES, METHODS, write_results

pytestmark = pytest.mark.usefixtures("without_figures")


@pytest.fixture
def runs(tmp_path: Path) -> list[Run]:
    return scan(write_results(tmp_path, ("digits",)))[0]


def test_sums_are_those_of_a_plain_loop() -> None:
    generator = np.random.default_rng(0)
    values, labels = generator.random((50, 3)), generator.choice([7, 2, 9], 50)
    sums, counts = class_sums(values, labels)
    for number, label in enumerate([2, 7, 9]):
        assert sums[number] == pytest.approx(sum(values[labels == label]))
        assert counts[number] == (labels == label).sum()


def test_a_drawn_class_brings_all_its_queries() -> None:
    """Of two classes, three of four draws hold both or one of them twice."""
    means = resampled(np.array([[9.0], [0.0]]), np.array([10, 30]))[:, 0]
    assert set(np.round(means, 6)) == {0.9, 0.225, 0.0}
    assert np.mean(means == 0.225) == pytest.approx(0.5, abs=0.05)


def test_all_methods_see_the_same_draws() -> None:
    sums = np.random.default_rng(1).random((20, 1))
    means = resampled(np.column_stack([sums, sums + 0.5]), np.ones(20))
    assert np.ptp(means[:, 1] - means[:, 0]) < 1e-12
    assert half_width(means, 20)[0] > 0.1


@pytest.mark.parametrize("classes", [4, 12, 100])
def test_the_interval_covers_the_mean_of_other_classes(classes: int) -> None:
    """Classes of one size with scores from a normal distribution: 95 % of intervals hold its
    mean."""
    generator = np.random.default_rng(classes)
    scores = generator.normal(0.6, 0.1, (classes, 1000))
    means = resampled(10 * scores, np.full(classes, 10))
    half = half_width(means, classes)
    covered = np.abs(scores.mean(axis=0) - 0.6) <= half
    assert covered.mean() == pytest.approx(0.95, abs=0.025)


def test_one_class_shows_no_spread() -> None:
    assert np.isnan(half_width(resampled(np.ones((1, 2)), np.ones(1)), 1)).all()


def test_two_thousand_draws_of_as_many_classes_as_products_have_take_seconds() -> None:
    started = time.process_time()
    resampled(np.ones((2000, 6)), np.ones(2000))
    assert time.process_time() - started < 2


def test_without_a_rule_seeds_that_a_plan_added_are_a_problem(runs: list[Run]) -> None:
    results, last = runs[0].directory.parent.parent, runs[-1]
    added = ((group_id(last), int(last.spec["seed"])),)
    plan = SeedPlan(seeds=(90, 91), most=4, margin=0.02, methods=(group_id(last),), added=added)
    keep_plan(results, "grown", plan)
    _, (problem,) = uncertainty.frame(runs)
    assert problem.startswith("`run grown --until-decided` added seeds until pairs were decided")
    assert f"({last.spec['method']} {last.spec['seed']})" in problem
    assert uncertainty.frame(runs, RULE)[1] == []


def test_the_frame_has_both_uncertainties_of_methods_and_pairs(runs: list[Run]) -> None:
    table, problems = uncertainty.frame(runs)
    assert problems == []
    assert list(table.columns) == list(uncertainty.COLUMNS)
    alone, pairs = table[table["minus"] == ""], table[table["minus"] != ""]
    assert len(alone) == len(pairs) == 3 * 2
    for row in summarise(runs)[:3]:
        same = (alone["method"] == row.method) & (alone["score"] == "map@r")
        (found,) = alone[same].to_dict("records")
        expected = row.scores["map@r"]
        assert (found["mean"], found["half_width_seeds"]) == (expected.mean, expected.half)
        assert (found["n_seeds"], found["n_classes"], found["n_runs_classes"]) == (3, CLASSES, 3)
        assert 0 < found["half_width_classes"] < 1
    assert (pairs["mean"] >= 0).all()
    assert set(pairs["verdict"]) <= {"better", "worse", "same", "undecided"}


def test_the_difference_of_equal_methods_does_not_depend_on_classes(runs: list[Run]) -> None:
    first, second = [run for run in runs if run.spec["seed"] == 0][:2]
    twin = Run(second.directory, {**second.record, "scores": first.scores})
    twin.__dict__["queries"] = first.queries
    table, _ = uncertainty.frame([first, twin])
    pair = table[(table["minus"] != "") & (table["score"] == "recall@1")].iloc[0]
    assert (pair["mean"], pair["half_width_classes"]) == (0, 0)


def test_runs_without_queries_have_no_interval_over_classes(runs: list[Run]) -> None:
    def without(run: Run) -> Run:
        kept = {name: d for name, d in run.digests.items() if name != "queries.safetensors"}
        return Run(run.directory, {**run.record, "files": kept})

    some = [without(run) if run.spec["method"] in list(METHODS)[:1] else run for run in runs]
    table, problems = uncertainty.frame(some)
    assert problems == []
    lacks = table["half_width_classes"].isna()
    named = (table["method"] == "Proxy-NCA") | (table["minus"] == "Proxy-NCA")
    assert (lacks == named).all()
    none, _ = uncertainty.frame([without(run) for run in runs])
    assert none["half_width_classes"].isna().all()


@pytest.mark.parametrize("damage", ["missing", "others"])
def test_without_the_right_pictures_there_is_a_problem(
    runs: list[Run], tmp_path: Path, damage: str
) -> None:
    (pictures,) = (tmp_path / "pictures").iterdir()
    if damage == "missing":
        pictures.unlink()
    else:
        runs = [Run(run.directory, {**run.record, "picture_names": "0" * 64}) for run in runs]
    table, (problem,) = uncertainty.frame(runs)
    assert pictures.name in problem
    assert "there is no interval over test classes" in problem
    assert table["half_width_classes"].isna().all()
    assert problem in write_report(runs, tmp_path / "report", title="x").problems


def test_page_and_csv_have_both_side_by_side(runs: list[Run], tmp_path: Path) -> None:
    report = write_report(runs, tmp_path / "report", title="x")
    page = " ".join(report.html.read_text(encoding="utf-8").split())
    section = page.split("Other seeds, other classes")[1].split("</table>")[0]
    assert section.count("<tr>") == 2 + 3 + 3
    assert "from 2,000 draws of the 6 classes with replacement" in section
    assert "from the runs that keep their queries (3 of a method)" in section
    assert "fewer than 20 classes" in section
    lines = list(csv.DictReader(io.StringIO(report.tables[1].read_text(encoding="utf-8"))))
    assert len(lines) == 12
    assert {line["verdict"] for line in lines if not line["minus"]} == {""}


def test_a_pair_has_one_sign_for_all_scores_on_the_page(runs: list[Run]) -> None:
    table, _ = uncertainty.frame(runs)
    pair = table[table["minus"] != ""].to_dict("records")[0]
    forth = uncertainty.lines(table, [(pair["method"], pair["minus"])])[-1]
    back = uncertainty.lines(table, [(pair["minus"], pair["method"])])[-1]
    points = f"{100 * pair['mean']:.1f}"
    assert (forth[1], back[1]) == (points, f"−{points}")
    steady = uncertainty.lines(table.assign(half_width_seeds=0.0), [])[0]
    assert steady[2] == "–"  # equal scores do not show what is chance
    assert forth[4].strip("−") == back[4].strip("−")
    assert forth[4] != back[4]
    assert forth[2::3] == back[2::3]
