"""Seeds are added to undecided pairs alone, the same way however often the command is repeated."""

import json
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from bench.cli import main as command_line
from bench.cli import run_suite
from bench.reporting.rows import score_tables, summarise
from bench.running.sweep import Sweep
from bench.spec import RunSpec
from bench.store.runs import RunDir, load_run
from bench.store.seed_plan import load_plan, plan_path
from bench.submissions.plausibility import implausible
from demo.library import open_library
from demo.tabs.results import render_scores, render_table
from tests.support.fabricated import FINGERPRINT, seal, write_run

pytestmark = pytest.mark.usefixtures("without_figures")

SUITE = """
title = "Three losses"
seeds = [0, 1, 2]

[budgets.digits]
embedding_dim = 16
batch_size = 32
steps = 40
evaluate_every = 20
learning_rate = 1e-3
weight_decay = 1e-4

[methods.Good]
loss = "triplet"

[methods.Fair]
loss = "proxy_nca"
loss_learning_rate = 0.1

[methods.Poor]
loss = "center"
loss_learning_rate = 0.1
"""
TUNED = """
[tuning]
suite = "three"
seed = 3
criterion = "MAP@R"
search = "{digest}"
[tuning.budgets.digits]
dataset = "digits"
split = "class-disjoint"
fingerprint = "{fingerprint}"
checksum = "{checksum}"
"""
CHOSEN = """
[tuning.budgets.digits.methods.{method}]
trials = 5
diverged = 0
trial = 1
run = "0123456789ab"
score = 0.5
default = 0.5
"""
BEST = {"Good": 0.80, "Fair": 0.77, "Poor": 0.30}
WOBBLE = (0.010, -0.012, 0.004, 0.011, -0.009, -0.006, 0.013, -0.011, 0.002, 0.005)
Command = Callable[..., str]


def score(method: str, seed: int) -> float:
    """Good and Poor differ by the same in all seeds but for a little, Fair wobbles."""
    wobble = WOBBLE[seed % 10] if method == "Fair" else 1e-4 * (seed % 3) * (method == "Good")
    return BEST[method] + wobble


def store(results: Path, spec: RunSpec) -> None:
    """A run with the score of its method and seed, without queries, which would contradict it."""
    path = write_run(results, spec, gain=0.1)
    files = RunDir(path)
    files.queries.unlink()
    record = json.loads(files.record.read_text())
    seal(path, scores=record["scores"] | {"recall@1": score(spec.method, spec.seed)})


class Machine:
    """Stands in for a sweep: stores made-up runs and remembers them."""

    def __init__(self) -> None:
        self.done: list[tuple[str, int]] = []
        self.failing: set[tuple[str, int]] = set()

    def sweep(self, specs: Sequence[RunSpec], results: Path, **_: Any) -> Sweep:
        state = Sweep(len(specs))
        for spec in specs:
            key = (spec.method, spec.seed)
            if key in self.failing:
                state.failed[spec.run_name] = "no memory"
            elif not RunDir.of(results, spec).finished:
                store(results, spec)
                self.done.append(key)
        return state


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine()
    monkeypatch.setattr(run_suite, "sweep", machine.sweep)
    monkeypatch.setattr(run_suite, "check_data", lambda *_: [])
    monkeypatch.setattr(run_suite, "end_like_ctrl_c", lambda: None)
    return machine


