"""Results from others: which lines there are, and what a method is called in them."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from bench.reporting.others import others
from bench.store.runs import RunDir, load_run
from tests.support.fabricated import make_spec, write_run


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
    assert found[0].equal == len(found[0].seeds) == 1
