"""Scores of each protocol, compared with those of the core on the test images."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bench.datasets.images import ArrayImages
from bench.datasets.splits import OneShot, Split, class_disjoint
from bench.datasets.types import Dataset
from bench.evaluation.protocols import (
    COUNT,
    MAX_PAIRS,
    QUERIES,
    class_vectors,
    verify,
)
from bench.evaluation.score_test import score_embeddings, score_test, validate
from proxy_core.losses import LOSSES
from proxy_core.metrics import JUNK
from proxy_core.metrics.classification import (
    class_mean_accuracy,
    nearest_neighbor_accuracy,
)
from proxy_core.metrics.few_shot import draw_episodes, episode_accuracy
from proxy_core.metrics.reid import rank_reid, reid_summary
from proxy_core.metrics.retrieval import rank, summary
from proxy_core.metrics.verification import verification

SIDE, PER_CLASS, CLASSES = 4, 8, 12


class Pixels(nn.Module):
    """The image itself as its embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1) - 0.5


def zoo(split: Split | None = None, **fields: object) -> Dataset:
    """Twelve classes of noisy prototypes; without a split 0-3 train, 4 and 5 validate."""
    generator = np.random.default_rng(0)
    labels = np.repeat(np.arange(CLASSES), PER_CLASS)
    prototypes = generator.integers(100, 150, (CLASSES, SIDE, SIDE))
    noise = generator.integers(-90, 90, (len(labels), SIDE, SIDE))
    pixels = (prototypes[labels] + noise).astype(np.uint8)
    names = tuple(f"class {label}" for label in range(CLASSES))
    items = tuple(f"{i}.png" for i in range(len(labels)))
    usual = class_disjoint(labels, np.array([4, 5]), np.arange(6, 12))
    images = ArrayImages(pixels, items)
    return Dataset("zoo", images, labels, names, items, split or usual, **fields)  # type: ignore[arg-type]


def embedded(dataset: Dataset, positions: np.ndarray) -> Tensor:
    images = torch.from_numpy(dataset.pixels[positions]).float() / 255
    return images.flatten(1) - 0.5


def labels_of(dataset: Dataset, positions: np.ndarray) -> Tensor:
    return torch.from_numpy(dataset.labels[positions])


def images_by_turn(part: int) -> np.ndarray:
    """One of four parts that share all classes: every fourth image."""
    return np.flatnonzero(np.arange(CLASSES * PER_CLASS) % 4 == part)


def test_unseen_classes_are_verified_and_classified_in_episodes() -> None:
    dataset = zoo()
    tested = score_test(Pixels(), dataset, None)
    vectors = embedded(dataset, dataset.split.query)
    labels = labels_of(dataset, dataset.split.query)
    np.testing.assert_allclose(tested.embeddings.numpy(), vectors.numpy(), atol=1e-6)
    expected = summary(rank(vectors, labels))
    assert {key: tested.scores[key] for key in expected} == expected
    found = verification(vectors, labels)
    assert tested.scores["eer"] == found.eer
    assert tested.scores["tar@0.01"] == found.tars[0]
    assert tested.scores["5-way 1-shot"] == few_shot_accuracy(vectors, labels)
    # Eight images of six classes: no 5 + 5 images of one, no 20 classes.
    assert not {"5-way 5-shot", "20-way 1-shot", "accuracy_neighbor"} & tested.scores.keys()
    assert "nmi" in tested.scores


def few_shot_accuracy(vectors: Tensor, labels: Tensor) -> float:
    support, query = draw_episodes(labels, ways=5, shots=1, queries=QUERIES, count=COUNT, seed=0)
    return float(episode_accuracy(vectors, support, query).mean())


def test_episodes_leave_out_classes_that_are_too_small() -> None:
    """Of six classes, five are enough for 5-way episodes and four are not."""
    split, labels = zoo().split, zoo().labels
    for small in ([6], [6, 7]):
        reduced = np.isin(labels[split.query], small)
        kept = split.query[~reduced | (split.query % 8 < QUERIES)]
        dataset = zoo(Split("class-disjoint", split.train, split.validation, kept, kept))
        score = score_test(Pixels(), dataset, None).scores.get("5-way 1-shot")
        large = embedded(dataset, split.query[~reduced]), labels_of(dataset, split.query[~reduced])
        assert score == (few_shot_accuracy(*large) if small == [6] else None)


def official() -> Dataset:
    """Classes 0, 3 and 7 are not trained, so the loss numbers the others from 0."""
    train, validation, test = (images_by_turn(part) for part in (0, 1, 2))
    train = train[~np.isin(zoo().labels[train], [0, 3, 7])]
    return zoo(Split("official", train, validation, test, test))


