"""What the float32 filter promises: its bound, its one order of sums, and when it is imported."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import Tensor

from proxy_core.exact import exact_kernels, miss_kernels
from proxy_core.exact.compare import operand
from proxy_core.exact.sides import arranged, by_cosine, by_distance
from proxy_core.exact.tables import Rows


def rows_of(vectors: Tensor) -> Rows:
    count = torch.arange(len(vectors))
    return arranged(vectors, count, count, vectors.dtype)[0]


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
    rows = rows_of(hard(kind, dim))
    _, rows, rule = (by_distance if euclidean else by_cosine)(rows, rows, 0)
    all_rows = slice(0, 64)
    left, right = (operand(rows, all_rows, rule, left=side) for side in (True, False))
    truth = np.empty((64, 64))
    exact_kernels.exact_rows(rows, np.arange(64), rows, euclidean, truth)
    off = np.abs((left @ right.T).double().numpy() - truth * rule.scale)
    assert off.max() < rule.width
    if dim <= 64:  # in the order of dimensions, which rounds more than a matrix product does
        one_by_one = torch.zeros(64, 64)
        for k in range(left.shape[1]):
            one_by_one += left[:, k, None] * right[:, k]
        assert np.abs(one_by_one.double().numpy() - truth * rule.scale).max() < rule.width


@pytest.mark.parametrize("dim", [1, 2, 3, 4, 5, 130])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_similarity_has_the_same_bits_alone_and_in_a_row(dim: int, dtype: torch.dtype) -> None:
    vectors = torch.randn(150, dim, generator=torch.Generator().manual_seed(0), dtype=dtype)
    _, rows, _ = by_cosine(rows_of(vectors), rows_of(vectors), 0)
    whole = np.empty((9, 150))
    exact_kernels.exact_rows(rows, np.arange(9), rows, False, whole)
    queries, items = np.meshgrid(np.arange(9), np.arange(150), indexing="ij")
    places = queries.ravel().astype(np.int32), items.ravel().astype(np.int32)
    events = (*places, np.empty(9 * 150, np.float32))
    alone = exact_kernels.exact_pairs(np.arange(9 * 150, dtype=np.int32), events, rows, rows, False)
    assert np.array_equal(alone, whole.ravel())
    exact = vectors.double()
    cosines = torch.nn.functional.cosine_similarity(exact[:9, None], exact, dim=2)
    np.testing.assert_allclose(whole, cosines.numpy(), rtol=0, atol=1e-14)


@pytest.mark.parametrize("size", [1, 2, 7, 100])
def test_the_nth_largest_is_that_of_a_sort(size: int) -> None:
    generator = np.random.default_rng(size)
    for distinct in (1, 3, 1000):
        values = generator.integers(0, distinct, size).astype(np.float32)
        for n in range(1, size + 1):
            assert miss_kernels.nth_largest(values.copy(), n) == np.sort(values)[size - n]


def test_numba_is_imported_with_the_first_search_only() -> None:
    code = (
        "import sys, bench.cli, bench.scoring, proxy_core.reid; assert 'numba' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
