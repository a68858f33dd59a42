"""Planted defects are each named by their check, and clean sets raise no alarm."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from bench.cli.scoring.audit.checks import Check, checks_of, effective_rank, search_for_audit
from bench.cli.scoring.audit.counts import PARTS, known_counts
from bench.cli.scoring.read_embeddings import Side
from bench.datasets import load
from bench.datasets.glyphs.dataset import render
from bench.evaluation.score_test import KMEANS_SEEDS
from bench.running.price import SIZES
from proxy_core.metrics.clustering import cluster_scores
from proxy_core.metrics.retrieval import Metric
from tests.support.own_vectors import own_side

STEADY = {"nmi": 0.5, "nmi_min": 0.5, "nmi_max": 0.51}
Sides = tuple[Side, Side | None]


def unit(rows: np.ndarray) -> np.ndarray:
    directions: np.ndarray = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return directions.astype(np.float32)


def classes_of(sizes: list[int], dimensions: int = 16, noise: float = 0.8, seed: int = 0) -> Side:
    """Unit vectors around a random center for each class."""
    generator = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(sizes)), sizes)
    centers = generator.normal(size=(len(sizes), dimensions))
    rows = centers[labels] + noise * generator.normal(size=(len(labels), dimensions))
    return own_side(unit(rows), labels)


BASE = classes_of([10] * 24)
GENERATOR = np.random.default_rng(5)


def changed(embeddings: np.ndarray) -> Sides:
    return own_side(embeddings, BASE.labels), None


def labelled(labels: np.ndarray) -> Sides:
    return own_side(BASE.embeddings, labels), None


def parts(side: Side, rows: np.ndarray) -> Side:
    return own_side(side.embeddings[rows], side.labels[rows])


def halves() -> tuple[Side, Side]:
    return parts(BASE, np.arange(0, 240, 2)), parts(BASE, np.arange(1, 240, 2))


def found(
    sides: Sides,
    *,
    metric: Metric = "cosine",
    ks: tuple[int, ...] = (1, 8),
    scores: Mapping[str, float] = STEADY,
    dataset: str | None = None,
) -> dict[str, Check]:
    searched = search_for_audit(*sides, metric, lambda *_: None)
    checks = checks_of(searched, ks, scores, dataset)
    return {check.name: check for check in checks}


def with_copies() -> Sides:
    rows = np.append(np.arange(240), np.arange(12))
    return parts(BASE, rows), None


def with_another_label() -> Sides:
    near = unit(BASE.embeddings[:3] + 1e-3 * GENERATOR.normal(size=(3, 16)))
    labels = np.append(BASE.labels, BASE.labels[:3] + 7)
    return own_side(np.concatenate([BASE.embeddings, near]), labels), None


def found_in_the_gallery() -> Sides:
    queries, gallery = halves()
    both = np.concatenate([gallery.embeddings, queries.embeddings])
    return queries, own_side(both, np.concatenate([gallery.labels, queries.labels]))


def two_scales() -> Sides:
    queries, gallery = halves()
    return queries, own_side(20 * gallery.embeddings, gallery.labels)


def lone() -> Sides:
    return labelled(np.where(np.arange(240) % 10 == 0, np.arange(240) + 100, BASE.labels))


def of_cameras() -> Sides:
    return replace(BASE, cameras=np.arange(240)), None


def words(change: Callable[[np.ndarray], np.ndarray]) -> Sides:
    return labelled(change(np.char.add("Heron ", BASE.labels.astype(str))))


NAME = "self-matches"
LENGTHS = np.exp(GENERATOR.normal(size=(240, 1)))
PLANTED: dict[str, tuple[str, str, Callable[[], Sides]]] = {
    "queries are in the gallery": (
        NAME,
        "120 of 120 queries find an image of their class",
        found_in_the_gallery,
    ),
    "images are there twice": ("duplicates", "24 of 252 embeddings", with_copies),
    "the same picture has two labels": (
        "near duplicates",
        "6 images are almost",
        with_another_label,
    ),
    "embeddings are binary": (
        "ties",
        "queries have a negative exactly as near",
        lambda: changed(np.sign(BASE.embeddings[:, :8]).astype(np.float32)),
    ),
    "all embeddings are almost equal": (
        "collapse",
        "All embeddings are almost equal",
        lambda: changed((1 + 1e-5 * BASE.embeddings).astype(np.float32)),
    ),
    "all lie on a line": (
        "collapse",
        "The effective rank is 1.",
        lambda: changed(BASE.embeddings[:, :1] * np.arange(1, 17) + 1e-3 * BASE.embeddings),
    ),
    "lengths are noise": (
        "normalization",
        "by euclidean",
        lambda: changed(LENGTHS * BASE.embeddings),
    ),
    "some embeddings are zero": (
        "normalization",
        "5 of 240 embeddings are zero",
        lambda: changed(np.where(np.arange(240)[:, None] < 5, 0, BASE.embeddings)),
    ),
    "float16 is too coarse": (
        "precision",
        "float16 loses digits",
        lambda: changed((1e-6 * BASE.embeddings).astype(np.float16)),
    ),
    "queries have no positive": ("lone queries", "24 of 240 queries have no positive", lone),
    "a class is what is left over": (
        "class balance",
        "has 120 of 240 images, the next one 10",
        lambda: labelled(np.where(BASE.labels < 12, 0, BASE.labels)),
    ),
    "a class is cut": (
        "class balance",
        "1 of 24 classes have fewer than the 10 images",
        lambda: (parts(BASE, np.arange(4, 240)), None),
    ),
    "labels have slipped by a row": (
        "order of labels",
        "if the labels move by +1 rows",
        lambda: labelled(np.roll(BASE.labels, -1)),
    ),
    "labels are in another order": (
        "order of labels",
        "as shuffled labels would",
        lambda: labelled(np.random.default_rng(1).permutation(BASE.labels)),
    ),
    "labels are missing": (
        "labels",
        "'nan' (10 images)",
        lambda: words(lambda names: np.where(names == "Heron 3", "nan", names)),
    ),
    "a label is written in two ways": (
        "labels",
        "Labels that look alike",
        lambda: words(lambda names: np.where(np.arange(240) == 35, "heron 3", names)),
    ),
    "junk counts as a class": (
        "labels",
        "10 labels are -1",
        lambda: labelled(np.where(BASE.labels == 3, -1, BASE.labels)),
    ),
    "cameras number the images": ("cameras", "every image has its own camera", of_cameras),
}


@pytest.mark.parametrize(("name", "says", "plant"), PLANTED.values(), ids=PLANTED)
def test_a_planted_defect_is_named(name: str, says: str, plant: Callable[[], Sides]) -> None:
    check = found(plant())[name]
    assert check.alarm
    assert says in check.says


def test_defects_of_other_arguments_are_named() -> None:
    assert "scaled alike" in found(two_scales(), metric="euclidean")["normalization"].says
    few = parts(BASE, np.arange(20)), None
    assert found(few, ks=(1, 16))["constant scores"].alarm
    wrong = found((parts(BASE, np.arange(100)), None), dataset="digits")["counts"]
    assert wrong.alarm
    assert "255 images are missing" in wrong.says


def test_nmi_that_hangs_on_the_seed_is_named() -> None:
    """Two lobes for each of three classes, of which k-means joins any two."""
    generator = np.random.default_rng(0)
    lobes = np.repeat(np.eye(6), 20, axis=0) + 0.05 * generator.normal(size=(120, 6))
    side = own_side(unit(lobes), np.repeat(np.arange(3), 40))
    scores = scores_of(side)
    check = found((side, None), scores=scores)["NMI"]
    assert check.alarm
    assert f"{scores['nmi_min']:.4f} to {scores['nmi_max']:.4f} by the seed" in check.says


def scores_of(side: Side) -> dict[str, float]:
    arrays = torch.from_numpy(side.embeddings), torch.from_numpy(side.classes)
    return cluster_scores(*arrays, seeds=KMEANS_SEEDS)


def digits() -> Sides:
    pixels, labels = load_digits(return_X_y=True)
    return own_side(pixels[:900].astype(np.float32), labels[:900]), None


def glyphs() -> Sides:
    """At half their size."""
    letters = [ord(letter) for letter in "ABCDEFGHKLMN"]
    pictures = render(letters).reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4))
    labels = np.repeat(np.arange(12), len(pictures) // 12)
    return own_side(unit(pictures.reshape(len(pictures), -1)), labels), None


def of_three_cameras() -> Sides:
    return replace(BASE, cameras=np.arange(240) % 3), None


CLEAN: dict[str, Callable[[], Sides]] = {
    "classes around centers": lambda: (classes_of([*range(8, 32)], noise=1.0), None),
    "digits, as pixels": digits,
    "glyphs, as pixels": glyphs,
    "four images a class": lambda: (classes_of([4] * 120, dimensions=64), None),
    "a long tail": lambda: (classes_of([int(200 * 0.7**k) + 2 for k in range(12)], 24, 1.2), None),
    "nine to one": lambda: (classes_of([270, 30], noise=1.5), None),
    "a gallery": halves,
    "three cameras": of_three_cameras,
    "few images, hardly trained": lambda: (classes_of([4] * 9, 4, noise=1.5, seed=25), None),
    "lengths that hardly matter": lambda: (longer(classes_of([8] * 11, 64, noise=1.1)), None),
}


def longer(side: Side) -> Side:
    """With lengths that differ by some per cent."""
    factors = np.random.default_rng(1).normal(1, 0.05, (len(side.labels), 1))
    return own_side((factors * side.embeddings).astype(np.float32), side.labels)


@pytest.mark.parametrize("make", CLEAN.values(), ids=CLEAN)
def test_a_clean_set_raises_no_alarm(make: Callable[[], Sides]) -> None:
    sides = make()
    scores = {} if sides[1] or sides[0].cameras is not None else scores_of(sides[0])
    assert [check.says for check in found(sides, scores=scores).values() if check.alarm] == []


def test_self_matches_are_listed_by_rank() -> None:
    """Ten queries have a copy under another label too, which ranks before themselves."""
    queries, gallery = found_in_the_gallery()
    assert gallery
    both = np.concatenate([gallery.embeddings, queries.embeddings[:10]])
    labels = np.append(gallery.labels, queries.labels[:10] + 30)
    assert "110 at rank 1, 10 at rank 2" in found((queries, own_side(both, labels)))[NAME].says
    ids = np.arange(240)
    named = replace(queries, ids=ids[120:]), replace(gallery, ids=ids)
    without = search_for_audit(*named, "cosine", lambda *_: None).recall
    expected = f"R@1 is 1.0000 with them and {without:.4f} without"
    assert expected in found((queries, gallery))[NAME].says
    twice = parts(queries, np.repeat(np.arange(120), 2))  # each finds the copy of the other too
    assert expected in found((twice, gallery))[NAME].says


@pytest.mark.parametrize(
    ("images", "classes", "dataset", "alarm", "says"),
    [
        (5_924, 100, None, False, "class-disjoint test part of cub200"),
        (5_921, 100, None, True, "3 images are missing"),
        (5_924, 99, None, True, "1 classes are missing"),
        (11_788, 200, None, True, "training and test part together of cub200"),
        (60_502, 11_316, None, False, "class-disjoint test part of sop"),
        (120_053, 22_634, None, True, "results are reported on a test part"),
        (3_043, 200, "cub200", True, "2,751 images are missing"),  # a file filter, in the wild
        (5_794, 200, "cub200", False, "official test part"),
        (896, 5, "cub200", True, "cub200"),
        (1_797, 10, None, False, "No known data set"),
        (7_000, 100, None, False, "No known data set"),
    ],
)
def test_numbers_of_known_data_sets(
    images: int, classes: int, dataset: str | None, alarm: bool, says: str
) -> None:
    suspicious, sentence = known_counts(images, classes, dataset)
    assert suspicious == alarm
    assert says in sentence


def test_known_numbers_are_those_of_the_suite() -> None:
    for part in PARTS:
        if (size := SIZES.get((part.dataset, part.split))) is None:
            continue
        expected = size.test if part.part == "test part" else size.train + size.validation
        assert part.images == expected, part
    dataset = load("digits", None, "official")
    test = dataset.labels[dataset.split.query]
    assert not known_counts(len(test), len(set(test.tolist())), "digits")[0]
    with pytest.raises(ValueError, match="did you mean 'cub200'"):
        known_counts(1, 1, "cub")


def test_effective_rank_counts_dimensions_of_equal_spread() -> None:
    axes = np.concatenate([np.eye(8)[:5], -np.eye(8)[:5]])
    assert effective_rank(axes) == pytest.approx(5)
    assert effective_rank(1e-200 * axes) == pytest.approx(5)
    assert effective_rank(np.ones((4, 3))) == 0
