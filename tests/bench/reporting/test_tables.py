"""Rows, labels and refusals over fabricated runs; means against plain loops."""

import csv as csv_format
import io
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from bench.metrics import METRICS
from bench.reporting.groups import comparable_frame, show
from bench.reporting.rows import (
    NOTE,
    Row,
    mean_text,
    points,
    score_tables,
    summarise,
)
from bench.reporting.statistics.sequential import Looks
from bench.reporting.statistics.stats import Interval
from bench.reporting.statistics.verdicts import Rule
from bench.reporting.tables import console, csv, markdown
from bench.store.runs import Run, scan
from bench.suites.model import UNTRAINED
from tests.support.fabricated import METHODS, make_record, make_spec, write_results

RETRIEVAL = ("recall@1", "recall@2", "recall@4", "recall@8", "map@r", "nmi")
SCORES = {key: 0.1 + 0.05 * position for position, key in enumerate(RETRIEVAL)}


def make_run(method: str, seed: int, *, name: str = "", change: float = 0, **spec: Any) -> Run:
    """A run in memory; `spec` replaces fields of its specification."""
    made = make_spec("digits", "Proxy-NCA", seed).model_copy(update={"method": method, **spec})
    scores = {key: value + change + 0.013 * seed**2 for key, value in SCORES.items()}
    return Run(Path("runs") / (name or made.run_name), make_record(made, scores, 48))


def altered(run: Run, **record: Any) -> Run:
    return Run(run.directory.with_name(f"altered-{run.name}"), {**run.record, **record})


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    return scan(write_results(tmp_path_factory.mktemp("results")))[0]


def test_one_row_per_data_set_and_method_then_the_untrained_network(runs: list[Run]) -> None:
    rows = summarise(runs)
    expected = [*sorted(METHODS), UNTRAINED]
    assert [row.method for row in rows if row.dataset == "digits"] == expected
    assert [row.dataset for row in rows] == ["digits"] * 4 + ["glyphs"] * 4
    assert {row.seeds for row in rows} == {(0, 1, 2)}


def test_means_are_those_of_a_plain_loop_in_any_order(runs: list[Run]) -> None:
    row = next(row for row in summarise(runs[::-1]) if row.method == "Proxy-NCA")
    for metric in RETRIEVAL:
        total = 0.0
        for run in runs:
            if run.spec["method"] == "Proxy-NCA" and run.spec["dataset"] == "digits":
                total += run.scores[metric]
        assert row.scores[metric].mean == pytest.approx(total / 3)
    assert summarise(runs) == summarise(runs[::-1])


def test_different_specifications_under_one_name_are_told_apart_by_what_differs() -> None:
    runs = [
        make_run("Proxy-NCA", seed, loss_args={"scale": scale, "same": 1})
        for scale in (12.0, 32.0)
        for seed in (0, 1)
    ]
    rows = [row for row in summarise(runs) if row.loss]
    assert [row.method for row in rows] == ["Proxy-NCA (scale 12)", "Proxy-NCA (scale 32)"]
    assert [row.seeds for row in rows] == [(0, 1), (0, 1)]


def test_several_and_missing_fields_are_named() -> None:
    runs = [make_run("A", 0, loss_args={}), make_run("B", 0)]
    runs.append(make_run("A", 0, name="x", loss_args={"hard": True}, batch_size=64))
    methods = [row.method for row in summarise(runs) if row.loss]
    assert methods == ["A (hard not set, batch size 32)", "A (hard on, batch size 64)", "B"]


def test_a_method_called_like_a_variant_keeps_a_row_of_its_own() -> None:
    runs = [
        make_run("Proxy-NCA", 0, loss_args={"scale": 12}),
        make_run("Proxy-NCA", 0, loss_args={"scale": 32}),
        make_run("Proxy-NCA (scale 12)", 0, name="other"),
    ]
    methods = list(comparable_frame(runs)["method"])
    assert len(set(methods)) == 3
    assert sum(method.startswith("Proxy-NCA (scale 12) [") for method in methods) == 2


