"""The plan of a comparison: as much as fits, two seeds at least."""

from itertools import pairwise, product

import pytest

from bench.running.choose_budget import (
    ENOUGH_STEPS,
    LEAST_SEEDS,
    LEAST_STEPS,
    MOST_SEEDS,
    MOST_STEPS,
    VALIDATIONS,
    Speed,
    Work,
    choose,
    fits,
    report_seconds,
    rounds,
)

SPEED = Speed(start=6.0, step=0.8, embed=0.01, score=1.0)
WORK = Work(methods=3, validation=120, scored=300, processes=2)
MINUTES = (0.5, 1, 2, 3, 5, 8, 12, 20, 30, 45, 60, 120, 600)


def simulated(speed: Speed, work: Work, seeds: int, steps: int) -> float:
    """Seconds if every process takes the next run as soon as it is free."""
    validations = VALIDATIONS + 1
    run = speed.start + steps * speed.step + 2 * speed.score
    run += (validations * work.validation + work.scored) * speed.embed
    busy = [0.0] * work.processes
    for seconds in [speed.start + speed.score] * 2 + [run] * (work.methods * seeds):
        busy[busy.index(min(busy))] += seconds
    return max(busy)


@pytest.mark.parametrize(
    "speed",
    [SPEED, Speed(20.0, 0.2, 0.001, 10.0), Speed(1.0, 0.01, 0.0, 0.0)],
    ids=["cpu", "slow start", "gpu"],
)
@pytest.mark.parametrize(
    "work",
    [WORK, Work(1, 10, 10, 1), Work(5, 900, 3000, 8), Work(2, 10, 10, 64)],
    ids=["usual", "one loss", "many images", "many cores"],
)
def test_a_plan_fits_or_is_the_least(speed: Speed, work: Work) -> None:
    for minutes in MINUTES:
        plan = choose(speed, work, 60 * minutes)
        assert LEAST_SEEDS <= plan.seeds <= MOST_SEEDS
        assert LEAST_STEPS <= plan.steps <= MOST_STEPS
        assert plan.evaluate_every * VALIDATIONS == plan.steps
        assert simulated(speed, work, plan.seeds, plan.steps) <= plan.seconds
        if plan.seconds > 60 * minutes:
            assert (plan.seeds, plan.steps) == (LEAST_SEEDS, LEAST_STEPS)


@pytest.mark.parametrize("processes", [1, 2, 8])
def test_more_minutes_never_give_less(processes: int) -> None:
    work = Work(WORK.methods, WORK.validation, WORK.scored, processes)
    plans = [choose(SPEED, work, 60 * minutes) for minutes in MINUTES]
    for before, after in pairwise(plans):
        assert after.seeds >= before.seeds
        assert after.steps >= (before.steps if after.seeds == before.seeds else ENOUGH_STEPS)


def test_a_third_seed_comes_before_more_than_enough_steps() -> None:
    plans = [choose(SPEED, WORK, seconds) for seconds in range(60, 3000, 20)]
    fewest = [plan for plan in plans if plan.seeds == LEAST_SEEDS]
    assert max(plan.steps for plan in fewest) < 2 * ENOUGH_STEPS
    assert {plan.seeds for plan in plans} == {2, 3, 4, 5}


def test_a_slower_machine_never_gets_more() -> None:
    slow = Speed(2 * SPEED.start, 2 * SPEED.step, 2 * SPEED.embed, 2 * SPEED.score)
    for minutes, processes in product(MINUTES, (1, 2, 4)):
        work = Work(WORK.methods, WORK.validation, WORK.scored, processes)
        fast_plan, slow_plan = (choose(speed, work, 60 * minutes) for speed in (SPEED, slow))
        assert slow_plan.seeds <= fast_plan.seeds


@pytest.mark.parametrize(
    ("seeds", "runs", "seconds", "left", "report", "expected"),
    [
        (2, 8, 240.0, 150.0, 12.0, True),  # 2 processes: 60 s a run, and 2 runs one after the other
        (2, 8, 240.0, 140.0, 12.0, False),
        (2, 8, 240.0, 150.0, 16.0, False),
        (MOST_SEEDS, 8, 240.0, 1e6, 12.0, False),
        (2, 0, 1.0, 1e6, 12.0, False),  # everything was stored
        (2, 2, 1.0, 1e6, 12.0, False),  # the rest of a stopped command
    ],
)
def test_one_more_seed(
    seeds: int, runs: int, seconds: float, left: float, report: float, expected: bool
) -> None:
    assert fits(WORK, seeds, runs, seconds, left, report) is expected


def test_the_report_takes_longer_on_a_slow_machine() -> None:
    fast, slow = Speed(1.0, 0.1, 0.001, 0.1), Speed(47.0, 0.1, 0.001, 0.1)
    assert (report_seconds(fast), report_seconds(slow)) == (12.0, 94.0)
    without = [
        plan.seconds - report_seconds(speed)
        for speed in (fast, slow)
        for plan in [choose(speed, WORK, 1.0)]
    ]
    starts = 1 + rounds(WORK, LEAST_SEEDS)
    assert without[1] - without[0] == pytest.approx(starts * 46.0)
