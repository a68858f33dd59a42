"""Batches of each step; the clusters of Magnet loss survive an interruption."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bench.datasets import load
from bench.datasets.images import ArrayImages
from bench.datasets.types import Dataset
from bench.running.run import InterruptedRunError
from bench.training.batches import Batches
from bench.training.inputs import channels_first, move, to_input
from bench.training.magnet_batches import neighborhood
from bench.training.network import build
from bench.training.sampling import batch_positions, derive, positions_by_class
from proxy_core.losses.magnet import Magnet
from proxy_core.losses.triplet import Triplet
from tests.support.short_runs import execute, numbers, spec_for


@pytest.fixture
def digits() -> Dataset:
    return load("digits", None, "class-disjoint")


def network(dataset: Dataset) -> nn.Module:
    return build(spec_for("magnet"), dataset, torch.device("cpu"))[0]


def refreshed(dataset: Dataset, steps: int = 1, **loss_args: Any) -> Batches:
    batches = Batches(spec_for("magnet"), dataset, Magnet(3, 8, **loss_args))
    for step in range(steps):
        batches.refresh(network(dataset), step)
    return batches


def test_other_losses_get_the_class_balanced_batches_of_seed_and_step(digits: Dataset) -> None:
    spec = spec_for("triplet", seed=3)
    batches = Batches(spec, digits, Triplet(3, 8))
    batches.refresh(network(digits), 0)
    images, targets = batches.load(5)
    train = digits.split.train
    positions = batch_positions(
        positions_by_class(digits.labels, train), seed=3, step=5, batch_size=24, samples_per_class=4
    )
    expected = move(to_input(channels_first(digits.pixels[positions])), derive(3, "augment", 5))
    classes = sorted(set(digits.labels[train].tolist()))
    labels = [classes.index(label) for label in digits.labels[positions].tolist()]
    assert torch.equal(images, expected)
    assert [target.tolist() for target in targets] == [labels]
    assert targets[0].dtype == torch.int64
    assert batches.state_dict() is None


def test_a_batch_of_one_cluster_is_refused_for_magnet_only(digits: Dataset) -> None:
    spec = spec_for("magnet", samples_per_class=24)
    with pytest.raises(ValueError, match="samples_per_class is 24 of 24 images: magnet needs"):
        Batches(spec, digits, Magnet(3, 8))
    Batches(spec, digits, Triplet(3, 8))
    Batches(spec_for("magnet", samples_per_class=12), digits, Magnet(3, 8))


def test_magnet_gets_training_images_with_labels_and_clusters(digits: Dataset) -> None:
    batches = refreshed(digits, clusters_per_class=2)
    assert batches.clusters is not None
    train = digits.split.train
    assert torch.equal(batches.clusters.of_image // 2, batches.labels(train))
    seen = set()
    for step in range(10):
        images, (labels, clusters) = batches.load(step)
        rows = neighborhood(batches.clusters, seed=0, step=step, batch_size=24, samples_per_class=4)
        expected = move(
            to_input(channels_first(digits.pixels[train[rows]])), derive(0, "augment", step)
        )
        assert torch.equal(images, expected)
        assert torch.equal(clusters // 2, labels)
        assert clusters[:4].unique().numel() == 1  # type: ignore[no-untyped-call]
        assert Magnet(3, 8)(torch.randn(24, 8), labels, clusters).isfinite()
        seen |= set(labels.tolist())
    assert seen == {0, 1, 2}


def test_clusters_are_refreshed_every_few_steps_with_draws_of_their_number(
    digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[dict[str, Any]] = []

    def find(embeddings: Tensor, labels: Tensor, **settings: Any) -> Any:
        calls.append(settings | {"generator": settings["generator"].random()})

    monkeypatch.setattr("bench.training.batches.find_clusters", find)
    refreshed(digits, steps=9, refresh_every=4, alpha=0.3, clusters_per_class=5)
    draws = [derive(0, "clusters", number).random() for number in (0, 1, 2)]  # steps 0, 4 and 8
    settings = {"per_class": 5, "groups": 6, "alpha": 0.3}
    assert calls == [settings | {"generator": draw} for draw in draws]


def test_only_training_images_decide_the_clusters(digits: Dataset) -> None:
    before = refreshed(digits).state_dict()
    scrambled = digits.pixels.copy()
    rest = np.setdiff1d(np.arange(len(scrambled)), digits.split.train)
    scrambled[rest] = 255 - scrambled[rest, ::-1]
    object.__setattr__(digits, "images", ArrayImages(scrambled, digits.items))
    after = refreshed(digits).state_dict()
    assert before is not None
    assert after is not None
    assert all(torch.equal(torch.as_tensor(before[k]), torch.as_tensor(after[k])) for k in before)


def test_clusters_survive_their_state(digits: Dataset) -> None:
    batches = refreshed(digits)
    other = Batches(spec_for("magnet"), digits, Magnet(3, 8))
    other.load_state_dict(batches.state_dict())
    for one, two in zip(batches.load(3)[1], other.load(3)[1], strict=True):
        assert torch.equal(one, two)
    other.load_state_dict(None)
    assert other.clusters is None


def test_a_network_that_diverged_is_reported_with_its_step(digits: Dataset) -> None:
    model = network(digits)
    next(model.parameters()).data.fill_(torch.nan)
    batches = Batches(spec_for("magnet"), digits, Magnet(3, 8, refresh_every=4))
    message = r"not finite before step 9 of 12; lower the learning rates$"
    with pytest.raises(FloatingPointError, match=message):
        batches.refresh(model, 8)


def test_a_run_stopped_between_refreshes_has_the_same_bits(tmp_path: Path) -> None:
    """Refreshes before steps 0, 3, 6 and 9 of 12; stops after steps 1, 2, 3, ..."""
    spec = spec_for("magnet", loss_args={"refresh_every": 3})
    whole = execute(spec, tmp_path / "whole")
    for _ in range(11):
        with pytest.raises(InterruptedRunError):
            execute(spec, tmp_path / "parts", lambda: True)
    assert numbers(execute(spec, tmp_path / "parts", lambda: True)) == numbers(whole)
