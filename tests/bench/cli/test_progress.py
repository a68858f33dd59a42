"""Progress of a sweep, from made-up states."""

import io
import time
from pathlib import Path
from unittest.mock import Mock

import pytest
from rich.console import Console

from bench import terminal
from bench.cli.listing import stored_runs
from bench.cli.progress import show_sweep, time_left
from bench.running.sweep import ActiveRun, Sweep, expected_pace
from bench.store.runs import RunDir
from tests.support.fabricated import make_spec, write_run
from tests.support.short_runs import spec_for

DIGITS = "digits", "class-disjoint"


def active(step: int, *, seconds: float, first: int = 0) -> ActiveRun:
    known = first, time.monotonic() - seconds
    return ActiveRun(spec_for(steps=100), RunDir(Path("x")), Mock(), step, known)


def test_time_left_comes_from_the_observed_steps() -> None:
    state = Sweep(3, active=[active(50, seconds=10)], waiting=[spec_for(steps=100)])
    # 0.2 s a step; 50 + 100 steps are left, on one core and on two.
    assert time_left(state, 1) == "about 0:30 left"
    assert time_left(state, 2) == "about 0:15 left"


def test_time_left_counts_only_the_steps_of_this_sweep() -> None:
    state = Sweep(1, active=[active(90, seconds=10, first=80)])
    assert time_left(state, 1) == "about 0:10 left"


def test_finished_runs_set_the_pace() -> None:
    waiting = [spec_for(steps=100)]
    assert time_left(Sweep(1, waiting=waiting), 2) == ""
    assert time_left(Sweep(1, waiting=waiting, pace={DIGITS: (50, 100)}), 2) == "about 0:50 left"
    assert time_left(Sweep(1, pace={DIGITS: (50, 100)}), 2) == ""
    expected = expected_pace([*waiting, spec_for(steps=0)], 50.0)
    assert time_left(Sweep(1, waiting=waiting, pace=expected), 2) == "about 0:50 left"


def test_lines_report_each_end_once_and_nothing_stored_before() -> None:
    text = io.StringIO()
    old, new, bad = spec_for(seed=1), spec_for(seed=2), spec_for(seed=3)
    with show_sweep(Console(file=text, width=200), jobs=1) as show:
        show(Sweep(3, finished=[old], waiting=[new, bad]))
        for _ in range(2):
            show(Sweep(3, finished=[old, new], failed={bad.run_name: "no [space] left"}))
    lines = text.getvalue().splitlines()
    assert lines[0] == "[2/3] digits, class-disjoint, proxy_nca, seed 2 finished"
    assert lines[1] == f"[3/3] {bad.run_name} FAILED: no [space] left"
    assert len(lines) == 2


def test_lines_say_once_what_is_waited_for() -> None:
    text = io.StringIO()
    training, scoring = active(42, seconds=10), active(100, seconds=10)
    scoring.doing = "scoring"
    other = spec_for(seed=7)
    with show_sweep(Console(file=text, width=60), jobs=1) as show:
        show(Sweep(3, active=[training], elsewhere=[other]))
        assert text.getvalue() == ""
        for _ in range(2):
            show(Sweep(3, elsewhere=[other]))
        for _ in range(2):
            show(Sweep(3, active=[training, scoring], elsewhere=[other], stopping=True))
    waiting = "waiting for digits, class-disjoint, proxy_nca,"
    assert text.getvalue().splitlines() == [
        f"{waiting} seed 7: another process works on this run",
        f"{waiting} seed 0: it finishes a step and saves a checkpoint",
        f"{waiting} seed 0: it ends; its checkpoint is complete, only the scoring is repeated",
        "Ctrl-C again ends them at once and loses the steps since their last checkpoints",
    ]


def test_bars_show_runs_and_failures() -> None:
    text = io.StringIO()
    console = Console(file=text, width=120, force_terminal=True)
    with show_sweep(console, jobs=1) as show:
        show(Sweep(3, active=[active(42, seconds=10)], failed={"x": "y"}))
    shown = text.getvalue()
    assert "42/100" in shown
    assert "1/3" in shown
    assert "1 failed" in shown


def test_commands_that_read_runs_show_how_far_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(tmp_path, make_spec("digits", "Proxy-NCA", 0), gain=0.1)
    specs = [make_spec("digits", "Proxy-NCA", seed) for seed in range(3)]
    stored_runs(specs, tmp_path)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(terminal, "PATIENCE", -1)
    monkeypatch.setenv("FORCE_COLOR", "1")  # a terminal, for rich
    stored_runs(specs, tmp_path)
    output = capsys.readouterr()
    assert "reading stored runs" in output.err
    assert output.out == ""
