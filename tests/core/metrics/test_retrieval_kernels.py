"""The compiled loops of the float32 filter against plain ones."""

from dataclasses import dataclass

import numpy as np
import pytest

from proxy_core.metrics.compiled import Array
from proxy_core.metrics.exact.grid import area_of, padded, tasks_of
from proxy_core.metrics.exact.room_kernels import Rooms, add, clear_all, keep, last_wanted
from proxy_core.metrics.exact.tile_kernels import PANEL, arrange, look, multiply

SHAPES = [(1, 1), (7, 13), (48, 64), (50, 129), (97, 8), (6, 33)]
DIMS = [1, 3, 64, 130]


@pytest.mark.parametrize("dim", DIMS)
@pytest.mark.parametrize("shape", SHAPES)
def test_products_of_panels_are_those_of_rows(shape: tuple[int, int], dim: int) -> None:
    generator = np.random.default_rng(dim)
    queries, items = (generator.standard_normal((size, dim)).astype(np.float32) for size in shape)
    panels = np.full((padded(shape[1]) // PANEL, dim, PANEL), np.nan, np.float32)
    products = np.full((shape[0] + 1, len(panels) * PANEL), 7.0, np.float32)
    arrange(items, panels)
    multiply(queries, panels, products)
    exact = queries.astype(np.float64) @ items.astype(np.float64).T
    width = dim * 2.0**-24 * (abs(queries).astype(np.float64) @ abs(items).astype(np.float64).T)
    assert (abs(products[:-1, : shape[1]] - exact) <= 1.01 * width).all()
    assert (products[:-1, shape[1] :] == 0).all()
    assert (products[-1] == 7).all(), "no row past the last query's is touched"


@dataclass
class Seen:
    """What `look` says of a tile whose products are small whole numbers."""

    counts: Array
    found: set[tuple[int, int, float]]
    near: set[tuple[int, int]]


FIRST = 5, 205  # places of the first query and item
NO_IDS = np.empty(0, np.int64)


def looked(
    queries: Array, items: Array, own: Array, ids: Array, item_ids: Array, both: bool, limits: Array
) -> Seen:
    area = area_of(max(len(queries), len(items)), queries.shape[1])
    memory = area.memory(len(items))
    for array in memory:
        array[:] = 77
    found, near = look(queries, items, own, ids, item_ids, FIRST, both, limits, *memory)
    pairs = list(zip(*area.found[:, :found].tolist(), area.values[:found].tolist(), strict=True))
    close = list(zip(*area.near[:, :near].tolist(), strict=True))
    assert len(set(pairs)) == found
    assert len(set(close)) == near
    return Seen(area.counts, set(pairs), set(close))


def by_loops(products: Array, both: bool, limits: Array) -> Seen:
    counts = np.zeros((4, max(products.shape)), np.int32)
    found, near = set(), set()
    for t, u in np.ndindex(*products.shape):
        sides = (FIRST[0] + t, FIRST[1] + u, t, 0), (FIRST[1] + u, FIRST[0] + t, u, 2)
        for asks, stands, place, row in sides[: 1 + both]:
            high, low, floor = limits[:, asks]
            counts[row, place] += products[t, u] > high
            counts[row + 1, place] += products[t, u] >= low
            if products[t, u] >= floor:
                found.add((asks, stands, float(products[t, u])))
            if low <= products[t, u] <= high:
                near.add((asks, stands))
    return Seen(counts, found, near)


@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("hidden", ["nothing", "class", "ids"])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_tile_is_looked_through_as_plain_loops_would(
    shape: tuple[int, int], hidden: str, both: bool
) -> None:
    generator = np.random.default_rng(sum(shape))
    queries, items = (generator.integers(-2, 3, (size, 4)).astype(np.float32) for size in shape)
    limits = generator.integers(-6, 8, (3, 400)).astype(np.float32)
    limits[0] = limits[1] + generator.integers(0, 3, 400)
    limits[:, ::9] = np.inf
    products = queries @ items.T
    own, ids, item_ids = np.zeros((shape[0], 2), np.int64), NO_IDS, NO_IDS
    if hidden == "class":
        own[:, 0] = np.sort(generator.integers(0, 400, shape[0]))
        own[:, 1] = own[:, 0] + generator.integers(0, 60, shape[0])
        places = FIRST[1] + np.arange(shape[1])
        products[(own[:, :1] <= places) & (places < own[:, 1:])] = -np.inf
    if hidden == "ids":
        ids, item_ids = (generator.integers(0, 9, size) for size in shape)
        products[ids[:, None] == item_ids] = -np.inf
    seen = looked(queries, items, own, ids, item_ids, both, limits)
    expected = by_loops(products, both, limits)
    assert np.array_equal(seen.counts[:2, : shape[0]], expected.counts[:2, : shape[0]])
    assert np.array_equal(seen.counts[2:, : shape[1]], expected.counts[2:, : shape[1]])
    assert seen.found == expected.found
    assert seen.near == expected.near


def test_a_query_given_up_meanwhile_hides_nothing_of_another() -> None:
    """Its high was read before another thread made it infinite, its low after that."""
    limits = np.full((3, 400), np.inf, np.float32)
    limits[0, FIRST[0] : FIRST[0] + 2] = 0.3, 0.6
    limits[1, FIRST[0] + 1] = 0.4
    queries, items = np.full((2, 1), 0.5, np.float32), np.ones((3, 1), np.float32)
    own = np.zeros((2, 2), np.int64)
    seen = looked(queries, items, own, NO_IDS, NO_IDS, True, limits)
    assert seen.counts[:2, :2].tolist() == [[3, 0], [0, 3]]
    assert seen.near == {(FIRST[0] + 1, FIRST[1] + u) for u in range(3)}


def test_counts_are_added_and_queries_close_to_too_many_are_given_up() -> None:
    counts = np.array([[5, 1, 0, 9], [7, 4, 4, 9]], np.int32)
    ahead, close, limits = np.arange(5), np.array([0, 1, 1, 1, 1]), np.zeros((3, 5), np.float32)
    add(counts, 1, 4, 4, ahead, close, limits)
    assert ahead.tolist() == [0, 1 + 5, 2 + 1, 3, 4]
    assert close.tolist() == [0, 3, 4, 5, 1]
    assert np.isinf(limits).tolist() == 3 * [[False, False, False, True, False]]


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
    limits = np.full((3, ITEMS), np.inf, np.float32)
    limits[2] = -3.0
    rooms = Rooms(
        margin=np.float32(margin),
        wanted=np.full(ITEMS, wanted),
        hits=np.tile(HITS, ITEMS),
        hits_from=len(HITS) * np.arange(ITEMS + 1),
        starts=ROOM * np.arange(ITEMS + 1),
        places=np.full(ITEMS * ROOM, -1, np.int32),
        kept=np.empty(ITEMS * ROOM, np.float32),
        filled=np.zeros(ITEMS, np.int64),
        floor=limits[2],
    )
    area, own = area_of(50, ITEMS), np.zeros((ITEMS, 2), np.int64)
    for rows, columns in tasks_of(ITEMS, ITEMS, 50, alike=True):
        sides = products[rows], np.eye(ITEMS, dtype=np.float32)[columns]
        places, both = (rows.start, columns.start), rows.stop <= columns.start
        size, _ = look(
            *sides, own[rows], NO_IDS, NO_IDS, places, both, limits, *area.memory(len(sides[1]))
        )
        keep(area.found[:, :size], area.values, rooms)
    clear_all(rooms)
    lists = zip(rooms.starts[:-1], rooms.starts[:-1] + rooms.filled, strict=True)
    return [np.sort(rooms.places[first:past]) for first, past in lists], rooms.floor


HITS = np.array([0.9, 0.8, 0.1, -np.inf], np.float32)  # of every query; the last is itself


def symmetric() -> Array:
    """Distinct products below 1, each of two items, and hardly any of an item with itself."""
    values = np.random.default_rng(0).permutation(ITEMS**2).reshape(ITEMS, ITEMS) / ITEMS**2
    products = np.triu(values, 1) + np.triu(values, 1).T
    np.fill_diagonal(products, -9.0)
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
