"""The float32 filter: its error bound, its compiled loops, and when numba is imported."""

import subprocess
import sys

import pytest
import torch
from torch import Tensor

from proxy_core.metrics import search
from proxy_core.metrics.ranking import similarities
from proxy_core.metrics.search import Buffers, Sides, arrange


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
    rows, columns = torch.cartesian_prod(torch.arange(30), torch.arange(30)).T
    found = sides.similarities(rows, columns).view(30, 30)
    expected = similarities(vectors, vectors, euclidean=euclidean)
    torch.testing.assert_close(found, expected, rtol=1e-13, atol=1e-14)


def test_numba_is_imported_with_the_first_search_only() -> None:
    modules = "bench.cli.main, bench.evaluation.score_test, proxy_core.metrics.reid"
    code = f"import sys, {modules}; assert 'numba' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("shape", [(1, 1), (7, 13), (48, 64), (50, 129), (6, 33)])
@pytest.mark.parametrize("both", [False, True])
def test_compiled_and_torch_scans_count_and_list_the_same(
    shape: tuple[int, int], both: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Products are small whole numbers, so many are equal to a limit."""
    generator = torch.Generator().manual_seed(shape[1])

    def draw(*size: int) -> Tensor:
        return torch.randint(-4, 5, size, generator=generator).float()

    products, (rows, columns) = draw(*shape), shape
    limits = torch.stack([draw(rows + columns) + shift for shift in (1, -1, 3)])
    limits[:2, ::5], limits[2, ::7] = torch.inf, torch.inf
    sure, floor, listed = limits[:, :rows, None]
    parts = [limits[:, :rows].numpy().copy(), limits[:, rows:].numpy().copy()][: 1 + both]
    monkeypatch.setitem(search.TILE, "cpu", rows + columns)
    buffers = Buffers(torch.device("cpu"))
    results = []
    for scan in (search.scan_on_cpu, search.scan_on_device):
        counts, pairs, values = scan(products, parts, (0, rows), buffers)
        found = sorted(zip(*pairs[:, : len(values)].tolist(), values.tolist(), strict=True))
        results.append(([count.tolist() for count in counts], found))
    assert results[0] == results[1]
    assert results[0][0][0] == (products > sure).sum(dim=1).tolist()
    reach = ((products >= floor) & (products <= sure)) | (products >= listed)
    listed_pairs = [pair[:2] for pair in results[0][1] if pair[0] < rows]
    assert listed_pairs == [(r, rows + c) for r, c in reach.nonzero().tolist()]
