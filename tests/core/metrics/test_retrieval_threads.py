"""The search with several threads: progress, interruption, errors, memory."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from proxy_core.metrics import retrieval, search
from proxy_core.metrics.ranking import empty_fields
from proxy_core.metrics.retrieval import rank
from proxy_core.metrics.search import WAITING, Task, in_threads
from tests.speed.memory import extra_megabytes
from tests.support.rankings import assert_same


@pytest.fixture(autouse=True, params=[1, 3])
def threads(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(retrieval, "SMALL", 0)
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    monkeypatch.setattr(search, "TILE", {"cpu": 64})
    yield request.param
    assert torch.get_num_threads() == request.param, "the number of threads is restored"
    torch.set_num_threads(before)


def cloud(size: int = 700, dim: int = 8) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, size // 5, (size,), generator=generator)
    centers = torch.randn(size // 5, dim, generator=generator)
    return centers[labels] + torch.randn(size, dim, generator=generator), labels


@pytest.mark.parametrize("memory", [2**26, 100_000])
def test_progress_grows_to_the_end(memory: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "MEMORY", memory)
    shares: list[float] = []
    rank(*cloud(), progress=lambda done, total: shares.append(done / total))
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert len(shares) >= 66


def test_an_interruption_stops_it_and_leaves_nothing_behind() -> None:
    vectors, labels = cloud()
    expected = rank(vectors, labels, neighbors=4)
    calls: list[int] = []

    def interrupt(done: int, total: int) -> None:
        calls.append(done)
        if len(calls) == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rank(vectors, labels, neighbors=4, progress=interrupt)
    assert len(calls) == 5
    assert_same(rank(vectors, labels, neighbors=4), expected)


def test_an_error_in_a_thread_ends_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise MemoryError("no more memory")

    monkeypatch.setattr(search, "scan_on_cpu", broken)
    with pytest.raises(MemoryError, match="no more memory"):
        rank(*cloud(2000))


def test_memory_does_not_grow_with_the_square_of_the_images(
    threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A float32 matrix of all pairs would take 576 MB."""
    monkeypatch.setattr(search, "TILE", {"cpu": 512})
    vectors, labels = cloud(12_000, 32)
    rank(vectors[:3000], labels[:3000])
    assert extra_megabytes(lambda: rank(vectors, labels, neighbors=10)) < 130 + 10 * threads


def test_listed_pairs_of_a_collapsed_embedding_take_little_memory(
    threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All 25 million pairs are close: a list of all would take 300 MB."""
    monkeypatch.setattr(search, "TILE", {"cpu": 512})
    monkeypatch.setattr(
        search, "rank_in_float64", lambda side, *_, **__: empty_fields(len(side[0]), 0)
    )
    labels = cloud(5000)[1]
    side = torch.ones(5000, 8), labels, torch.arange(5000)
    assert (
        extra_megabytes(lambda: search.search(side, side, 0, None, euclidean=False))
        < 150 + 80 * threads
    )


def test_few_tiles_wait_for_a_thread(threads: int) -> None:
    drawn: list[int] = []
    seen: list[Task] = []

    def tasks() -> Iterator[Task]:
        for number in range(300):
            drawn.append(number)
            yield slice(number), slice(number)

    for done, _ in enumerate(in_threads(seen.append, tasks(), threads), start=1):
        assert len(drawn) <= done + WAITING * threads
    assert sorted(rows.stop for rows, _ in seen) == drawn
