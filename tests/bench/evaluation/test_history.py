"""Which validations a run keeps."""

from typing import Any

import pytest

from bench.evaluation.history import keep, planned_steps
from tests.support.short_runs import spec_for


@pytest.mark.parametrize(
    ("count", "fields", "expected"),
    [
        (None, {}, {0, 4, 8, 12}),  # all, as there are fewer than 6
        (None, {"steps": 300, "evaluate_every": 30}, {0, 60, 120, 180, 240, 300}),
        (None, {"dataset": "cub200", "resize": 8, "crop": 8}, set()),
        (3, {"dataset": "cub200", "resize": 8, "crop": 8}, {0, 8, 12}),
        (2, {"steps": 13}, {0, 13}),
        (1, {}, {12}),
        (0, {}, set()),
        (6, {"purpose": "trial"}, set()),
    ],
)
def test_kept_validations_are_spread_from_the_first_to_the_last(
    count: int | None, fields: dict[str, Any], expected: set[int]
) -> None:
    assert planned_steps(spec_for(**fields), count) == expected


def test_the_last_validation_is_kept_where_training_ends_early() -> None:
    kept: dict[int, dict[str, Any]] = {}
    for step in (0, 4, 8, 12):
        keep(kept, step, {}, {0, 8, 16})
    assert [*kept] == [0, 8, 12]
    keep(kept, 16, {}, {0, 8, 16})
    assert [*kept] == [0, 8, 16]
    kept.clear()
    keep(kept, 20, {}, set())
    assert kept == {}
