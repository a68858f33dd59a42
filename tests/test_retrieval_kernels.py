"""The compiled loops of the float32 filter against plain ones."""

import numpy as np
import pytest

from proxy_core.compiled import Array
from proxy_core.exact.grid import area_of, tasks_of
from proxy_core.exact.room_kernels import clear_all, keep, last_wanted
from proxy_core.exact.tile_kernels import look

SHAPES = [(1, 1), (7, 13), (64, 64), (50, 129), (9, 8)]


def drawn(shape: tuple[int, int]) -> tuple[Array, Array]:
    """Products that are often equal to each other and to one of the thresholds of T + U queries."""
    generator = np.random.default_rng(shape[1])
    products = generator.integers(0, 9, shape).astype(np.float32)
    products[0, 0] = -np.inf
    low = generator.integers(2, 9, sum(shape)).astype(np.float32)
    low[-1] = np.inf
    return products, low


@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_tile_is_looked_through_as_plain_loops_would(shape: tuple[int, int], both: bool) -> None:
    products, low = drawn(shape)
    rows, width = shape
    floor, nothing = low[::-1].copy(), np.full(width + 5, np.inf, np.float32)
    counts = np.full((4, max(shape)), 7, np.int32)
    flags = np.full(-(-width // 8) * 8, 1, np.uint8)
    found, ends = np.empty(products.size, np.int32), np.empty(rows + 2, np.int64)
    limits = low + 1, low, floor, nothing
    size = look(products, 0, rows, both, *limits, counts, flags, found, ends)
    row, column = low[:rows, None], low[rows:] if both else nothing[:width]
    assert (counts[0, :rows] == (products > row + 1).sum(axis=1)).all()
    assert (counts[1, :rows] == (products >= row).sum(axis=1)).all()
    assert (counts[2, :width] == (products > column + 1).sum(axis=0)).all()
    assert (counts[3, :width] == (products >= column).sum(axis=0)).all()
    column = floor[rows:] if both else nothing[:width]
    t, u = np.nonzero((products >= floor[:rows, None]) | (products >= column))
    assert np.array_equal(found[:size], u)
    assert np.array_equal(ends[:rows], np.searchsorted(t, np.arange(rows), side="right"))


@pytest.mark.parametrize("wanted", [1, 3, 40, 60])
def test_the_last_wanted_value_is_reached_by_as_many(wanted: int) -> None:
    values = np.random.default_rng(wanted).permutation(100).astype(np.float32) / 100 - 0.5
    hits, misses = values[:20], values[20:]
    last = last_wanted(hits, misses, wanted, np.float32(-3.0))
    assert (values >= last).sum() == wanted
    tied = np.round(values, 1)
    last = last_wanted(tied[:20], tied[20:], wanted, np.float32(-3.0))
    expected = np.sort(tied)[-wanted]
    assert expected - 1e-6 < last <= expected


ITEMS, ROOM = 120, 20


def kept_of(products: Array, wanted: int, margin: float) -> tuple[list[Array], Array]:
    """The places that are kept of the symmetric products (N, N), for each query, and the floors."""
    tables = (
        np.full(ITEMS, wanted),
        np.tile(HITS, ITEMS),
        len(HITS) * np.arange(ITEMS + 1),
        ROOM * np.arange(ITEMS + 1),
        np.full(ITEMS * ROOM, -1, np.int32),
        np.empty(ITEMS * ROOM, np.float32),
        np.zeros(ITEMS, np.int64),
        np.full(ITEMS, -3.0, np.float32),
    )
    floor, infinite = tables[-1], np.full(ITEMS, np.inf, np.float32)
    area = area_of(50)
    for rows, columns in tasks_of(ITEMS, ITEMS, 50, alike=True):
        tile = np.ascontiguousarray(products[rows, columns])
        places = rows.start, columns.start, rows.stop <= columns.start
        limits = infinite, infinite, floor, area.nothing
        look(tile, *places, *limits, area.counts, area.flags, area.found, area.ends)
        keep(tile, *places, area.found, area.ends, np.float32(margin), *tables)
    clear_all(np.float32(margin), *tables)
    ends = tables[3][:-1] + tables[6]
    lists = zip(tables[3][:-1], ends, strict=True)
    return [np.sort(tables[4][first:past]) for first, past in lists], floor


HITS = np.array([0.9, 0.8, 0.1, -np.inf], np.float32)  # of every query; the last is itself


def symmetric() -> Array:
    """Distinct products below 1, each of them of two items, and none of an item with itself."""
    values = np.random.default_rng(0).permutation(ITEMS**2).reshape(ITEMS, ITEMS) / ITEMS**2
    products = np.triu(values, 1) + np.triu(values, 1).T
    np.fill_diagonal(products, -np.inf)
    return products.astype(np.float32)


@pytest.mark.parametrize(("wanted", "margin"), [(3, 0.0), (3, 0.02), (9, 0.0), (10, 0.01)])
def test_the_misses_are_kept_that_may_be_among_the_wanted(wanted: int, margin: float) -> None:
    products = symmetric()
    lists, floors = kept_of(products, wanted, margin)
    for row, places, floor in zip(products, lists, floors, strict=True):
        next_best, last = np.sort(np.append(row, HITS))[-wanted - 1 : -wanted + 1]
        assert np.array_equal(places, np.flatnonzero(row >= floor)), "all above the floor"
        assert next_best - 1e-6 < floor + margin <= last + 1e-6
        if margin == 0:
            assert len(places) + (floor <= HITS).sum() == wanted, "no more than is wanted"


def test_a_query_is_given_up_when_nothing_in_its_full_room_can_go() -> None:
    products = symmetric()
    products[:60, :60] = 0.5  # all that the first queries see before their rooms are full
    _, floors = kept_of(products, 10, 0.0)
    assert np.isposinf(floors[:50]).all()
    assert not np.isposinf(floors[60:]).any()
