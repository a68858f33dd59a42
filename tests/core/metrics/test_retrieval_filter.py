"""What the float32 filter promises: its bound, its compiled loops, and when it is imported."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from proxy_core.metrics.compiled import Array
from proxy_core.metrics.exact import own_class, pair_kernel
from proxy_core.metrics.exact.rows import similarities
from proxy_core.metrics.exact.sides import (
    Filter,
    Items,
    Sides,
    arranged,
    by_cosine,
    by_distance,
    own_places,
)
from proxy_core.metrics.exact.tile_kernels import PANEL, arrange, multiply


def items_of(vectors: Tensor, *, euclidean: bool) -> tuple[Items, Filter]:
    count = torch.arange(len(vectors))
    items = arranged((vectors, count, count), euclidean=euclidean)
    return items, (by_distance if euclidean else by_cosine)(items, items)


def hard(kind: str, dim: int) -> Tensor:
    """Vectors whose products round in one direction, or lose most of their digits."""
    generator = torch.Generator().manual_seed(dim)
    vectors = torch.randn(64, dim, generator=generator)
    if kind == "positive":
        return vectors.abs() + 1
    if kind == "wide":
        return vectors * 10.0 ** (16 * torch.rand(64, dim, generator=generator) - 8)
    return vectors


@pytest.mark.parametrize("dim", [1, 3, 64, 512, 4096])
@pytest.mark.parametrize("kind", ["random", "positive", "wide"])
@pytest.mark.parametrize("euclidean", [False, True])
def test_no_product_is_further_from_the_truth_than_the_bound(
    kind: str, dim: int, euclidean: bool
) -> None:
    vectors = hard(kind, dim)
    _, rule = items_of(vectors, euclidean=euclidean)
    truth = similarities(vectors, vectors, euclidean=euclidean) * rule.scale
    assert abs(products_of(rule.queries, rule.gallery) - truth.numpy()).max() < rule.width
    if dim <= 64:  # rounded twice a step, as on a processor that does not fuse them
        one_by_one = np.zeros((64, 64), np.float32)
        for k in range(rule.queries.shape[1]):
            one_by_one += rule.queries[:, k, None] * rule.gallery[:, k]
        assert abs(one_by_one - truth.numpy()).max() < rule.width


def products_of(queries: Array, items: Array) -> Array:
    """The products (T, U) as the search makes them, U a multiple of `PANEL`."""
    panels = np.empty((len(items) // PANEL, items.shape[1], PANEL), np.float32)
    products = np.empty((len(queries), len(items)), np.float32)
    arrange(items, panels)
    multiply(queries, panels, products)
    return products


@pytest.mark.parametrize("dim", [1, 2, 3, 4, 5, 130])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("euclidean", [False, True])
def test_compiled_similarities_are_those_of_whole_rows(
    dim: int, dtype: torch.dtype, euclidean: bool
) -> None:
    vectors = torch.randn(30, dim, generator=torch.Generator().manual_seed(0), dtype=dtype)
    lengths = vectors.double().norm(dim=1) if not euclidean else torch.ones(30)
    rows, columns = np.divmod(np.arange(900), 30)
    table = vectors.numpy()
    found = pair_kernel.similarities(table, rows, table, columns, euclidean)
    found = found / (lengths[rows] * lengths[columns]).numpy()
    expected = similarities(vectors, vectors, euclidean=euclidean)
    np.testing.assert_allclose(found, expected.numpy().ravel(), rtol=1e-13, atol=1e-14)


def test_numba_is_imported_with_the_first_search_only() -> None:
    modules = "bench.cli.main, bench.evaluation.score_test, proxy_core.metrics.reid"
    code = f"import sys, {modules}; assert 'numba' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def sides_of(sizes: list[int], *, asked: list[int], euclidean: bool = False) -> Sides:
    """Classes of some sizes in the gallery and among the queries, which the gallery may lack."""
    generator = torch.Generator().manual_seed(5)
    labels = [
        torch.arange(len(side)).repeat_interleave(torch.tensor(side)) for side in (asked, sizes)
    ]
    queries, gallery = (
        arranged(
            (torch.randn(len(some), 7, generator=generator), some, torch.arange(len(some))),
            euclidean=euclidean,
        )
        for some in labels
    )
    rule = (by_distance if euclidean else by_cosine)(queries, gallery)
    return Sides(queries, gallery, rule, own_places(queries, gallery), euclidean, clashing=True)


def test_products_class_by_class_are_those_of_the_pairs() -> None:
    """Two classes that the gallery lacks stand before one that it holds at the same place."""
    sides = sides_of([80, 0, 0, 70, 1, 300], asked=[90, 3, 70, 2, 1, 5])
    for first in (0, 60):
        own = sides.own[first:170]
        expected = sides.similarities(*own_class.pairs(own, first))
        np.testing.assert_allclose(
            own_class.products(sides, own, first), expected, rtol=0, atol=1e-15
        )


@pytest.mark.parametrize(
    ("size", "euclidean", "taken"), [(9, False, False), (200, False, True), (200, True, False)]
)
def test_large_classes_are_multiplied(
    size: int, euclidean: bool, taken: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    sides, multiplied = sides_of([size] * 3, asked=[size] * 3, euclidean=euclidean), []
    products = own_class.products

    def spied(*given: Any) -> Array:
        multiplied.append(given)
        return products(*given)

    monkeypatch.setattr(own_class, "products", spied)
    found = own_class.own_class(sides, slice(5, 3 * size))
    assert bool(multiplied) == taken
    monkeypatch.setattr(own_class, "LARGE", 10**9)
    expected = own_class.own_class(sides, slice(5, 3 * size))
    np.testing.assert_allclose(found.values, expected.values, rtol=0, atol=1e-15)
    np.testing.assert_array_equal(found.places, expected.places)
    assert (found.relevant == size - 1).all(), "only the query itself is left out"
