"""One pass over all pairs by tiles, for `proxy_core.exact.search`."""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from queue import SimpleQueue
from typing import Any

import numpy as np
import torch

from proxy_core.compiled import Array
from proxy_core.exact import room_kernels, tile_kernels
from proxy_core.exact.grid import Area, Task, area_of, tasks_of
from proxy_core.exact.own_class import Hits
from proxy_core.exact.rows import Progress
from proxy_core.exact.sides import Sides

AHEAD = 8  # tiles that wait for a thread: all would take more memory than their products
SHARE = 256  # a query is given up when float64 had to decide more than this part of its pairs


@dataclass(frozen=True, eq=False)
class Sought:
    """What is known of P queries in the order of their classes; a miss is what is no hit.

    M = max(R, K) are wanted, hits and misses together. Each query has a room for the misses that
    may be among them.
    """

    hits: Hits
    products: Array  # float32 products of the filter that the hits' similarities are
    edge: Array  # (P,) float64: the least similarity of a miss that precedes the first hit
    high: Array  # (P,) float32: products above are of misses that surely do
    low: Array  # (P,) float32: products below are of misses that surely do not
    wanted: Array  # (P,) int64: M
    floor: Array  # (P,) float32: products below are not of wanted misses; infinite if given up
    ahead: Array  # (P,) int64: misses that precede the first hit
    close: Array  # (P,) int64: misses that float64 had to decide
    room_from: Array  # (P + 1,) int64: where the query's room starts in the next two
    places: Array  # int32: places in the gallery of misses that may be wanted
    kept: Array  # float32: their products
    filled: Array  # (P,) int64: how many these are

    def given_up(self) -> Array:
        """Mask (P,) of queries that are left to float64 altogether."""
        return np.isposinf(self.floor) & (self.wanted > 0)

    def tables(self) -> tuple[Array, ...]:
        """What `room_kernels.keep` and `room_kernels.clear_all` work on, in their order."""
        hits = self.wanted, self.products, self.hits.starts
        return *hits, self.room_from, self.places, self.kept, self.filled, self.floor


def compare(sought: Sought, sides: Sides, part: slice, tile: int, progress: Progress) -> None:
    """Show all queries at some places the whole gallery.

    If these are all of the gallery, each pair is multiplied once and shown to both of its queries.
    """
    size, count = len(sides.gallery.order), part.stop - part.start
    alike = sides.queries is sides.gallery and count == size
    total = sum(1 for _ in tasks_of(count, size, tile, alike=alike))
    tasks = tasks_of(count, size, tile, alike=alike)
    threads = torch.get_num_threads()
    areas: SimpleQueue[Area] = SimpleQueue()
    for _ in range(threads):
        areas.put(area_of(tile))
    lock = threading.Lock()
    work = partial(compare_tile, sought, sides, part.start, alike=alike, areas=areas, lock=lock)
    with full_float32():
        for done, _ in enumerate(in_threads(work, tasks, threads), start=1):
            progress(done, total)
    room_kernels.clear_all(np.float32(sides.rule.margin), *sought.tables())


@contextmanager
def full_float32() -> Iterator[None]:
    """Products of float32 without shortened operands, whatever the user has set by
    `torch.set_float32_matmul_precision` or `torch.backends`.

    Autocast needs no such care: it leaves a product with an `out` alone.
    """
    backends: Any = torch.backends  # whose declared types leave `matmul` out
    every, products = backends.mkldnn, backends.mkldnn.matmul
    asked = products.fp32_precision
    products.fp32_precision = "ieee"
    try:
        yield
    finally:  # what is that of every product goes on to follow it
        products.fp32_precision = "none" if asked == every.fp32_precision else asked


