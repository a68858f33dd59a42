"""Rows without training: where they are shown, what is measured against them, where they are not.

Pretrained features score best here, so that whatever takes them for a method shows it.
"""

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bench.reporting.cost.convergence import read_curves
from bench.reporting.groups import comparable_frame
from bench.reporting.page import write_report
from bench.reporting.provenance import components_sentence
from bench.reporting.rows import GAIN, GAIN_NOTE, Row, score_tables, summarise
from bench.reporting.statistics.stats import mean_interval
from bench.reporting.tables import console, console_summary, csv, markdown
from bench.results import frame
from bench.store.runs import Run, scan
from tests.support.fabricated import (
    METHODS,
    PRETRAINED,
    make_features,
    make_record,
    make_spec,
    write_pretrained,
    write_results,
    write_run,
)

pytestmark = pytest.mark.usefixtures("without_figures")

FEATURES, PCA = "Pretrained features", "Pretrained features, PCA to 16"
HEAD = "Untrained head"


def trained(seed: int, score: float, method: str = "Proxy-NCA", **fields: Any) -> Run:
    spec = make_spec("digits", method, seed).model_copy(update={**PRETRAINED, **fields})
    return in_memory(spec, score)


def features(score: float, dimensions: int = 0, **fields: Any) -> Run:
    return in_memory(make_features("digits", dimensions, **fields), score)


def in_memory(spec: Any, score: float) -> Run:
    record = make_record(spec, {"recall@1": score + 0.3, "map@r": score, "eer": 0.1}, 48)
    return Run(Path("runs") / spec.run_name, record)


def gains(rows: list[Row]) -> dict[str, float | None]:
    return {row.method: round(row.gain.mean, 12) if row.gain else None for row in rows}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    return scan(write_pretrained(tmp_path_factory.mktemp("results")))[0]


@pytest.fixture(scope="module")
def page(runs: list[Run], tmp_path_factory: pytest.TempPathFactory) -> str:
    report = write_report(runs, tmp_path_factory.mktemp("report"), title="x")
    assert report.problems == ()
    return " ".join(report.html.read_text(encoding="utf-8").split())


@pytest.mark.parametrize(("images", "missing"), [(16, 1), (10, 7), (17, 0)])
def test_fewer_training_images_than_dimensions_are_named(images: int, missing: int) -> None:
    found = [features(0.3), features(0.25, 16), trained(0, 0.35, head_init="pca")]
    for run in found:
        run.record["split"]["train_images"] = images
    name = f"{PCA} (only {images - 1} exist)" if missing else PCA
    rows = summarise(found)
    assert [row.method for row in rows] == ["Proxy-NCA", FEATURES, name]
    assert gains(rows)["Proxy-NCA"] == 0.1
    words = (
        f"{images} training images have at most {images - 1} principal components: in "
        f'"PCA to 16", and in the heads that start there, the other directions ({missing} of 16) '
    )
    members = comparable_frame(found)
    assert components_sentence(members).startswith(words if missing else "")
    assert bool(components_sentence(members)) == bool(missing)
    assert components_sentence(members[members["head_init"] == "random"]) == ""


def test_they_come_after_the_methods_and_are_never_the_best(runs: list[Run]) -> None:
    rows = summarise(runs[::-1])
    assert [row.method for row in rows] == [*sorted(METHODS), FEATURES, PCA, HEAD]
    assert [row.loss for row in rows][3:] == [None, None, None]
    assert [len(row.seeds) for row in rows] == [2, 2, 2, 1, 1, 2]
    for table in score_tables(rows):
        assert [line.trained for line in table.lines] == [True] * 3 + [False] * 3
        best = [line.name for line in table.lines if any(best for _, best in line.cells)]
        assert best
        assert set(best) <= set(METHODS)


def test_they_do_not_count_in_the_start_of_the_methods(runs: list[Run]) -> None:
    row = summarise(runs)[-1]
    starts = [
        sum(run.record["untrained"]["map@r"] for run in runs if own(run, seed)) / 3
        for seed in (0, 1)
    ]
    assert row.scores["map@r"].mean == pytest.approx(sum(starts) / 2)


def own(run: Run, seed: int) -> bool:
    return bool(run.spec["loss"] != "none" and run.spec["seed"] == seed)


@pytest.mark.parametrize(
    ("spec", "size", "names"),
    [
        ({"head_init": "pca"}, 16, [PCA]),  # every run starts at that row
        ({"head_init": "pca"}, 0, [FEATURES, HEAD]),  # which was not scored
        ({}, 16, [PCA, HEAD]),
        ({"embedding_dim": 0}, 0, [FEATURES]),
    ],
)
def test_the_start_has_a_row_unless_it_repeats_one(
    spec: dict[str, Any], size: int, names: list[str]
) -> None:
    rows = summarise([features(0.3, size), trained(0, 0.4, **spec)])
    assert [row.method for row in rows if row.loss is None] == names