@pytest.mark.parametrize(
    ("record", "what"),
    [
        ({"data_checksum": "d" * 64}, "data checksum"),
        ({"split": {"protocol": "class-disjoint", "fingerprint": "e" * 64}}, "split fingerprint"),
        ({"spec": {**make_spec("digits", "Proxy-NCA", 1).model_dump(), "protocol": 1}}, "protocol"),
    ],
)
@pytest.mark.parametrize("method", ["Proxy-NCA", "Triplet, semi-hard"])
def test_runs_on_another_test_are_refused_by_name(
    record: dict[str, Any], what: str, method: str
) -> None:
    first = make_run(method, 0)
    with pytest.raises(ValueError, match=f"altered-.* and {first.name} differ in {what}"):
        summarise([first, altered(make_run("Proxy-NCA", 1), **record)])


def test_another_split_of_the_same_data_is_another_table() -> None:
    rows = summarise([make_run("Proxy-NCA", 0), make_run("Proxy-NCA", 0, split="official")])
    assert [(row.split, row.method) for row in rows] == [
        ("class-disjoint", "Proxy-NCA"),
        ("class-disjoint", UNTRAINED),
        ("official", "Proxy-NCA"),
        ("official", UNTRAINED),
    ]


def test_one_seed_counted_twice_is_refused() -> None:
    with pytest.raises(ValueError, match=r"one and .*two hold the same run \(seed 1\)"):
        summarise([make_run("Proxy-NCA", 1, name="one"), make_run("Proxy-NCA", 1, name="two")])


def test_a_lost_score_is_not_averaged_away() -> None:
    run = make_run("Proxy-NCA", 1)
    scores = {key: value for key, value in run.scores.items() if key != "nmi"}
    with pytest.raises(
        ValueError, match=r"altered-.* has no nmi, which other seeds of Proxy-NCA have"
    ):
        summarise([make_run("Proxy-NCA", 0), altered(run, scores=scores)])


def test_the_untrained_network_counts_once_per_seed() -> None:
    runs = [make_run(method, seed) for method in METHODS for seed in (0, 1)]
    row = summarise(runs)[-1]
    values = [0.5 * (SCORES["nmi"] + 0.013 * seed**2) for seed in (0, 1)]
    assert row.scores["nmi"].mean == pytest.approx(sum(values) / 2)
    assert row.scores["nmi"].n == 2


def test_different_networks_have_untrained_rows_of_their_own() -> None:
    runs = [make_run("A", 0), make_run("B", 0, embedding_dim=64)]
    methods = [row.method for row in summarise(runs) if row.loss is None]
    assert methods == [f"{UNTRAINED} (conv4, {size} dimensions)" for size in (16, 64)]


def test_csv_holds_fractions_with_six_digits_and_every_score(runs: list[Run]) -> None:
    rows = summarise(runs)
    lines = list(csv_format.DictReader(io.StringIO(csv(rows))))
    assert len(lines) == len(rows)
    for row, line in zip(rows, lines, strict=True):
        assert (line["method"], line["seeds"], line["n"]) == (row.method, "0 1 2", "3")
        assert {"ami", "r_precision", *RETRIEVAL} <= row.scores.keys()
        assert {"nmi_min_mean", "nmi_max_mean", "queries_without_relevant_mean"} <= line.keys()
        for metric in METRICS:
            score = row.scores.get(metric)
            assert line[f"{metric}_mean"] == (f"{score.mean:.6g}" if score else "")
            assert line[f"{metric}_half_width"] == (f"{score.half:.6g}" if score else "")


def printed_tables(rows: list[Row]) -> str:
    """What a terminal of 80 columns shows."""
    terminal = Console(width=80, record=True, file=io.StringIO())
    for table in console(rows):
        terminal.print(table)
    return terminal.export_text()


def scored(scores: dict[str, float], method: str = "A", seed: int = 0) -> Run:
    run = make_run(method, seed)
    return altered(run, scores=scores, untrained=scores)


def test_a_protocol_has_the_tables_that_its_scores_fill() -> None:
    more = {"accuracy_neighbor": 0.5, "eer": 0.2, "one_shot_error": 0.3, "coarse_recall@1": 0.9}
    rows = summarise([scored(SCORES | more)])
    expected = ["Retrieval", "Classification", "Super-classes", "Verification"]
    assert [table.title for table in score_tables(rows)] == [*expected, "Few-shot episodes"]
    text = markdown(rows)
    short = markdown(rows, every=False)
    for found in (text, short):
        assert "test: classification\n\n| Method | Nearest neighbor | n |" in found
    assert "verification" not in short
    assert len(console(rows)) == 5


