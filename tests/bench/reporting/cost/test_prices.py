"""Three prices of a method, from made-up trials, and whether it is three times as fast."""

import io
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.reporting.cost.claim import claim_sentence
from bench.reporting.cost.cost_to_target import Convergence, converged
from bench.reporting.cost.prices import (
    COLUMNS,
    UNKNOWN,
    cost_of_trial,
    csv,
    frame,
    price_table,
    prices,
)
from bench.reporting.page import write_report
from bench.reporting.tuning import Tuned
from bench.store.runs import scan
from bench.suites import load_suite
from bench.tuning.outcomes import Outcome, read_outcomes
from bench.tuning.search import read_search
from tests.support.fabricated import write_pictures, write_run
from tests.support.made_curves import make_curves, stretched
from tests.support.searches import write_stored_search

pytestmark = pytest.mark.usefixtures("without_figures")

RISES = [0.1, 0.3, 0.6, 0.9, 0.9, 0.9, 0.9]
MIDDLE = 0.29  # of ten targets of MAP@R from 0.05 to 0.45


@pytest.fixture
def outcomes(tmp_path: Path) -> list[Outcome]:
    """Five trials of 12 steps of Proxy-NCA and Triplet; one of the latter diverged at once."""
    folder = write_stored_search(tmp_path).with_suffix("")
    search = read_search(folder)
    assert search
    return read_outcomes(folder, search)[0]


@pytest.fixture
def found() -> Convergence:
    slow = np.interp(np.arange(0, 7, 0.5), range(7), RISES).tolist()
    curves = make_curves({"Proxy-NCA": [RISES] * 2, "Triplet": [slow] * 2}, triplet="Triplet")
    return next(item for item in converged(curves) if item.metric == "map@r")


def test_tuning_costs_all_trials_and_own_values_are_those_of_trial_0(
    found: Convergence, outcomes: list[Outcome]
) -> None:
    known = prices(found, outcomes)
    assert found.targets.scores[found.targets.middle] == pytest.approx(MIDDLE)
    assert [known[m]["step"].trials for m in ("Proxy-NCA", "Triplet")] == [6 * 12, 5 * 12]
    assert known["Proxy-NCA"]["images"].trials == 6 * 12 * 24
    own = known["Proxy-NCA"]["step"].own  # from 0.1 at the start to 0.35 at step 4
    assert own is not None
    assert own[found.targets.middle] == pytest.approx(4 * (MIDDLE - 0.1) / 0.25)
    assert np.isinf(own[-1])


def test_own_values_are_unknown_where_runs_are_validated_on_another_part(
    found: Convergence, outcomes: list[Outcome]
) -> None:
    drawn = replace(found, drawn_validation=True)
    known = prices(drawn, outcomes)
    assert known["Proxy-NCA"]["step"].own is None
    assert known["Proxy-NCA"]["step"].trials == 6 * 12
    caption, _, lines = price_table(drawn, outcomes)
    assert "Own values are unknown here: trials are validated on the data set's own part" in caption
    assert (lines[0][3], price_table(found, outcomes)[2][0][3]) == ("unknown", "3.04")
    table = frame({("digits", "class-disjoint"): [drawn]}, outcomes)
    assert table["own_values"].isna().all()
    assert table["with_tuning"].notna().any()


def test_a_trial_without_a_median_of_validations_reached_nothing(
    found: Convergence, outcomes: list[Outcome]
) -> None:
    trial = outcomes[0].default
    trial.run.__dict__["curve"] = trial.run.curve[:2]
    assert np.isinf(cost_of_trial(found, trial, "step")).all()


def test_the_table_has_the_middle_target_in_steps_and_seconds(
    found: Convergence, outcomes: list[Outcome]
) -> None:
    caption, headings, lines = price_table(found, outcomes)
    assert "Prices: cost to reach MAP@R 29.0 %, the middle one of 10 targets." in caption
    assert "all trials of the search (5 and the suite" in caption
    assert len(headings) == len(lines[0])
    steps = found.costs["Proxy-NCA"]["step"].average[found.targets.middle]
    assert lines[0][:4] == ("Proxy-NCA", f"{steps:.1f}", f"{72 + steps:.1f}", "3.04")
    assert price_table(found, outcomes[1:])[2][0][2:4] == ("unknown", "unknown")


def test_the_frame_has_prices_of_every_target_and_no_number_for_what_is_unknown(
    found: Convergence, outcomes: list[Outcome]
) -> None:
    key = ("digits", "class-disjoint")
    table = frame({key: [found]}, outcomes)
    assert list(table.columns) == list(COLUMNS)
    assert len(table) == 2 * 4 * 10
    again = pd.read_csv(io.StringIO(csv(table)))
    steps = again[again["axis"] == "step"]
    last = steps[steps["method"] == "Proxy-NCA"].iloc[-1]
    assert last["with_tuning"] == pytest.approx(last["average"] + 72, rel=1e-5)
    assert np.isnan(last["own_values"])
    assert last["times_as_fast"] == pytest.approx(2, rel=0.1)
    assert steps[steps["method"] == "Triplet"]["times_as_fast"].isna().all()
    assert (table["targets"] == "of these runs").all()
    for unknown in (frame({key: [found]}), frame({("glyphs", "official"): [found]}, outcomes)):
        assert unknown[["trials", "with_tuning", "own_values"]].isna().all(axis=None)
        assert unknown["average"].notna().all()


