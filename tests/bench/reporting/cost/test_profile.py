"""Performance profiles: against a plain loop, with misses, over data sets, and what is said."""

import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from bench.reporting.cost.cost_to_target import Convergence, Costs
from bench.reporting.cost.profile import (
    COLUMNS,
    FACTORS,
    SHOWN,
    caption,
    csv,
    frame,
    over_data_sets,
    profile,
    profiles,
    shares_within,
    table,
)
from bench.reporting.cost.targets import Targets

MISS = np.nan

UNITS = {name: name for name in ("tiny", "large", "one", "two", "a", "b")}


def made(**methods: list[list[float]]) -> Convergence:
    """Methods with costs of (targets, seeds) in steps; seconds are the same; NaN is a miss."""
    costs = {}
    for name, rows in methods.items():
        missed = np.isnan(rows)
        own = Costs(tuple(range(len(rows[0]))), np.where(missed, 500.0, rows), missed)
        costs[name] = {"step": own, "seconds": own}
    return Convergence("map@r", Targets((0.1, 0.2), "of a test"), "A", costs, {})


def slow_share(methods: dict[str, list[list[float]]], name: str, factor: float) -> float:
    """The definition in words, one run after the other."""
    counts = []
    for target, costs in enumerate(methods[name]):
        for seed, cost in enumerate(costs):
            runs = [own[target][seed] for own in methods.values()]
            cheapest = min((run for run in runs if not np.isnan(run)), default=np.inf)
            counts.append(not np.isnan(cost) and cost <= factor * cheapest)
    return float(np.mean(counts))


def test_shares_agree_with_a_plain_loop_and_misses_never_count() -> None:
    generator = np.random.default_rng(0)
    rows = {name: generator.uniform(10, 60, (2, 6)) for name in "ABC"}
    rows["B"][1, :4] = MISS
    for costs in rows.values():
        costs[0, 5] = MISS  # nobody reaches it
    methods = {name: costs.tolist() for name, costs in rows.items()}
    found = profile({("tiny", "official"): [made(**methods)]}, UNITS, "map@r", "step")
    assert found
    assert found.methods == ("A", "B", "C")
    for number, name in enumerate(found.methods):
        for position in SHOWN:
            slow = slow_share(methods, name, float(FACTORS[position]))
            assert found.shares[number, position] == pytest.approx(slow)
    assert found.shares[1, -1] <= 1 - 5 / 12
    assert found.shares[:, 0].sum() == pytest.approx(11 / 12)


def test_shares_reach_one_only_at_the_factor_of_the_slower_method() -> None:
    convergence = made(A=[[10, 10], [20, 20]], B=[[15, 15], [60, 60]])
    found = profile({("tiny", "official"): [convergence]}, UNITS, "map@r", "step")
    assert found
    assert found.shares[0].tolist() == [1.0] * len(FACTORS)
    slower = dict(zip(FACTORS.round(2).tolist(), found.shares[1].tolist(), strict=True))
    assert [slower[factor] for factor in (1.0, 1.45, 1.5, 2.95, 3.0)] == [0, 0, 0.5, 0.5, 1]


def test_data_sets_are_the_units_and_share_their_weight_among_their_splits() -> None:
    fast, slow = [[10.0] * 3] * 2, [[100.0] * 3] * 2
    found = profile(
        {
            ("one", "official"): [made(A=fast, B=slow)],
            ("one", "class-disjoint"): [made(A=slow, B=fast)],
            ("two", "official"): [made(A=fast, B=slow, C=fast)],
        },
        UNITS,
        "map@r",
        "step",
    )
    assert found
    assert found.methods == ("A", "B")
    assert found.shares[:, -1].tolist() == [0.75, 0.25]
    assert (found.data_sets, found.seeds) == (2, 3)
    assert "targets have (one, official; one, class-disjoint; two, official). Band" in caption(
        [found]
    )


