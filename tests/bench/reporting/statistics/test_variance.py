"""A study of variance: its numbers against slow ones, and what its sentences claim."""

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from statistics import stdev, variance

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bench.reporting.page import write_report
from bench.reporting.rows import summarise
from bench.reporting.statistics.variance import (
    ALL,
    TUNING,
    console,
    csv,
    exceeds,
    frame,
    sentence,
    sentences,
    separate,
    texts,
)
from bench.spec import RunSpec, Source, joined
from bench.store.runs import Run, scan
from bench.tuning.best_of import spread_of_best
from bench.tuning.outcomes import read_outcomes
from bench.tuning.search import read_search
from tests.support.fabricated import make_record, make_spec, seal, write_pictures, write_run
from tests.support.searches import write_stored_search

pytestmark = pytest.mark.usefixtures("without_figures")

SOURCES: tuple[Source, ...] = ("weights", "batches", "split")
METHOD = "Proxy-NCA"
CLEAR = {  # R@1 by seed
    ALL: [0.50, 0.58, 0.44, 0.62, 0.47, 0.55],
    "weights": [0.50, 0.57, 0.45, 0.61, 0.48, 0.55],
    "batches": [0.500, 0.504, 0.499, 0.503, 0.502, 0.501],
    "split": [0.510, 0.514, 0.509, 0.505, 0.512, 0.511],
}
CLOSE = CLEAR | {"batches": [0.49, 0.58, 0.46, 0.60, 0.48, 0.53]}


def spec_of(source: str, seed: int, method: str = METHOD) -> RunSpec:
    spec = make_spec("digits", method, seed)
    return spec.model_copy(update={"varies": joined(SOURCES) if source == ALL else source})


def record_of(spec: RunSpec, score: float) -> dict[str, object]:
    return make_record(spec, {"recall@1": score, "map@r": score / 2}, 48)


def runs_of(scores: Mapping[str, Sequence[float]], method: str = METHOD) -> list[Run]:
    specs = [
        (spec_of(source, seed, method), score)
        for source, values in scores.items()
        for seed, score in enumerate(values, start=1)
    ]
    return [Run(Path(spec.run_name), record_of(spec, score)) for spec, score in specs]


def table_of(scores: Mapping[str, Sequence[float]]) -> pd.DataFrame:
    whole, study = separate(runs_of(scores), SOURCES)
    assert study
    return frame(whole, study)


def test_numbers_against_a_slow_computation() -> None:
    table = table_of(CLEAR)
    assert len(table) == 2 * 4
    for row in table.to_dict("records"):
        score, source = row["score"], row["source"]
        values = [value / (2 if score == "map@r" else 1) for value in CLEAR[source]]
        whole = [value / (2 if score == "map@r" else 1) for value in CLEAR[ALL]]
        n, sd = len(values), stdev(values)
        ends = [sd * np.sqrt((n - 1) / stats.chi2.ppf(level, n - 1)) for level in (0.975, 0.025)]
        np.testing.assert_allclose([row["sd"], row["sd_low"], row["sd_high"]], [sd, *ends])
        assert row["n"] == n
        if source == ALL:
            assert np.isnan(row["share"])
            continue
        ratio = variance(values) / variance(whole)
        ends = [ratio / stats.f.ppf(level, n - 1, len(whole) - 1) for level in (0.975, 0.025)]
        shares = [row["share"], row["share_low"], row["share_high"]]
        np.testing.assert_allclose(shares, [ratio, *ends])


def test_a_method_that_was_renamed_between_its_runs_is_one() -> None:
    whole, study = separate(runs_of(CLEAR), SOURCES)
    assert study
    renamed = [run.with_method("Former name") for run in whole[:-1]]
    environment = {**whole[-1].record["environment"], "finished": "2099-01-01T00:00:00+00:00"}
    last = Run(whole[-1].directory, {**whole[-1].record, "environment": environment})
    pd.testing.assert_frame_equal(frame([*renamed, last], study), frame(whole, study))


def test_the_largest_source_is_named_only_if_it_is_shown() -> None:
    (clear,), (close,) = sentences(table_of(CLEAR)), sentences(table_of(CLOSE))
    assert clear == (
        "Proxy-NCA: R@1 spreads by 6.86 points (standard deviation) where all sources vary. The "
        "dominant source is initial weights, 6.02 points: its variance is shown to exceed that of "
        "every other one (F tests at 5 % / 3)."
    )
    assert "6 runs of each source cannot tell which one dominates: the largest is" in close
    assert "not shown to exceed batch order" in close
    assert "split" not in close.partition("not shown")[2]
    assert "More than 100 would be needed." in close


def test_few_runs_and_no_spread_are_said() -> None:
    (few,) = sentences(table_of({source: values[:1] for source, values in CLEAR.items()}))
    assert few == "Proxy-NCA: too few runs are stored to say where the spread of R@1 comes from."
    (lacking,) = sentences(table_of({key: CLEAR[key] for key in (ALL, "weights")}))
    assert "too few runs" in lacking
    (steady,) = sentences(table_of({source: [0.5, 0.5, 0.5] for source in CLEAR}))
    assert steady.endswith("No source by itself changes R@1.")
    table = table_of({source: [0.5, 0.5, 0.5] for source in CLEAR})
    assert table["share"].isna().all()
    assert (table["sd"] == 0).all()
    assert table["sd_high"].isna().all()  # equal scores do not show what is chance
    table = table_of({**CLEAR, "weights": [0.5, 0.5, 0.5]})
    row = table[(table["source"] == "weights") & (table["score"] == "recall@1")].iloc[0]
    assert row["share"] == 0
    assert np.isnan(row["share_high"])