def test_official_lists_are_classified_by_training_images_and_by_proxies() -> None:
    dataset = official()
    trained = torch.unique(labels_of(dataset, dataset.split.train))
    loss = LOSSES["proxy_nca"](len(trained), SIDE**2, proxies_per_class=2)
    tested = score_test(Pixels(), dataset, loss)
    parts = dataset.split.query, dataset.split.train
    (query, labels), (train, known) = (
        (embedded(dataset, part), labels_of(dataset, part)) for part in parts
    )
    expected = nearest_neighbor_accuracy(query, labels, train, known)
    assert tested.scores["accuracy_neighbor"] == expected
    expected = class_mean_accuracy(query, labels, train, known)
    assert tested.scores["accuracy_mean"] == expected
    proxies = torch.as_tensor(loss.proxies).detach(), trained.repeat_interleave(2)
    expected = nearest_neighbor_accuracy(query, labels, *proxies)
    assert tested.scores["accuracy_proxy"] == expected
    assert not {"eer", "5-way 1-shot"} & tested.scores.keys()
    assert "accuracy_proxy" not in score_test(Pixels(), dataset, None).scores


WITH_PROXIES = {"proxy_nca", "proxy_nca_softmax", "proxy_nca_pp", "proxy_triplet", "proxy_anchor"}
WITH_PROXIES |= {"soft_triple", "normalized_softmax", "arcface", "cosface", "center"}


@pytest.mark.parametrize("name", LOSSES)
def test_proxies_and_centers_classify_and_classifier_weights_do_not(name: str) -> None:
    found = class_vectors(LOSSES[name](5, 3))
    assert (found is not None) == (name in WITH_PROXIES), name
    if found is not None:
        vectors, classes = found
        assert vectors.shape == (len(classes), 3)
        assert torch.unique(classes).tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("settings", [{"proxies_per_class": 0.5}, {"assignment": "dynamic"}])
def test_shared_and_dynamic_proxies_represent_no_class(settings: dict[str, Any]) -> None:
    assert class_vectors(LOSSES["proxy_nca"](8, 3, **settings)) is None


def separate_gallery(**fields: object) -> Dataset:
    """The last images of each unseen class are queries, the others and class 11 the gallery."""
    usual = zoo().split
    is_query = (usual.query % 8 > 5) & (zoo().labels[usual.query] != 11)
    query, gallery = usual.query[is_query], usual.query[~is_query]
    split = Split("re-identification", usual.train, usual.validation, query, gallery[::-1].copy())
    return zoo(split, **fields)


def test_a_separate_gallery_is_searched_and_its_images_follow_the_queries() -> None:
    dataset = separate_gallery()
    tested = score_test(Pixels(), dataset, None)
    query, gallery = dataset.split.query, dataset.split.gallery
    expected = rank(
        embedded(dataset, query),
        labels_of(dataset, query),
        embedded(dataset, gallery),
        labels_of(dataset, gallery),
        neighbors=20,
    )
    assert {key: tested.scores[key] for key in summary(expected)} == summary(expected)
    assert tested.positions.tolist() == [*query, *gallery]
    found = tested.positions[tested.queries["neighbors"]]
    np.testing.assert_array_equal(found, gallery[expected.neighbors.numpy()])
    assert tested.queries["relevant"].tolist() == [6] * 10
    assert "nmi" not in tested.scores
    assert "map" not in tested.scores


def test_a_query_in_the_gallery_does_not_retrieve_itself() -> None:
    usual = zoo().split
    query = usual.query[::2]
    split = Split("re-identification", usual.train, usual.validation, query, usual.query)
    tested = score_test(Pixels(), zoo(split), None)
    assert not (tested.queries["neighbors"] == np.arange(len(query))[:, None]).any()
    assert sorted(tested.positions.tolist()) == usual.query.tolist()
    assert tested.queries["relevant"].tolist() == [7] * len(query)


def test_with_cameras_their_rule_holds_and_junk_is_ignored() -> None:
    labels = zoo().labels.copy()
    labels[separate_gallery().split.gallery[:3]] = JUNK
    cameras = np.arange(len(labels)) % 3
    dataset = replace(separate_gallery(cameras=cameras), labels=labels)
    tested = score_test(Pixels(), dataset, None)
    query, gallery = dataset.split.query, dataset.split.gallery
    sides = [
        (embedded(dataset, part), labels_of(dataset, part), torch.from_numpy(cameras[part]))
        for part in (query, gallery)
    ]
    expected = reid_summary(rank_reid(*sides[0], *sides[1]), ks=(1, 2, 4, 8, 5, 10))
    assert {key: tested.scores[key] for key in expected} == expected
    assert len(dataset.test_positions) == len(query) + len(gallery) - 3
    assert "map_trapezoidal" in tested.scores


