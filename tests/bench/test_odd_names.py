"""Names of users and of stored files in what is printed and written: they steer nothing, fail
nothing."""

import io
import json
import sys
import xml.dom.minidom
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from rich.progress import Progress

from bench import terminal
from bench.cli.listing import run_tables, status_table
from bench.cli.progress import show_sweep
from bench.reporting.page import write_report
from bench.reporting.rows import summarise
from bench.reporting.tables import console as console_tables
from bench.running.sweep import Sweep
from bench.store.runs import Run, scan
from bench.suggest import printable
from bench.terminal import plain_console, print_line
from demo.library import open_library
from demo.page import draw
from demo.view import TABS
from tests.support.fabricated import make_spec, write_pictures, write_run
from tests.support.quick_reports import few_draws, without_figures
from tests.support.short_runs import spec_for

MARKUP = ["[/x]", "[red]a[/red]", ":smile: a", "[link=file:///etc]a[/link]", "[bold", "a [1/2]"]
STEERING = {
    "a\x1b[31mred": r"a\x1b[31mred",
    "bell\x07": r"bell\x07",
    "\x9b31mred": r"\x9b31mred",
    "back\x08\x08\x08": r"back\x08\x08\x08",
    "over\rwritten": r"over\rwritten",
    "tab\t": r"tab\t",
    "nul\x00": r"nul\x00",
    "gpj.\u202egnp": r"gpj.\u202egnp",
    "\u2066isolate": r"\u2066isolate",
    "lone \udcff": r"lone \udcff",
    "par\u2029agraph": r"par\u2029agraph",
}
FORMULAS = ["=1+1", "=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)"]
HARMLESS = ["é ü ß", "a=b", "x + y", "Proxy-NCA", "50 %"]


def printed(*things: object, encoding: str = "utf-8") -> str:
    """What a console prints of things, as text."""
    buffer = io.BytesIO()
    stream = io.TextIOWrapper(buffer, encoding=encoding, errors="strict")
    console = plain_console()
    console.file = stream
    for thing in things:
        console.print(thing)
    stream.flush()
    return buffer.getvalue().decode(encoding)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seeds of a run under every odd name, in a folder with an odd name."""
    folder = tmp_path_factory.mktemp("odd") / "results [/x] \x1b[31m"
    write_pictures(folder, "digits")
    for number, name in enumerate([*MARKUP, *STEERING, *FORMULAS, *HARMLESS]):
        for seed in range(2):
            changes = {"method": name, "loss_args": {"scale": number}}
            spec = make_spec("digits", "Proxy-NCA", seed).model_copy(update=changes)
            write_run(folder, spec, gain=0.01 * number)
    return folder


def every_run(results: Path) -> list[Run]:
    """Also those whose names no suite may have, which `scan` leaves out."""
    paths = sorted(results.glob("runs/*/run.json"))
    return [Run(path.parent, json.loads(path.read_text())) for path in paths]


def test_stored_runs_with_names_that_steer_a_terminal_are_left_out(results: Path) -> None:
    runs, problems = scan(results)
    assert len(problems) == 2 * len(STEERING)
    assert len(runs) == 2 * len([*MARKUP, *FORMULAS, *HARMLESS])
    assert all("has spec.method = " in str(problem) for problem in problems)


@pytest.mark.parametrize("text", STEERING)
def test_what_steers_a_terminal_is_escaped(text: str) -> None:
    assert printable(text) == STEERING[text]


@pytest.mark.parametrize("text", [*HARMLESS, *MARKUP, "鳥 עברית", "👩\u200d👧", "two\nlines"])
def test_other_text_stays_as_it_is(text: str) -> None:
    assert printable(text) == text
    assert text.split("\n")[-1] in printed(text)


def test_tables_show_every_name_literally(results: Path) -> None:
    runs = every_run(results)
    report = printed(*console_tables(summarise(runs)))
    for name in [*MARKUP, *FORMULAS]:
        assert name[:6].split()[0] in report  # longer ones are folded
    for table in (report, printed(*run_tables(runs[0])), printed(status_table([], results))):
        assert "\x1b" not in table
    title = "".join(printed(status_table([], results)).split())  # folded above no run
    assert r"[/x]\x1b[31m" in title


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_shows_names_literally(terminal: bool) -> None:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=200, no_color=True)
    spec = spec_for().model_copy(update={"method": "[/x] \x1b[31m"})
    with show_sweep(console, 1) as show_state:
        show_state(Sweep(1))
        show_state(Sweep(1, finished=[spec], failed={"[/y]": "[/z] \x07"}))
    output = console.file.getvalue()  # type: ignore[attr-defined]
    assert "\x07" not in output
    assert "\x1b[31m" not in output
    assert terminal or r"[/x] \x1b[31m, seed 0 finished" in output


def test_descriptions_of_bars_are_no_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every column that shows a name prints it as it is."""
    made: list[Progress] = []
    enter = Progress.__enter__

    def remember(bar: Progress) -> Progress:
        made.append(bar)
        return enter(bar)

    monkeypatch.setattr(Progress, "__enter__", remember)
    with show_sweep(Console(file=io.StringIO(), force_terminal=True), 1):
        made[0].add_task("[/x]", total=1, note="")
        assert "[/x]" in str(made[0].columns[0].render(made[0].tasks[-1]))  # type: ignore[union-attr]