def in_threads(work: Callable[[Task], None], tasks: Iterable[Task], threads: int) -> Iterator[None]:
    """Do all the work in so many threads of one core each; what is waiting is dropped on an error.

    PyTorch's own threads would share one product at a time and stand idle between two.
    """
    if threads == 1:
        yield from map(work, tasks)
        return
    torch.set_num_threads(1)
    pool, left = ThreadPoolExecutor(threads), iter(tasks)
    try:
        waiting = deque(pool.submit(work, task) for task in islice(left, AHEAD * threads))
        while waiting:
            yield waiting.popleft().result()
            waiting.extend(pool.submit(work, task) for task in islice(left, 1))
    finally:
        try:
            pool.shutdown(cancel_futures=True)
        finally:
            torch.set_num_threads(threads)


def compare_tile(
    sought: Sought,
    sides: Sides,
    start: int,
    task: Task,
    *,
    alike: bool,
    areas: SimpleQueue[Area],
    lock: threading.Lock,
) -> None:
    """Show a tile to the queries of its rows and, if the columns are others, to these."""
    area = areas.get()
    try:
        both = alike and task[0].stop <= task[1].start
        show(sought, sides, start, task, both=both, area=area, lock=lock)
    finally:
        areas.put(area)  # also after an error, as others wait for it


def show(
    sought: Sought,
    sides: Sides,
    start: int,
    task: Task,
    *,
    both: bool,
    area: Area,
    lock: threading.Lock,
) -> None:
    """`compare_tile` in some memory; what is known is changed by one thread at a time."""
    rows, columns = task
    products = multiply(sides, slice(start + rows.start, start + rows.stop), columns, area)
    places = rows.start, columns.start, both
    limits = sought.high, sought.low, sought.floor, area.nothing
    found = area.found, area.ends
    size = tile_kernels.look(products, *places, *limits, area.counts, area.flags, *found)
    with lock:
        if size:
            margin = np.float32(sides.rule.margin)
            room_kernels.keep(products, *places, *found, margin, *sought.tables())
        if tile_kernels.add(products, *places, area.counts, sought.ahead):
            decide(sought, sides, start, rows, columns, products, area.counts[:2])
            if both:
                decide(sought, sides, start, columns, rows, products.T, area.counts[2:])


def multiply(sides: Sides, rows: slice, columns: slice, area: Area) -> Array:
    """Products (T, U) of the filter; -inf for items of the query's class or with its id.

    Classes stand in the same order on both sides, so most tiles have none.
    """
    left, right = sides.rule.queries[rows], sides.rule.gallery[columns]
    out = area.products[: len(left) * len(right)].view(len(left), len(right))
    torch.mm(left, right.T, out=out)
    products: Array = out.numpy()
    own = sides.own[rows]
    if own[0, 0] < columns.stop and own[-1, 1] > columns.start:
        tile_kernels.hide(products, own, columns.start)
    if sides.clashing:
        same = sides.queries.ids[rows, None] == sides.gallery.ids[columns]
        out.masked_fill_(same, -torch.inf)
    return products


def decide(
    sought: Sought,
    sides: Sides,
    start: int,
    queries: slice,
    items: slice,
    products: Array,
    counts: Array,
) -> None:
    """Add what of a tile (T, U) of some queries and items is ahead of the first hits by float64,
    which is asked about products between `low` and `high`: counts (2, >= T) say where such are."""
    above, reached = counts[:, : len(products)]
    unclear = np.flatnonzero(reached != above)
    if len(unclear) == 0:
        return
    query = queries.start + unclear
    sought.close[query] += reached[unclear] - above[unclear]
    give_up(sought, query, 32 + len(sides.gallery.order) // SHARE)
    low, high, some = sought.low[query, None], sought.high[query, None], products[unclear]
    t, u = np.nonzero((some >= low) & (some <= high))  # nothing of queries that were given up
    found = sides.similarities(start + query[t], items.start + u)
    np.add.at(sought.ahead, query[t], found >= sought.edge[query[t]])


def give_up(sought: Sought, queries: Array, most: int) -> None:
    """Leave those queries to float64 altogether that are close to more than `most` pairs."""
    late = queries[sought.close[queries] > most]
    sought.high[late] = sought.low[late] = sought.floor[late] = np.inf