def test_the_camera_rule_holds_among_the_queries_too() -> None:
    cameras = np.arange(CLASSES * PER_CLASS) % 2
    ruled = zoo(cameras=cameras)
    tested = score_test(Pixels(), ruled, None)
    query = ruled.split.query
    side = embedded(ruled, query), labels_of(ruled, query), torch.from_numpy(cameras[query])
    expected = reid_summary(rank_reid(*side, *side), ks=(1, 2, 4, 8, 5, 10))
    assert {key: tested.scores[key] for key in expected} == expected
    plain = score_test(Pixels(), zoo(), None).scores
    assert expected["map@r"] != plain["map@r"]


def test_coarse_classes_of_equally_similar_neighbors_must_all_be_right() -> None:
    for names in ("ab" * 6, "a" * 10 + "bb"):  # also where the stored ties are of one super-class
        dataset = zoo(coarse=tuple(names))
        positions = dataset.test_positions
        collapsed = torch.ones(len(positions), 4)
        scores, _, _ = score_embeddings(collapsed, dataset, positions)
        assert scores["recall@1"] == scores["coarse_recall@1"] == 0


@pytest.mark.parametrize("dimensions", [1, 2, 3, 16])
@pytest.mark.parametrize("gallery", ["the queries", "and others", "others"])
def test_coarse_recall_is_that_of_every_pair_in_float64(dimensions: int, gallery: str) -> None:
    """Of few dimensions most cosines are equal in float32, and few are equal."""
    split, kinds = zoo().split, tuple("abc" * 4)
    if gallery != "the queries":
        split = replace(split, query=split.query[::3])
    if gallery == "others":
        split = replace(split, gallery=np.setdiff1d(split.gallery, split.query))
    dataset = zoo(split, coarse=kinds)
    positions = dataset.test_positions
    values = torch.randn(len(positions), dimensions, generator=torch.Generator().manual_seed(3))
    values[::5] = 2 * values[1]  # and these are
    vectors = (1 + 0.01 * values if dimensions == 2 else values).float()
    scores, _, _ = score_embeddings(vectors, dataset, positions)
    unit = nn.functional.normalize(vectors.double()).numpy()
    coarse = np.array(kinds)[dataset.labels[positions]]
    searched = np.isin(positions, dataset.split.gallery)
    right = []
    for query in range(len(dataset.split.query)):
        cosines = unit @ unit[query]
        cosines[~searched] = cosines[query] = -np.inf
        same = coarse == coarse[query]
        right.append(cosines[same].max() > cosines[~same].max() + 1e-12)
    assert scores["coarse_recall@1"] == np.mean(right)


def test_coarse_classes_and_one_shot_runs_are_scored() -> None:
    coarse = tuple(f"super {label % 2}" for label in range(CLASSES))
    support, query = np.arange(6, 12)[None] * 8, np.arange(6, 12)[None, ::-1] * 8 + 3
    truth = np.arange(6)[None, ::-1].copy()
    dataset = zoo(coarse=coarse, one_shot=OneShot(support, query, truth))
    tested = score_test(Pixels(), dataset, None)
    nearest = tested.queries["neighbors"][:, 0]
    labels = dataset.labels[tested.positions]
    expected = np.mean([labels[n] % 2 == own % 2 for n, own in zip(nearest, labels, strict=True)])
    assert tested.scores["coarse_recall@1"] == pytest.approx(expected)
    assert tested.scores["coarse_recall@1"] > tested.scores["recall@1"]
    vectors = embedded(dataset, np.arange(CLASSES * PER_CLASS))
    cosines = (
        nn.functional.normalize(vectors[query[0]]) @ nn.functional.normalize(vectors[support[0]]).T
    )
    wrong = (cosines.argmax(dim=1).numpy() != truth[0]).mean()
    assert tested.scores["one_shot_error"] == pytest.approx(wrong)


def test_validation_with_cameras_follows_their_rule() -> None:
    """Images alternate between two cameras; with one or unknown cameras the plain rule holds."""
    cameras = np.arange(CLASSES * PER_CLASS) % 2
    plain, ruled = zoo(), zoo(cameras=cameras)
    positions = ruled.split.validation
    known = torch.from_numpy(cameras[positions])
    side = embedded(ruled, positions), labels_of(ruled, positions), known
    expected = reid_summary(rank_reid(*side, *side), ks=(1,))
    found = validate(Pixels(), ruled).scores
    assert found == {name: expected[name] for name in found}
    without = validate(Pixels(), plain).scores
    assert found != without
    for unknown in (np.zeros_like(cameras), -np.ones_like(cameras)):
        assert validate(Pixels(), zoo(cameras=unknown)).scores == without


def test_pairs_that_would_not_fit_into_memory_are_not_verified() -> None:
    size = 2 * int(MAX_PAIRS**0.5)
    labels = torch.arange(2).repeat_interleave(size)
    assert verify(torch.randn(len(labels), 2), labels) == ({}, {})
    assert verify(torch.randn(4, 2), torch.arange(4)) == ({}, {})
