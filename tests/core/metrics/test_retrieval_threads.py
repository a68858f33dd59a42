"""The ranking with several threads: progress, interruption, errors, memory."""

import time
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from proxy_core.metrics import retrieval
from proxy_core.metrics.exact import room_kernels, search, tile_kernels
from proxy_core.metrics.exact.grid import Task
from proxy_core.metrics.exact.tiles import AHEAD, in_threads
from proxy_core.metrics.retrieval import rank
from tests.core.metrics.test_retrieval_exact import assert_same
from tests.speed.memory import extra_megabytes


@pytest.fixture(autouse=True, params=[1, 3])
def threads(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(retrieval, "SMALL", 0)
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    assert torch.get_num_threads() == request.param, "threads were not given back"
    torch.set_num_threads(before)


def cloud(size: int = 700, dim: int = 8) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, size // 5, (size,), generator=generator)
    centers = torch.randn(size // 5, dim, generator=generator)
    return centers[labels] + torch.randn(size, dim, generator=generator), labels


@pytest.mark.parametrize("room", [2**26, 50_000])
def test_progress_grows_to_the_end(room: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "ROOM", room)
    told: list[float] = []
    rank(*cloud(), tile=64, progress=lambda done, total: told.append(done / total))
    assert told == sorted(told)
    assert told[-1] == 1
    assert len(told) >= 66


def test_an_interruption_stops_it_and_leaves_nothing_behind() -> None:
    vectors, labels = cloud()
    expected = rank(vectors, labels, tile=64, neighbors=4)
    told: list[int] = []

    def interrupt(done: int, total: int) -> None:
        told.append(done)
        if len(told) == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rank(vectors, labels, tile=64, neighbors=4, progress=interrupt)
    assert len(told) == 5
    assert_same(rank(vectors, labels, tile=64, neighbors=4), expected)


def test_an_error_in_a_tile_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("no more memory")

    monkeypatch.setattr(room_kernels, "keep", broken)
    with pytest.raises(RuntimeError, match="no more memory"):
        rank(*cloud(), tile=64)


def test_memory_does_not_grow_with_the_square_of_the_images(threads: int) -> None:
    """A float32 matrix of all pairs would take 576 MB."""
    vectors, labels = cloud(12_000, 32)
    rank(vectors[:3000], labels[:3000])
    assert extra_megabytes(lambda: rank(vectors, labels, neighbors=10)) < 60 + 10 * threads


def test_few_tiles_wait_for_a_thread(threads: int) -> None:
    drawn: list[int] = []
    seen: list[Task] = []

    def tasks() -> Iterator[Task]:
        for number in range(300):
            drawn.append(number)
            yield slice(number), slice(number)

    for done, _ in enumerate(in_threads(seen.append, tasks(), threads), start=1):
        assert len(drawn) <= done + AHEAD * threads
    assert sorted(asked.stop for asked, _ in seen) == drawn


def test_an_error_with_all_memory_lent_does_not_wait_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: object) -> int:
        time.sleep(0.01)  # so that every thread holds its memory
        raise MemoryError("no more memory")

    monkeypatch.setattr(tile_kernels, "look", broken)
    with pytest.raises(MemoryError, match="no more memory"):
        rank(*cloud(2000), tile=64)
