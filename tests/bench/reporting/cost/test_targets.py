"""Targets: made from runs, frozen from tuned ones, and refused where the test is another one."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from bench.reporting.cost import targets
from bench.reporting.cost.convergence import SCORES, read_curves
from bench.reporting.cost.cost_to_target import converged
from bench.reporting.cost.targets import COUNT, TEST, find_targets, freeze, frozen, main, spread
from bench.reporting.page import convergence_caption, write_report
from bench.spec import PROTOCOL
from bench.store.runs import scan
from bench.suites import load_suite
from tests.support.fabricated import FINGERPRINT, make_spec, write_pictures, write_run
from tests.support.made_curves import make_curves
from tests.support.searches import write_stored_search

pytestmark = pytest.mark.usefixtures("without_figures")

RISES = {"A": [[0.1, 0.5, 0.6, 0.7]], "B": [[0.3, 0.4, 0.4, 0.4]]}


def a_table(*values: str, **changes: Any) -> dict[str, Any]:
    """A table of `targets.toml`; values: of `TEST` and the score."""
    fields = dict(
        zip((*TEST, "metric"), values or ("tiny", "official", "conv4", "recall@1"), strict=True)
    )
    identity = {"protocol": PROTOCOL, "fingerprint": FINGERPRINT}
    return {**fields, **identity, "source": "a test", "scores": [0.2, 0.9], **changes}


def test_targets_rise_to_the_best_final_score() -> None:
    scores = spread(make_curves(RISES), "recall@1")
    assert len(scores) == COUNT
    assert scores[0] == pytest.approx(0.2 + 0.04)
    assert scores[-1] == pytest.approx(0.6)


def test_frozen_targets_come_before_those_of_the_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "frozen", lambda: (a_table(),))
    found = find_targets(make_curves(RISES), "recall@1")
    assert found
    assert (found.scores, found.source) == ((0.2, 0.9), "frozen: a test")
    networks = make_curves(RISES).assign(backbone=["conv4"] * 4 + ["resnet18"] * 4)
    assert not find_targets(networks, "recall@1").frozen  # type: ignore[union-attr]
    other = find_targets(make_curves(RISES), "map@r")
    assert other
    assert other.source.startswith("made from these runs")
    assert other.refused == ""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"protocol": 7}, f"have 7 and these runs {PROTOCOL} as version of the protocol"),
        (
            {"fingerprint": "0" * 64},
            "have 000000000000 and these runs ffffffffffff as fingerprint of the split",
        ),
    ],
)
def test_targets_of_another_test_are_refused_and_both_sides_named(
    change: dict[str, Any], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(targets, "frozen", lambda: (a_table(**change),))
    found = find_targets(make_curves(RISES), "recall@1")
    assert found
    assert found.scores == spread(make_curves(RISES), "recall@1")
    assert f"tiny, official split: the frozen targets of R@1 {words}; the frozen" in found.refused


def test_frozen_targets_are_of_one_validation_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the split varies, each run is validated on its own."""
    monkeypatch.setattr(targets, "frozen", lambda: (a_table(),))
    found = find_targets(make_curves(RISES).assign(drawn_validation=True), "recall@1")
    assert found
    assert found.scores == spread(make_curves(RISES), "recall@1")
    assert found.source.endswith("those of one validation part, and here the split varies")
    assert found.refused == ""


def test_curves_say_whether_a_run_drew_its_validation_part(tmp_path: Path) -> None:
    spec = make_spec("digits", "Proxy-NCA", 0)
    sources = None, "split", "weights"
    specs = [spec.model_copy(update={"varies": source}) for source in sources]
    for spec in specs:
        write_run(tmp_path, spec, gain=0.3)
    runs, _ = scan(tmp_path)
    curves, problems = read_curves(runs, {run.name: run.name for run in runs})
    assert not problems
    drawn = curves.groupby("run")["drawn_validation"].first()
    assert {run.name for run in runs if drawn[run.name]} == {specs[1].run_name}
    assert [found.drawn_validation for found in converged(curves)] == [True, True]
    assert "validated on a part that was drawn for it" in convergence_caption(curves)
    assert "drawn" not in convergence_caption(curves[~curves["drawn_validation"].astype(bool)])
    assert "drawn" not in convergence_caption(read_curves([], {})[0])


