"""Results from others: which lines there are, and what a method is called in them."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from bench.reporting.others import others
from bench.store.runs import RunDir, load_run
from tests.support.fabricated import make_features, make_spec, write_run


def test_a_method_on_two_tests_keeps_its_name(tmp_path: Path) -> None:
    """Two specifications of one name are told apart only where both are in one table."""
    specs = [make_spec("digits", "Proxy-NCA", 0)]
    specs.append(specs[0].model_copy(update={"split": "official"}))
    runs = [load_run(RunDir(write_run(tmp_path, spec, gain=0.2))) for spec in specs]
    sent: Any = SimpleNamespace(name="ada", runs=runs)
    found = others(runs, [sent])
    assert [(row.split, row.method) for row in found] == [
        ("class-disjoint", "Proxy-NCA"),
        ("official", "Proxy-NCA"),
    ]
    assert others(runs[:1], [sent]) == found[:1]
    assert found[0].budget == ()
    assert found[0].equal == len(found[0].seeds) == 1


def test_another_budget_is_named_and_runs_of_one_source_are_left_out(tmp_path: Path) -> None:
    spec = make_spec("digits", "Proxy-NCA", 0)
    ours = load_run(RunDir(write_run(tmp_path / "ours", spec, gain=0.2)))
    other = spec.model_copy(update={"steps": 40, "patience": 2, "learning_rate": 0.5})
    alone = spec.model_copy(update={"varies": "weights"})
    specs = [other, alone, make_features("digits")]
    runs = [load_run(RunDir(write_run(tmp_path / "ada", each, gain=0.2))) for each in specs]
    sent: Any = SimpleNamespace(name="ada", runs=runs)
    trained, features = others([ours], [sent])
    assert trained.budget == ("steps 40 (ours 100)", "patience 2 (ours not set)")
    assert trained.cells[-1] == "steps 40 (ours 100); patience 2 (ours not set)"
    assert features.budget[0] == "backbone efficientnet_lite0 (ours conv4)"
    assert not any("steps" in field for field in features.budget)
