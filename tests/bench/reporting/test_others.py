"""Results from others: which lines there are, and what a method is called in them."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from bench.reporting.others import others, verified
from bench.spec import RunSpec
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


def sent_by_ada(folder: Path, *specs: RunSpec) -> Any:
    runs = [load_run(RunDir(write_run(folder, spec, gain=0.2))) for spec in specs]
    return SimpleNamespace(name="ada", runs=runs)


SPEC = make_spec("digits", "Proxy-NCA", 0)


def test_another_budget_is_named(tmp_path: Path) -> None:
    ours = sent_by_ada(tmp_path / "ours", SPEC).runs
    other = SPEC.model_copy(update={"steps": 40, "patience": 2, "learning_rate": 0.5})
    trained, features = others(ours, [sent_by_ada(tmp_path, other, make_features("digits"))])
    assert trained.budget == ("steps 40 (ours 100)", "patience 2 (ours not set)")
    assert trained.cells[-1] == "steps 40 (ours 100); patience 2 (ours not set)"
    weights = "weights 555555555555 (ours not set)"
    assert features.budget == ("backbone efficientnet_lite0 (ours conv4)", weights)


def test_a_budget_is_compared_with_the_nearest_one_of_ours(tmp_path: Path) -> None:
    """None of ours has both of its values, though each is that of one."""
    specs = [SPEC, SPEC.model_copy(update={"steps": 40, "batch_size": 64, "evaluate_every": 10})]
    ours = sent_by_ada(tmp_path / "ours", *specs).runs
    (row,) = others(ours, [sent_by_ada(tmp_path, SPEC.model_copy(update={"steps": 40}))])
    assert row.budget == ("steps 40 (ours 100)",)
    (equal,) = others(ours, [sent_by_ada(tmp_path / "equal", specs[1])])
    assert equal.budget == ()
    assert equal.ours == "Proxy-NCA (batch size 64, evaluate every 10, steps 40)"


def test_runs_of_one_source_are_left_out_and_counted(tmp_path: Path) -> None:
    ours = sent_by_ada(tmp_path / "ours", SPEC).runs
    sent = sent_by_ada(tmp_path, SPEC.model_copy(update={"varies": "weights"}))
    sent.submission = SimpleNamespace(title="", author="Ada")
    packages = {"proxy-bench": "0", "torch": "2"}
    environment = {"packages": packages, "finished": "2030-01-01T00:00:00", "cpu": "CPU"}
    lists: dict[str, Any] = dict.fromkeys(("checked", "not_checked", "trained"), ())
    sent.accepted = SimpleNamespace(environment=environment, verdict="accepted", draw="0", **lists)
    assert others(ours, [sent]) == []
    text = verified([sent], [], ours)["ada"]
    assert text.endswith("Runs in which one source of chance varies alone are left out: 1.")
    elsewhere = sent_by_ada(tmp_path / "else", make_spec("glyphs", "Proxy-NCA", 0)).runs
    assert verified([sent], [], elsewhere) == {}