def test_the_band_shows_the_spread_over_seeds_and_is_missing_for_one() -> None:
    mixed = made(A=[[10.0, 10.0, 10.0, 10.0]], B=[[10.0, 10.0, 99.0, 99.0]])
    found = profile({("tiny", "official"): [mixed]}, UNITS, "map@r", "step")
    assert found
    assert (found.low[0, 0], found.high[0, 0]) == (1, 1)
    assert (found.low[1, 0], found.shares[1, 0], found.high[1, 0]) == (0, 0.5, 1)
    alone = profile({("tiny", "official"): [made(A=[[10.0]], B=[[20.0]])]}, UNITS, "map@r", "step")
    assert alone
    assert np.isnan(alone.low).all()
    assert "There is no band, as" in caption([alone])
    assert "One data set proves nothing of others" in caption([alone])
    assert table([alone])[1][1][3:] == ("0", "0", "100", "100", "100")
    assert profile({("tiny", "official"): [mixed]}, UNITS, "recall@1", "step") is None
    other = replace(found, metric="recall@1", tests=(("large", "official"),))
    assert "(R@1: large, official. MAP@R: tiny, official)" in caption([other, found])
    for order in ([alone, found], [found, alone]):
        assert "seeds (at least 4 each" in caption(order)
        assert "Scores without a band: a data set and split has one seed in" in caption(order)


def test_the_caption_counts_the_data_sets_of_each_score() -> None:
    mixed = made(A=[[10.0, 10.0]], B=[[10.0, 20.0]])
    one = profile({("tiny", "official"): [mixed]}, UNITS, "map@r", "step")
    assert one
    both = replace(one, data_sets=2, tests=(("tiny", "official"), ("large", "official")))
    assert "of one data set, for" in caption([one])
    assert "of 2 data sets, the units, for" in caption([both])
    assert "of 1 to 2 data sets, the units, for" in caption([one, both])
    assert "One data set proves nothing" in caption([both, one])


def test_targets_reached_before_training_and_single_methods_have_no_profile() -> None:
    within = shares_within(
        [
            item["step"]
            for item in made(A=[[0.0, 9.0], [5.0, 5.0]], B=[[1.0, 1.0]] * 2).costs.values()
        ]
    )
    assert within[:, :, 0].tolist() == [[0, 0], [1, 1]]
    assert profiles({("tiny", "official"): [made(A=[[5.0]])]}, UNITS) == []
    assert profiles({("tiny", "official"): [made(A=[[0.0]], B=[[0.0]])]}, UNITS) == []
    assert profiles({}, UNITS) == []


def test_seconds_of_several_machines_have_no_profile() -> None:
    one = made(A=[[10.0, 20.0]] * 2, B=[[20.0, 20.0]] * 2)
    several = replace(one, machines=2)
    found = {("a", "official"): [one], ("b", "official"): [several]}
    assert {(item.axis, item.tests) for item in profiles(found, UNITS)} == {
        ("step", (("a", "official"), ("b", "official"))),
        ("seconds", (("a", "official"),)),
    }
    assert [item.axis for item in profiles({("b", "official"): [several]}, UNITS)] == ["step"]


def test_the_frame_and_its_csv_have_every_share() -> None:
    convergence = made(A=[[10.0, 12.0]], B=[[30.0, MISS]])
    found = frame(profiles({("tiny", "official"): [convergence]}, UNITS))
    assert list(found.columns) == list(COLUMNS)
    assert len(found) == 2 * 2 * len(FACTORS)
    again = pd.read_csv(io.StringIO(csv(found)))
    last = again[(again["method"] == "B") & (again["axis"] == "step")].iloc[-1]
    assert (last["factor"], last["share"], last["low"], last["high"]) == (4, 0.5, 0, 1)
    assert (last["n_data_sets"], last["n_tests"], last["n_seeds"]) == (1, 1, 2)


def test_the_same_photographs_share_the_weight_of_one_data_set() -> None:
    shares = {
        ("cub200", "official"): np.array([0.0]),
        ("cub200_boxes", "official"): np.array([0.5]),
        ("sop", "official"): np.array([1.0]),
    }
    units = {"cub200": "cub200", "cub200_boxes": "cub200", "sop": "sop"}
    assert over_data_sets(shares, units) == pytest.approx([0.625])
