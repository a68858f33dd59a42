"""In a study of variance the seed of a run changes one source of chance and nothing else."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from bench.datasets import load
from bench.datasets.splits import with_other_validation
from bench.datasets.types import Dataset
from bench.spec import SOURCES, RunSpec
from bench.training.batches import Batches
from bench.training.inputs import draw_batch
from bench.training.network import build
from bench.training.sampling import derive, with_split_of
from tests.support.short_runs import spec_for

LOSSES = ("proxy_nca", "margin", "proxy_triplet")  # vectors, drawn negatives, shared proxies


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load("digits", None, "class-disjoint")


def drawn(spec: RunSpec, dataset: Dataset) -> dict[str, bytes]:
    """What each source of chance gives to the bit, by its name, while the others are as they are.

    Batches are those of the data set's own split, since those of another one hold other images.
    """
    model, loss, _ = build(spec, dataset, torch.device("cpu"))
    states = [*model.state_dict().values(), *loss.state_dict().values()]
    batches = Batches(spec, dataset, loss)
    positions = np.arange(24)
    augmented = batches.draw(3)[0]
    seed = spec.seed_of("augmentation")
    moved = draw_batch(dataset.images, positions, spec.augmentation, seed=seed, step=3)
    again = batches.compose(3)[0]
    assert torch.equal(
        augmented, draw_batch(dataset.images, again, spec.augmentation, seed=seed, step=3)
    )
    return {
        "weights": b"".join(state.numpy().tobytes() for state in states),
        "batches": b"".join(batches.compose(step)[0].tobytes() for step in range(5)),
        "augmentation": moved.numpy().tobytes(),
        "split": with_split_of(spec, dataset).split.train.tobytes(),
    }


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("source", SOURCES)
def test_a_source_by_itself_changes_nothing_else(source: str, loss: str, digits: Dataset) -> None:
    one, two = (drawn(spec_for(loss, seed=seed, varies=source), digits) for seed in (1, 2))
    assert {name for name in SOURCES if one[name] != two[name]} == {source}


def test_all_sources_together_change_everything(digits: Dataset) -> None:
    every = "+".join(SOURCES)
    one, two = (drawn(spec_for(seed=seed, varies=every), digits) for seed in (1, 2))
    assert all(one[name] != two[name] for name in SOURCES)
    alone = [drawn(spec_for(seed=1, varies=source), digits)[source] for source in SOURCES]
    assert alone == [one[source] for source in SOURCES]  # the same draws, beside others


def test_the_seed_of_an_ordinary_run_does_not_draw_the_split(digits: Dataset) -> None:
    one, two = (drawn(spec_for(seed=seed), digits) for seed in (1, 2))
    assert {name for name in SOURCES if one[name] == two[name]} == {"split"}
    assert with_split_of(spec_for(), digits) is digits


def test_a_drawn_split_moves_whole_classes_and_leaves_the_test(digits: Dataset) -> None:
    seen = set()
    for seed in range(20):
        other = with_split_of(spec_for(seed=seed, varies="split"), digits)
        before, after = digits.split, other.split
        np.testing.assert_array_equal(after.query, before.query)
        np.testing.assert_array_equal(after.gallery, before.gallery)
        assert {*after.train, *after.validation} == {*before.train, *before.validation}
        classes = [set(digits.labels[part].tolist()) for part in (after.train, after.validation)]
        assert not classes[0] & classes[1]
        assert len(classes[1]) == len(set(digits.labels[before.validation].tolist()))
        assert other.fingerprint == digits.fingerprint  # of the data set's own split
        assert other.drawn_fingerprint == replace(other, own_split=None).fingerprint
        seen.add(tuple(sorted(classes[1])))
    assert len(seen) > 3


def test_a_protocol_with_lists_has_no_other_validation() -> None:
    dataset = load("digits", None, "official")
    with pytest.raises(ValueError, match="the official protocol fixes which images validate"):
        with_other_validation(dataset.split, dataset.labels, derive(0, "split"))
