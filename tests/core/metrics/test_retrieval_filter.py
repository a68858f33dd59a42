"""The float32 filter: its error bound, its compiled loops, and when numba is imported."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from proxy_core.metrics import search
from proxy_core.metrics.ranking import Side, rank_in_float64, similarities
from proxy_core.metrics.search import Buffers, Search, Sides, arrange, sort_key


def sides_of(vectors: Tensor, *, euclidean: bool) -> Sides:
    count = torch.arange(len(vectors))
    side = vectors, count, count
    return arrange(side, side, euclidean=euclidean)


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
    sides = sides_of(vectors, euclidean=euclidean)
    truth = similarities(vectors, vectors, euclidean=euclidean) * sides.scale
    assert (torch.mm(sides.left, sides.right.T) - truth).abs().max() < sides.width
    if dim <= 64:  # rounded twice a step, as on a processor that does not fuse them
        one_by_one = torch.zeros(64, 64)
        for left, right in zip(sides.left.T, sides.right.T, strict=True):
            one_by_one += left[:, None] * right
        assert (one_by_one - truth).abs().max() < sides.width


@pytest.mark.parametrize("dim", [1, 2, 3, 4, 5, 130])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("euclidean", [False, True])
def test_similarities_of_pairs_are_those_of_whole_rows(
    dim: int, dtype: torch.dtype, euclidean: bool
) -> None:
    vectors = torch.randn(30, dim, generator=torch.Generator().manual_seed(0), dtype=dtype)
    sides = sides_of(vectors, euclidean=euclidean)
    rows, columns = torch.arange(900) // 30, torch.arange(900) % 30
    found = sides.similarities(rows, columns)
    expected = similarities(vectors, vectors, euclidean=euclidean)
    np.testing.assert_allclose(found, expected.ravel(), rtol=1e-13, atol=1e-14)


def test_numba_is_imported_with_the_first_search_only() -> None:
    modules = "bench.cli.main, bench.evaluation.score_test, proxy_core.metrics.reid"
    code = f"import sys, {modules}; assert 'numba' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("shape", [(1, 1), (7, 13), (48, 64), (50, 129), (6, 33)])
@pytest.mark.parametrize("both", [False, True])
def test_compiled_and_torch_scans_count_and_list_the_same(
    shape: tuple[int, int], both: bool
) -> None:
    """Products are small whole numbers, so many are equal to a cut or a floor."""
    generator = torch.Generator().manual_seed(shape[1])

    def draw(*size: int) -> Tensor:
        return torch.randint(-4, 5, size, generator=generator).float()

    products, (rows, columns) = draw(*shape), shape
    limits = torch.stack([draw(rows + columns), draw(rows + columns) + 2])
    limits[0, ::5], limits[1, ::7] = torch.inf, torch.inf
    cut, floor = limits
    own = torch.randint(rows, rows + columns, (rows, 2), generator=generator).sort(dim=1)[0]
    none = torch.zeros(0)
    state = Search(0, none, none, limits, none, none, (none, none, none), none)
    task = slice(0, rows), slice(rows, rows + columns)
    buffer = Buffers(64 + rows + columns, torch.device("cpu"))
    results = []
    for scan in (search.scan_on_cpu, search.scan_on_device):
        counts, pairs = scan(state, own, 0.25, task, products.clone(), both, buffer)
        found = sorted(zip(*(part.tolist() for part in pairs), strict=True))
        results.append(([count.tolist() for count in counts], found))
    assert results[0] == results[1]
    plain = products.clone()
    for row, (first, past) in enumerate((own - rows).tolist()):
        plain[row, first:past] = -torch.inf
    assert results[0][0][0] == (plain > cut[:rows, None]).sum(dim=1).tolist()
    reach = (plain >= floor[:rows, None]) | ((plain - cut[:rows, None]).abs() <= 0.25)
    listed = [pair for pair in results[0][1] if pair[0] < rows]
    assert [pair[:2] for pair in listed] == [(r, rows + c) for r, c in reach.nonzero().tolist()]


def test_keys_sort_by_query_and_by_descending_product() -> None:
    generator = torch.Generator().manual_seed(0)
    queries = torch.randint(0, 5, (200,), generator=generator).int()
    products = torch.randn(200, generator=generator)
    products[:20] = 0.0
    products[10:20] *= -1
    order = sort_key(queries, products).argsort().tolist()
    pairs = [(int(queries[k]), -float(products[k])) for k in order]
    assert pairs == sorted(pairs)


def test_a_floor_that_was_too_high_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Estimates that keep too little leave all queries to float64, whose results are the same."""
    generator = torch.Generator().manual_seed(0)
    vectors, labels = torch.randn(600, 8, generator=generator), torch.arange(600) % 60
    side = vectors, labels, torch.arange(600)
    expected = search.search(side, side, 4, None, euclidean=False)
    monkeypatch.setattr(search, "first_floors", lambda *given: torch.full((600,), 0.99))
    left: list[int] = []

    def counted(queries: Side, *given: Any, euclidean: bool) -> list[Tensor]:
        left.append(len(queries[0]))
        return rank_in_float64(queries, *given, euclidean=euclidean)

    monkeypatch.setattr(search, "rank_in_float64", counted)
    found = search.search(side, side, 4, None, euclidean=False)
    assert left[0] > 500
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))
