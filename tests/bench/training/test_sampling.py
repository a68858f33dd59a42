import numpy as np
import pytest

from bench.training.sampling import (
    batch_positions,
    derive,
    positions_by_class,
    random_positions,
)

LABELS = np.array([4, 4, 7, 7, 7, 9, 9, 9, 9, 1, 1, 1, 1, 1, 3])
POSITIONS = np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13])  # without class 3, one of 1


def batch(step: int, *, seed: int = 0, batch_size: int = 6, samples: int = 2) -> np.ndarray:
    by_class = positions_by_class(LABELS, POSITIONS)
    return batch_positions(
        by_class, seed=seed, step=step, batch_size=batch_size, samples_per_class=samples
    )


def test_positions_by_class_keeps_only_the_given_positions() -> None:
    found = {label: rows.tolist() for label, rows in positions_by_class(LABELS, POSITIONS).items()}
    assert found == {1: [10, 11, 12, 13], 4: [0, 1], 7: [2, 3, 4], 9: [5, 6, 7, 8]}


@pytest.mark.parametrize("samples", [1, 2, 3])
def test_classes_are_distinct_and_equally_filled(samples: int) -> None:
    for step in range(50):
        positions = batch(step, batch_size=3 * samples, samples=samples)
        _, counts = np.unique(LABELS[positions], return_counts=True)
        assert list(counts) == [samples] * 3
        assert set(positions) <= set(POSITIONS)


def test_images_repeat_only_in_classes_that_are_too_small() -> None:
    for step in range(50):
        positions = batch(step, batch_size=12, samples=3)
        for label in (1, 7, 9):
            members = positions[LABELS[positions] == label]
            assert len(set(members)) == len(members)


def test_every_class_is_used_before_one_repeats() -> None:
    for step in range(20):
        positions = batch(step, batch_size=12, samples=2)
        counts = np.bincount(LABELS[positions], minlength=10)[[1, 4, 7, 9]]
        assert sorted(counts) == [2, 2, 4, 4]


def test_a_batch_depends_on_seed_and_step_only() -> None:
    def draw(seed: int, step: int) -> tuple[int, ...]:
        return tuple(batch(step, seed=seed, batch_size=16, samples=4))

    forwards = [draw(0, step) for step in range(8)]
    assert [draw(0, step) for step in reversed(range(8))] == forwards[::-1]
    assert len({*forwards, *(draw(1, step) for step in range(8))}) == 16


def test_every_image_is_drawn_about_as_often_as_its_class_allows() -> None:
    drawn = np.concatenate([batch(step) for step in range(2000)])
    share = np.bincount(LABELS[drawn], minlength=10)[[1, 4, 7, 9]] / len(drawn)
    np.testing.assert_allclose(share, 0.25, atol=0.01)
    counts = np.bincount(drawn, minlength=15)[[10, 11, 12, 13]]
    np.testing.assert_allclose(counts / counts.sum(), 0.25, atol=0.02)


def test_purposes_and_indices_draw_independently() -> None:
    names = [("a", 0), ("a", 1), ("b", 0), ("b", 1)]
    draws = {derive(0, name, index).integers(2**63) for name, index in names}
    assert len(draws) == 4
    assert derive(0, "a", 1).integers(2**63) == derive(0, "a", 1).integers(2**63)


@pytest.mark.parametrize("batch_size", [1, 4, 5, 13])
def test_random_batches_of_an_epoch_share_no_image(batch_size: int) -> None:
    per_epoch = len(POSITIONS) // batch_size
    for epoch in range(3):
        steps = range(epoch * per_epoch, (epoch + 1) * per_epoch)
        drawn = [
            random_positions(POSITIONS, seed=0, step=step, batch_size=batch_size) for step in steps
        ]
        whole = np.concatenate(drawn)
        assert [len(batch) for batch in drawn] == [batch_size] * per_epoch
        assert len(set(whole)) == len(whole)
        assert set(whole) <= set(POSITIONS)


def test_random_batches_depend_on_seed_and_step_alone() -> None:
    def draw(seed: int, step: int) -> list[int]:
        found = random_positions(POSITIONS, seed=seed, step=step, batch_size=5)
        return [int(position) for position in found]

    assert draw(0, 7) == draw(0, 7)
    assert len({tuple(draw(seed, step)) for seed in range(3) for step in range(5)}) == 15


def test_a_random_batch_of_more_images_than_there_are_repeats_them() -> None:
    counts = np.bincount(random_positions(POSITIONS, seed=0, step=3, batch_size=30))
    assert set(counts[POSITIONS].tolist()) == {2, 3}
