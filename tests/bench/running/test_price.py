"""What a suite costs, as arithmetic over measured speeds, and the sizes of published data sets."""

from pathlib import Path

import pytest

from bench.cli.comparison.suite_file import scored
from bench.cli.plan import size_of
from bench.datasets import load
from bench.running.choose_budget import Speed
from bench.running.price import (
    SIZES,
    Footprint,
    Size,
    cache_bytes,
    embedded_images,
    extrapolated,
    kept_images,
    seconds,
    stored_bytes,
    sweep_hours,
)
from tests.support.photographs import write_pictures
from tests.support.short_runs import spec_for

SIZE = Size(photographs=1000, train=600, validation=100, test=300, classes=10)
SPEED = Speed(start=7.0, step=2.0, embed=0.5, score=0.0)
NETWORK = Footprint(memory=1e9, parameters=1_000_000, dimensions=8)


def test_a_run_embeds_for_each_validation_and_twice_for_the_test() -> None:
    spec = spec_for(steps=10, evaluate_every=4)  # validates at steps 0, 4, 8 and 10
    assert embedded_images(spec, SIZE) == 4 * 100 + 2 * 300
    assert seconds(spec, SIZE, SPEED) == 7.0 + 10 * 2.0 + 1000 * 0.5


@pytest.mark.parametrize(
    "fields", [{"head_init": "pca"}, {"class_vectors_init": "class-means"}], ids=str
)
def test_a_start_at_the_data_embeds_everything_once(fields: dict[str, str]) -> None:
    plain = spec_for(steps=10, evaluate_every=4)
    start = spec_for(steps=10, evaluate_every=4, **fields)
    assert embedded_images(start, SIZE) - embedded_images(plain, SIZE) == 1000 - 300


def test_from_weights_what_precedes_training_is_computed_once_for_all_runs() -> None:
    fields = {"backbone": "efficientnet_lite0", "weights": "pretrained", "head_init": "pca"}
    spec = spec_for(steps=10, evaluate_every=4, **fields)
    assert embedded_images(spec, SIZE) == 4 * 100 + 300
    assert embedded_images(spec_for(frozen="backbone", **fields), SIZE) == 0
    assert embedded_images(spec_for("none", steps=0, **fields), SIZE) == 0
    assert kept_images(spec, SIZE) == 1000
    assert kept_images(spec_for(), SIZE) == 0


def test_training_images_are_embedded_too_where_their_classes_are_tested() -> None:
    spec = spec_for(steps=10, evaluate_every=4, split="official")
    assert embedded_images(spec, SIZE) == 4 * 100 + 2 * (300 + 600)


def test_disk() -> None:
    assert cache_bytes(spec_for(), SIZE) == 0
    assert cache_bytes(spec_for(resize=100, crop=90), SIZE) == pytest.approx(1000 * 3 * 13333.33)
    assert stored_bytes(SIZE, NETWORK, keep_model=False) == 300 * 8 * 4
    assert stored_bytes(SIZE, NETWORK, keep_model=True) == 300 * 8 * 4 + 4_000_000
    assert stored_bytes(SIZE, NETWORK, keep_model=False, kept=6) == (300 + 6 * 100) * 8 * 4


def test_larger_batches_are_on_the_line_through_two_smaller_ones() -> None:
    assert extrapolated([(8, 10.0), (16, 14.0)], 32) == 22.0
    assert extrapolated([(8, 10.0), (16, 9.0)], 32) == 9.0  # noise never makes it cheaper
    assert extrapolated([(8, 1.0), (16, 3.0)], 2) == 0.0
    assert extrapolated([], 32) == 0.0


def test_a_sweep_takes_no_less_than_its_longest_run() -> None:
    assert sweep_hours([3600, 3600], 2) == 1.0
    assert sweep_hours([7200, 60], 4) == 2.0
    assert sweep_hours([], 2) == 0.0


@pytest.mark.parametrize("key", SIZES, ids=str)
def test_sizes_are_those_of_the_pinned_lists(key: tuple[str, str], data_root: Path) -> None:
    spec = spec_for(dataset=key[0], split=key[1], crop=32, resize=32)
    assert size_of(spec, data_root)[0] == SIZES[key]


@pytest.mark.parametrize("queries", ["test", "query"])
def test_every_image_that_a_test_embeds_counts_once(queries: str, tmp_path: Path) -> None:
    """Four queries, which are in the gallery or not, and two images of the gallery alone."""
    parts = ["train"] * 4 + ["val"] * 4 + [queries] * 4 + ["gallery"] * 2
    labels = "aabbccffddeede"
    names = write_pictures(tmp_path / "zoo", [f"{number}.png" for number in range(len(parts))])
    rows = map(",".join, zip(names, labels, parts, strict=True))
    (tmp_path / "zoo" / "images.csv").write_text("\n".join(["path,label,split", *rows]))
    spec = spec_for(dataset="folder:zoo", split="official", crop=32, resize=32)
    assert size_of(spec, tmp_path)[0].test == 6
    assert scored(load("folder:zoo", tmp_path, "official")) == 6 + 4  # those that train classify
