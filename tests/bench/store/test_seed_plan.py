"""The stored plan of seeds: what it covers, what is lost of it, and how it may grow."""

import json
from pathlib import Path

import pytest

from bench.store.seed_plan import SeedPlan, keep_plan, plan_path, read_plan

PLAN = SeedPlan(seeds=(3, 1), most=5, margin=0.005, methods=("a", "b", "c"), pairs=3)


@pytest.mark.parametrize(
    ("stored", "lost"),
    [
        ([3, 1], []),
        ([3], []),  # the suite's own seeds are missing runs of the suite
        ([3, 1, 4, 5], []),
        ([3, 1, 5], [4]),
        ([1, 6], [3, 4, 5]),
        ([], []),
    ],
)
def test_seeds_before_a_later_one_are_lost(stored: list[int], lost: list[int]) -> None:
    assert PLAN.further == (4, 5, 6)
    assert PLAN.lost(stored) == lost


def test_no_seed_is_added_beyond_the_last_there_is() -> None:
    plan = PLAN.model_copy(update={"seeds": (0, 2**32 - 2)})
    assert plan.further == (2**32 - 1,)
    assert plan.lost([0, 2**32 - 1]) == [2**32 - 2]


def test_pairs_never_become_fewer(tmp_path: Path) -> None:
    keep_plan(tmp_path, "s", PLAN)
    kept = keep_plan(tmp_path, "s", PLAN.model_copy(update={"methods": ("a", "b"), "pairs": 1}))
    found = read_plan(tmp_path, "s", PLAN.seeds)
    assert found == kept
    assert (found.methods, found.pairs) == (("a", "b", "c"), 3)
    keep_plan(tmp_path, "s", PLAN.model_copy(update={"methods": ("d",), "pairs": 6}))
    found = read_plan(tmp_path, "s", PLAN.seeds)
    assert found
    assert (found.methods, found.pairs) == (("a", "b", "c", "d"), 6)


def test_a_plan_without_pairs_can_be_read_and_one_that_lost_them_cannot(tmp_path: Path) -> None:
    old = PLAN.model_copy(update={"pairs": 0})
    content = old.model_dump(exclude={"pairs"}) | {"digest": old.sealed}
    path = plan_path(tmp_path, "s")
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(content))
    assert read_plan(tmp_path, "s", PLAN.seeds) == old
    content["digest"] = PLAN.sealed
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="was changed after the first look"):
        read_plan(tmp_path, "s", PLAN.seeds)
