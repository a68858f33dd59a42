"""The suite file of a comparison: valid, the same each time, and known again by its conditions."""

from dataclasses import replace
from pathlib import Path

import pytest

from bench.datasets import load
from bench.datasets.types import Dataset
from bench.running.choose_budget import Plan
from bench.running.comparison import (
    Conditions,
    batch_size,
    content_of,
    head_comment,
    is_for,
    read_losses,
    suite_path,
    suite_text,
    with_seeds,
)
from bench.suites import load_suite
from bench.suites.arguments import declared_losses
from tests.support.photographs import write_pictures

PLAN = Plan(seeds=3, steps=48, seconds=100.0)


@pytest.fixture
def dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    monkeypatch.setenv("PROXY_BENCH_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / 'my "best" photos'
    write_pictures(folder, [f"{label}/{i}.png" for label in "abcdef" for i in range(8)])
    return load(f"folder:{folder.name}", tmp_path, "class-disjoint")


def conditions(dataset: Dataset, losses: str = "proxy_nca,triplet,center") -> Conditions:
    return Conditions(
        content_of(dataset), 20.0, read_losses(losses), "efficientnet_lite0", "pretrained"
    )


def test_the_file_is_a_valid_suite_and_the_same_each_time(dataset: Dataset, tmp_path: Path) -> None:
    path = suite_path(tmp_path, dataset.name)
    assert path.name == "compare-my-best-photos-36f1fe.toml"
    text = suite_text(dataset, conditions(dataset), PLAN)
    assert text == suite_text(dataset, conditions(dataset), PLAN)
    path.write_text(text)
    suite = load_suite(str(path))
    assert suite.seeds == [0, 1, 2]
    assert len(suite.untrained) == 2
    assert list(suite.methods) == ["Proxy-NCA", "Semi-hard triplet", "Center + softmax"]
    spec = suite.grid([0])[0]
    assert (spec.dataset, spec.split) == (dataset.name, "class-disjoint")
    assert (spec.steps, spec.evaluate_every, spec.patience) == (48, 6, 3)
    assert (spec.backbone, spec.frozen) == ("efficientnet_lite0", "norm")
    assert (spec.head_init, spec.class_vectors_init) == ("pca", "class-means")
    assert (spec.loss_args["scale"], spec.loss_learning_rate) == (9, 0.01)
    assert [spec.samples_per_class for spec in suite.grid([0])] == ["random", 4, "random"]


def test_every_loss_can_be_compared(dataset: Dataset, tmp_path: Path) -> None:
    path = suite_path(tmp_path, dataset.name)
    path.write_text(suite_text(dataset, conditions(dataset, ",".join(declared_losses())), PLAN))
    suite = load_suite(str(path))
    by_loss = {spec.loss: spec.samples_per_class for spec in suite.grid([0])}
    assert by_loss["magnet"] == by_loss["multi_similarity"] == by_loss["margin"] == 4
    assert by_loss["arcface"] == by_loss["soft_triple"] == "random"


@pytest.mark.parametrize(
    "change",
    [
        {"content": "other"},
        {"minutes": 10.0},
        {"losses": ("triplet",)},
        {"weights": "mine.pth"},
        {"options": ("--portable",)},
    ],
)
def test_a_file_is_used_again_for_the_same_conditions_only(
    dataset: Dataset, tmp_path: Path, change: dict[str, object]
) -> None:
    path, same = suite_path(tmp_path, dataset.name), conditions(dataset)
    assert not is_for(path, same)
    path.write_text(suite_text(dataset, same, PLAN).replace("steps = 48", "steps = 64"))
    assert is_for(path, same)
    assert not is_for(path, replace(same, **change))  # type: ignore[arg-type]


def test_content_follows_images_and_classes(dataset: Dataset, tmp_path: Path) -> None:
    before, folder = content_of(dataset), tmp_path / dataset.name.partition(":")[2]
    assert content_of(load(dataset.name, tmp_path, "class-disjoint")) == before
    (folder / "a/0.png").rename(folder / "b/00.png")
    assert content_of(load(dataset.name, tmp_path, "class-disjoint")) != before


@pytest.mark.parametrize(("images", "size"), [(8, 8), (15, 8), (16, 16), (31, 16), (10_000, 32)])
def test_a_batch_is_filled(images: int, size: int) -> None:
    assert batch_size(images) == size


def test_a_head_with_more_dimensions_than_components_says_so() -> None:
    assert head_comment(65) == "of the features of the training images"
    for images, words in ((64, ": 64 have at most 63, the"), (30, ": 30 have at most 29, the")):
        assert head_comment(images).endswith(f"{words} other directions are arbitrary")


def test_too_few_training_images() -> None:
    with pytest.raises(ValueError, match="7 training images are too few to compare"):
        batch_size(7)


def test_losses_by_name() -> None:
    assert read_losses(" triplet, proxy_nca") == ("triplet", "proxy_nca")
    with pytest.raises(ValueError, match="--losses names triplet more than once"):
        read_losses("triplet,proxy_nca,triplet")
    with pytest.raises(ValueError, match="did you mean 'triplet'"):
        read_losses("triplets")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a = 1\nseeds = [0]  # mine\n[b]\nseeds = 3\n", "a = 1\nseeds = [0, 1]\n[b]\nseeds = 3\n"),
        ("seeds=[0]\n", "seeds = [0, 1]\n"),
        ("seeds = [\n0,\n]\n", None),
        ("'seeds' = [0]\n", None),
        ("'seeds' = [0]\n[b]\nseeds = 3\n", None),
    ],
)
def test_a_seed_is_added_where_nothing_else_changes(text: str, expected: str | None) -> None:
    assert with_seeds(text, [0, 1]) == expected