def test_the_report_names_refused_targets_as_a_problem_and_says_which_it_has(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write_pictures(tmp_path, "digits")
    for seed in range(2):
        write_run(tmp_path, make_spec("digits", "Proxy-NCA", seed), gain=0.3)
    backbone = str(make_spec("digits", "Proxy-NCA", 0).backbone)
    of_digits = ("digits", "class-disjoint", backbone)
    tables = (
        a_table(*of_digits, "recall@1", fingerprint="0" * 64),
        a_table(*of_digits, "map@r", scores=[0.1 * k for k in range(1, 11)]),
    )
    monkeypatch.setattr(targets, "frozen", lambda: tables)
    report = write_report(scan(tmp_path)[0], tmp_path / "report", title="x")
    assert len(report.problems) == 1
    assert "the frozen targets of R@1 have 000000000000" in report.problems[0]
    page = " ".join(report.html.read_text().split())
    assert "three of 10, frozen: a test." in page
    assert "three of 10, made from these runs, between the untrained" in page


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Two runs of each tuned method, and one that has other values and ends higher."""
    suite = load_suite(str(write_stored_search(tmp_path)))
    for spec in suite.specs:
        write_run(tmp_path, spec, gain=0.4 if spec.method == "Triplet" else 0.1)
    untuned = suite.specs[0].model_copy(update={"learning_rate": 0.5, "method": "Untuned"})
    write_run(tmp_path, untuned, gain=2.0)
    return tmp_path


def test_targets_are_frozen_from_tuned_runs_alone(results: Path) -> None:
    content = tomllib.loads(freeze([results]))
    assert content["protocol"] == PROTOCOL
    assert [table["metric"] for table in content["targets"]] == [*SCORES]
    runs, _ = scan(results)
    for table in content["targets"]:
        assert (table["dataset"], table["split"], table["fingerprint"]) == (
            *("digits", "class-disjoint"),
            FINGERPRINT,
        )
        assert "best of 2 tuned methods (trials: 5), of 4 runs" in table["source"]
        assert len(table["scores"]) == COUNT
        ends = {run.spec["method"]: run.curve[-1][table["metric"]] for run in runs}
        assert table["scores"][-1] <= ends["Triplet"] < ends["Untuned"]


def test_frozen_text_is_what_the_program_reads(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = results / "targets.toml"
    path.write_text(freeze([results]))
    monkeypatch.setattr(targets, "FILE", path)
    frozen.cache_clear()
    page = write_report(scan(results)[0], results / "report", title="x").html.read_text()
    frozen.cache_clear()
    assert " ".join(page.split()).count("three of 10, frozen: between the untrained network") == 2


def test_nothing_is_frozen_of_untuned_or_damaged_results(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match=r"give the folders of results"):
        main([])
    main([str(results)])
    assert capsys.readouterr().out.startswith("protocol = ")
    (results / "tuning" / "mine").rename(results / "tuning-elsewhere")
    with pytest.raises(SystemExit, match=r"none of its 5 runs has values that one of the searches"):
        main([str(results)])
    (results / "tuning-elsewhere").rename(results / "tuning" / "mine")
    next((results / "tuning" / "mine").glob("runs/*/curve.jsonl")).unlink()
    with pytest.raises(SystemExit, match=r"curve\.jsonl"):
        main([str(results)])
    assert capsys.readouterr().out == ""


def test_frozen_targets_of_the_package_are_of_this_protocol_and_rise() -> None:
    for table in frozen():
        assert table["protocol"] == PROTOCOL
        assert {*TEST, "metric", "fingerprint", "source"} <= {*table}
        assert len(table["scores"]) >= COUNT
        assert table["scores"] == sorted(table["scores"])