def head(seed: int, score: float) -> Run:
    spec = make_features("digits", 16, method=HEAD, head_init="random")
    return in_memory(spec.model_copy(update={"seed": seed}), score)


def test_a_random_head_without_methods_has_a_row_over_its_seeds() -> None:
    runs = [features(0.3), features(0.25, 16), head(0, 0.1), head(1, 0.14)]
    rows = summarise(runs)
    assert [(row.method, row.loss, row.seeds) for row in rows] == [
        (FEATURES, None, (0,)),
        (PCA, None, (0,)),
        (HEAD, None, (0, 1)),
    ]
    assert rows[-1].scores["map@r"].mean == pytest.approx(0.12)
    assert gains(rows) == {FEATURES: None, PCA: None, HEAD: -0.13}
    both = summarise([*runs, trained(0, 0.4), trained(1, 0.4)])  # it is the start of the method
    assert [row.method for row in both] == ["Proxy-NCA", FEATURES, PCA, HEAD]


def test_starts_that_differ_are_not_averaged() -> None:
    random, pca = trained(0, 0.4), trained(0, 0.5, head_init="pca")
    rows = summarise([random, pca, trained(0, 0.6, crop=64)])[3:]
    assert {row.method: row.scores["map@r"].mean for row in rows} == {
        f"{HEAD} (efficientnet_lite0, 16 dimensions, head init {start}, crop {crop})": score
        for start, crop, score in (
            ("random", "not set", 0.2),
            ("pca", "not set", 0.25),
            ("random", "64", 0.3),
        )
    }


def test_the_gain_is_over_the_features_of_equal_dimension() -> None:
    runs = [features(0.3), features(0.25, 16), trained(0, 0.35), trained(1, 0.39)]
    rows = summarise(runs)
    expected = mean_interval([0.35 - 0.25, 0.39 - 0.25])
    assert rows[0].gain is not None
    assert rows[0].gain.n == 2
    assert rows[0].gain.mean == pytest.approx(expected.mean)
    assert rows[0].gain.half == pytest.approx(expected.half)
    start = round((0.35 + 0.39) / 4 - 0.25, 12)
    assert gains(rows) == {"Proxy-NCA": 0.12, FEATURES: None, PCA: None, HEAD: start}
    without_head = [*runs[:2], trained(0, 0.35, embedding_dim=0)]
    assert gains(summarise(without_head))["Proxy-NCA"] == 0.05


@pytest.mark.parametrize(
    "other",
    [
        {"weights_sha256": "6" * 64},
        {"pooling": "max"},
        {"layer_norm": True},
        {"crop": 64},
        {"embedding_dim": 8},
        {"backbone": "conv4", "weights_sha256": None, "weights": None},
    ],
)
def test_features_of_another_network_are_no_measure(other: dict[str, Any]) -> None:
    rows = summarise(
        [features(0.3, 16), trained(0, 0.4), trained(0, 0.5, "Center + softmax", **other)]
    )
    assert gains(rows)["Proxy-NCA"] == 0.1
    assert gains(rows)["Center + softmax"] is None


def test_how_the_norm_is_frozen_does_not_matter_for_the_measure() -> None:
    assert gains(summarise([features(0.3, 16), trained(0, 0.4, frozen="none")]))["Proxy-NCA"] == 0.1


def test_tables_with_map_at_r_have_the_gain_and_say_what_it_is(runs: list[Run]) -> None:
    tables = score_tables(summarise(runs))
    assert [table.title for table in tables if GAIN in table.headings] == ["Retrieval"]
    assert GAIN_NOTE in tables[0].note
    assert GAIN_NOTE not in tables[-1].note
    rows = summarise([features(0.3, 16), trained(0, 0.25)])
    text = markdown(rows)
    assert f"| MAP@R | {GAIN} | n |" in text
    assert "| Proxy-NCA | 55.0 | 25.0 | −5.0 | 1 |" in text
    assert f"| {PCA} | 60.0 | 30.0 | – | 1 |" in text
    assert text.rstrip().endswith(GAIN_NOTE)


def test_the_console_has_the_whole_gain_in_80_columns(runs: list[Run]) -> None:
    terminal = Console(width=80, record=True, file=io.StringIO())
    rows = summarise(runs)
    for table in console(rows):
        terminal.print(table)
    text = terminal.export_text()
    assert "…" not in text
    assert "test: gain over the pretrained features" in text
    gain = rows[0].gain
    assert gain is not None
    assert gain.half is not None
    assert f"−{-100 * gain.mean:.1f}±{100 * gain.half:.1f}" in text


def test_the_summary_is_one_table_in_80_columns(runs: list[Run]) -> None:
    terminal = Console(width=80, record=True, file=io.StringIO())
    (table,) = console_summary(summarise(runs))
    terminal.print(table)
    text = terminal.export_text()
    for name in METHODS:
        assert f" {name} " in text
    assert len(table.columns) == 5