def test_the_number_of_runs_that_would_tell() -> None:
    scores = CLEAR | {"batches": [0.49, 0.53, 0.47, 0.55, 0.48, 0.51]}
    (sentence,) = sentences(table_of(scores))
    needed = int(sentence.partition("About ")[2].split()[0])
    ratio = variance(scores["weights"]) / variance(scores["batches"])

    def power(n: int) -> float:
        limit = stats.f.ppf(1 - 0.05 / 3, n - 1, n - 1)
        return float(stats.f.sf(limit / ratio, n - 1, n - 1))

    assert power(needed) >= 0.8 > power(needed - 1)


def test_equal_sources_are_called_different_in_at_most_5_percent() -> None:
    generator = np.random.default_rng(0)
    wrong, rounds = 0, 1500
    for sds in generator.normal(size=(rounds, 4, 6)).std(axis=2, ddof=1):
        sources = dict(zip("abcd", sds.tolist(), strict=True))
        first, *others = sorted(sources, key=lambda name: -sources[name])
        counts = dict.fromkeys(sources, 6)
        wrong += all(exceeds(sources, counts, first, other) for other in others)
    assert wrong / rounds <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / rounds)


def test_other_tests_are_not_compared() -> None:
    runs = runs_of(CLEAR)
    record = {**runs[-1].record, "data_checksum": "e" * 64}
    whole, study = separate([*runs[:-1], Run(runs[-1].directory, record)], SOURCES)
    assert study
    with pytest.raises(ValueError, match="differ in data checksum"):
        frame(whole, study)


def test_a_suite_without_sources_is_no_study() -> None:
    runs = runs_of(CLEAR)
    assert separate(runs, ()) == (runs, None)


@pytest.mark.parametrize("validation", [[0.3, 0.1, 0.4, 0.2], [0.2, 0.2, 0.1, 0.2]])
def test_the_spread_of_the_best_trial_over_all_resampled_searches(validation: list[float]) -> None:
    test = [0.7, 0.2, 0.5, 0.4]
    best = [
        test[min(drawn, key=lambda number: (-validation[number], number))]
        for drawn in product(range(4), repeat=4)
    ]
    assert spread_of_best(validation, test) == pytest.approx(np.std(best))


@pytest.mark.parametrize("tested", [True, False])
def test_tuning_is_a_source_where_every_trial_was_tested(tested: bool, tmp_path: Path) -> None:
    folder = write_stored_search(tmp_path, tested=tested).with_suffix("")
    search = read_search(folder)
    assert search
    outcomes, _ = read_outcomes(folder, search)
    whole, study = separate(runs_of(CLEAR), SOURCES)
    assert study
    table = frame(whole, study, outcomes)
    tuning = table[table["source"] == TUNING].set_index("score")
    assert sentences(table) == sentences(table_of(CLEAR))  # it is not ranked among the others
    if not tested:
        assert tuning.empty
        return
    trials = outcomes[0].trials
    assert outcomes[0].searched.method == METHOD
    sd = spread_of_best(
        [trial.score for trial in trials], [trial.on_test("map@r") or 0.0 for trial in trials]
    )
    row = tuning.loc["map@r"]
    assert row["sd"] == sd > 0
    assert row["n"] == len(trials)
    assert row["share"] == pytest.approx(sd**2 / variance([value / 2 for value in CLEAR[ALL]]))
    assert np.isnan(row["sd_low"])
    found = texts(table, "digits", "class-disjoint")
    assert found
    assert "drawn with replacement" in found["tables"][0][1]


def write_study(results: Path) -> list[Run]:
    """A study as it is stored, without queries, which would contradict its scores."""
    write_pictures(results, "digits")
    found = []
    for method in (METHOD, "Center + softmax"):
        for run in runs_of({key: values[:3] for key, values in CLEAR.items()}, method):
            path = write_run(results, RunSpec.model_validate(run.spec), gain=0.1)
            (path / "queries.safetensors").unlink()
            scores = {**run.scores, "nmi": 0.5}
            seal(path, scores=scores)
            found.append(Run(path, {**run.record, "scores": scores}))
    return found


def test_report_and_terminal_show_the_study(tmp_path: Path) -> None:
    write_study(tmp_path)
    stored, problems = scan(tmp_path)
    assert not problems
    whole, study = separate(stored, SOURCES)
    report = write_report(whole, tmp_path / "report", title="A study", study=study)
    page = report.html.read_text(encoding="utf-8")
    assert "Where the spread comes from" in page
    assert "Split: which training classes validate" in page
    assert report.variance is not None
    for said in sentences(report.variance):
        assert said in " ".join(report.findings)
        assert said in page
    assert report.tables[-1].name == "variance.csv"
    assert report.tables[-1].read_text() == csv(report.variance)
    assert [row.seeds for row in summarise(whole) if row.loss] == [(1, 2, 3)] * 2
    cells = texts(report.variance, "digits", "class-disjoint")
    assert cells
    tables = console(report.variance)
    assert [table.row_count for table in tables] == [8, 8]
    first = next(iter(tables[0].columns[3].cells))
    assert str(first) == cells["tables"][0][2][0][3]


def test_equal_scores_of_a_source_do_not_make_another_one_dominant() -> None:
    """Two runs whose queries are few may have one score by chance."""
    sds, counts = {ALL: 0.02, "weights": 0.0, "batches": 0.015}, dict.fromkeys((ALL, "weights"), 2)
    counts["batches"] = 2
    said = sentence(sds, counts, "R@1")
    assert "cannot tell which one dominates" in said
    assert said.endswith("Equal scores do not show what is chance.")
    several = sentence(sds | {"augmentation": 0.01}, counts | {"augmentation": 2}, "R@1")
    assert "cannot tell which one dominates" in several
    assert "would" in several