def test_the_report_has_prices_or_says_that_they_are_unknown(
    tmp_path: Path, outcomes: list[Outcome]
) -> None:
    suite = load_suite(str(tmp_path / "tuning" / "mine.toml"))
    write_pictures(tmp_path, "digits")
    for spec in suite.specs:
        write_run(tmp_path, spec, gain=0.4)
    runs, _ = scan(tmp_path)
    assert suite.tuning
    tuned = Tuned(suite.tuning, (), tuple(outcomes))
    report = write_report(runs, tmp_path / "with", title="x", tuned=tuned)
    page = " ".join(report.html.read_text().split())
    assert page.count("Prices: cost to reach") == 2
    assert UNKNOWN not in page
    assert "with all trials counted on both sides the factor in steps is" in page
    assert pd.read_csv(report.tables[2])["with_tuning"].notna().any()
    report = write_report(runs, tmp_path / "without", title="x")
    page = " ".join(report.html.read_text().split())
    assert UNKNOWN in page
    assert "Prices: cost to reach" not in page
    assert "with tuning it is unknown, as no whole search is stored" in page


def sentence(runs: dict[str, list[list[float]]], there: Collection[str] = ()) -> str:
    """On runs of which "Triplet" is the reference and all others are proxy losses; there, methods
    that were trained on another machine."""
    proxies = [method for method in runs if method != "Triplet"]
    curves = make_curves(runs, triplet="Triplet")
    curves.loc[curves["method"].isin(there), "machine"] = "there"
    return claim_sentence(converged(curves), proxies, [])


def test_one_sentence_says_by_which_definition_three_times_as_fast_holds() -> None:
    text = sentence({"A": stretched(2), "B": stretched(6), "Triplet": stretched(8)})
    assert text.startswith(
        '"Three times as fast as Triplet", by one training to MAP@R 29.0 % on the validation part '
        "(the middle one of 10 targets) and without tuning: in steps it holds for A (factor 4."
    )
    assert " and fails for B (factor 1.3" in text
    assert "; in seconds it holds for A (factor 4." in text
    assert text.endswith("; with tuning it is unknown, as no whole search is stored.")


def test_seconds_of_several_machines_are_not_compared() -> None:
    text = sentence({"A": stretched(2), "Triplet": stretched(8)}, ["A"])
    assert "in steps it holds for A (factor 4." in text
    assert "; in seconds it cannot be judged, as these come from 2 kinds of machine or " in text
    assert "in seconds it" not in text.replace("in seconds it cannot be judged", "")


def test_seconds_of_several_machines_have_no_ratio_and_no_p() -> None:
    curves = make_curves({"A": stretched(2), "Triplet": stretched(8)}, triplet="Triplet")
    compared = ["times_as_fast", "low", "high", "p_logrank"]
    for place, axes in {"here": {"step", "seconds"}, "there": {"step"}}.items():
        curves.loc[curves["method"] == "A", "machine"] = place
        table = frame({("tiny", "official"): converged(curves)})
        found = table[table[compared].notna().any(axis=1)]
        assert {*found["axis"]} == axes


def test_the_sentence_counts_many_losses_and_admits_what_runs_cannot_say() -> None:
    many = {name: stretched(8) for name in ("A", "B", "C", "D", "Triplet")}
    assert "in steps it fails for 4 proxy losses; in seconds" in sentence(many)
    alone = sentence({"A": [RISES], "Triplet": [RISES]})
    assert "it cannot be judged for A (of their common seeds, fewer than 3 runs of" in alone
    falling = [0.5, 0.4, 0.4, 0.4]
    assert (
        "cannot be judged: among the runs with four validations or more, no method ends above the "
        "untrained network by MAP@R on the validation part."
    ) in sentence({"A": [falling], "Triplet": [falling]})
    assert sentence({"Triplet": [RISES] * 2}) == ""


def test_with_trials_the_sentence_has_the_factor_with_tuning(
    found: Convergence, outcomes: list[Outcome]
) -> None:
    middle = found.targets.middle
    paid = {"Triplet": 5 * 12, "Proxy-NCA": 6 * 12}
    total = [found.costs[m]["step"].average[middle] + trials for m, trials in paid.items()]
    text = claim_sentence([found], ["Proxy-NCA"], outcomes)
    assert text.endswith(
        f"with all trials counted on both sides the factor in steps is {total[0] / total[1]:.2f}."
    )
    other = replace(found, costs={**found.costs, "P": found.costs["Proxy-NCA"]})
    other = replace(other, faster={**found.faster, "P": found.faster["Proxy-NCA"]})
    text = claim_sentence([other], ["Proxy-NCA", "P"], outcomes)
    assert text.endswith(f"{total[0] / total[1]:.2f} (without P: no trials, or never reached).")