def test_a_report_of_odd_names_is_whole(results: Path, tmp_path: Path) -> None:
    runs = every_run(results)
    problems = ["lone \udcff", "\x1b[31m"]
    with few_draws():
        report = write_report(runs, tmp_path, title="Title \udcff", problems=problems)
    names = list(pd.read_csv(report.tables[0])["method"])[:-1]
    expected = [*MARKUP, *STEERING.values(), *(f"'{name}" for name in FORMULAS), *HARMLESS]
    assert sorted(names) == sorted(expected)
    for figure in report.figures:
        if figure.suffix == ".svg":
            xml.dom.minidom.parse(str(figure))
    assert "\x1b" not in (report.folder / "table.md").read_text(encoding="utf-8")


def test_only_a_name_is_quoted_for_spreadsheets(results: Path, tmp_path: Path) -> None:
    """A score below zero stays a number."""
    runs, _ = scan(results)
    for run in runs:
        run.record["scores"]["ami"] = -0.25
    with without_figures():
        report = write_report(runs, tmp_path, title="Title")
    table = pd.read_csv(report.tables[0])
    assert (table["ami_mean"][:-1] == -0.25).all()


def test_the_browser_shows_odd_names_and_classes(results: Path) -> None:
    library = open_library(results)
    pictures = library.shelves[0].pictures
    object.__setattr__(pictures, "class_names", ("\udcff \x1b[31m",) * len(pictures.class_names))
    object.__setattr__(pictures, "items", ("x\u202e\x00",) * len(pictures.items))
    refused = draw(library, {"tab": "explore"})
    assert "names or classes of images were changed" in refused
    assert "\x1b" not in refused  # nor the one in the name of the folder
    for run in library.shelves[0].runs:
        object.__setattr__(run, "record", {**run.record, "picture_names": pictures.names_digest})
    for tab in TABS:
        page = draw(library, {"tab": tab})
        page.encode()
        assert not set(page) & {"\x1b", "\x00", "\u202e"}


@pytest.mark.parametrize(
    ("text", "encoding", "shown"),
    [
        ("74.1 ± 0.5", "ascii", "74.1 +- 0.5"),
        ("–", "latin-1", "-"),
        ("74.1 ± 0.5", "latin-1", "74.1 ± 0.5"),
        ("Méthode 鳥", "ascii", r"M\xe9thode \u9ce5"),
        ("lone \udcff", "utf-8", r"lone \udcff"),
    ],
)
def test_output_in_a_narrow_encoding_is_plain(
    monkeypatch: pytest.MonkeyPatch, text: str, encoding: str, shown: str
) -> None:
    buffer = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(buffer, encoding=encoding))
    terminal.accept_every_character()
    console = plain_console()
    print_line(console, text)
    print(text)
    sys.stdout.flush()
    assert buffer.getvalue().decode(encoding).splitlines() == [shown, shown]


def test_tables_fit_an_ascii_terminal(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(buffer, encoding="ascii"))
    terminal.accept_every_character()
    for table in console_tables(summarise(scan(results)[0])):
        plain_console().print(table)
    sys.stdout.flush()
    assert b"+-" in buffer.getvalue()
    assert np.frombuffer(buffer.getvalue(), np.uint8).max() < 128