@pytest.fixture
def command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Command:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")
    Path("three.toml").write_text(SUITE)

    def run(*arguments: object, code: int = 0) -> str:
        monkeypatch.setattr(sys, "argv", ["proxy-bench", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            command_line.main()
        captured = capfd.readouterr()
        assert (ended.value.code or 0) == code, captured
        return captured.out + captured.err

    return run


RUN = ("run", "three.toml", "--until-decided", "--max-seeds", 12)


def test_seeds_are_added_until_decided_and_the_report_knows(
    machine: Machine, command: Command
) -> None:
    output = command(*RUN)
    seeds = {method: {s for m, s in machine.done if m == method} for method in BEST}
    assert len(seeds["Poor"]) < len(seeds["Good"]) == len(seeds["Fair"]) < 12
    assert seeds["Poor"] == {0, 1, 2}
    last = len(seeds["Good"]) - 1
    assert f"seed {last}, as pairs are undecided: digits, class-disjoint: Good, Fair\n" in output
    counts = f"Fair {last + 1}, Good {last + 1}, Poor 3"
    told = f"Seeds were added until every pair was decided: {counts}."
    assert told in output
    assert "repeated from 3 to 12 with alpha spending" in output

    machine.done.clear()
    assert told in command(*RUN)
    assert machine.done == []
    assert told in command("report", "three.toml")
    stored = 2 * (last + 1) + 3
    assert f"{stored} of {stored} runs are stored" in command("status", "three.toml")
    text = Path("results/reports/three/report.html").read_text(encoding="utf-8")
    assert "The tests were repeated after each seed from 3 to 12." in text


@pytest.mark.parametrize("failing", [("Fair", 1), ("Good", 4)])
def test_a_stopped_command_goes_the_same_way(
    machine: Machine, command: Command, failing: tuple[str, int]
) -> None:
    command(*RUN)
    whole = sorted(machine.done)
    machine.done.clear()
    machine.failing = {failing}
    assert "no memory" in command(*RUN, "--results", "again", code=1)
    assert max(seed for _, seed in machine.done) == max(2, failing[1])
    machine.failing = set()
    command(*RUN, "--results", "again")
    assert sorted(machine.done) == whole


def test_the_seed_of_the_search_is_not_added(machine: Machine, command: Command) -> None:
    tuned = TUNED.format(digest="a" * 64, fingerprint=FINGERPRINT, checksum="c" * 64)
    chosen = "".join(CHOSEN.format(method=method) for method in BEST)
    Path("three.toml").write_text(SUITE + tuned + chosen)
    output = command("run", "three.toml", "--until-decided", "--max-seeds", 5)
    assert (
        "seed 3 is not added: the search that chose the hyper-parameters had it (tuning.seed = 3)"
        in output
    )
    assert {seed for _, seed in machine.done} == {0, 1, 2, 4, 5}
    assert "Fair 5, Good 5, Poor 3" in output
    assert json.loads(Path("results/until-decided/three.json").read_text())["skipped"] == 3


def test_the_browser_judges_as_report_and_terminal_do(
    machine: Machine, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three seeds would decide all pairs in one look, but not in the first of ten."""
    monkeypatch.setattr(sys.modules[__name__], "WOBBLE", tuple(each / 4 for each in WOBBLE))
    machine.failing = {("Good", 3)}
    output = command(*RUN, code=1)
    assert "Undecided is its lead over Fair" in output
    (shelf,) = open_library(Path("results")).shelves
    report = means(Path("results/reports/three/report.html").read_text(encoding="utf-8"))
    once = means("".join(render_table(t, "means") for t in score_tables(summarise(shelf.runs))))
    page = render_scores(shelf)
    assert means(page) == report != once
    assert "tested after each seed from 3 to 12 with alpha spending" in page

    command("run", "three.toml", "--results", "plain", code=0)
    (shelf,) = open_library(Path("plain")).shelves
    assert "alpha spending" not in render_scores(shelf)


def means(html: str) -> list[str]:
    """The tables of means of a page, without their captions and with all spaces alike."""
    tables = re.findall(r'<table class="means">.*?</table>', html.replace("&nbsp;", " "), re.DOTALL)
    return [re.sub("<caption>.*?</caption>", "", table, flags=re.DOTALL) for table in tables]


def test_at_the_most_seeds_it_stops_undecided(machine: Machine, command: Command) -> None:
    output = command("run", "three.toml", "--until-decided", "--max-seeds", 4)
    assert {seed for _, seed in machine.done} == {0, 1, 2, 3}
    counts = "Fair 4, Good 4, Poor 3"
    assert f"Seeds were added up to the most, 4 (undecided pairs: 1 of 3): {counts}." in output
    assert "Undecided is its lead over Fair" in output


def test_the_plan_is_fixed_before_the_first_look(machine: Machine, command: Command) -> None:
    command(*RUN)
    plan = json.loads(Path("results/until-decided/three.json").read_text())
    assert len(plan.pop("digest")) == 64
    assert len(plan.pop("methods")) == 3
    expected = {"seeds": [0, 1, 2], "most": 12, "margin": 0.005, "skipped": None, "pairs": 3}
    assert {seed for _, seed in plan.pop("added")} == {3, 4, 5}
    assert plan == expected
    done = list(machine.done)
    more = command("run", "three.toml", "--until-decided", "--max-seeds", 20, code=1)
    assert "seeds 0 1 2, at most 12, margin 0.5, not seeds 0 1 2, at most 20, margin 0.5" in more
    other = command("run", "three.toml", "--until-decided", "--margin", 1, code=1)
    assert "margin 0.5, not seeds 0 1 2, at most 12, margin 1" in other
    assert "--margin is 1, but seeds were added with 0.5" in command(
        "report", "three.toml", "--margin", 1, code=1
    )
    command("run", "three.toml", "--until-decided")  # as it is stored
    assert machine.done == done
    Path("three.toml").write_text(SUITE.replace("[0, 1, 2]", "[0, 1]"))
    assert "the suite has the seeds 0 1" in command("report", "three.toml", code=1)
    path = Path("results/until-decided/three.json")
    path.write_text('{"seeds": []}')
    assert "three.json cannot be read" in command("report", "three.toml", code=1)
    path.unlink()
    path.mkdir()
    assert "three.json cannot be read (Is a directory); restore it" in command(
        "report", "three.toml", code=1
    )


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ('"most": 12', '"most": 30', "was changed after the first look"),
        ("0.005", "0.05", "was changed after the first look"),
        ('"digest"', '"other"', "lacks digest"),
    ],
)
def test_a_plan_that_was_edited_is_refused(
    machine: Machine, command: Command, before: str, after: str, words: str
) -> None:
    command(*RUN)
    path = Path("results/until-decided/three.json")
    path.write_text(path.read_text().replace(before, after))
    assert words in command("report", "three.toml", code=1)


def test_a_run_that_is_lost_between_others_is_a_problem(machine: Machine, command: Command) -> None:
    command(*RUN)
    (lost,) = Path("results/runs").glob("digits-fair-s4-*")
    lost.rename("lost")
    assert f"problem: {lost.name} is missing although later" in command(
        "report", "three.toml", code=1
    )
    command("run", "three.toml", "--until-decided")
    assert lost.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--until-decided", "--max-seeds", 3), "--max-seeds 3 adds none to the 3 seeds"),
        (("--max-seeds", 9), "--max-seeds needs --until-decided"),
    ],
)
def test_a_plan_that_adds_nothing_is_refused(
    machine: Machine, command: Command, arguments: tuple[object, ...], words: str
) -> None:
    code = 2 if arguments[0] == "--max-seeds" else 1
    assert words in " ".join(command("run", "three.toml", *arguments, code=code).split())
    assert machine.done == []
    assert not Path("results/until-decided").exists()


def test_a_plan_beyond_the_last_seed_is_refused_before_a_run(
    machine: Machine, command: Command
) -> None:
    suite = Path("three.toml")
    suite.write_text(suite.read_text().replace("seeds = [0, 1, 2]", "seeds = [0, 1, 4294967294]"))
    output = " ".join(command("run", "three.toml", "--until-decided", code=1).split())
    assert "the seeds after 4294967294, the largest of three.toml, and 4294967295 is" in output
    assert machine.done == []
    assert not Path("results/until-decided").exists()


def test_without_a_plan_a_report_has_the_suites_seeds(machine: Machine, command: Command) -> None:
    output = command("run", "three.toml")
    assert {seed for _, seed in machine.done} == {0, 1, 2}
    assert "Seeds were added" not in output


def test_a_mean_over_two_formulas_of_a_loss_is_a_problem(
    machine: Machine, command: Command, tmp_path: Path
) -> None:
    command("run", "three.toml")
    for number, run in enumerate(sorted(tmp_path.glob("results/runs/*"))):
        seal(run, loss_source=f"{number % 3 == 1:d}" * 64)
    names = {"Good": "triplet", "Fair": "proxy_nca", "Poor": "center"}
    problems = [
        f"the code of the loss {loss} was changed between these runs, so what averages or compares "
        "them may be of two formulas; delete those of one and run again: "
        f"{method} on digits, class-disjoint: 0 2 | {method} on digits, class-disjoint: 1"
        for method, loss in names.items()
    ]
    packed = command("pack", "three.toml", "-o", "packed")
    assert all(f"problem: {problem}" in packed for problem in problems)
    runs = [load_run(RunDir(run)) for run in tmp_path.glob("results/runs/*")]
    refused = [finding.what for finding in implausible(runs) if finding.check == "loss"]
    assert sorted(refused) == sorted(problems)
    output = command("report", "three.toml", code=1)
    assert all(f"problem: {problem}" in output for problem in problems)
    found = open_library(Path("results")).problems
    assert all(any(problem in said for said in found) for problem in problems)


def test_another_suite_in_a_file_of_the_same_name_is_judged_by_itself(
    machine: Machine, command: Command
) -> None:
    command(*RUN, "--margin", 5)
    Path("other").mkdir()
    Path("other/three.toml").write_text(SUITE.replace("steps = 40", "steps = 60"))
    output = command("run", "other/three.toml")
    assert "Seeds were added" not in output
    assert "alpha spending" not in output
    assert "Seeds were added" in command("report", "three.toml")


def test_added_seeds_in_a_file_of_another_name_are_a_problem(
    machine: Machine, command: Command
) -> None:
    command(*RUN)
    last = max(seed for _, seed in machine.done)
    fixed = SUITE.replace("seeds = [0, 1, 2]", f"seeds = {[*range(last + 1)]}")
    poor = fixed.index("[methods.Poor]")
    for name, text in {"paper": fixed[:poor], "first": SUITE}.items():
        Path(f"{name}.toml").write_text(text)
    added = " ".join(map(str, range(3, last + 1)))
    found = load_plan(plan_path(Path("results"), "three")).added or ()
    assert sorted(seed for _, seed in found) == sorted([*range(3, last + 1)] * 2)  # not of Poor
    says = f"as if they had been fixed before (Fair {added}; Good {added}): wrong verdicts are more"
    for arguments in (("report", "paper.toml"), ("run", "paper.toml", "--until-decided")):
        assert says in command(*arguments, code=1)
    assert "fixed before" not in command("report", "first.toml")
    assert "fixed before" not in command("report", "three.toml")
    Path("results/until-decided/three.json").write_text("{")
    assert "until-decided/three.json cannot be read" in command("report", "first.toml", code=1)


def test_a_method_whose_name_changed_in_spelling_only_gets_its_seeds(
    machine: Machine, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its runs are in the same directories, under the name that it had."""
    monkeypatch.setitem(BEST, "good!", BEST["Good"])
    command("run", "three.toml")
    Path("three.toml").write_text(SUITE.replace("methods.Good", 'methods."good!"'))
    output = command(*RUN)
    seeds = {seed for method, seed in machine.done if method == "good!"}
    assert seeds == {seed for method, seed in machine.done if method == "Fair"} - {0, 1, 2}
    assert f"good! {3 + len(seeds)}" in output
    assert not re.search(r"\bGood\b", output)