def test_a_score_without_a_row_in_the_metrics_is_shown_under_its_key() -> None:
    rows = summarise([scored(SCORES | {"new_score": 2.5})])
    assert rows[0].scores["new_score"].mean == 2.5
    assert "new_score_mean" in csv(rows).splitlines()[0]
    for text in (markdown(rows), printed_tables(rows)):
        assert "new_score" in text.replace("\\", "")
        assert "2.5" in text


def test_the_lowest_error_is_best() -> None:
    scores = {"A": 0.3, "B": 0.2}
    noise = {("A", 0): 0.001}
    runs = [
        scored(dict.fromkeys(("eer", "recall@1"), score + noise.get((name, seed), 0)), name, seed)
        for name, score in scores.items()
        for seed in range(3)
    ]
    rows = summarise(runs)
    best = {
        (line.name, heading)
        for table in score_tables(rows)
        for line in table.lines
        for heading, (_, best) in zip(table.headings[1:], line.cells, strict=True)
        if best
    }
    assert best == {("B", "EER"), ("A", "R@1")}


def test_markdown_escapes_names_and_prints_one_seed_without_interval_or_mark() -> None:
    rows = summarise([make_run("A|*b* <i>", 0), make_run("C", 0, change=0.2)])
    text = markdown(rows)
    assert r"| A\|\*b\* \<i\> | 10.0 | 15.0 |" in text
    assert "| C | 30.0 | 35.0 |" in text
    assert "half-width of the t-based 95 % confidence interval" in text
    assert "±" not in text.split("Percent;")[0]
    assert csv(rows).splitlines()[1].split(",")[7] == ""


def test_markdown_marks_all_that_are_not_shown_to_be_worse() -> None:
    runs = [
        make_run(method, seed, change=change + wobble * (seed == 2))
        for method, change, wobble in (("A", 0.0, 0.001), ("B", 0.2, 0), ("C", 0.1, 0.2))
        for seed in range(3)
    ]
    text = markdown(summarise(runs))
    assert re.search(r"\| A \| \d", text)
    assert re.search(r"\| B \| \*\*\d.*\n\| C \| \*\*\d", text)


def test_the_note_says_how_the_marks_are_corrected(runs: list[Run]) -> None:
    assert "paired t tests over seeds, corrected for all pairs within each score" in markdown(
        summarise(runs)
    )
    often = markdown(summarise(runs, Rule(looks=Looks(3, 12))))
    assert "repeated from 3 to 12 with alpha spending within each score" in often
    assert "for all pairs" not in often


def test_equal_scores_of_all_seeds_have_no_interval() -> None:
    """`95.0 ± 0.0` would look certain."""
    equal, one = Interval(0.95, 0.0, 2), Interval(0.95, None, 1)
    assert mean_text(equal, "recall@1") == mean_text(one, "recall@1") == "95.0"
    assert points(equal) == points(one) == "95.0"
    assert points(Interval(-1e-17, 0.05, 2)) == "0.0 ± 5.0"
    assert mean_text(Interval(0.9, 0.635, 2), "recall@1") == "90.0 ± 63.5"
    assert "which may pass 0 and 100; no interval for one seed, or for equal scores" in NOTE


def test_console_fits_80_columns_and_takes_no_markup_from_names(runs: list[Run]) -> None:
    rows = summarise([*runs, make_run("[red]Method[/red]", 0)])
    text = printed_tables(rows)
    assert "[red]" in text  # the rest of the name may be on the next line
    assert "…" not in text
    assert "no interval for one seed" in " ".join(text.split())
    assert max(len(line) for line in text.splitlines()) <= 80


def test_tables_load_neither_torch_nor_pandas_nor_matplotlib() -> None:
    code = (
        "import sys, bench.reporting.tables, bench.reporting.page; "
        "print({'torch', 'pandas', 'matplotlib', 'seaborn'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1_234_567, "1234567"),
        (np.float64(1_234_567), "1234567"),  # of a column that has NaN too
        (0.0001, "0.0001"),
        (1e-05, "1e-05"),
        (True, "on"),
        (float("nan"), "not set"),
        ("ab" * 32, "abababababab"),
    ],
)
def test_counts_are_shown_with_all_digits(value: object, text: str) -> None:
    assert show(value) == text