def test_csv_has_the_gain_as_fractions(runs: list[Run]) -> None:
    rows = summarise(runs)
    heading, first, *_, last = [line.split(",") for line in csv(rows).splitlines()]
    assert heading[-2:] == ["gain_map@r_mean", "gain_map@r_half_width"]
    assert rows[0].gain is not None
    assert first[-2:] == [f"{rows[0].gain.mean:.6g}", f"{rows[0].gain.half:.6g}"]
    assert last[-2] != ""


def test_results_from_scratch_have_no_gain(tmp_path: Path) -> None:
    rows = summarise(scan(write_results(tmp_path, ("digits",)))[0])
    for text in (markdown(rows), csv(rows), str(score_tables(rows))):
        assert "gain" not in text.lower()


def test_they_are_in_no_figure_no_pair_and_no_convergence(page: str, runs: list[Run]) -> None:
    curves, problems = read_curves(runs, {run.name: run.spec["method"] for run in runs})
    assert set(curves["method"]) == set(METHODS)
    assert problems == []
    assert f"{FEATURES}</text>" not in page
    assert f"{FEATURES} minus" not in page
    assert f"minus {FEATURES}" not in page
    assert f'<p class="finding">{FEATURES}' not in page
    assert page.count(f'<th scope="row">{FEATURES}</th>') == len(score_tables(summarise(runs))) + 1


def test_the_budget_is_that_of_the_methods(page: str) -> None:
    assert "Unequal budgets" not in page
    assert '<th scope="row">weights sha256</th><td class="text">555555555555</td>' in page
    assert '<th scope="row">frozen</th><td class="text">norm</td>' in page
    assert '<th scope="row">batch size</th><td class="text">32</td>' in page
    assert "optimizer" not in page  # keeps its default
    assert '<td class="text">none</td><td class="text">0</td>' not in page  # no line of methods


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "fine-tuned, efficientnet_lite0 with weights 555555555555 (pretrained)."),
        (
            {"frozen": "none", "weights": "my.pth"},
            "555555555555 (a file; images are scaled as for efficientnet_lite0).",
        ),
        ({"frozen": "backbone"}, "(pretrained); only the head was trained."),
    ],
)
def test_the_report_names_the_regime(fields: dict[str, Any], words: str, tmp_path: Path) -> None:
    runs = scan(write_pretrained(tmp_path, **fields))[0]
    text = write_report(runs, tmp_path / "out", title="x").html.read_text(encoding="utf-8")
    assert text.count("<p>Regime") == 1
    regime = "frozen, " if fields.get("frozen") == "backbone" else "fine-tuned, "
    assert f"<p>Regime: {regime}efficientnet_lite0" in text
    assert words in text


def test_regimes_of_two_data_sets_and_of_one(tmp_path: Path) -> None:
    write_results(tmp_path, ("glyphs",))
    write_pretrained(tmp_path)
    scratch = make_spec("digits", "Proxy-NCA", 0)
    write_run(tmp_path, scratch.model_copy(update={"method": "Small"}), gain=0.3)
    report = write_report(scan(tmp_path)[0], tmp_path / "out", title="x")
    text = report.html.read_text(encoding="utf-8")
    assert "<p>Regime: from scratch, conv4 with random weights.</p>" in text
    assert "<p>Regimes, which must not be compared: fine-tuned, " in text
    assert "; from scratch, conv4 with random weights (Small)." in text
    assert "frozen</th>" in text  # differs, so it is shown
    assert "norm (Center + softmax, Proxy-NCA, Triplet, semi-hard); none (Small)" in text


def test_the_report_says_when_pretrained_features_do_as_well(page: str) -> None:
    assert "The pretrained features as they are, without training, reach R@1" in page
    assert "as much as the best loss or more: unless fewer dimensions matter" in page


def test_without_methods_there_is_a_report_of_the_features(tmp_path: Path) -> None:
    for size in (0, 16):
        write_run(tmp_path, make_features("digits", size), gain=2.0)
    runs = scan(tmp_path)[0]
    report = write_report(runs, tmp_path / "out", title="x")
    text = " ".join(report.html.read_text(encoding="utf-8").split())
    assert report.problems == ()
    assert report.figures == ()
    assert "Nothing was trained: these are the scores of networks as they start." in text
    assert "<p>Regime: frozen, efficientnet_lite0 with weights 555555555555" in text
    assert "Unequal budgets" not in text
    assert "learning rate" not in text.split("A card for each run")[0]  # which has every field
    assert [row.method for row in summarise(runs)] == [FEATURES, PCA]


def test_frames_have_them_with_their_fields(runs: list[Run]) -> None:
    table = frame(runs).set_index("method")
    found = table[["loss", "steps", "embedding_dim", "head_init"]].loc[[FEATURES, PCA]]
    assert found.to_numpy().tolist() == [["none", 0, 0, "random"], ["none", 0, 16, "pca"]]
