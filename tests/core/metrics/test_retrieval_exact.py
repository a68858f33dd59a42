"""The ranking by a float32 filter against the whole matrix in float64, on what is hard for it."""

from collections.abc import Callable, Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from proxy_core.metrics import retrieval, search
from proxy_core.metrics.ranking import rank_in_float64
from proxy_core.metrics.retrieval import Metric, Ranking, check, rank
from tests.support.rankings import assert_equal, assert_same, tiles

SIZE = 420
METRICS: tuple[Metric, ...] = ("cosine", "euclidean")


@pytest.fixture(scope="module", autouse=True)
def filtered() -> Iterator[None]:
    """No search is too small, and no class too large, for tiles in float32."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(retrieval, "SMALL", 0)
        yield


def by_rows(vectors: Tensor, labels: Tensor, ids: Tensor, neighbors: int) -> Ranking:
    side = check("queries", vectors, labels, ids, vectors)
    return Ranking(*rank_in_float64(side, side, neighbors, None, euclidean=False))


def draws(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def cloud(classes: int = 12, noise: float = 2.0, dim: int = 16) -> tuple[Tensor, Tensor]:
    generator = draws(0)
    labels = torch.randint(0, classes, (SIZE,), generator=generator)
    centers = torch.randn(classes, dim, generator=generator)
    return centers[labels] + noise * torch.randn(SIZE, dim, generator=generator), labels


def duplicates() -> tuple[Tensor, Tensor]:
    vectors, labels = cloud()
    return vectors[torch.randint(0, SIZE // 3, (SIZE,), generator=draws(1))], labels


def nearly_collapsed() -> tuple[Tensor, Tensor]:
    """All cosines are 1 - 1e-7 or so: float32 cannot order a single pair, float64 all of them."""
    vectors, labels = cloud()
    return torch.ones(SIZE, 16, dtype=torch.float64) + 2e-4 * vectors.double(), labels


def wild_norms() -> tuple[Tensor, Tensor]:
    vectors, labels = cloud()
    return vectors * 10.0 ** (60 * torch.rand(SIZE, 1, generator=draws(2)) - 30), labels


CASES: dict[str, Callable[[], tuple[Tensor, Tensor]]] = {
    "many classes": lambda: cloud(classes=120, noise=1.0),
    "few classes": lambda: cloud(classes=3),
    "one class": lambda: cloud(classes=1),
    "single images": lambda: (cloud()[0], torch.arange(SIZE)),
    "one dimension": lambda: cloud(dim=1),
    "duplicates": duplicates,
    "collapsed": lambda: (torch.full((SIZE, 5), 0.3), cloud()[1]),
    "zero": lambda: (torch.zeros(SIZE, 5), cloud()[1]),
    "nearly collapsed": nearly_collapsed,
    "one-hot": lambda: (torch.eye(12)[cloud()[1]], cloud()[1]),
    "wrong one-hot": lambda: (torch.eye(12)[cloud()[1] * 5 % 7], cloud()[1]),
    "grid": lambda: (cloud(dim=3)[0].sign(), cloud()[1]),
    "wild norms": wild_norms,
    "float64": lambda: (cloud()[0].double(), cloud()[1]),
    "bfloat16": lambda: (cloud()[0].bfloat16(), cloud()[1]),
    "float16": lambda: (cloud()[0].half(), cloud()[1]),
    "integers": lambda: ((cloud()[0] * 9).long(), cloud()[1]),
}


@pytest.mark.parametrize("neighbors", [0, 1, 20, 500])
@pytest.mark.parametrize("case", CASES)
def test_ranks_are_those_of_the_whole_matrix(case: str, neighbors: int) -> None:
    vectors, labels = CASES[case]()
    expected = by_rows(vectors, labels, torch.arange(SIZE), neighbors)
    for tile in (64, 1024):
        with tiles(tile):
            assert_equal(rank(vectors, labels, neighbors=neighbors), expected)


@pytest.mark.parametrize("case", CASES)
def test_repeated_ids_are_left_out_of_a_gallery_apart(case: str) -> None:
    vectors, labels = CASES[case]()
    ids = torch.randint(0, SIZE // 2, (SIZE,), generator=draws(3))
    assert_equal(rank(vectors, labels, query_ids=ids), by_rows(vectors, labels, ids, 0))
    chosen = torch.randperm(SIZE, generator=draws(4))[:90]
    queries = vectors[chosen], labels[chosen].clone(), ids[chosen]
    queries[1][:5] = 999  # nothing in the gallery
    asked = check("queries", *queries, vectors)
    items = check("gallery", vectors, labels, ids, vectors)
    expected = Ranking(*rank_in_float64(asked, items, 9, None, euclidean=False))
    given = *queries[:2], vectors, labels
    with tiles(64):
        ranking = rank(*given, query_ids=queries[2], gallery_ids=ids, neighbors=9)
    assert_equal(ranking, expected)


@pytest.mark.parametrize("case", CASES)
def test_nothing_depends_on_tile_threads_memory_or_labels_order(
    case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors, labels = CASES[case]()
    expected = rank(vectors, labels, neighbors=12)
    for tile in (9, 50, 333):
        with tiles(tile):
            assert_same(rank(vectors, labels, neighbors=12), expected)
    assert_same(rank(vectors, 7 - labels, neighbors=12), expected)
    threads = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        assert_same(rank(vectors, labels, neighbors=12), expected)
    finally:
        torch.set_num_threads(threads)
    monkeypatch.setattr(search, "MEMORY", 50_000)
    monkeypatch.setattr(search, "CELLS", 500)
    monkeypatch.setattr(search, "CHUNK", 500)
    assert_same(rank(vectors, labels, neighbors=12), expected)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_mixture_of_twins_scales_and_classes(data: st.DataObject) -> None:
    size, dim = data.draw(st.integers(1, 90)), data.draw(st.integers(1, 9))
    generator = draws(data.draw(st.integers(0, 10**6)))
    kinds = data.draw(st.integers(1, size))
    vectors = torch.randn(kinds, dim, generator=generator, dtype=torch.float64)
    vectors = vectors[torch.randint(0, kinds, (size,), generator=generator)]
    noise = data.draw(st.sampled_from([0.0, 1e-9, 1e-6, 1e-4, 1e-3]))
    vectors += noise * torch.randn(size, dim, generator=generator)
    vectors *= 10.0 ** data.draw(st.sampled_from([-30, 0, 30]))
    labels = torch.randint(0, data.draw(st.integers(1, size)), (size,), generator=generator)
    ids = torch.randint(0, data.draw(st.integers(1, 3 * size)), (size,), generator=generator)
    neighbors, tile = data.draw(st.integers(0, 100)), data.draw(st.integers(1, 100))
    with tiles(tile):
        ranking = rank(vectors, labels, query_ids=ids, neighbors=neighbors)
    assert_same(ranking, rank(vectors, labels, query_ids=ids, neighbors=neighbors))
    if noise not in (1e-9, 1e-6):  # cosines 1e-12 apart, where the rounding of float64 decides
        assert_equal(ranking, by_rows(vectors, labels, ids, neighbors))


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
def test_half_precision_is_taken_as_it_is(half: torch.dtype) -> None:
    vectors, labels = cloud()
    expected = rank(vectors.to(half).float(), labels, neighbors=5)
    assert_same(rank(vectors.to(half), labels, neighbors=5), expected)


def test_norms_beyond_the_squares_of_float64_change_nothing() -> None:
    vectors, labels = cloud()
    powers = torch.randint(-900, 900, (SIZE, 1), generator=draws(5))
    expected = rank(vectors.double(), labels, neighbors=5)
    assert_same(rank(torch.ldexp(vectors.double(), powers), labels, neighbors=5), expected)


def test_nobodys_setting_shortens_the_products() -> None:
    vectors, labels = cloud()
    expected = by_rows(vectors, labels, torch.arange(SIZE), 5)
    torch.set_float32_matmul_precision("medium")
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert_equal(rank(vectors, labels, neighbors=5), expected)
        assert torch.get_float32_matmul_precision() == "medium", "and it is left as it was"
    finally:
        torch.set_float32_matmul_precision("highest")


def test_nobodys_default_type_changes_the_filter() -> None:
    vectors, labels = cloud()
    expected = [rank(vectors, labels, neighbors=5, metric=metric) for metric in METRICS]
    torch.set_default_dtype(torch.float64)
    try:
        for metric, ranking in zip(METRICS, expected, strict=True):
            assert_same(rank(vectors, labels, neighbors=5, metric=metric), ranking)
    finally:
        torch.set_default_dtype(torch.float32)


def test_other_labels_of_the_same_vectors_and_ids_are_heard() -> None:
    vectors, labels = cloud()
    ids, others = torch.arange(SIZE), (labels + 1) % 7
    expected = rank(
        vectors, labels, vectors.clone(), others, query_ids=ids, gallery_ids=ids.clone()
    )
    found = rank(vectors, labels, vectors, others, query_ids=ids, gallery_ids=ids)
    assert_same(found, expected)
